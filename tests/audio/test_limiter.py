"""The limiter and mastering: the ceiling and the loudness are reached, the sound stays what it was in between."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from soundmill.audio.limiter import LOOK_AHEAD_S, Peaks, limit
from soundmill.audio.loudness import integrated_loudness
from soundmill.audio.master import master
from soundmill.audio.resample import resample
from soundmill.audio.true_peak import peak_envelope, true_peak_dbtp
from support.missing import missing
from support.published import FewerPackages, Unavailable, cache, published

RATE = 48_000
PIECES = 200  # published ones


def struck(seconds: float, *, seed: int, channels: int = 2) -> NDArray[np.float32]:
    """Tones that begin hard and die away over a bed of noise: peaks 15 dB above the mean."""
    draw = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    made = 0.02 * draw.standard_normal((channels, time.size))
    for start in np.arange(0, seconds, 0.25):
        after = np.maximum(time - start, 0)
        tone = np.sin(2 * np.pi * draw.uniform(60, 4000) * after) * np.exp(-12 * after) * (time >= start)
        made += draw.uniform(0.1, 0.5) * tone * draw.uniform(0.5, 1, (channels, 1))
    return (0.5 * made).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 192_000])
def test_the_envelope_knows_the_true_peak(rate: int) -> None:
    sound = np.random.default_rng(rate).standard_normal((3, 10_001)).astype(np.float32)
    highest = 20 * np.log10(peak_envelope(sound, rate).max())
    assert highest == pytest.approx(true_peak_dbtp(sound, rate), abs=1e-4)


def test_the_envelope_is_where_the_peak_is() -> None:
    sound = np.zeros((2, 1000), np.float32)
    sound[1, 500] = 1.0
    assert peak_envelope(sound, RATE).argmax() == 500


@pytest.mark.parametrize("gain_db", [3.0, 8.0, 14.0])
@pytest.mark.parametrize("seed", range(6))
def test_the_ceiling_is_reached_and_not_passed(seed: int, gain_db: float) -> None:
    peaks = Peaks.of(struck(3, seed=seed), RATE)
    made = limit(peaks, gain_db - peaks.highest_db - 1.0, -1.0)
    assert made.true_peak_dbtp == pytest.approx(-1.0, abs=0.1)
    assert made.reduction_db == pytest.approx(gain_db, abs=0.3)


def test_what_stays_under_the_ceiling_is_only_louder() -> None:
    sound = struck(1, seed=1)
    peaks = Peaks.of(sound, RATE)
    made = limit(peaks, -2.0 - peaks.highest_db, -1.0)
    assert made.reduction_db == 0
    np.testing.assert_allclose(made.samples, sound * 10 ** ((-2.0 - peaks.highest_db) / 20), rtol=1e-5)


def test_the_gain_bends_only_around_a_peak_and_is_the_same_for_all_channels() -> None:
    time = np.arange(RATE) / RATE
    sound = np.stack([0.1 * np.sin(2 * np.pi * 441 * time), 0.2 * np.sin(2 * np.pi * 441 * time + 0.3)])
    sound = sound.astype(np.float32)
    sound[0, RATE // 2] = 1.0
    gain = limit(Peaks.of(sound, RATE), 0.0, -6.0).samples[1] / sound[1]
    away = np.ones(RATE, bool)
    away[RATE // 2 - round(LOOK_AHEAD_S * RATE) - 2 :] = False
    assert np.nanmax(np.abs(gain[away] - 1)) < 1e-5  # nothing is delayed, and nothing happens before it must
    near = gain[RATE // 2 - 400 : RATE // 2 + RATE // 4]
    assert np.nanmin(near) == pytest.approx(0.5, abs=0.01)
    assert np.nanmax(np.abs(np.diff(near))) < 0.01  # it bends, it does not jump
    assert gain[-1] == pytest.approx(1.0, abs=1e-3)  # and comes back


@pytest.mark.parametrize("target", [-30.0, -23.0, -18.0, -14.0, -12.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_loudness_that_is_asked_arrives(seed: int, target: float) -> None:
    sound = struck(4, seed=seed)
    made = master(sound, RATE, target_lufs=target, ceiling_dbtp=-1.0, most_reduction_db=24.0)
    assert integrated_loudness(made.samples, RATE) == pytest.approx(target, abs=0.3)
    peak = true_peak_dbtp(made.samples, RATE)
    assert peak is not None
    assert peak <= -0.9
    assert made.short_by_lu is not None
    assert abs(made.short_by_lu) <= 0.3


def test_where_it_would_take_too_much_limiting_it_says_by_how_much() -> None:
    made = master(struck(4, seed=9), RATE, target_lufs=-3.0, ceiling_dbtp=-1.0, most_reduction_db=6.0)
    assert made.bounded
    assert made.reduction_db == pytest.approx(6.0, abs=0.2)
    assert made.loudness_lufs is not None
    assert made.short_by_lu == pytest.approx(-3.0 - made.loudness_lufs)
    assert made.short_by_lu > 1


def test_silence_and_what_is_nearly_silent_keep_their_level() -> None:
    for level in (0.0, 1e-4):
        sound = (level * np.random.default_rng(1).standard_normal((1, RATE))).astype(np.float32)
        made = master(sound, RATE, target_lufs=-23.0, ceiling_dbtp=-1.0, most_reduction_db=12.0)
        np.testing.assert_array_equal(made.samples, sound)


@pytest.mark.parametrize("samples", [1, 5, 100, 2000])
def test_the_shortest_clips_are_mastered_too(samples: int) -> None:
    sound = struck(0.1, seed=2)[:, :samples] + np.float32(0.1)
    made = master(sound, RATE, target_lufs=-10.0, ceiling_dbtp=-1.0, most_reduction_db=12.0)
    assert made.samples.shape == sound.shape
    assert np.isfinite(made.samples).all()
    assert made.true_peak_dbtp is not None
    assert made.true_peak_dbtp <= -0.9


def test_a_gain_of_ones_own_is_limited_alone() -> None:
    sound = struck(2, seed=3)
    made = master(sound, RATE, target_lufs=None, ceiling_dbtp=-1.0, most_reduction_db=12.0, gain_db=12.0)
    assert made.gain_db == 12.0
    assert made.short_by_lu is None
    assert made.true_peak_dbtp is not None
    assert made.true_peak_dbtp <= -0.9


def test_published_music_arrives_too() -> None:
    """What game studios published, at -14 LUFS: loud enough that most of it must be limited."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FewerPackages)
            files = published(cache())
    except Unavailable as reason:
        missing(str(reason))
    heard = 0
    for path in files[:: max(1, len(files) // PIECES)]:
        try:
            with soundfile.SoundFile(path) as file:  # of minutes, three seconds are decoded
                rate = file.samplerate
                sound = file.read(3 * rate, dtype="float32", always_2d=True).T
        except soundfile.LibsndfileError:
            continue
        sound = resample(np.nan_to_num(sound[:2]), rate, RATE)
        if sound.shape[1] < RATE // 2 or float(np.sqrt(np.mean(sound**2))) < 0.01:
            continue
        made = master(sound, RATE, target_lufs=-14.0, ceiling_dbtp=-1.0, most_reduction_db=24.0)
        assert made.true_peak_dbtp is not None
        assert made.true_peak_dbtp <= -0.9, path
        assert made.short_by_lu is not None
        assert abs(made.short_by_lu) <= 0.3 or made.bounded, path
        heard += 1
    assert heard >= 100
