from __future__ import annotations

import json
import tracemalloc
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

from soundmill.audio.decode import decode
from soundmill.audio.encode import encode
from soundmill.audio.loudness import meter
from soundmill.jobs import AudioFormat
from soundmill.quality.measure import Measured, measure
from soundmill.quality.registry import measurements

Samples = NDArray[np.float32]
RATE = 32_000
NAMES = {
    "silence_head_s",
    "silence_tail_s",
    "silence_inside_s",
    "dropout_s",
    "flat_share",
    "flat_share_before",
    "true_peak_dbtp",
    "loudness_range_lu",
    "loudness_momentary_max_lufs",
    "loudness_short_term_max_lufs",
    "loop_share",
    "loop_period_s",
    "stuck_tone_s",
    "stuck_tone_hz",
    "noise_s",
    "clicks",
    "level_step_db",
    "hole_s",
    "top_pile",
    "clipped_density",
    "channel_delay_ms",
    "cut_tail_s",
    "delayed_channel",
    "polarity_turn",
    "polarity_turn_share",
    "treble_lost_db",
    "ringing_db",
    "standing_lines",
    "mirrored",
    "hiss_db",
    "hiss_perhaps_db",
    "mains_hum_db",
    "mains_hum_perhaps_db",
    "rumble_db",
    "stutter_s",
    "pumping_db",
    "wow_share",
    "pitch_step_semitones",
    "flutter_share",
    "ending_db",
    "dead_channel_s",
    "odd_noise_s",
    "quantisation_db",
    "stuck_tone_share",
    "channel_difference_db",
    "stereo_correlation",
    "silence_share",
    "clipping_share",
    "repetition_correlation",
    "spectral_range_db",
    "spectral_tilt_db_per_octave",
    "loudness_lufs",
    "peak_dbfs",
    "peak_before_dbfs",
    "clipping_share_before",
    "rms_dbfs",
    "dc_offset",
    "nonfinite_samples",
    "duration_s",
    "duration_error_s",
    "tempo_bpm",
    "tempo_certainty",
    "key_number",
    "key_certainty",
    "asked_bpm",
    "asked_key_number",
    "tempo_difference",
    "key_difference",
    "loop_seam",
}
GAIN_FREE = ["repetition_correlation", "spectral_range_db", "spectral_tilt_db_per_octave"]


def of(samples: Samples, before: Samples | None = None) -> dict[str, float | None]:
    return dict(measured(samples, before).values)


def measured(samples: Samples, before: Samples | None = None) -> Measured:
    return measure(samples.astype(np.float32), RATE, requested_s=None, loudness_lufs=None, before=before)


def places(samples: Samples, before: Samples | None = None) -> tuple[Mapping[str, object], ...]:
    """The defects that say where it is silent, clipped at full scale or broken."""
    wanted = ("silence", "clipping", "nonfinite")
    return tuple(found for found in measured(samples, before).defects if str(found["name"]).startswith(wanted))


def number(samples: Samples, name: str) -> float:
    value = of(samples)[name]
    assert value is not None
    return value


def sine(hz: float = 437.3, seconds: float = 3.0, level: float = 0.5) -> Samples:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)[None]


def noise(channels: int = 1, seconds: float = 3.0, level: float = 0.1, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal((channels, round(seconds * RATE)))).astype(np.float32)


def struck(at_s: NDArray[np.float64], seconds: float) -> Samples:
    """Hits of 30 ms, each a noise of its own."""
    sound = np.zeros((1, round((seconds + 0.2) * RATE)), np.float32)
    fall = np.exp(-np.arange(RATE // 5) / RATE / 0.03)
    for number, start in enumerate(np.rint(at_s * RATE).astype(int)):
        sound[0, start : start + fall.size] += noise(seconds=0.2, seed=number)[0] * fall
    return sound[:, : round(seconds * RATE)]


def coloured(exponent: float, seconds: float = 20.0) -> Samples:
    """Noise whose power falls as 1 / f**exponent."""
    spectrum = np.fft.rfft(noise(seconds=seconds)[0])
    frequency = np.fft.rfftfreq(round(seconds * RATE), 1 / RATE)
    spectrum[1:] *= frequency[1:] ** (-exponent / 2)
    spectrum[0] = 0
    sound = np.fft.irfft(spectrum)[None]
    return np.asarray(0.5 * sound / np.abs(sound).max(), dtype=np.float32)


def test_every_measurement_of_the_catalogue_is_there_and_described() -> None:
    assert set(measurements()) == NAMES
    assert set(of(noise())) == NAMES
    assert all(spec.unit and spec.description and spec.source for spec in measurements().values())


@pytest.mark.parametrize("silent_windows", [0, 1, 17, 50])
def test_the_silence_share_is_exact(silent_windows: int) -> None:
    samples = noise(seconds=2.0)[:, : 50 * 1024]
    samples[:, : silent_windows * 1024] = 0
    assert number(samples, "silence_share") == silent_windows / 50


def test_silence_begins_under_minus_60_dbfs_rms() -> None:
    assert number(np.full((1, 4096), 0.00101, np.float32), "silence_share") == 0.0
    assert number(np.full((1, 4096), 0.00099, np.float32), "silence_share") == 1.0


def test_an_incomplete_last_window_does_not_count() -> None:
    samples = np.concatenate([sine(seconds=1.0)[:, :10_240], np.zeros((1, 1000), np.float32)], axis=1)
    assert number(samples, "silence_share") == 0.0


@pytest.mark.parametrize("clipped", [0, 1, 960, 96_000])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_clipping_share_is_exact(clipped: int, sign: int) -> None:
    samples = sine()
    samples[0, :clipped] = 0.995 * sign
    assert number(samples, "clipping_share") == pytest.approx(clipped / 96_000, abs=1e-12)


def test_a_sample_at_the_clipping_limit_is_not_clipped() -> None:
    """0.99 as float32 lies above 0.99 as float64."""
    samples = np.full((1, 4096), np.float32(0.99))
    found = measured(samples)
    assert found.values["clipping_share"] == 0.0
    assert found.defects == ()


def test_what_normalisation_hid_is_measured_before_it() -> None:
    before = noise(level=0.5)
    values = of(before * np.float32(0.2), before)
    assert values["clipping_share"] == 0.0
    assert values["clipping_share_before"] == pytest.approx(np.mean(np.abs(before) > 0.99))
    assert values["peak_before_dbfs"] == pytest.approx(20 * np.log10(np.abs(before).max()), abs=1e-4)


def test_without_samples_from_before_there_is_nothing_to_say_of_them() -> None:
    values = of(noise())
    assert values["peak_before_dbfs"] is None
    assert values["clipping_share_before"] is None


def test_levels_of_a_sine_are_known() -> None:
    samples = sine(hz=500.0, level=0.5)
    assert number(samples, "peak_dbfs") == pytest.approx(-6.0206, abs=1e-3)
    assert number(samples, "rms_dbfs") == pytest.approx(-9.0309, abs=1e-3)
    assert number(samples, "dc_offset") == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("offset", [0.05, -0.05])
def test_a_dc_offset_keeps_its_sign(offset: float) -> None:
    assert number(sine(hz=500.0, level=0.2) + np.float32(offset), "dc_offset") == pytest.approx(offset, abs=1e-5)


def rests(starts_s: list[float]) -> Samples:
    """Eight seconds of noise that is still for 60 ms at these moments."""
    samples = noise(seconds=8.0)
    for start in starts_s:
        samples[:, round(start * RATE) : round((start + 0.06) * RATE)] = 0
    return samples


@pytest.mark.parametrize(
    ("starts_s", "faults"),
    [
        ([1.0, 1.25, 2.0, 2.25, 4.5, 6.0], 0),  # a beat
        ([1.0, 1.25, 2.0], 3),  # too few to tell
        ([1.0, 2.0, 3.0, 4.0, 5.0], 5),  # a buffer that runs dry every second
        ([1.0, 1.31, 2.17, 4.4, 6.02], 5),
    ],
)
def test_rests_on_a_beat_are_noted_and_no_dropouts(starts_s: list[float], faults: int) -> None:
    found = of(rests(starts_s))
    assert found["dropout_s"] == pytest.approx(0.06 * faults, abs=0.004 * max(faults, 1))
    assert (found["hole_s"] or 0) == pytest.approx(0.06 * faults, abs=0.004 * max(faults, 1))
    names = [each["name"] for each in measured(rests(starts_s)).defects]
    assert names.count("dropouts") == names.count("holes") == len(starts_s)


def test_what_is_shorter_than_a_second_is_made_of_pieces() -> None:
    found = of(rests([0.3, 0.5])[:, : round(0.9 * RATE)])
    assert found["dropout_s"] == found["hole_s"] == 0


def test_a_loop_of_one_second_repeats() -> None:
    assert number(np.tile(noise(seconds=1.0), 4), "repetition_correlation") == pytest.approx(1.0, abs=1e-5)


def test_one_repeated_second_in_noise_is_found() -> None:
    samples = noise(seconds=5.0)
    samples[:, 3 * RATE : 4 * RATE] = samples[:, 2 * RATE : 3 * RATE]
    assert number(samples, "repetition_correlation") == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("period_s", [0.6, 2.0, 6.0, 9.0])
def test_a_passage_that_plays_over_and_over_is_a_loop_of_whatever_period(period_s: float) -> None:
    section = struck(np.random.default_rng(3).uniform(0.0, period_s - 0.3, round(4 * period_s)), period_s)
    found = of(np.tile(section, (1, round(27 / period_s))))
    assert (found["loop_share"] or 0) > 0.6
    assert found["loop_period_s"] == pytest.approx(period_s, rel=0.001)


def test_a_section_that_returns_is_no_loop() -> None:
    first, other = (struck(np.random.default_rng(seed).uniform(0.0, 5.7, 24), 6.0) for seed in (3, 4))
    assert number(np.concatenate([first, first, other, first, first], axis=1), "loop_share") == 0.0


def test_a_click_comes_back_and_a_voice_that_begins_with_a_jump_does_not() -> None:
    jump = sine(hz=110.0, seconds=2.0, level=0.2)
    jump[:, RATE:] += 0.5 * np.exp(-np.arange(RATE, dtype=np.float32) / RATE / 0.05)
    assert number(jump, "clicks") == 0
    click = sine(hz=110.0, seconds=2.0, level=0.2)
    click[:, RATE : RATE + 3] += 0.5
    assert number(click, "clicks") == 1


def test_the_beater_of_a_bass_drum_is_no_click_and_a_narrower_bump_of_its_height_is_one() -> None:
    time = np.arange(2 * RATE) / RATE
    drum = np.asarray([0.6 * np.sin(2 * np.pi * 60 * time)], np.float32)
    at = RATE + RATE // 4 + 40

    def with_bump(samples: int) -> Samples:
        struck = drum.copy()
        struck[0, at : at + samples] += 0.25 * np.sin(np.pi * (np.arange(samples) + 0.5) / samples)
        return struck

    assert number(with_bump(6), "clicks") == 0
    assert number(with_bump(3), "clicks") == 1


def test_the_spike_that_begins_a_note_is_no_click_and_the_same_spike_amid_the_note_is_one() -> None:
    time = np.arange(2 * RATE) / RATE
    note = np.asarray([0.3 * np.sin(2 * np.pi * 110 * time)], np.float32)
    begun, amid = note.copy(), note.copy()
    begun[:, :RATE] *= 0.02
    for samples in (begun, amid):
        samples[:, RATE] += 0.45
    assert number(begun, "clicks") == 0
    assert number(amid, "clicks") == 1


@pytest.mark.parametrize("decibels", [22, 30, 38, 44])
def test_a_clip_that_goes_on_at_a_whisper_has_a_level_step(decibels: float) -> None:
    halves = [noise(seconds=5.0), noise(seconds=5.0, level=0.1 * 10 ** (-decibels / 20), seed=1)]
    for way in (halves, halves[::-1]):
        assert number(np.concatenate(way, axis=1), "level_step_db") == pytest.approx(decibels, abs=1)


def test_a_gain_that_changes_is_a_level_step_and_more_of_the_same_hits_is_none() -> None:
    lower = np.concatenate([noise(seconds=3.0, level=0.01), noise(seconds=3.0)], axis=1)
    assert number(lower, "level_step_db") == pytest.approx(20, abs=1)
    sparse, dense = np.arange(0.1, 3.0, 0.5), np.arange(3.0, 6.0, 0.01)
    busier = struck(np.concatenate([sparse, dense]), 6.0) + noise(seconds=6.0, level=0.001, seed=5)
    assert number(busier, "level_step_db") == 0


def test_a_phrase_that_dies_away_before_a_hit_is_no_level_step_and_a_gain_of_the_same_size_is_one() -> None:
    seconds = np.arange(3 * RATE) / RATE
    dying = noise(seconds=3.0, level=0.02) * 10 ** (-5 * seconds / 20)
    hit = noise(seconds=3.0, level=0.1, seed=1) * 10 ** (-4 * seconds / 20)
    assert number(np.concatenate([dying, hit], axis=1), "level_step_db") == 0
    steady = noise(seconds=3.0, level=0.005), noise(seconds=3.0, level=0.1, seed=1)
    assert number(np.concatenate(steady, axis=1), "level_step_db") == pytest.approx(26, abs=1)


def test_a_rest_before_a_hit_is_no_dropout_and_the_same_rest_amid_a_tone_is_one() -> None:
    cut = sine(hz=437.3, seconds=2.0, level=0.1)
    gap = slice(RATE, RATE + round(0.08 * RATE))
    cut[:, gap] = 0
    rest = cut.copy()
    hit = gap.stop + round(0.012 * RATE)  # its beginning, softer, follows the rest at once
    rest[:, hit : hit + round(0.03 * RATE)] *= 9
    assert number(rest, "dropout_s") == 0
    assert number(cut, "dropout_s") == pytest.approx(0.08, abs=0.004)


@pytest.mark.parametrize(("hertz", "wobble", "stuck"), [(98.0, 0.06, False), (98.0, 0.0, True), (587.0, 0.06, True)])
def test_a_bass_may_hold_its_note_but_not_as_evenly_as_a_machine(hertz: float, wobble: float, stuck: bool) -> None:
    time = np.arange(8 * RATE) / RATE
    tone = 0.4 * (1 + wobble * np.sin(2 * np.pi * 5.3 * time)) * np.sin(2 * np.pi * hertz * time)
    held = number(np.asarray([tone], np.float32) + noise(seconds=8.0, level=0.002), "stuck_tone_s")
    assert held > 7 if stuck else held < 1


def test_noise_does_not_repeat() -> None:
    assert abs(number(noise(), "repetition_correlation")) < 0.05


def test_repetition_is_pearsons_correlation_also_under_an_offset() -> None:
    one = noise(seconds=1.0)
    two = 0.6 * one + 0.8 * noise(seconds=1.0, seed=1)
    samples = np.concatenate([one, two], axis=1) + np.float32(0.5)
    expected = np.corrcoef(one[0], two[0])[0, 1]
    assert number(samples, "repetition_correlation") == pytest.approx(expected, abs=1e-4)


def test_opposite_seconds_correlate_negatively() -> None:
    one = noise(seconds=1.0)
    assert number(np.concatenate([one, -one], axis=1), "repetition_correlation") == pytest.approx(-1.0, abs=1e-5)


def test_repetition_needs_two_seconds_of_sound() -> None:
    assert of(noise(seconds=1.99))["repetition_correlation"] is None
    assert of(np.zeros((1, 4 * RATE), np.float32))["repetition_correlation"] is None
    half = noise(seconds=2.0)
    half[:, RATE:] = 0
    assert of(half)["repetition_correlation"] is None


def test_white_noise_has_a_flat_spectrum_and_a_sine_a_steep_one() -> None:
    assert number(noise(seconds=20.0), "spectral_range_db") < 6
    assert number(sine(), "spectral_range_db") > 90


def test_the_range_of_a_known_spectrum_is_known() -> None:
    """White noise behind 1 + 0.9 z⁻² falls from 1.9 to |1 + 0.9 exp(-0.9πi)| = 0.313 at 7.2 kHz: 15.7 dB."""
    white = noise(seconds=30.0)
    filtered = white.copy()
    filtered[:, 2:] += 0.9 * white[:, :-2]
    assert number(filtered, "spectral_range_db") == pytest.approx(15.7, abs=0.7)


def test_the_average_is_over_time_of_decibels() -> None:
    """Half the frames 40 dB down shift an average of decibels by 20 dB, and leave its shape alone."""
    flat = noise(seconds=8.0)
    flat[:, : 4 * RATE] *= 0.01
    assert number(flat, "spectral_range_db") < 8


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_the_tilt_of_coloured_noise_is_three_decibels_per_octave_and_exponent(exponent: float) -> None:
    assert number(coloured(exponent), "spectral_tilt_db_per_octave") == pytest.approx(-3.0103 * exponent, abs=0.15)


def test_pauses_do_not_change_the_spectrum() -> None:
    sound = coloured(1.0, seconds=4.0)
    paused = np.concatenate([sound, np.zeros((1, 6 * RATE), np.float32)], axis=1)
    for name in ("spectral_range_db", "spectral_tilt_db_per_octave"):
        assert number(paused, name) == pytest.approx(number(sound, name), abs=0.5)


@pytest.mark.parametrize("gain", [0.01, 0.3, 20.0])
def test_shape_measurements_do_not_depend_on_level(gain: float) -> None:
    samples = coloured(1.0, seconds=3.0)
    for name in GAIN_FREE:
        assert number(samples * np.float32(gain), name) == pytest.approx(number(samples, name), abs=1e-3)


def test_a_gain_moves_the_levels_by_as_many_decibels() -> None:
    samples = noise()
    for name in ("peak_dbfs", "rms_dbfs"):
        assert number(samples * np.float32(0.1), name) == pytest.approx(number(samples, name) - 20, abs=1e-3)


def broken_channels() -> list[tuple[str, Samples]]:
    """A measurement and a channel that is bad in it alone."""
    clipped = noise()[0]
    clipped[:5000] = 1.0
    return [
        ("silence_share", np.zeros(3 * RATE, np.float32)),
        ("clipping_share", clipped),
        ("repetition_correlation", np.tile(noise(seconds=1.0, seed=3)[0], 3)),
        ("spectral_range_db", noise(seed=4)[0]),
        ("peak_dbfs", clipped),
        ("rms_dbfs", noise(level=0.0001)[0]),
        ("dc_offset", noise(seed=5)[0] - np.float32(0.1)),
    ]


@pytest.mark.parametrize(("name", "bad"), broken_channels(), ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("position", [0, 1])
def test_one_broken_channel_counts_as_if_it_were_alone(name: str, bad: Samples, position: int) -> None:
    good = coloured(1.0, seconds=3.0)[0]
    stereo = np.stack([bad, good] if position == 0 else [good, bad])
    assert number(stereo, name) == pytest.approx(number(bad[None], name), abs=1e-4)
    assert number(stereo, name) != pytest.approx(number(good[None], name), abs=1e-4)


def test_the_steeper_channel_gives_the_tilt() -> None:
    stereo = np.concatenate([coloured(0.5, seconds=3.0), coloured(2.0, seconds=3.0)])
    assert number(stereo, "spectral_tilt_db_per_octave") == pytest.approx(-6.02, abs=0.3)


def test_the_order_of_channels_does_not_matter() -> None:
    stereo = np.concatenate([coloured(1.0, seconds=3.0), noise(seed=2)])
    swapped = of(stereo[::-1])
    for name, value in of(stereo).items():
        assert swapped[name] == (value if value is None else pytest.approx(value, abs=1e-9))


def test_a_dead_channel_does_not_hide_the_spectrum_of_the_other() -> None:
    sound = coloured(1.0, seconds=3.0)
    stereo = np.concatenate([sound, np.zeros_like(sound)])
    assert number(stereo, "spectral_range_db") == pytest.approx(number(sound, "spectral_range_db"))
    assert number(stereo, "silence_share") == 1.0


def test_non_finite_samples_are_counted_and_otherwise_zero() -> None:
    samples = noise(channels=2)
    samples[0, 100:103] = [np.nan, np.inf, -np.inf]
    samples[1, 7] = np.nan
    zeroed = np.nan_to_num(samples, nan=0, posinf=0, neginf=0)
    values = of(samples)
    assert values.pop("nonfinite_samples") == 4
    expected = of(zeroed)
    assert expected.pop("nonfinite_samples") == 0
    assert values == expected


def test_measuring_leaves_the_samples_as_they_are() -> None:
    samples = noise(channels=2, level=1.0)
    samples[0, 5] = np.nan
    copy = samples.copy()
    measured(samples, samples)
    np.testing.assert_array_equal(samples, copy)


def test_samples_that_may_be_used_up_give_the_same_numbers_for_less_memory() -> None:
    samples = noise(channels=2, seconds=60.0)
    samples[1, 40 * RATE : 43 * RATE] = 0

    def with_peak(overwrite: bool) -> tuple[Measured, int]:
        mine = samples.copy()
        tracemalloc.start()
        meter(mine, RATE)
        found = measure(mine, RATE, requested_s=None, loudness_lufs=None, before=None, overwrite_samples=overwrite)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found, peak

    (kept, most), (used_up, least) = with_peak(False), with_peak(True)
    assert used_up == kept
    assert least < 1.5 * samples.nbytes < most


def test_duration_is_compared_with_what_was_asked() -> None:
    values = measure(noise(seconds=2.5), RATE, requested_s=3.0, loudness_lufs=-14.2, before=None).values
    assert values["duration_s"] == 2.5
    assert values["duration_error_s"] == pytest.approx(-0.5)
    assert values["loudness_lufs"] == -14.2
    assert of(noise())["duration_error_s"] is None


def test_digital_silence_has_no_level_and_no_spectrum() -> None:
    values = of(np.zeros((2, 3 * RATE), np.float32))
    assert values["silence_share"] == 1.0
    for name in ("peak_dbfs", "rms_dbfs", "spectral_range_db", "spectral_tilt_db_per_octave", "repetition_correlation"):
        assert values[name] is None


@settings(max_examples=80, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(0, 3), st.integers(0, 2500)),
        elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
        fill=st.sampled_from([np.float32(0), np.float32(0.5), np.float32(3e38), np.float32(np.nan)]),
    )
)
def test_no_samples_whatever_make_it_raise_and_the_result_is_plain_json(samples: Samples) -> None:
    found = measure(samples, 800, requested_s=1.0, loudness_lufs=None, before=samples)
    text = json.dumps([dict(found.values), [dict(defect) for defect in found.defects]], allow_nan=False)
    assert json.loads(text)[0] == dict(found.values)


def test_samples_without_a_channel_axis_or_a_rate_are_refused() -> None:
    with pytest.raises(ValueError, match="channels, time"):
        measure(np.zeros(10, np.float32), RATE, requested_s=None, loudness_lufs=None, before=None)
    with pytest.raises(ValueError, match="above 0 Hz"):
        measure(np.zeros((1, 10), np.float32), 0, requested_s=None, loudness_lufs=None, before=None)


def test_a_silent_span_is_a_defect_with_its_place() -> None:
    samples = noise()
    samples[:, 1024 * 20 : 1024 * 50] = 0
    (defect,) = places(samples)
    assert defect == {
        "name": "silence",
        "start_s": pytest.approx(0.64),
        "end_s": pytest.approx(1.6),
        "detail": "below -60 dBFS in the clip",
    }


def test_a_short_pause_is_no_defect() -> None:
    samples = noise()
    samples[:, 1024 * 20 : 1024 * 35] = 0
    assert places(samples) == ()


def test_a_silent_end_reaches_to_the_end_of_the_clip() -> None:
    samples = noise(seconds=2.0)
    samples[:, RATE:] = 0
    (defect,) = places(samples)
    assert defect["end_s"] == 2.0


def test_defects_name_the_channel() -> None:
    stereo = noise(channels=2)
    stereo[1] = 0
    (defect,) = places(stereo)
    assert defect["detail"] == "below -60 dBFS in channel right"
    (both,) = places(np.zeros((2, RATE), np.float32))
    assert both["detail"] == "below -60 dBFS in all channels"


def five_point_one(seconds: float = 20.0) -> Samples:
    """Left, right, centre, LFE, left and right surround, all sounding but the LFE."""
    samples = noise(channels=6, seconds=seconds)
    samples[3] = 0
    return samples


def test_beyond_stereo_silence_is_that_of_all_channels_together() -> None:
    """A film's centre is silent while nobody speaks, and its surrounds are until something is behind the listener."""
    centre_speaks, surrounds_enter, cut = five_point_one(), five_point_one(), five_point_one()
    centre_speaks[2, 4 * RATE :] = 0
    surrounds_enter[4:, : 10 * RATE] = 0
    cut[[0, 1, 2, 4, 5], 15 * RATE :] = 0
    cut[3] = noise(seconds=20.0)[0]  # a rumble in the LFE is no sound of the clip's
    for samples in (centre_speaks, surrounds_enter):
        assert number(samples, "silence_share") == 0
        assert places(samples) == ()
    assert number(cut, "silence_share") == pytest.approx(0.25, abs=0.001)
    (defect,) = places(cut)
    assert (defect["name"], defect["detail"]) == ("silence_tail", "below -60 dBFS in the clip")


def test_clipped_samples_close_together_are_one_defect() -> None:
    samples = noise()
    samples[0, [1000, 1010, 1500, 40_000]] = 1.0
    near, far = places(samples)
    assert (near["name"], near["start_s"], near["end_s"]) == ("clipping", 0.0312, 0.0469)
    assert str(near["detail"]).startswith("3 samples over 0.99")
    assert far["start_s"] == 1.25


def test_clipping_before_normalisation_and_broken_samples_are_defects_of_their_own() -> None:
    samples, before = noise(), noise()
    before[0, 64_000] = 1.5
    samples[0, 32_000] = np.nan
    broken, clipped = places(samples, before)
    assert (broken["name"], broken["start_s"]) == ("nonfinite", 1.0)
    assert (clipped["name"], clipped["start_s"]) == ("clipping_before", 2.0)


def test_of_very_many_defects_the_longest_are_kept_in_order_of_time() -> None:
    samples = noise(seconds=20.0)
    samples[0, :: RATE // 10] = 1.0
    samples[0, 5 * RATE : 6 * RATE] = 1.0
    defects = measured(samples).defects
    starts = [float(str(defect["start_s"])) for defect in defects]
    assert len(defects) == 100
    assert starts == sorted(starts)
    assert any(float(str(defect["end_s"])) - float(str(defect["start_s"])) >= 1 for defect in defects)


@pytest.mark.parametrize("format", list(AudioFormat))
@pytest.mark.parametrize("sample_rate", [16000, 32000])
def test_noise_has_no_spectral_range_whatever_it_is_saved_as(format: AudioFormat, sample_rate: int) -> None:
    """MP3's low-pass empties the top of the spectrum, which must not pass for a balanced one."""
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 3 * sample_rate)).astype(np.float32)
    delivered, rate = decode(encode(noise, sample_rate, format, {}))
    values = measure(delivered, rate, requested_s=3.0, loudness_lufs=-10.0, before=None).values
    assert values["spectral_range_db"] is not None and values["spectral_range_db"] < 10


def busy(seconds: float = 8.0) -> Samples:
    """Brown noise with a hiss: what has a spectrum of many decibels at every rate, and nothing above 7 kHz."""
    rng = np.random.default_rng(7)
    length = round(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    spectrum[1:] /= np.maximum(hertz[1:], 60) ** 0.9
    spectrum[(hertz > 7800) | (hertz < 20)] = 0
    sound = np.fft.irfft(spectrum, length)[None]
    return np.asarray(0.5 * sound / np.abs(sound).max(), dtype=np.float32)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000, 96_000])
def test_the_spectral_range_of_a_sound_is_the_same_at_every_rate_it_is_kept_at(rate: int) -> None:
    sound = busy()
    whole = number(sound, "spectral_range_db")
    moved = resample_poly(sound, rate, RATE, axis=1).astype(np.float32)
    found = measure(moved, rate, requested_s=None, loudness_lufs=None, before=None).values["spectral_range_db"]
    assert found == pytest.approx(whole, abs=3)
    assert whole > 25


def test_what_a_file_does_not_carry_is_no_part_of_its_spectrum() -> None:
    """Kept at 8 kHz once, a sound has nothing above 4 kHz, at whatever rate it is kept now."""
    low = resample_poly(noise(seconds=8.0), 1, 4, axis=1)
    again = resample_poly(low, 4, 1, axis=1).astype(np.float32)
    assert number(again, "spectral_range_db") < 12


@pytest.mark.parametrize(("first", "last"), [(0.5, 1.0), (0.7, 1.0), (0.0, 0.4), (0.3, 0.6)])
def test_an_offset_that_comes_late_or_goes_is_found_with_its_place(first: float, last: float) -> None:
    sound = busy(10.0) * np.float32(0.5)
    sound[:, round(first * 10 * RATE) : round(last * 10 * RATE)] -= np.float32(0.3)
    found = measured(sound)
    assert found.values["dc_offset"] == pytest.approx(-0.3, abs=0.02)
    [place] = [each for each in found.defects if each["name"] == "dc_offset"]
    assert (place["start_s"], place["end_s"]) == (
        pytest.approx(10 * first, abs=0.11),
        pytest.approx(10 * last, abs=0.11),
    )


def test_a_tone_through_two_thirds_of_a_short_clip_is_stuck_and_a_beep_is_not() -> None:
    sound = noise(seconds=8.0, level=0.01)
    sound[:, -round(5.2 * RATE) :] += sine(hz=700.0, seconds=5.2)
    assert number(sound, "stuck_tone_share") > 0.5
    assert number(sine(hz=700.0, seconds=2.0), "stuck_tone_share") == 0


@pytest.mark.parametrize("channels", [2, 5, 6])
def test_a_channel_that_breaks_off_while_others_go_on_is_named_and_one_that_ends_with_them_is_not(
    channels: int,
) -> None:
    sound = np.concatenate([busy(8.0 + number)[:, : 8 * RATE] for number in range(channels)])
    assert number(sound, "dead_channel_s") == 0
    sound[1, 5 * RATE :] = 0
    found = measured(sound)
    assert found.values["dead_channel_s"] == pytest.approx(3.0, abs=0.01)
    assert [(d["start_s"], d["detail"]) for d in found.defects if d["name"] == "dead_channel"] == [
        (pytest.approx(5.0, abs=0.01), "the sound breaks off in channel right")
    ]
    sound[:, 5 * RATE :] = 0
    assert number(sound, "dead_channel_s") == 0
    assert number(sound, "cut_tail_s") == pytest.approx(3.0, abs=0.01)


def test_a_channel_that_fades_out_is_not_dead_and_a_sound_that_dies_away_not_cut() -> None:
    fade = np.minimum(1, np.exp(-(np.arange(8 * RATE) / RATE - 3) / 0.2)).astype(np.float32)
    sound = np.concatenate([busy(), busy() * fade])
    sound[1, 6 * RATE :] = 0
    assert number(sound, "dead_channel_s") == 0
    assert number(sound[1:], "cut_tail_s") == 0


@pytest.mark.parametrize("bits", [4, 6, 8])
@pytest.mark.parametrize("gain", [1.0, 0.31])
def test_samples_rounded_to_few_bits_are_known_whatever_gain_came_after(bits: int, gain: float) -> None:
    steps = 2 ** (bits - 1)
    sound = busy()
    full = sound / np.abs(sound).max()
    rounded = np.round(np.round(full * steps) / steps * gain * 32767) / 32768
    assert number(rounded.astype(np.float32), "quantisation_db") == pytest.approx(-6.02 * bits, abs=2.5)
    assert of(np.round(full * gain * 32767).astype(np.float32) / 32768)["quantisation_db"] is None


def test_a_quiet_sound_of_16_bits_is_not_rounded() -> None:
    assert of((np.round(busy() * 0.02 * 32767) / 32768).astype(np.float32))["quantisation_db"] is None


def test_steps_cut_to_pieces_are_dense_where_they_sound_and_whole_ones_are_not() -> None:
    hits = struck(np.arange(0.5, 7.5, 1.0), 8.0)
    assert number(hits, "clipped_density") < 0.05
    assert number(np.clip(hits, -0.03, 0.03), "clipped_density") > 0.3


def test_noise_is_odd_where_the_rest_is_something_else_and_rain_is_not() -> None:
    hits = struck(np.arange(0.2, 8.0, 0.5), 8.0)
    tones = sum((sine(hz=hz, seconds=8.0, level=0.1) for hz in (220.0, 331.0, 1200.0)), start=0.01 * hits)
    tones[:, 4 * RATE :] = noise(seconds=4.0)
    assert number(tones, "odd_noise_s") > 3
    assert number(noise(seconds=8.0), "odd_noise_s") == 0


def pair(later_s: float = 0.0) -> Samples:
    """Two channels of the same, each with a little of its own; the right one later."""
    same, by = busy(), round(later_s * RATE)
    right = np.concatenate((np.zeros((1, by), np.float32), same[:, : same.shape[1] - by]), axis=1)
    return np.asarray(np.concatenate((same, right)) + noise(2, 8.0, level=0.01), np.float32)


@pytest.mark.parametrize("at_s", [2.0, 4.0, 6.5])
def test_a_channel_turned_over_midway_is_found_with_its_moment(at_s: float) -> None:
    assert number(pair(), "polarity_turn") == 0
    sound = pair()
    sound[1, round(at_s * RATE) :] *= -1
    found = measured(sound)
    assert found.values["polarity_turn"] == pytest.approx(0.97, abs=0.04)
    assert [d["start_s"] for d in found.defects if d["name"] == "polarity_turn"] == [pytest.approx(at_s, abs=0.3)]


def test_a_channel_turned_over_while_the_sound_dies_away_is_found() -> None:
    sound = pair() * np.exp(-np.arange(8 * RATE) / RATE / 1.1).astype(np.float32)
    sound[1, 5 * RATE :] *= -1
    assert number(sound, "polarity_turn") == pytest.approx(0.97, abs=0.04)


@pytest.mark.parametrize("milliseconds", [5.0, 17.0, 40.0])
def test_a_channel_that_comes_later_is_found_with_its_delay(milliseconds: float) -> None:
    assert number(pair(0.001), "delayed_channel") == 0
    assert number(noise(2, 8.0), "delayed_channel") == 0
    sound = pair(milliseconds / 1000)
    assert number(sound, "delayed_channel") > 0.7
    assert number(sound, "channel_delay_ms") == pytest.approx(milliseconds, abs=0.1)
    assert number(sound[::-1], "channel_delay_ms") == pytest.approx(-milliseconds, abs=0.1)


@pytest.mark.parametrize("hertz", [1200, 2500, 4000])
def test_treble_that_is_lost_for_good_is_found_and_treble_that_comes_back_is_not(hertz: int) -> None:
    sound = coloured(1.0, 9.0)
    low = sosfilt(butter(8, hertz, fs=RATE, output="sos"), sound, axis=1).astype(np.float32)
    assert number(sound, "treble_lost_db") < 3
    back = sound.copy()
    back[:, 4 * RATE : 6 * RATE] = low[:, 4 * RATE : 6 * RATE]
    assert number(back, "treble_lost_db") < 3
    sound[:, 4 * RATE :] = low[:, 4 * RATE :]
    found = measured(sound)
    assert found.values["treble_lost_db"] is not None and found.values["treble_lost_db"] > 16
    [place] = [each for each in found.defects if each["name"] == "treble_lost"]
    assert (place["start_s"], place["end_s"]) == (pytest.approx(4.0, abs=0.4), 9.0)


def played(seed: int = 3, seconds: float = 8.0) -> Samples:
    """Notes of a sawtooth that come and go, each with a breath, over a soft room: what moves in every band."""
    rng = np.random.default_rng(seed)
    sound = 0.002 * rng.standard_normal(round(seconds * RATE))
    for start in np.arange(0.05, seconds - 0.5, 0.23):
        hz, at = 110 * 2 ** (rng.integers(0, 30) / 12) * rng.normal(1, 0.003), round(start * RATE)
        length = min(round(rng.uniform(0.4, 0.9) * RATE), sound.size - at)
        time = np.arange(length) / RATE
        fade = np.minimum(time / 0.01, 1) * np.exp(-time / 0.25)
        saw = sum(np.sin(2 * np.pi * n * hz * time + rng.uniform(0, 6)) / n for n in range(1, int(14_000 / hz)))
        sound[at : at + length] += fade * (saw + 0.2 * rng.standard_normal(length))
    return np.asarray(0.5 * sound[None] / np.abs(sound).max(), np.float32)


def spots(sound: Samples, name: str) -> list[tuple[object, object]]:
    return [(each["start_s"], each["end_s"]) for each in measured(sound).defects if each["name"] == name]


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_mains_hum_is_found_under_music_and_a_note_nearby_is_none(mains: float) -> None:
    sound, time = played(), np.arange(8 * RATE) / RATE

    def hummed(hertz: float) -> Samples:
        hum = sum(np.sin(2 * np.pi * n * hertz * time + n) / n for n in (1, 2, 3, 5))
        return np.asarray(sound + 0.12 * sound.std() * hum, np.float32)

    assert number(sound, "mains_hum_db") == -100
    assert number(hummed(mains * 1.03), "mains_hum_db") == -100
    assert number(hummed(mains), "mains_hum_db") == pytest.approx(-20, abs=3)
    assert spots(hummed(mains), "mains_hum") == [(0.0, 8.0)]


def test_rumble_is_found_and_bass_is_none() -> None:
    low = sosfilt(butter(2, [6, 20], "bandpass", fs=RATE, output="sos"), noise(seconds=8.0), axis=1)
    sound = played()
    rumbling = np.asarray(sound + low * (sound.std() / low.std()), np.float32)
    assert number(sound, "rumble_db") < -30
    assert number(sound + 0.5 * sine(hz=45.0, seconds=8.0), "rumble_db") < -30
    assert number(rumbling, "rumble_db") == pytest.approx(-4, abs=1.5)


@pytest.mark.parametrize("delay_ms", [1.3, 2.7, 5.0])
def test_the_ringing_of_an_echo_fed_back_is_found_with_its_frequency(delay_ms: float) -> None:
    by, sound = round(delay_ms / 1000 * RATE), played().astype(np.float64)
    for start in range(by, sound.shape[1], by):
        part = sound[:, start : start + by]
        part += 0.85 * sound[:, start - by : start - by + part.shape[1]]
    found = measured((0.5 * sound / np.abs(sound).max()).astype(np.float32))
    assert found.values["ringing_db"] is not None and found.values["ringing_db"] > 5.5
    [detail] = [each["detail"] for each in found.defects if each["name"] == "ringing"]
    assert f"an echo after {by / RATE * 1000:.1f} ms" in str(detail)
    assert number(played(), "ringing_db") == 0


@pytest.mark.parametrize("step", [2, 3, 4])
def test_samples_that_are_held_mirror_the_spectrum_and_filtered_ones_do_not(step: int) -> None:
    low = resample_poly(played(), 1, step, axis=1)
    assert number(np.repeat(low, step, axis=1).astype(np.float32), "mirrored") > 0.9
    assert number(resample_poly(low, step, 1, axis=1).astype(np.float32), "mirrored") < 0.6
    assert number(played(), "mirrored") < 0.6


def test_hiss_under_music_is_found_and_rain_is_none() -> None:
    sound = sosfilt(butter(6, 3000, fs=RATE, output="sos"), played(), axis=1).astype(np.float32)
    white = np.random.default_rng(5).standard_normal(sound.shape)
    loud = np.asarray(sound + 0.06 * sound.std() * white, np.float32)
    assert number(sound, "hiss_db") < -40
    assert number(loud, "hiss_db") == pytest.approx(20 * np.log10(0.06), abs=5)
    assert number(noise(seconds=8.0), "hiss_db") == -100


@pytest.mark.parametrize("period_ms", [23, 50, 90])
def test_a_stutter_is_found_with_its_place_and_a_held_note_is_none(period_ms: int) -> None:
    period, start = round(period_ms / 1000 * RATE), 3 * RATE
    sound = played() + noise(seconds=8.0, level=0.02)
    assert number(sound, "stutter_s") == 0
    assert number(sine(hz=440.0, seconds=8.0) + noise(seconds=8.0, level=0.001), "stutter_s") == 0
    times = 300 // period_ms
    sound[:, start : start + (times + 1) * period] = np.tile(sound[:, start : start + period], (1, times + 1))
    [(first, last)] = spots(sound, "stutter")
    assert first == pytest.approx(3 + period / RATE, abs=0.004)
    assert last == pytest.approx(3 + (times + 1) * period / RATE, abs=0.004)


def test_an_end_in_the_middle_of_a_note_is_cut_and_a_fade_a_rest_and_a_loop_are_not() -> None:
    sound = played()[:, : round(5.1 * RATE)]
    assert number(sound, "ending_db") > -20
    assert spots(sound, "ending_cut") == [(5.1, 5.1)]
    faded = sound * np.minimum(1, np.arange(sound.shape[1])[::-1] / (0.01 * RATE)).astype(np.float32)
    assert number(faded, "ending_db") == -100
    assert number(np.concatenate((sound, np.zeros((1, RATE), np.float32)), axis=1), "ending_db") == -100
    assert number(sound[:, round(0.3 * RATE) :], "ending_db") == -100


@pytest.mark.parametrize("at_s", [3.05, 3.4])
def test_an_end_in_the_reverb_is_cut_where_that_is_still_heard(at_s: float) -> None:
    """A hall of 1.6 s, struck for the last time at 3 s."""
    hits = struck(np.array([0.3, 1.2, 2.1, 3.0]), 6.0)
    fall = np.exp(-6.9 * np.arange(2 * RATE) / RATE / 1.6)
    hall = fftconvolve(hits[0], noise(seconds=2.0, seed=9)[0] * fall)[: 6 * RATE][None]
    whole = np.asarray(hall / np.abs(hall).max(), np.float32)
    assert spots(whole, "ending_cut") == []
    assert spots(whole[:, : round(at_s * RATE)], "ending_cut") == [(at_s, at_s)]
    assert spots(whole[:, 2 * RATE : round(at_s * RATE)], "ending_cut") == []
