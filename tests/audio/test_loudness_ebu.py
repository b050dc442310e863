"""EBU Tech 3341 and 3342: what a meter must show for the synthetic signals, within the published tolerances."""

from __future__ import annotations

import numpy as np
import pytest

from soundmill.audio.loudness import integrated_loudness, meter
from soundmill.audio.true_peak import true_peak_dbtp
from support.ebu import RATE, at_a_fraction_of_the_rate, between_the_samples, stereo, tone

# Cases 1 to 6 are in test_loudness.py. Cases 7 and 8 of Tech 3341, which are 5 and 6 of Tech 3342, are recordings of
# programmes: no recipe makes them.

# Tech 3341, table 1, cases 9 to 14: what is measured, as (seconds, dBFS or None for silence) in turn.
SHORT_TERM = {
    9: [(1.34, -20.0), (1.66, -30.0)] * 5,
    **{10 + number: [(0.15 * number, None), (3.0, -23.0), (1.0, None)] for number in range(20)},
}
MOMENTARY = {
    12: [(0.18, -20.0), (0.22, -30.0)] * 25,
    **{13 + number: [(0.02 * number, None), (0.4, -23.0), (1.0, None)] for number in range(20)},
}


@pytest.mark.parametrize(("level", "expected"), [(-23.0, -23.0), (-33.0, -33.0)], ids=["case 1", "case 2"])
def test_a_steady_tone_reads_the_same_at_all_three_time_scales(level: float, expected: float) -> None:
    read = meter(stereo([(20.0, level)]), RATE)
    assert read.loudness_lufs == pytest.approx(expected, abs=0.1)
    assert read.loudness_short_term_max_lufs == pytest.approx(expected, abs=0.1)
    assert read.loudness_momentary_max_lufs == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("part", list(SHORT_TERM), ids=lambda n: "case 9" if n == 9 else f"case 10, signal {n - 9}")
def test_the_short_term_maximum_is_as_published(part: int) -> None:
    assert meter(stereo(SHORT_TERM[part]), RATE).loudness_short_term_max_lufs == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("part", list(MOMENTARY), ids=lambda n: "case 12" if n == 12 else f"case 13, signal {n - 12}")
def test_the_momentary_maximum_is_as_published(part: int) -> None:
    assert meter(stereo(MOMENTARY[part]), RATE).loudness_momentary_max_lufs == pytest.approx(-23.0, abs=0.1)


def test_short_term_loudness_of_a_cycle_of_three_seconds_is_constant() -> None:
    """Case 9: "constant after 3 s", read from every 3 s of it that begin 0.1 s later."""
    signal = stereo(SHORT_TERM[9])
    starts = range(0, signal.shape[1] - 3 * RATE + 1, RATE // 10)
    readings = [meter(signal[:, at : at + 3 * RATE], RATE).loudness_short_term_max_lufs for at in starts]
    assert readings == pytest.approx([-23.0] * len(starts), abs=0.1)


def test_momentary_loudness_of_a_cycle_of_400_ms_is_constant() -> None:
    """Case 12: "constant after 1 s", read from every 0.4 s of it that begin 0.1 s later."""
    signal = stereo(MOMENTARY[12])
    length = round(0.4 * RATE)
    starts = range(RATE - length, signal.shape[1] - length + 1, RATE // 10)
    readings = [meter(signal[:, at : at + length], RATE).loudness_momentary_max_lufs for at in starts]
    assert readings == pytest.approx([-23.0] * len(starts), abs=0.1)


def test_short_term_maxima_of_growing_tones_are_as_a_live_meter_shows_them() -> None:
    """Case 11: i · 0.15 s of silence, 3 s at −38 + i dBFS, 3 − i · 0.15 s of silence, for i = 0 to 19. What a live
    meter shows after each is the largest of what was heard so far."""
    parts = [[(0.15 * i, None), (3.0, -38.0 + i), (3.0 - 0.15 * i, None)] for i in range(20)]
    signal = stereo([part for each in parts for part in each])
    shown = [meter(signal[:, : 6 * RATE * (i + 1)], RATE).loudness_short_term_max_lufs for i in range(20)]
    assert shown == pytest.approx([-38.0 + i for i in range(20)], abs=0.1)


def test_momentary_maxima_of_growing_tones_are_as_a_live_meter_shows_them() -> None:
    """Case 14: i · 20 ms of silence, 400 ms at −38 + i dBFS, 400 − i · 20 ms of silence, for i = 0 to 19."""
    parts = [[(0.02 * i, None), (0.4, -38.0 + i), (0.4 - 0.02 * i, None)] for i in range(20)]
    signal = stereo([part for each in parts for part in each])
    each = round(0.8 * RATE)
    shown = [meter(signal[:, : each * (i + 1)], RATE).loudness_momentary_max_lufs for i in range(20)]
    assert shown == pytest.approx([-38.0 + i for i in range(20)], abs=0.1)


@pytest.mark.parametrize(
    ("case", "part", "degrees", "amplitude", "expected"),
    [
        (15, 4, 0.0, 0.5, -6.0),
        (16, 4, 45.0, 0.5, -6.0),
        (17, 6, 60.0, 0.5, -6.0),
        (18, 8, 67.5, 0.5, -6.0),
        (19, 4, 45.0, 1.41, 3.0),
    ],
)
def test_the_true_peak_of_a_sine_between_the_samples_is_as_published(
    case: int, part: int, degrees: float, amplitude: float, expected: float
) -> None:
    found = true_peak_dbtp(at_a_fraction_of_the_rate(part, degrees, amplitude), RATE)
    assert found is not None and expected - 0.4 <= found <= expected + 0.2


@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_a_peak_between_the_samples_of_a_band_limited_wave_is_as_published(offset: int) -> None:
    """Cases 20 to 23: 0 dBTP, +0.2/−0.4, wherever the samples fall."""
    found = true_peak_dbtp(between_the_samples(offset), RATE)
    assert found is not None and -0.4 <= found <= 0.2


# Tech 3342, table 1, cases 1 to 4: (dBFS of 20 s each) and the loudness range.
RANGES = {
    1: ([-20.0, -30.0], 10.0),
    2: ([-20.0, -15.0], 5.0),
    3: ([-40.0, -20.0], 20.0),
    4: ([-50.0, -35.0, -20.0, -35.0, -50.0], 15.0),
}


@pytest.mark.parametrize("case", RANGES)
def test_the_loudness_range_is_as_published(case: int) -> None:
    levels, expected = RANGES[case]
    found = meter(stereo([(20.0, level) for level in levels]), RATE).loudness_range_lu
    assert found == pytest.approx(expected, abs=1.0)


def test_the_lfe_of_six_channels_counts_for_nothing_and_surrounds_as_in_five() -> None:
    """Tech 3341, case 6, with the channel that a WAV file has between centre and surrounds."""
    five = tone([-28.0, -28.0, -24.0, -30.0, -30.0], 20.0)
    six = np.insert(five, 3, tone([-3.0], 20.0, hz=50.0), axis=0)
    assert integrated_loudness(six, RATE) == pytest.approx(-23.0, abs=0.1)
    assert integrated_loudness(six, RATE) == integrated_loudness(five, RATE)


def test_everything_a_meter_says_agrees_with_its_parts() -> None:
    rng = np.random.default_rng(3)
    clip = (rng.standard_normal((2, 5 * RATE)) * np.linspace(0.02, 0.3, 5 * RATE)).astype(np.float32)
    read = meter(clip, RATE)
    assert read.loudness_lufs == integrated_loudness(clip, RATE)
    assert read.true_peak_dbtp == true_peak_dbtp(clip, RATE)
    assert read.loudness_momentary_max_lufs > read.loudness_short_term_max_lufs  # type: ignore[operator]


def test_a_clip_shorter_than_what_is_looked_at_has_no_such_number() -> None:
    read = meter(tone([-20.0], 0.3), RATE)
    assert read.loudness_lufs is not None
    assert (read.loudness_momentary_max_lufs, read.loudness_short_term_max_lufs) == (None, None)
    assert read.loudness_range_lu is None


@pytest.mark.parametrize("shape", [(0, 0), (1, 0), (2, 5), (2, 200_000)])
def test_silence_has_no_reading(shape: tuple[int, int]) -> None:
    read = meter(np.zeros(shape, np.float32), RATE)
    assert {read.loudness_lufs, read.loudness_range_lu, read.true_peak_dbtp, read.loudness_momentary_max_lufs} == {None}


@pytest.mark.parametrize("seed", range(8))
def test_skipping_what_cannot_reach_the_peak_does_not_change_the_true_peak(seed: int) -> None:
    """The same filter over every sample, in a plain loop over its phases."""
    from soundmill.audio.true_peak import PHASES

    rng = np.random.default_rng(seed)
    clip = rng.standard_normal(5000).astype(np.float32) * np.exp(-np.linspace(0, rng.uniform(0, 8), 5000))
    plain = max(float(np.abs(np.convolve(clip, phase)).max()) for phase in PHASES)
    found = true_peak_dbtp(clip[None].astype(np.float32), RATE)
    assert found == pytest.approx(20 * np.log10(max(plain, float(np.abs(clip).max()))), abs=1e-4)


def test_from_192_khz_on_the_samples_are_fine_enough() -> None:
    clip = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 5000)).astype(np.float32)
    assert true_peak_dbtp(clip, 192_000) == pytest.approx(20 * np.log10(np.abs(clip).max()), abs=1e-6)
