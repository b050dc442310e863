"""The quality room, holes: a wave that stands still for a moment amid what sounds.

Packets that never came are zeros, or the last sample held. A rest is entered by what dies away and left by what begins;
a gate closes within milliseconds. Into a hole the wave falls from one sample to the next wherever it is, and comes back
as loud. A decoder that mutes fades within a millisecond: then what comes back must be what was there before. A square
wave stands still, too, but at its highest and lowest, and noise that a machine makes of steps does at any value.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.detectors.runs import runs

Samples = NDArray[np.float32]
Span = tuple[float, float]

SHORTEST_S, LONGEST_S = 0.005, 1.0
LOOK_S = 0.002  # every so often: two such points lie in the shortest hole
STILL = 1e-3  # of the channel's peak,
STILL_STEPS = 1.5  # or so many steps of 16 bits
BESIDE_S = 0.04  # the sound before and after: at most
UNDER_CLIP_DB = 12.0  # softer than the clip,
APART_DB = 12.0  # and than each other
EDGE_S, EDGE_DB = 0.004, 10.0  # right beside the hole it is softer than that by this at most
LAST_S, LAST_DB = 0.001, 12.0  # and in the very last millisecond by this,
JUMP = 0.1  # of its level in one sample, on one side at least; or else
FADED_S = 0.01  # the hole is longer than this,
ALIKE_DB, ALIKE_APART_DB = 4.0, 8.0  # and the bands before and after differ by less, on average, and the levels
HELD = 0.05  # of the highest nearby: what is held further from zero
HELD_AT = 0.9  # of it, is no crest of a square wave below this
HELD_S = 0.025  # and lasts longer than a wave clipped at several levels stands still,
HELD_ALIKE_DB = 8.0
STEPS, STEPS_TIMES = 8, 2  # so many stillnesses beside zero, and so many times the holes, are how the wave is made
BANDS = 12


def holes(channel: Samples, sample_rate: int, peak: float) -> list[Span]:
    """The holes (start, end in seconds) in one channel [time] whose peak, now 1, was `peak` of full scale."""
    step = max(2, int(LOOK_S * sample_rate))
    points = np.arange(1, (channel.size - step) // step) * step
    if points.size < 3:
        return []
    still = np.float32(min(max(STILL_STEPS / 32768 / peak, STILL), 1.0))
    at = channel[points]
    stays = (np.abs(channel[points + step // 2] - at) <= still) & (np.abs(channel[points + 1] - at) <= still)
    joined = stays[1:] & stays[:-1] & (np.abs(np.diff(at)) <= still)
    level = math.sqrt(float(np.vecdot(channel, channel)) / channel.size)
    found = []
    steps = 0
    for first, last in runs(joined):
        if (last - first) * step > LONGEST_S * sample_rate:
            continue
        steps += bool(abs(at[first]) > HELD)
        start, end = _extent(channel, int(points[first]), int(points[last]), step, still)
        if _is_hole(channel, sample_rate, start, end, level):
            found.append((start / sample_rate, end / sample_rate))
    return [] if steps >= max(STEPS, STEPS_TIMES * len(found)) else found


def _extent(channel: Samples, first: int, last: int, step: int, still: np.float32) -> tuple[int, int]:
    """Where the stillness about two points begins and ends, in samples; nowhere where it is none between them."""
    value = channel[first]
    if np.abs(channel[first:last] - value).max() > still:
        return first, first
    before = np.flatnonzero(np.abs(channel[max(first - step, 0) : first] - value) > still)
    after = np.flatnonzero(np.abs(channel[last : last + 2 * step] - value) > still)
    start = max(first - step, 0) + (int(before[-1]) + 1 if before.size else 0)
    return start, last + int(after[0]) if after.size else min(last + 2 * step, channel.size)


def _is_hole(channel: Samples, rate: int, start: int, end: int, level: float) -> bool:
    length_s = (end - start) / rate
    near = round(BESIDE_S * rate)
    if not SHORTEST_S <= length_s <= LONGEST_S or start < near // 4 or end > channel.size - near // 4:
        return False
    before, after = channel[max(start - near, 0) : start], channel[end : end + near]
    levels = _level(before), _level(after)
    apart = abs(_decibels(levels[0], levels[1]))
    if min(_decibels(each, level) for each in levels) < -UNDER_CLIP_DB or apart > APART_DB:
        return False
    edge, last = round(EDGE_S * rate), max(2, round(LAST_S * rate))
    if min(_decibels(_level(before[-edge:]), levels[0]), _decibels(_level(after[:edge]), levels[1])) < -EDGE_DB:
        return False
    highest = max(float(np.abs(before).max()), float(np.abs(after).max()))
    value = float(abs(channel[start]))
    if value > HELD * highest:
        held = value < HELD_AT * highest and length_s >= HELD_S
        return held and _difference_db(before, after) < HELD_ALIKE_DB
    torn = min(_decibels(_level(before[-last:]), levels[0]), _decibels(_level(after[:last]), levels[1])) > -LAST_DB
    jumps = (abs(float(channel[beside] - channel[start])) for beside in (start - 1, end))
    if torn and max(jump / each for jump, each in zip(jumps, levels, strict=True)) > JUMP:
        return True
    return length_s >= FADED_S and apart < ALIKE_APART_DB and _difference_db(before, after) < ALIKE_DB


def _level(part: Samples) -> float:
    return math.sqrt(float(np.vecdot(part, part)) / part.size) if part.size else 0.0


def _decibels(one: float, other: float) -> float:
    return 20 * math.log10((one + 1e-7) / (other + 1e-7))


def _difference_db(before: Samples, after: Samples) -> float:
    """Mean difference of the levels of 12 bands of equally long parts beside the hole."""
    size = min(before.size, after.size)
    edges = np.unique(np.rint(np.geomspace(2, size // 2, BANDS + 1)).astype(np.int64))
    window = np.hanning(size)
    spectra = [np.square(np.abs(np.fft.rfft(part * window))) for part in (before[-size:], after[:size])]
    bands = [np.add.reduceat(power[: size // 2], edges[:-1]) for power in spectra]
    least = max(float(each.max()) for each in bands) * 1e-6
    return float(np.abs(10 * np.log10((bands[0] + least) / (bands[1] + least))).mean())
