"""The quality room, level steps: the loudness of a clip jumps while its sound stays the same.

Music grows loud by other instruments and other notes: its spectrum changes with its level, and single notes
were as loud before. A phrase dies away over a second before the next one begins. A fault in the chain changes all bands
alike, from one moment to the next and for good.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.detectors.spectra import Spectra

LONG_S = 2.5  # compared before and after: it stays,
LONG_SHARE = 0.25  # of the clip where that is less,
LEAST_LONG_S = 1.0  # and this much at least
SHORT_S = 0.4  # and this: it is sudden
LEAST_DB = 4.0  # of the whole level, to be looked at
MOST_DB = 60.0  # what falls further has stopped: that is silence
LOOKED_AT = 4
APART_S = 0.3
DEPTH_DB = 85.0  # what is further below the loudest band counts as nothing
HEARD_DB = 30.0  # above that, on the louder side, a band says something
FEWEST_BANDS = 4
SOUNDING = 0.4  # share of the frames on either side; a pause is no step
APART_DB = 4.0  # bands that differ by more do not change alike
TENTH = 0.1  # of the frames: the softest of the louder side lie above the loudest of the softer side
CLEAR = 0.3  # by that share of the step,
FAR_DB, FAR_CLEAR = 30.0, 0.7  # and by this one of a larger step: pauses between notes are as deep
DYING = 0.3  # share of a step upwards: a phrase that dies away before it and a hit that does after it are music
FIFTH = 5  # of a side: what is compared for that

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


def level_step(found: Spectra) -> tuple[float, float]:
    """(Step in dB, where in seconds): the largest change of level that all bands share; (0, 0) when there is none.

    Looked at are the moments at which the level changes most, both from the 0.4 s before to the 0.4 s after and from
    the 2.5 s before to the 2.5 s after (in clips under 10 s a quarter of the clip, 1 s at least). The step is the
    median over bands of either change, whichever is smaller. It is none where the bands differ by more than 4 dB
    (median deviation) in either; where less than three tenths of it, seven of one over 30 dB, lie between the loudest
    tenth of the frames on the softer side and the softest tenth of those on the louder; or where it is upwards and the
    level falls by three tenths of it on the two sides together.
    """
    power = found.bands
    long_s = max(min(LONG_S, LONG_SHARE * len(power) / found.frame_rate), LEAST_LONG_S)
    long, short = round(long_s * found.frame_rate), max(3, round(SHORT_S * found.frame_rate))
    if power.shape[1] < FEWEST_BANDS or len(power) < 2 * long + 2 or not power.any():
        return 0.0, 0.0
    floor = float(power.max()) * 10 ** (-DEPTH_DB / 10)
    level = 10 * np.log10(np.maximum(power.sum(axis=1), np.float32(floor)))
    centres = np.arange(long, len(power) - long)
    slow, quick = _change(level, centres, long), _change(level, centres, short)
    change = np.where(slow * quick > 0, np.minimum(np.abs(slow), np.abs(quick)), 0.0)
    best, best_at = 0.0, 0.0
    for _ in range(LOOKED_AT):
        top = int(change.argmax())
        if change[top] < LEAST_DB:
            break
        step = min(abs(_shared(power, int(centres[top]), width, floor)) for width in (long, short))
        sides = _sides(level, int(centres[top]), long)
        clear = CLEAR if step <= FAR_DB else FAR_CLEAR
        if best < step <= MOST_DB and _between(*sides) > clear * step and _dying(*sides) < DYING * step:
            best, best_at = step, found.seconds(float(centres[top]))
        near = round(APART_S * found.frame_rate)
        change[max(top - near, 0) : top + near + 1] = 0
    return best, best_at


def _change(level: NDArray[np.float32], centres: NDArray[np.int64], width: int) -> Floats:
    """Mean of the `width` frames after each centre less that of those before [centres]. A frame reaches over a step, so
    the one at the centre and its neighbours are not asked."""
    sums = np.concatenate(([0.0], np.cumsum(level, dtype=np.float64)))
    after = (sums[centres + width] - sums[centres + 2]) / (width - 2)
    before = (sums[centres - 1] - sums[centres - width]) / (width - 1)
    changed: Floats = after - before
    return changed


def _sides(frames: Floats32, centre: int, width: int) -> tuple[Floats32, Floats32]:
    """The `width` frames before and after, without those that reach over the centre."""
    return frames[centre - width : centre - 1], frames[centre + 2 : centre + width]


def _between(before: Floats32, after: Floats32) -> float:
    """How far the softest tenth of the louder side's frames lies above the loudest tenth of the softer's, in dB."""
    soft, loud = sorted((before, after), key=lambda side: float(side.mean()))
    return float(np.quantile(loud, TENTH) - np.quantile(soft, 1 - TENTH))


def _dying(before: Floats32, after: Floats32) -> float:
    """How far the level falls on the sides of a step upwards, in dB, both together; 0 for a step downwards."""
    if after.mean() < before.mean():
        return 0.0
    ends = ((side[: side.size // FIFTH + 1], side[-(side.size // FIFTH + 1) :]) for side in (before, after))
    return sum(max(float(first.mean() - last.mean()), 0.0) for first, last in ends)


def _shared(power: NDArray[np.float32], centre: int, width: int, floor: float) -> float:
    """The change all bands share, in dB; 0 when they do not."""

    def decibels(frames: NDArray[np.float32]) -> Floats:
        mean: Floats = (10 * np.log10(np.maximum(frames, np.float32(floor)))).mean(axis=0, dtype=np.float64)
        return mean

    sides = _sides(power, centre, width)
    if min(float(side.any(axis=1).mean()) for side in sides) < SOUNDING:
        return 0.0
    before, after = (decibels(side) for side in sides)
    heard = np.maximum(before, after) > 10 * np.log10(floor) + HEARD_DB
    if np.count_nonzero(heard) < FEWEST_BANDS:
        return 0.0
    change = (after - before)[heard]
    middle = float(np.median(change))
    return middle if float(np.median(np.abs(change - middle))) <= APART_DB else 0.0
