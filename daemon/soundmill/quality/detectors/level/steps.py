"""The quality room, level steps: the loudness of a clip jumps while its sound stays the same.

Music grows loud by other instruments and other notes: its spectrum changes with its level, and single notes
were as loud before. A phrase dies away over a second before the next one begins, and after the last word of a speaker
lies a floor that never stirs. A fault in the chain changes all bands alike, soft moments and loud ones, from one moment
to the next and for good, and what sounds is as lively after it as before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.detectors.runs import highest
from soundmill.quality.detectors.spectra import Spectra

HOP_S = 0.005
GAP = 3  # hops on either side of a moment that are not asked: a gain is moved, too
QUICK = (4, 12)  # hops that are compared before and after: it is sudden,
LONG_S = 2.5  # and compared over so much: it stays,
LEAST_LONG_S = 1.2  # and this much at least
LONG_SHARE = 0.25  # of the clip, to find the moment
FRAME = 5  # hops of what the soft and loud moments are told from:
MOMENTS = (0.5, 0.75, 0.9, 1.0)  # these of the levels, from the softest
NEAR_S = 0.06  # whose spectrum is compared right before and after
NEAR_HZ = 60.0, 8000.0, 14  # from, to, bands
LEAST_DB = 6.0  # less is nothing
AGREED = 0.65  # of the median of all these changes, which all but one of them reach,
LEAST_SHARE = 0.4  # and that one this
MOST_DB = 60.0  # what falls further has stopped: that is silence
LOOKED_AT = 4
APART_S = 0.15
DEPTH_DB = 70.0  # what is further below the clip counts as nothing
BAND_DEPTH_DB = 85.0  # and this below the loudest band
HEARD_DB = 50.0  # further below the loudest band of either side, a band says nothing
FEWEST_BANDS = 4
APART_DB = 5.0  # bands that differ by more do not change alike
LIVELY, LIVELY_DB = 2.5, 3.0  # times the standard deviation of one side's levels, and more: the other is no such sound
DYING = 0.3  # share of a step upwards: a phrase that dies away before it and a hit that does after it are music
FIFTH = 5  # of a side: what is compared for that

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What a step is told from, of all channels together.

    power: mean of each hop [hops]; hop: its samples; waves: channels [channels, time] that are as loud as `loudness`
    says [channels]; bands: power of each band [frames, bands]; spectra: whose frames those are
    """

    power: Floats
    hop: int
    waves: Samples
    loudness: Floats
    rate: int
    bands: Floats
    spectra: Spectra


def level_step(clip: Clip) -> tuple[float, float]:
    """(Step in dB, where in seconds): the largest change of level that all of the sound shares; (0, 0) for none.

    Looked at are the moments at which the level changes most, by the 20 ms, by the 60 ms and by the 2.5 s before and
    after alike, with 1.2 s on either side at least. The step is the median of these changes: of the 60 ms; of the
    median, the upper quarter, the upper tenth and the maximum of the levels of 25 ms; and, median over bands, of the
    spectrum of the 60 ms before and after and of the 2.5 s. It is none where two of them are under 0.65 of that or
    one under 0.4; where over those 2.5 s the bands differ by more than 5 dB
    (median deviation), in their means and in their loud moments; where the level on one side is livelier by more than
    2.5 times and 3 dB (standard deviation); or where it is upwards and the level falls by three tenths of it on the
    two sides together.
    """
    count, hop_s = clip.power.size, clip.hop / clip.rate
    least = round(LEAST_LONG_S / hop_s)
    centres = np.arange(least, count - least)
    if centres.size == 0 or not clip.power.any():
        return 0.0, 0.0
    floor = float(clip.power.mean()) * 10 ** (-DEPTH_DB / 10)
    level = 10 * np.log10(clip.power + floor)
    changes = [_change(clip.power, centres, width, floor) for width in QUICK]
    long = min(round(LONG_S / hop_s), round(LONG_SHARE * count))
    changes.append(_lasting(level, centres, long))
    signs = np.sign(changes)
    alike = (signs == signs[0]).all(axis=0)
    change = np.where(alike, np.abs(changes).min(axis=0), 0.0)
    best, best_at = 0.0, 0.0
    near = round(APART_S / hop_s)
    for top in highest(change, LOOKED_AT, apart=near + 1, least=LEAST_DB):
        step = _step(clip, level, int(centres[top]), float(changes[1][top]), floor)
        if best < step <= MOST_DB:
            best, best_at = step, float(centres[top]) * hop_s
    return best, best_at


def _change(power: Floats, centres: NDArray[np.int64], width: int, floor: float) -> Floats:
    """Level of the `width` hops after each centre against that of those before, in dB."""
    sums = np.concatenate(([0.0], np.cumsum(power)))
    after = sums[centres + GAP + width] - sums[centres + GAP]
    before = sums[centres - GAP] - sums[centres - GAP - width]
    changed: Floats = 10 * np.log10((after + width * floor) / (before + width * floor))
    return changed


def _lasting(level: Floats, centres: NDArray[np.int64], width: int) -> Floats:
    """Mean level after each centre, of `width` hops or those there are, less that before it."""
    sums = np.concatenate(([0.0], np.cumsum(level)))
    end, begin = np.minimum(centres + GAP + width, level.size), np.maximum(centres - GAP - width, 0)
    after = (sums[end] - sums[centres + GAP]) / (end - centres - GAP)
    before = (sums[centres - GAP] - sums[begin]) / (centres - GAP - begin)
    changed: Floats = after - before
    return changed


def _step(clip: Clip, level: Floats, centre: int, quick: float, floor: float) -> float:
    """The step at one moment; 0 where it is none."""
    sign = 1.0 if quick > 0 else -1.0
    wide = round(LONG_S * clip.rate / clip.hop)
    sides = clip.power[max(centre - GAP - wide, 0) : centre - GAP], clip.power[centre + GAP : centre + GAP + wide]
    before, after = (_moments(side, floor) for side in sides)
    changes = [quick, *(float(np.quantile(after, at) - np.quantile(before, at)) for at in MOMENTS)]
    bands = _by_bands(clip, centre)
    if bands is None:
        return 0.0
    every = np.sort([sign * each for each in (*changes, *bands, _nearby(clip, centre))])
    step = float(np.median(every))
    agreed = every[0] >= LEAST_SHARE * step and every[1] >= max(AGREED * step, LEAST_DB)
    dies_away = sign > 0 and _dying(before) + _dying(after) > DYING * step
    return step if agreed and not dies_away else 0.0


def _moments(power: Floats, floor: float) -> Floats:
    """Levels of 25 ms."""
    whole = power[: power.size // FRAME * FRAME].reshape(-1, FRAME).mean(axis=1)
    return np.asarray(10 * np.log10(whole + floor))


def _dying(levels: Floats) -> float:
    """How far a side falls from its first fifth to its last, in dB."""
    fifth = levels.size // FIFTH + 1
    return max(float(levels[:fifth].mean() - levels[-fifth:].mean()), 0.0)


def _by_bands(clip: Clip, centre: int) -> tuple[float, float] | None:
    """The change of the bands' mean levels and of their loud moments, median over bands; None where they differ, or
    one side is no such sound."""
    # A frame reaches from its first sample to that of two hops later.
    first = clip.spectra.seconds(0) * clip.rate
    length = clip.rate / clip.spectra.frame_rate
    last_before = int(((centre - GAP) * clip.hop - 2 * first) // length)
    first_after = -int(-((centre + GAP) * clip.hop) // length)
    wide = round(LONG_S * clip.spectra.frame_rate)
    sides = clip.bands[max(last_before + 1 - wide, 0) : last_before + 1], clip.bands[first_after : first_after + wide]
    if min(map(len, sides)) < 3:
        return None
    floor = float(clip.bands.max()) * 10 ** (-BAND_DEPTH_DB / 10)
    before, after = (10 * np.log10(np.maximum(side, floor)) for side in sides)
    softer, livelier = sorted((float(before.mean(axis=1).std()), float(after.mean(axis=1).std())))
    if livelier > LIVELY * softer + LIVELY_DB:
        return None
    found, apart = [], []
    for old, new in (
        (before.mean(axis=0), after.mean(axis=0)),
        (np.quantile(before, 0.8, axis=0), np.quantile(after, 0.8, axis=0)),
    ):
        loud = np.maximum(old, new)
        heard = loud > loud.max() - HEARD_DB
        change = (new - old)[heard]
        found.append(float(np.median(change)))
        apart.append(float(np.median(np.abs(change - found[-1]))) if change.size >= FEWEST_BANDS else np.inf)
    return (found[0], found[1]) if min(apart) <= APART_DB else None


def _nearby(clip: Clip, centre: int) -> float:
    """The change from the 60 ms before to the 60 ms after, median over bands."""
    length = round(NEAR_S * clip.rate)
    before = _spectrum(clip, slice(max((centre - GAP) * clip.hop - length, 0), (centre - GAP) * clip.hop))
    after = _spectrum(clip, slice((centre + GAP) * clip.hop, (centre + GAP) * clip.hop + length))
    loudest = max(float(before.max(initial=0)), float(after.max(initial=0)))
    heard = np.maximum(before, after) > loudest * 10 ** (-HEARD_DB / 10)
    if np.count_nonzero(heard) < FEWEST_BANDS:
        return 0.0
    least = loudest * 10 ** (-BAND_DEPTH_DB / 10)
    return float(np.median(10 * np.log10((after[heard] + least) / (before[heard] + least))))


def _spectrum(clip: Clip, where: slice) -> Floats:
    """Power of 14 bands of all channels together [bands]."""
    waves = clip.waves[:, where]
    size, (low, high, count) = waves.shape[1], NEAR_HZ
    shown = waves * (clip.loudness[:, None] * np.hanning(size))
    power = np.square(np.abs(np.fft.rfft(shown, axis=1))).sum(axis=0)
    hertz = np.geomspace(low, min(high, 0.45 * clip.rate), count + 1)
    edges = np.unique(np.rint(hertz * size / clip.rate).astype(np.int64))
    edges = edges[(edges >= 1) & (edges < power.size)]
    if edges.size < FEWEST_BANDS + 1:
        return np.zeros(0)
    return np.asarray(np.add.reduceat(power[: edges[-1]], edges[:-1]) / np.diff(edges))


def hops(blocks: Floats, block: int, rate: int) -> tuple[Floats, int]:
    """(Mean power of each whole hop of about 5 ms, its samples) from the sums of squares of blocks of `block`."""
    per = max(1, round(HOP_S * rate / block))
    count = blocks.size // per
    sums: Floats = blocks[: count * per].reshape(count, per).sum(axis=1)
    return sums / (per * block), per * block
