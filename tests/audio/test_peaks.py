"""The outline and spectrogram that players draw: they say what is heard when and how high, in at most 4,096 bytes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundmill.audio.peaks import BANDS, HEADER, LOWEST_HZ, peaks

RATE = 32_000


def unpacked(data: bytes) -> tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.uint8], int]:
    """Lowest and highest samples, the spectrogram [bands, columns], and its highest frequency in Hz."""
    version, bands, outline, columns, lowest_hz, highest_hz, _ = HEADER.unpack_from(data)
    assert (version, lowest_hz) == (1, LOWEST_HZ)
    rest = data[HEADER.size :]
    assert len(rest) == 2 * outline + bands * columns
    low, high = (np.frombuffer(rest, np.int8, outline, offset) for offset in (0, outline))
    return low, high, np.frombuffer(rest, np.uint8, bands * columns, 2 * outline).reshape(bands, columns), highest_hz


def tone(hertz: float, seconds: float = 2.0, level: float = 1.0) -> NDArray[np.float32]:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)[None]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("seconds", [0.001, 0.1, 3.0, 30.0, 300.0])
def test_a_clip_of_any_length_has_them_in_four_kilobytes(channels: int, seconds: float) -> None:
    clip = np.random.default_rng(1).standard_normal((channels, round(seconds * RATE))).astype(np.float32)
    data = peaks(clip, RATE)
    assert len(data) <= 4096
    low, high, spectrum, _ = unpacked(data)
    assert low.size == high.size == min(500, clip.shape[1])
    assert spectrum.shape[1] == min(120, clip.shape[1] // 512)


def test_the_outline_holds_the_highest_and_lowest_sample_of_every_channel() -> None:
    clip = np.zeros((2, RATE), np.float32)
    clip[0, 12_345], clip[1, 20_000] = 0.5, -1.0
    low, high, _, _ = unpacked(peaks(clip, RATE))
    assert high[12_345 * 500 // RATE] == 64 and high.sum() == 64
    assert low[20_000 * 500 // RATE] == -127 and low.sum() == -127


@pytest.mark.parametrize("hertz", [100, 440, 1000, 5000, 12_000])
def test_a_tone_stands_in_the_band_of_its_frequency_at_its_level(hertz: int) -> None:
    _, _, spectrum, highest_hz = unpacked(peaks(tone(hertz, level=0.1), RATE))
    assert highest_hz == RATE // 2
    edges = np.geomspace(LOWEST_HZ, highest_hz, BANDS + 1)
    band = int(spectrum[:, 60].argmax())
    assert edges[band] * 0.9 <= hertz <= edges[band + 1] * 1.1
    assert spectrum[band, 60] / 255 * 96 - 96 == pytest.approx(-20, abs=1.5)


def test_what_comes_later_stands_further_right() -> None:
    clip = np.concatenate([np.zeros((1, RATE), np.float32), tone(1000, 1.0)], axis=1)
    low, _, spectrum, _ = unpacked(peaks(clip, RATE))
    assert not low[:249].any() and low[251:].any(axis=0)
    assert not spectrum[:, :57].any() and spectrum[:, 63:].max(axis=0).min() > 250


def test_no_sound_and_no_samples_are_told_apart() -> None:
    silent = unpacked(peaks(np.zeros((1, RATE), np.float32), RATE))
    assert silent[0].size == 500 and not silent[2].any()
    nothing = unpacked(peaks(np.zeros((1, 0), np.float32), RATE))
    assert nothing[0].size == 0 and nothing[2].size == 0


def test_samples_without_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="channels, time"):
        peaks(np.zeros(100, np.float32), RATE)
