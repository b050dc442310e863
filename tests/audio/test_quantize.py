"""Dither: the error is noise of its own, whatever the sound."""

from __future__ import annotations

import numpy as np
import pytest

from soundmill.audio.quantize import quantize
from soundmill.audio.trim import sounding

RATE = 48_000


@pytest.mark.parametrize("bits", [16, 24])
def test_the_error_is_white_and_does_not_know_the_sound(bits: int) -> None:
    """TPDF dither: mean 0 and a power of a quarter of a step squared, also where the sound is below a step."""
    step = 2.0 ** (1 - bits)
    time = np.arange(8 * RATE) / RATE
    for level in (0.0, 0.3 * step, 100.3 * step, 0.5):
        sound = (level * np.sin(2 * np.pi * 997 * time))[None].astype(np.float32)
        error = (quantize(sound, bits, 1)[:, 0] / 2.0**31 - sound[0]) / step
        if level == 0.5 and bits == 24:
            continue  # float32 itself is no finer there
        assert error.mean() == pytest.approx(0.0, abs=0.01)
        assert error.var() == pytest.approx(0.25, abs=0.005)
        if level:
            assert np.corrcoef(error, sound[0])[0, 1] == pytest.approx(0.0, abs=0.01)


def test_a_tone_below_one_step_is_still_there() -> None:
    step = 2.0**-15
    time = np.arange(8 * RATE) / RATE
    sound = (0.4 * step * np.sin(2 * np.pi * 1000 * time))[None].astype(np.float32)
    made = quantize(sound, 16, 5)[:, 0] / 2.0**31
    wave = np.exp(-2j * np.pi * 1000 * time)
    assert 2 * abs(made @ wave) / time.size == pytest.approx(0.4 * step, rel=0.05)


def test_the_same_seed_is_the_same_file_and_full_scale_is_clipped() -> None:
    sound = np.array([[1.5, -1.5, 0.25]], np.float32)
    made = quantize(sound, 16, 3)
    np.testing.assert_array_equal(made, quantize(sound, 16, 3))
    assert made[0, 0] == 32_767 << 16
    assert made[1, 0] == -32_768 << 16


def test_quiet_ends_are_found_and_something_is_kept_before_and_after() -> None:
    sound = np.zeros((2, RATE), np.float32)
    sound[1, 10_000:20_000] = 0.1
    assert sounding(sound, RATE, -60.0, 0.01, 0.1) == (10_000 - 480, 20_000 + 4800)
    assert sounding(sound, RATE, -60.0, 10, 10) == (0, RATE)
    assert sounding(sound * 0, RATE, -60.0, 0.01, 0.1) == (0, RATE)
