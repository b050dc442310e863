"""The scorers on real checkpoints of tiny random models, in this process and in one of their own."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
import torch

from soundmill.engine.hub import Hub
from soundmill.engine.quiet import quiet
from soundmill.engine.scorers import audiobox, clap
from soundmill.engine.scorers.audiobox import Audiobox
from soundmill.engine.scorers.clap import Clap
from soundmill.engine.scorers.client import ScoringProcess
from soundmill.engine.scorers.messages import Take
from soundmill.engine.scorers.registry import find
from soundmill.engine.scorers.server import opened, score
from soundmill.engine.scorers.windows import average, mono, windows
from soundmill.errors import EngineDied, ModelUnavailable
from support import tiny_clap

RATE = 48_000
PROMPTS = ["calm piano in a cave", "loud drums", "rain on a roof"]
NOWHERE = Hub(endpoint="http://127.0.0.1:9", timeout_s=0.2)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with quiet():
        return tiny_clap.save(tmp_path_factory.mktemp("clap"))


@pytest.fixture(scope="module")
def scorer(checkpoint: Path) -> Clap:
    torch.set_num_threads(1)
    return clap.load(str(checkpoint), "cpu", NOWHERE)


def sound(seconds: float, seed: int = 0, rate: int = RATE) -> torch.Tensor:
    """A noisy tone [time]."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(round(seconds * rate)) / rate
    tone = 0.3 * torch.sin(2 * math.pi * (220 + 110 * seed) * time)
    return tone + 0.05 * torch.randn(len(time), generator=generator)


def directly(checkpoint: Path, audio: torch.Tensor, prompt: str) -> float:
    """What transformers itself says of one clip of at most ten seconds."""
    from transformers import ClapModel, ClapProcessor

    with quiet(), torch.inference_mode():
        model = ClapModel.from_pretrained(checkpoint).eval()
        processor = ClapProcessor.from_pretrained(checkpoint)
        inputs = processor(text=[prompt], audio=[audio.numpy()], sampling_rate=RATE, return_tensors="pt")
        output = model(**inputs)
    return float((output.text_embeds * output.audio_embeds).sum())


def test_the_similarity_is_what_transformers_gives(checkpoint: Path, scorer: Clap) -> None:
    for seed, prompt in enumerate(PROMPTS):
        audio = sound(1.5 + 3 * seed, seed)
        found = scorer.score([audio], [prompt])[0]["clap"]
        assert found == pytest.approx(directly(checkpoint, audio, prompt), abs=1e-5)


def test_neighbours_change_nothing(scorer: Clap) -> None:
    audios = [sound(seconds, seed) for seed, seconds in enumerate((1.0, 12.5, 4.0))]
    together = [each["clap"] for each in scorer.score(audios, PROMPTS)]
    alone = [scorer.score([audio], [prompt])[0]["clap"] for audio, prompt in zip(audios, PROMPTS, strict=True)]
    assert together == pytest.approx(alone, abs=1e-5)
    assert len(set(together)) == 3


def test_another_prompt_gives_another_score(scorer: Clap) -> None:
    one, other = scorer.score([sound(2.0)] * 2, PROMPTS[:2])
    assert one["clap"] != pytest.approx(other["clap"], abs=1e-4)


def test_all_of_a_long_clip_is_heard_and_the_same_every_time(scorer: Clap) -> None:
    start, end = sound(10.0, 1), sound(10.0, 2)
    both = torch.cat([start, end])
    first = scorer.score([both], ["loud drums"])[0]["clap"]
    assert scorer.score([both], ["loud drums"])[0]["clap"] == first
    for half in (start, end):
        assert scorer.score([half], ["loud drums"])[0]["clap"] != pytest.approx(first, abs=1e-6)


def test_a_fusion_checkpoint_hears_the_same_every_time(tmp_path: Path) -> None:
    """Its feature extractor marks a random clip of every batch as longer than it is."""
    with quiet():
        scorer = clap.load(str(tiny_clap.save(tmp_path / "fusion", fusion=True)), "cpu", NOWHERE)
    audios = [sound(1.0, seed) for seed in range(3)]
    scores = [tuple(each["clap"] for each in scorer.score(audios, PROMPTS)) for _ in range(4)]
    assert len(set(scores)) == 1


def test_a_prompt_longer_than_clap_reads_is_cut(scorer: Clap) -> None:
    found = scorer.score([sound(1.0)], ["rain on a roof and " * 200])[0]["clap"]
    assert found is not None and -1 <= found <= 1


@pytest.mark.parametrize("rate", [16_000, 32_000, 44_100])
def test_resampling_keeps_pitch_and_level(rate: int) -> None:
    time = torch.arange(rate) / rate
    tone = torch.sin(2 * math.pi * 440 * time)[None]
    heard = mono(tone, rate, RATE)
    assert len(heard) == RATE
    spectrum = torch.fft.rfft(heard * torch.hann_window(len(heard))).abs()
    assert int(spectrum.argmax()) == 440
    assert float(heard.square().mean().sqrt()) == pytest.approx(math.sqrt(0.5), rel=0.01)


def test_stereo_is_the_mean_of_its_channels_and_what_is_no_number_is_silent() -> None:
    left, right = sound(0.1, 1), sound(0.1, 2)
    assert torch.allclose(mono(torch.stack([left, right]), RATE, RATE), (left + right) / 2)
    broken = torch.tensor([[0.5, float("nan"), float("inf"), -0.5]])
    assert mono(broken, RATE, RATE).tolist() == [0.5, 0.0, 0.0, -0.5]


def test_windows_cover_a_clip_and_the_average_weighs_them_by_length() -> None:
    parts = windows(torch.arange(25.0), 1)
    assert [len(part) for part in parts] == [10, 10, 5]
    assert torch.cat(parts).tolist() == list(range(25))
    values = torch.tensor([[1.0], [2.0], [7.0], [4.0]])
    assert average(values, [[10, 10, 5], [3]]).flatten().tolist() == pytest.approx([(10 + 20 + 35) / 25, 4.0])


def test_weights_that_cannot_be_had_are_said_with_the_mend() -> None:
    with pytest.raises(ModelUnavailable, match=r"scorer clap: laion/nothing.*cannot be reached.*hf download laion/no"):
        clap.load("laion/nothing", "cpu", NOWHERE)


def test_a_checkpoint_that_is_not_whole_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    """transformers would fill the gap with random numbers."""
    from safetensors.torch import load_file, save_file

    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["audio_projection.linear1.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match=r"lacks audio_projection\.linear1\.weight"):
        clap.load(str(tmp_path), "cpu", NOWHERE)


@pytest.mark.parametrize("content", [None, b"{}", b"nonsense"])
def test_a_folder_that_holds_no_checkpoint_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ModelUnavailable, match=r"scorer clap: .*scoring\.clap_model"):
        clap.load(str(tmp_path), "cpu", NOWHERE)


# -- Audiobox Aesthetics: the package is not installed here, so its part is what surrounds the model ---


class Loudness:
    """In the place of the model: every axis says how loud the masked part of a window is, normalised."""

    def __init__(self) -> None:
        self.target_transform = {axis: {"mean": 5.0 + n, "std": 2.0} for n, axis in enumerate(audiobox.AXES)}
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        wav, mask = batch["wav"], batch["mask"]
        self.shapes.append(tuple(wav.shape))
        assert not wav[~mask].any()
        level = (wav.square().sum(dim=(1, 2)) / mask.sum(dim=(1, 2))).sqrt()
        return dict.fromkeys(audiobox.AXES, level)


def test_audiobox_hears_masked_windows_and_weighs_them_by_length() -> None:
    model = Loudness()
    rate = audiobox.SAMPLE_RATE
    long = torch.cat([torch.full((10 * rate,), 0.5), torch.full((5 * rate,), 0.2)])
    (first, second) = Audiobox(model, "cpu").score([long, torch.full((rate,), 0.8)], ["", ""])
    assert tuple(first) == find("audiobox").scores
    level = (10 * 0.5 + 5 * 0.2) / 15
    assert list(first.values()) == pytest.approx([mean + 2 * level for mean in (5, 6, 7, 8)], rel=1e-5)
    assert list(second.values()) == pytest.approx([mean + 2 * 0.8 for mean in (5, 6, 7, 8)], rel=1e-5)
    assert model.shapes == [(3, 1, 10 * rate)]


def test_audiobox_takes_a_few_windows_at_once() -> None:
    model = Loudness()
    Audiobox(model, "cpu").score([torch.ones(95 * audiobox.SAMPLE_RATE)], [""])
    assert [shape[0] for shape in model.shapes] == [8, 2]


def test_without_its_package_audiobox_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "audiobox_aesthetics", None)
    with pytest.raises(ModelUnavailable, match=r"pip install --no-deps audiobox_aesthetics"):
        opened("audiobox", "facebook/audiobox-aesthetics", "cpu")


# -- files, and the process -----------------------------------------------------------------------


def write(folder: Path, name: str, *, channels: int = 1, rate: int = RATE, seconds: float = 1.0, seed: int = 0) -> Path:
    file = folder / name
    samples = np.stack([sound(seconds, seed + channel, rate).numpy() for channel in range(channels)], axis=1)
    soundfile.write(file, samples, rate)
    return file


def test_files_of_any_shape_are_scored_and_bad_ones_named(scorer: Clap, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"not audio")
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 1)), RATE)
    files = [
        write(tmp_path, "stereo.flac", channels=2, rate=32_000),
        tmp_path / "bad.wav",
        write(tmp_path, "mono.wav", rate=16_000),
        tmp_path / "gone.wav",
        tmp_path / "empty.wav",
    ]
    found = score(scorer, [Take(key=n, file=file, prompt=PROMPTS[0]) for n, file in enumerate(files)])
    assert sorted(found.scores) == [0, 2]
    assert sorted(found.unread) == [1, 3, 4]
    assert "no such file" in found.unread[3] and "holds no audio" in found.unread[4]
    samples, rate = soundfile.read(files[0], dtype="float32", always_2d=True)
    expected = scorer.score([mono(torch.from_numpy(samples.T), rate, RATE)], PROMPTS[:1])[0]
    assert found.scores[0]["clap"] == pytest.approx(expected["clap"], abs=1e-6)


@pytest.fixture
def process() -> Iterator[ScoringProcess]:
    process = ScoringProcess("cpu", deadline_s=120.0)
    yield process
    process.close()


def test_the_process_scores_survives_a_kill_and_yields_to_others(
    process: ScoringProcess, scorer: Clap, checkpoint: Path, tmp_path: Path
) -> None:
    take = Take(key=7, file=write(tmp_path, "a.wav", seconds=2.0), prompt=PROMPTS[0])
    expected = score(scorer, [take]).scores[7]["clap"]
    assert process.score("clap", str(checkpoint), [take]).scores[7]["clap"] == pytest.approx(expected, abs=1e-5)
    assert process.pid is not None
    assert psutil.Process(process.pid).nice() > 0
    psutil.Process(process.pid).send_signal(signal.SIGKILL)
    with pytest.raises(EngineDied, match="the scoring process was killed by signal 9"):
        process.score("clap", str(checkpoint), [take])
    with pytest.raises(ModelUnavailable, match="scorer clap"):
        process.score("clap", str(tmp_path), [take])
    assert process.score("clap", str(checkpoint), [take]).scores[7]["clap"] == pytest.approx(expected, abs=1e-5)


def test_a_process_that_takes_too_long_is_killed(checkpoint: Path, tmp_path: Path) -> None:
    ticks = iter(range(0, 1000, 400))
    process = ScoringProcess("cpu", deadline_s=100.0, clock=lambda: float(next(ticks)))
    with pytest.raises(EngineDied, match="no scores after 100 s"):
        process.score("clap", str(checkpoint), [Take(key=1, file=tmp_path / "a.wav", prompt="x")])
    assert process.pid is None


def test_a_wait_for_scores_can_be_interrupted(process: ScoringProcess, checkpoint: Path, tmp_path: Path) -> None:
    process.interrupt()
    with pytest.raises(EngineDied, match="the daemon stops"):
        process.score("clap", str(checkpoint), [Take(key=1, file=tmp_path / "a.wav", prompt="x")])


def test_the_daemons_side_loads_no_torch() -> None:
    code = (
        "import sys, soundmill.service.scoring\n"
        "sys.exit(({'torch', 'numpy', 'transformers', 'huggingface_hub'} & set(sys.modules) or 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
