from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recipe import checkpoint

from soundmill.audio.musical.seam import loop_seam
from soundmill.engine import models
from soundmill.engine.audiocraft import loading
from soundmill.engine.audiocraft.circular import generate_loops, going_round
from soundmill.engine.audiocraft.static_backend import AudioCraftBackend
from soundmill.engine.backend import Clip
from soundmill.engine.finishing import finish
from soundmill.jobs import Parameters
from support.conformance import make_request

torch.set_num_threads(1)
RATE = 16_000


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> loading.LoadedModel:
    folder: Path = checkpoint.build(tmp_path_factory.mktemp("magnet"), checkpoint.TEST_MAGNET, 3)
    return loading.load(models.resolve(str(folder)), "cpu")


@pytest.fixture(scope="module")
def model(loaded: loading.LoadedModel) -> Any:
    loaded.model.set_generation_params(top_p=0.8, temperature=1.0, max_cfg_coef=3.0, min_cfg_coef=1.0)
    return loaded.model


def loops(model: Any, prompts: list[str], length: int, seed: int = 1) -> np.ndarray[Any, Any]:
    torch.manual_seed(seed)
    return generate_loops(model, prompts, length).numpy()


@pytest.mark.parametrize("length", [16_000, 15_999, 12_345, 8_000, 700])
def test_a_loop_is_as_long_as_asked_to_the_sample(model: Any, length: int) -> None:
    assert loops(model, ["calm piano", "loud drums"], length).shape == (2, 1, length)


def test_the_first_frame_is_filled_in_from_the_last(model: Any) -> None:
    lm, turn, window = model.lm, 30, int(model.duration * model.frame_rate)
    attributes, _ = model._prepare_tokens_and_attributes(["calm piano"], None)
    told = lm.condition_provider(lm.condition_provider.tokenize(attributes))
    frames = torch.randint(0, lm.card, (1, lm.num_codebooks, turn))
    other = frames.clone()
    other[..., -1] = (other[..., -1] + 1) % lm.card

    def first(sequence: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return lm(sequence, [], told, stage=1)[0, 1, 0]  # of a codebook whose frames see five others on each side

    assert torch.equal(*(first(torch.nn.functional.pad(each, (0, window - turn))) for each in (frames, other)))
    with going_round(lm, turn, window):
        assert not torch.equal(first(frames), first(other))


def test_afterwards_the_model_is_as_before(model: Any) -> None:
    forward = model.lm.forward
    loops(model, ["rain"], 8_000)
    assert model.lm.forward == forward


def test_played_again_and_again_nothing_is_heard_of_the_join(model: Any) -> None:
    seams = [loop_seam(loops(model, ["calm piano"], 24_000, seed)[0], RATE) for seed in range(6)]
    assert sum(seam is not None and seam <= 1 for seam in seams) >= 5  # as of any place in a clip, 19 of 20


def test_a_job_that_asks_for_a_loop_gets_one(loaded: loading.LoadedModel) -> None:
    backend = AudioCraftBackend(loaded.spec, "cpu", 8, loaded=loaded)
    sampling = Parameters(duration=0.9, temperature=1.0, top_k=0, top_p=0.8, cfg_coef=3.0, loop=True)
    wanted = make_request("calm piano", parameters=sampling)
    backend.submit([wanted])
    done: list[Clip] = []
    while backend.busy:
        done += [each for each in backend.step() if isinstance(each, Clip)]
    (clip,) = done
    assert clip.samples.shape == (1, round(0.9 * RATE)) and clip.samples.dtype == np.float32
    made = finish(clip, backend.info)
    assert made.duration_s == 0.9 and made.measurements["loop_seam"] is not None
