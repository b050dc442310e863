"""Resampling: what should pass passes unchanged, and nothing else comes out, 120 dB down."""

from __future__ import annotations

from math import gcd

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import firwin, kaiser_beta, resample_poly

from soundmill.audio.resample import resample, resample_loop

SECONDS = 2
RATES = [(32_000, 48_000), (32_000, 44_100), (16_000, 48_000), (16_000, 44_100), (48_000, 44_100), (48_000, 32_000)]
EDGE = 0.91  # of half the lower rate, up to which sound passes
FLOOR_DB = -120.0
RIPPLE_DB = 0.01


def tone(hz: float, rate: int) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * hz * np.arange(SECONDS * rate) / rate)[None].astype(np.float32)


def spectrum_db(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """Amplitudes at each Hz in dB of full scale, of the middle second, by a window whose side lobes lie at -180 dB."""
    middle = sound[0, sound.shape[1] // 4 : sound.shape[1] // 4 + sound.shape[1] // SECONDS].astype(np.float64)
    window = np.kaiser(middle.size, 24.0)
    found = np.abs(np.fft.rfft(middle * window)) / (window.sum() / 2)
    return 20 * np.log10(np.maximum(found, 1e-12))


@pytest.mark.parametrize(("rate", "wanted"), RATES)
def test_the_passband_is_flat_and_holds_nothing_else(rate: int, wanted: int) -> None:
    for share in (0.01, 0.11, 0.37, 0.62, 0.83, EDGE):
        hz = int(share * min(rate, wanted) / 2)
        made = spectrum_db(resample(tone(hz, rate), rate, wanted))
        assert made[hz] == pytest.approx(0.0, abs=RIPPLE_DB), f"{hz} Hz"
        made[hz - 12 : hz + 13] = -240.0
        assert made.max() <= FLOOR_DB, f"{hz} Hz leaves {made.max():.1f} dB at {made.argmax()} Hz"


@pytest.mark.parametrize(("rate", "wanted"), [pair for pair in RATES if pair[1] < pair[0]])
def test_what_is_above_half_the_new_rate_is_gone(rate: int, wanted: int) -> None:
    for hz in range(wanted // 2 + 50, rate // 2, 997):
        assert spectrum_db(resample(tone(hz, rate), rate, wanted)).max() <= FLOOR_DB, f"{hz} Hz"


@pytest.mark.parametrize(("rate", "wanted"), RATES)
def test_sound_agrees_with_a_long_filter_of_scipys(rate: int, wanted: int) -> None:
    """Sample by sample and without delay, up to where the gain begins to bend by its last thousandths of a decibel."""
    draw = np.random.default_rng(3)
    time = np.arange(SECONDS * rate) / rate
    pitches = draw.uniform(50, 0.55 * min(rate, wanted) / 2, 40)
    sound = sum(np.sin(2 * np.pi * (hz * time + draw.random())) for hz in pitches)[None] / 40
    up, down = wanted // gcd(rate, wanted), rate // gcd(rate, wanted)
    taps = 2 * 200 * max(up, down) + 1
    low_pass = firwin(taps, 0.955 / max(up, down), window=("kaiser", kaiser_beta(140.0)))
    reference = resample_poly(sound, up, down, axis=1, window=low_pass)
    made = resample(sound.astype(np.float32), rate, wanted)
    assert made.shape == (1, SECONDS * wanted)
    inner = slice(wanted // 4, -wanted // 4)
    difference = np.sqrt(np.mean((made[0, inner] - reference[0, inner]) ** 2) / np.mean(reference[0, inner] ** 2))
    assert 20 * np.log10(difference) <= FLOOR_DB


def test_the_same_rate_is_the_same_sound() -> None:
    sound = tone(440, 48_000)
    assert resample(sound, 48_000, 48_000) is sound


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="channels, time"):
        resample(np.zeros(10, np.float32), 48_000, 44_100)
    with pytest.raises(ValueError, match="above 0"):
        resample(np.zeros((1, 10), np.float32), 0, 44_100)


def test_a_loop_stays_seamless_at_another_rate() -> None:
    """Tones that fit a whole number of times still do."""
    time = np.arange(64_000) / 32_000
    tones = (110.5, 1_000, 9_000.5)
    loop = sum(np.sin(2 * np.pi * f * time) for f in tones)[None].astype(np.float32) / 4
    made = resample_loop(loop, 32_000, 48_000)
    exact = sum(np.sin(2 * np.pi * f * np.arange(96_000) / 48_000) for f in tones) / 4
    assert made.shape == (1, 96_000) and np.abs(made[0] - exact).max() < 1e-5
    assert resample_loop(loop, 32_000, 32_000) is loop
    assert resample_loop(loop[:, :9_999], 32_000, 44_100).shape == (1, round(9_999 * 441 / 320))
