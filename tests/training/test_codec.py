"""The codec's closed form: a filterbank there and back, and noise that does not repeat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from recipe import codec, effects, instruments, music
from recipe.settings import TINY
from torch import Tensor


def rain(seed: int, seconds: float) -> Tensor:
    rng = np.random.default_rng(seed)
    spec = replace(effects.draw(rng), kind="rain", strength="high")
    return torch.from_numpy(effects.render(spec, seconds, rng))


def piece(seed: int, seconds: float) -> Tensor:
    rng = np.random.default_rng(seed)
    spec = replace(music.draw(rng), drums=False, brightness="dark")
    return torch.from_numpy(music.render(spec, seconds, rng))


@pytest.fixture(scope="module")
def made() -> Any:
    """A codec that has heard a little rain and a little music."""
    torch.manual_seed(1)
    built = codec.build().eval()
    codec.initialise(built)
    sounds = [make(seed, 5.0) for make in (rain, piece) for seed in range(6)]
    codec.learn_codebooks(built, torch.stack(sounds)[:, None], seed=1)
    return built


def test_what_is_below_the_noises_comes_back_as_it_was(made: Any) -> None:
    sound = piece(9, 2.0)[None, None]
    with torch.inference_mode():
        back = made.decoder(made.encoder(sound))[..., : sound.shape[2]]
    # A decoder that passes on a little of its ELUs' lift loses half of this.
    assert codec.signal_to_noise_db(back, sound) > 15


def test_the_quicker_way_to_decode_gives_the_same(made: Any) -> None:
    latents = torch.randn(2, TINY.codec_dim, 8) * 0.1
    with torch.inference_mode():
        assert torch.allclose(codec.decode(made.decoder, latents), made.decoder(latents), atol=1e-4)


def test_the_signs_favour_no_entry_and_each_codebook_has_its_own(made: Any) -> None:
    books = torch.stack([layer._codebook.embed for layer in made.quantizer.vq.layers])[..., codec.MEANING :]
    assert set(books.abs().unique().tolist()) == {0.0, codec.SIGN}
    assert torch.equal((books != 0).sum(0), torch.ones(TINY.cardinality, codec.SIGNS, dtype=torch.long))
    sizes = books.square().sum(2)  # [codebook, entry]: what the signs add to a distance
    assert torch.equal(sizes, sizes[:, :1].expand_as(sizes))


def test_rain_does_not_buzz_above_the_transform(made: Any) -> None:
    def buzz(how: Any) -> float:
        with torch.inference_mode():
            sound = how(made.encoder(rain(20, 6.0)[None, None]))
            # Below, the codebooks say how it sounds, and learnt it from too little here.
            spectrum = torch.fft.rfft(sound[0, 0, :96_000])
            spectrum[: 2_800 * 6] = 0
            band = torch.fft.irfft(spectrum)
        power = band.view(-1, 640).mean(0).square().mean() / band.square().mean()  # of what repeats in each frame
        return float(power) * 150  # of noise: about one, there being 150 frames

    def coded(latents: Tensor) -> Tensor:
        return made.decoder(made.quantizer.decode(made.quantizer.encode(latents)))  # type: ignore[no-any-return]

    def unsigned(latents: Tensor) -> Tensor:
        latents[:, codec.MEANING :] = codec.SIGN
        return made.decoder(latents)  # type: ignore[no-any-return]

    assert buzz(unsigned) > 50
    assert buzz(coded) < 20


def test_only_what_is_the_same_in_every_period_repeats() -> None:
    burst = torch.randn(1, 640)
    noise = torch.randn(1, 640 * 100)
    assert torch.allclose(codec.repeating(burst.repeat(1, 100), 640), burst, atol=1e-5)
    assert codec.repeating(noise, 640).square().mean() < 0.05
    assert instruments.buzz_db(burst.repeat(1, 150)[0].numpy(), 25.0) > 15
