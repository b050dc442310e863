from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyloudnorm
import pytest
from numpy.typing import NDArray
from scipy.signal import sosfreqz

from soundmill.audio.loudness import integrated_loudness, k_weighting, normalize
from soundmill.jobs import Normalization

Samples = NDArray[np.float32]


def tone(levels_dbfs: list[float], seconds: float, rate: int = 48_000, hz: float = 1000.0) -> Samples:
    """A sine whose peak is levels_dbfs[c] in channel c."""
    wave = np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.asarray(10 ** (np.array(levels_dbfs)[:, None] / 20) * wave, dtype=np.float32)


def music(rate: int, channels: int, seconds: float = 6.0) -> Samples:
    """Low-passed noise under a slow swell, with a pause: something the gates have work with."""
    rng = np.random.default_rng(rate + channels)
    noise = rng.standard_normal((channels, round(seconds * rate)))
    smooth = np.cumsum(noise, axis=1)
    smooth -= np.apply_along_axis(lambda x: np.convolve(x, np.ones(64) / 64, "same"), 1, smooth)
    time = np.arange(noise.shape[1]) / rate
    swell = (0.6 + 0.4 * np.sin(2 * np.pi * 0.3 * time)) * (time < seconds * 0.8)
    sound = (smooth / np.abs(smooth).max() + 0.05 * noise / np.abs(noise).max()) * swell
    return np.asarray(0.5 * sound, dtype=np.float32)


def peak_dbfs(samples: Samples) -> float:
    return float(20 * np.log10(np.abs(samples).max()))


# EBU Tech 3341 (2016), table 1: (seconds, dBFS peak of a 1000 Hz sine in each channel) in turn, and the expected LUFS.
EBU_CASES = {
    1: ([(20.0, [-23.0, -23.0])], -23.0),
    2: ([(20.0, [-33.0, -33.0])], -33.0),
    3: ([(10.0, [-36.0] * 2), (60.0, [-23.0] * 2), (10.0, [-36.0] * 2)], -23.0),
    4: (
        [(10.0, [-72.0] * 2), (10.0, [-36.0] * 2), (60.0, [-23.0] * 2), (10.0, [-36.0] * 2), (10.0, [-72.0] * 2)],
        -23.0,
    ),
    5: ([(20.0, [-26.0] * 2), (20.1, [-20.0] * 2), (20.0, [-26.0] * 2)], -23.0),
    6: ([(20.0, [-28.0, -28.0, -24.0, -30.0, -30.0])], -23.0),
}


@pytest.mark.parametrize("case", EBU_CASES)
def test_the_synthetic_cases_of_ebu_tech_3341_read_as_published(case: int) -> None:
    parts, expected = EBU_CASES[case]
    signal = np.concatenate([tone(levels, seconds) for seconds, levels in parts], axis=1)
    assert integrated_loudness(signal, 48_000) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("first", ["", "import scipy.signal"])
def test_channels_are_weighted_to_the_bit_as_scipy_does_without_what_scipy_imports_beside_it(first: str) -> None:
    probe = f"""{first}
import sys
import numpy as np
from soundmill.audio.loudness import k_weighting, weighted
print("scipy.stats" in sys.modules)
channel = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
found = weighted(channel, k_weighting(32_000))
from scipy import signal
print(np.array_equal(found, signal.sosfilt(k_weighting(32_000), channel)), hasattr(signal, "_sosfilt"))
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(bool(first)), "True", "True"]


def test_at_48_khz_the_filters_are_the_tables_of_the_standard() -> None:
    shelf, high_pass = k_weighting(48_000)
    assert shelf == pytest.approx(
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585], abs=1e-12
    )
    assert high_pass == pytest.approx([1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621], abs=1e-12)


@pytest.mark.parametrize("rate", [16_000, 22_050, 32_000, 44_100, 96_000])
def test_the_weighting_of_low_and_middle_frequencies_is_the_same_at_every_sample_rate(rate: int) -> None:
    hertz = [20.0, 40.0, 100.0, 500.0, 1000.0]
    there = np.abs(sosfreqz(k_weighting(rate), hertz, fs=rate)[1])
    reference = np.abs(sosfreqz(k_weighting(48_000), hertz, fs=48_000)[1])
    assert 20 * np.log10(there / reference) == pytest.approx(np.zeros(5), abs=0.1)


@pytest.mark.parametrize("rate", [16_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_an_independent_meter_agrees(rate: int, channels: int) -> None:
    signal = music(rate, channels)
    reference = pyloudnorm.Meter(rate).integrated_loudness(signal.T.astype(np.float64))
    assert integrated_loudness(signal, rate) == pytest.approx(reference, abs=0.1)


@pytest.mark.parametrize("rate", [1_000, 3_000, 4_000, 11_025, 192_000])
def test_any_sample_rate_can_be_measured(rate: int) -> None:
    loudness = integrated_loudness(tone([-20.0], 2.0, rate, hz=250.0), rate)
    assert loudness is not None
    assert -25 < loudness < -22


def test_a_gain_in_decibels_is_the_same_gain_in_lufs() -> None:
    signal = music(32_000, 2)
    loudness = integrated_loudness(signal, 32_000)
    quieter = integrated_loudness(signal * np.float32(0.5), 32_000)
    assert loudness is not None
    assert quieter == pytest.approx(loudness - 6.0206, abs=1e-3)


def test_left_and_right_weigh_the_same() -> None:
    signal = music(32_000, 2)
    assert integrated_loudness(signal[::-1], 32_000) == pytest.approx(integrated_loudness(signal, 32_000), abs=1e-9)


def test_a_pause_does_not_make_a_clip_quieter() -> None:
    signal = tone([-20.0], 10.0)
    paused = np.concatenate([signal, np.zeros((1, 48_000 * 10), np.float32)], axis=1)
    loudness = integrated_loudness(signal, 48_000)
    assert integrated_loudness(paused, 48_000) == pytest.approx(loudness, abs=0.1)


@pytest.mark.parametrize("shape", [(1, 0), (2, 10), (2, 96_000), (0, 0)])
def test_silence_has_no_loudness(shape: tuple[int, int]) -> None:
    assert integrated_loudness(np.zeros(shape, np.float32), 32_000) is None


def test_what_is_below_the_absolute_gate_has_no_loudness() -> None:
    assert integrated_loudness(tone([-75.0], 2.0), 48_000) is None


def test_a_clip_shorter_than_a_block_is_measured_as_one_block() -> None:
    whole = integrated_loudness(tone([-20.0], 4.0), 48_000)
    assert integrated_loudness(tone([-20.0], 0.2), 48_000) == pytest.approx(whole, abs=0.3)


def test_non_finite_samples_count_as_zero() -> None:
    signal = music(32_000, 1)
    broken = signal.copy()
    broken[0, 1000:1003] = [np.nan, np.inf, -np.inf]
    signal[0, 1000:1003] = 0
    assert integrated_loudness(broken, 32_000) == integrated_loudness(signal, 32_000)


def test_samples_without_a_channel_axis_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[channels, time\]"):
        integrated_loudness(np.zeros(100, np.float32), 32_000)
    with pytest.raises(ValueError, match=r"\[channels, time\]"):
        normalize(np.zeros(100, np.float32), 32_000, Normalization.PEAK, -1.0)


def test_a_sample_rate_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0 Hz"):
        k_weighting(0)


@pytest.mark.parametrize("level_dbfs", [-45.0, -30.0, -6.0])
def test_loudness_normalization_reaches_its_target(level_dbfs: float) -> None:
    signal = tone([level_dbfs, level_dbfs], 3.0)
    out = normalize(signal, 48_000, Normalization.LOUDNESS, -14.0)
    assert out.dtype == np.float32
    assert out.shape == signal.shape
    assert integrated_loudness(out, 48_000) == pytest.approx(-14.0, abs=0.01)


@pytest.mark.parametrize("how", [Normalization.LOUDNESS, Normalization.RMS])
def test_high_peaks_limit_the_gain_so_that_nothing_clips(how: Normalization) -> None:
    signal = tone([-40.0], 3.0)
    signal[0, ::4800] = 0.5
    out = normalize(signal, 48_000, how, -10.0)
    assert peak_dbfs(out) == pytest.approx(-1.0, abs=1e-4)


def test_a_clip_beyond_full_scale_is_brought_under_the_ceiling() -> None:
    out = normalize(tone([+9.0], 1.0), 48_000, Normalization.LOUDNESS, 0.0)
    assert peak_dbfs(out) == pytest.approx(-1.0, abs=1e-4)


def test_peak_normalization_reaches_its_target() -> None:
    assert peak_dbfs(normalize(tone([-31.0, -20.0], 1.0), 48_000, Normalization.PEAK, -3.0)) == pytest.approx(
        -3.0, abs=1e-4
    )


def test_rms_normalization_reaches_its_target() -> None:
    out = normalize(tone([-31.0, -20.0], 1.0), 48_000, Normalization.RMS, -18.0)
    assert 20 * np.log10(np.sqrt(np.mean(np.square(out, dtype=np.float64)))) == pytest.approx(-18.0, abs=1e-4)


def test_one_gain_for_all_channels_keeps_the_stereo_image() -> None:
    signal = tone([-31.0, -20.0], 1.0)
    out = normalize(signal, 48_000, Normalization.LOUDNESS, -14.0)
    gains = out[:, 11:40] / signal[:, 11:40]
    assert gains == pytest.approx(np.full_like(gains, gains[0, 0]), rel=1e-5)


def test_no_normalization_changes_nothing() -> None:
    signal = tone([+3.0], 0.5)
    assert np.array_equal(normalize(signal, 48_000, Normalization.NONE, -14.0), signal)


@pytest.mark.parametrize("how", list(Normalization))
@pytest.mark.parametrize("shape", [(1, 0), (2, 5), (2, 20_000)])
def test_silence_stays_silence(how: Normalization, shape: tuple[int, int]) -> None:
    out = normalize(np.zeros(shape, np.float32), 32_000, how, -14.0)
    assert out.shape == shape
    assert not out.any()


@pytest.mark.parametrize("how", [Normalization.LOUDNESS, Normalization.RMS])
def test_a_nearly_silent_clip_is_not_blown_up(how: Normalization) -> None:
    """Else a take of faint noise would pass every check of the delivered samples."""
    signal = tone([-60.0], 1.0)
    assert np.array_equal(normalize(signal, 48_000, how, -14.0), signal)


@pytest.mark.parametrize("how", list(Normalization))
def test_non_finite_samples_survive_normalization_and_do_not_set_the_gain(how: Normalization) -> None:
    signal = tone([-20.0], 1.0)
    broken = signal.copy()
    broken[0, [5, 6, 7]] = [np.nan, np.inf, -np.inf]
    out = normalize(broken, 48_000, how, -14.0)
    assert np.isnan(out[0, 5])
    assert np.isposinf(out[0, 6])
    assert np.isneginf(out[0, 7])
    clean = normalize(signal, 48_000, how, -14.0)
    np.testing.assert_allclose(out[:, 8:], clean[:, 8:], rtol=1e-3)


def test_a_clip_of_nothing_but_nan_does_not_raise() -> None:
    broken = np.full((2, 5000), np.nan, np.float32)
    assert np.isnan(normalize(broken, 32_000, Normalization.LOUDNESS, -14.0)).all()


def test_samples_far_beyond_full_scale_have_a_loudness() -> None:
    """A model that ran away, in float32 up to 1e38: what is squared must not overflow."""
    noise = np.random.default_rng(1).uniform(-1, 1, (2, 64_000)).astype(np.float32)
    plain, huge = integrated_loudness(noise, 32_000), integrated_loudness(noise * np.float32(1e37), 32_000)
    assert plain is not None
    assert huge == pytest.approx(plain + 740, abs=1e-3)
