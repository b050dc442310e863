"""Musical, seams: how a loop's seam, where its end meets its beginning, compares with any other point of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.musical.onsets import FLOOR_DB, band_edges, band_power, thinned

SHORTEST_S = 0.5
POINTS = 160  # inner points that a seam is compared with
ROUGHEST = 0.95  # of them, the quantile that a seam may reach
GOLDEN = 0.6180339887498949  # its multiples' fractions fill the unit interval evenly, whatever their number
SHORT_S, LONG_S, LEVEL_S, WAVE_S = 0.032, 0.25, 0.05, 0.01
SPECTRAL_RATE = 16_000  # Hz, the least that holds bands up to 8 kHz
CROSSING = 3  # samples on either side of a point that a break in the wave shows in
# What nobody notices, however even the clip is: dB of the mean band's change within 64 ms and within half a second, of
# the level, and of the sharpest sample over those around.
UNNOTICED = np.array([3.0, 2.0, 1.5, 12.0])

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """What a clip's own points are like: for each channel and feature, what a seam may reach [channels, 4], and the
    power that counts as silence [channels, 3]."""

    allowed: Floats
    floors: Floats


def loop_seam(samples: NDArray[np.float32], sample_rate: int) -> float | None:
    """How the seam of a loop, samples [channels, time] that are played over and over, compares with its inner points.

    The largest, over channels and features, of the feature at the seam by what 95 % of 160 points spread over the clip
    keep within, or by what nobody notices where that is more; 1 and below is no rougher than the music itself. Features
    of a point: how much the spectrum changes (mean over bands from 40 Hz to 8 kHz, in dB) from the 32 ms before it to
    the 32 ms after it, and from the 0.25 s before to the 0.25 s after; how much the level does, of 50 ms; and how much
    the wave's second difference across the point, which a jump or a kink makes great, stands out of that of 10 ms
    around. None for less than half a second and for silence. Finite samples.
    """
    if samples.shape[1] < SHORTEST_S * sample_rate or not samples.any():
        return None
    return rated(samples, sample_rate, [0], inner(samples, sample_rate))


def inner(samples: NDArray[np.float32], sample_rate: int) -> Inner:
    """What the points of samples [channels, time] are like, those too near its ends left out."""
    length = samples.shape[1]
    margin = min(round(LONG_S * sample_rate), length // 8)
    places = margin + (np.arange(1, POINTS + 1) * GOLDEN % 1 * (length - 2 * margin)).astype(np.int64)
    floors = _floors(samples, sample_rate)
    found = _features(samples, sample_rate, places, floors)
    return Inner(allowed=np.maximum(np.quantile(found, ROUGHEST, axis=1), UNNOTICED), floors=floors)


def rated(samples: NDArray[np.float32], sample_rate: int, at: list[int], like: Inner) -> float:
    """How the roughest of these points of a loop compares with what `like` allows; samples before its first are those
    before its end."""
    found = _features(samples, sample_rate, np.array(at), like.floors)
    return float((found / like.allowed[:, None]).max())


def _features(samples: NDArray[np.float32], sample_rate: int, places: NDArray[np.int64], floors: Floats) -> Floats:
    """[channels, places, 4], in dB."""
    made = np.empty((len(samples), places.size, UNNOTICED.size))
    for channel, sound in enumerate(samples):
        fewer, rate = thinned(sound, sample_rate, SPECTRAL_RATE)  # nothing of the bands is lost
        there = np.round(places * (rate / sample_rate)).astype(np.int64)
        for feature, seconds in enumerate((SHORT_S, LONG_S)):
            made[channel, :, feature] = _spectral_change(fewer, rate, there, seconds, floors[channel, feature])
        before, after = (np.square(part).mean(axis=1) for part in _sides(sound, places, round(LEVEL_S * sample_rate)))
        level = 10 * np.log10((after + floors[channel, 2]) / (before + floors[channel, 2]))
        made[channel, :, 2] = np.abs(level)
        made[channel, :, 3] = _sharpness(sound, places, round(WAVE_S * sample_rate))
    return made


def _floors(samples: NDArray[np.float32], sample_rate: int) -> Floats:
    """60 dB under each channel's mean power: of a windowed spectrum's bands, short and long, and of samples."""
    power = np.maximum(np.square(samples, dtype=np.float64).mean(axis=1), 1e-20) * 10 ** (-FLOOR_DB / 10)
    rate = float(sample_rate)
    while rate / 2 >= SPECTRAL_RATE:
        rate /= 2
    windows = [round(seconds * rate) for seconds in (SHORT_S, LONG_S)]
    scales = [0.375 * window * window / 2 / 24 for window in windows]
    return np.stack([*(power * scale for scale in scales), power], axis=1)


def _sides(sound: NDArray[np.float32], places: NDArray[np.int64], length: int) -> list[NDArray[np.float32]]:
    """The `length` samples before and after each place [places, length], the sound going round."""
    return [sound[(places[:, None] + np.arange(first, first + length)) % sound.size] for first in (-length, 0)]


def _spectral_change(
    sound: NDArray[np.float32], sample_rate: float, places: NDArray[np.int64], seconds: float, floor: float
) -> Floats:
    window = round(seconds * sample_rate)
    bins, shape = band_edges(window, sample_rate), np.hanning(window).astype(np.float32)
    before, after = (10 * np.log10(band_power(s * shape, bins) + floor) for s in _sides(sound, places, window))
    change: Floats = np.abs(after - before).mean(axis=1, dtype=np.float64)
    return change


def _sharpness(sound: NDArray[np.float32], places: NDArray[np.int64], around: int) -> Floats:
    before, after = _sides(sound, places, around)
    bend = np.diff(np.concatenate([before, after], axis=1), 2, axis=1).astype(np.float64)
    middle = around - 1  # the bend that reaches across the place
    sharpest = np.abs(bend[:, middle - CROSSING : middle + CROSSING]).max(axis=1)
    usual = np.sqrt(np.square(bend).mean(axis=1))
    # Rounding to 16 bits bends too.
    return np.asarray(20 * np.log10((sharpest + 1e-4) / (usual + 1e-4)))
