"""The quality room, pauses: silence at the head, the tail and inside of a clip, and dropouts, which are pauses that no
instrument makes: the sound stops within milliseconds and comes back as abruptly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.detectors.runs import longest, runs

SILENCE_DBFS = -60.0
WINDOW_S = 0.032  # over which the share of silence is taken
EDGE_S = 0.006  # within this a dropout's sound is gone and back
EDGE_DB = 24.0  # how far it falls, and rises again
UNDER_CLIP_DB = 12.0  # a sound much softer than the clip ends and begins abruptly by itself
NEAR_S = 0.05  # within this the sound is about as loud as in the last and first
TORN_S = 0.003  # beside a dropout:
NEAR_DB = 14.0  # what dies away before a rest and begins after it, however fast, is softer there
CUT_DB = 6.0  # in the block before it so little softer: nobody lets a note go so fast
DROPOUT_MIN_S = 0.003  # a low tone takes as long to cross zero
DROPOUT_MAX_S = 1.0  # longer ones are pauses
SHORTEST_S = 1.0  # what is shorter is made of pieces: two honks, three blips
BEAT_S, OFF_BEAT_S = 0.06, 0.003  # notes that are let go on a beat leave rests at its multiples, so exactly
FEWEST, BY_CHANCE = 4, 0.01  # of fewer nothing is said, and of these by chance so often at most


def window_of(sample_rate: int, block: int) -> int:
    """Samples of a window of silence, 32 ms of whole blocks."""
    return max(1, round(WINDOW_S * sample_rate / block)) * block


def silent_windows(
    scaled: NDArray[np.float32], blocks: NDArray[np.float64], block: int, window: int, peaks: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which windows are below −60 dBFS RMS [channels, windows], from samples [channels, time] whose peaks were `peaks`
    before they were made 1, with the sums of squares of their whole blocks of `block` samples, which divides `window`.

    A shorter clip is one window.
    """
    channels, length = scaled.shape
    if length == 0:
        return np.zeros((channels, 0), dtype=np.bool_)
    if length < window:
        power = np.mean(np.square(scaled), axis=1, keepdims=True, dtype=np.float64)
    else:
        per, count = window // block, length // window
        power = blocks[:, : count * per].reshape(channels, count, per).sum(axis=2) / window
    rms: NDArray[np.float64] = np.sqrt(power) * peaks[:, None]
    return rms < 10 ** (SILENCE_DBFS / 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """In seconds. Spans are (start, end)."""

    head_s: float
    tail_s: float
    inside_s: float  # the longest
    dropouts: tuple[tuple[float, float], ...]


def pauses(power: NDArray[np.float64], block_s: float, duration_s: float) -> Pauses:
    """From the mean power of consecutive blocks [blocks] of one channel, full scale = 1.

    A clip that is silent throughout is all head and all tail.
    """
    floor = 10 ** (SILENCE_DBFS / 10)
    silent = power < floor
    if not power.size or silent.all():
        whole = duration_s if power.size else 0.0
        return Pauses(head_s=whole, tail_s=whole, inside_s=0.0, dropouts=())
    spans = runs(silent)
    sounding = np.flatnonzero(~silent)
    inside = [span for span in spans if sounding[0] < span[0] and span[1] <= sounding[-1]]
    start, end = longest(inside)
    tail = duration_s - (int(sounding[-1]) + 1) * block_s
    return Pauses(
        head_s=int(sounding[0]) * block_s,
        tail_s=tail if silent[-1] else 0.0,  # the rest of an incomplete block goes with its neighbour
        inside_s=(end - start) * block_s,
        dropouts=tuple((first * block_s, last * block_s) for first, last in _dropouts(power, inside, floor, block_s)),
    )


def torn_s(channels: Sequence[Sequence[tuple[float, float]]], duration_s: float) -> float:
    """Summed length of such spans (start, end in seconds), of the channel that has most; those on a beat and in clips
    under 1 s are no faults."""
    if duration_s < SHORTEST_S:
        return 0.0
    return max((sum(end - start for start, end in each) for each in channels if not on_a_beat(each)), default=0.0)


def on_a_beat(spans: Sequence[tuple[float, float]]) -> bool:
    """Whether these begin (start, end in seconds) at several multiples of the shortest time between two of them, as
    rests of a sequencer do, and more of them than would by chance. What comes at one distance alone may be a buffer
    that runs dry each time."""
    apart = np.diff(np.sort([start for start, _ in spans]))
    if apart.size < FEWEST - 1 or apart.min() < BEAT_S:
        return False
    shortest = float(apart.min())
    beats = np.rint(apart / shortest)
    beat = float(apart.sum() / beats.sum())
    off = np.abs(apart - beat * beats)
    by_chance = (2 * OFF_BEAT_S / beat) ** (apart.size - 1)
    return bool(beats.max() > 1 and off.max() <= OFF_BEAT_S and by_chance <= BY_CHANCE)


def _dropouts(
    power: NDArray[np.float64], inside: list[tuple[int, int]], floor: float, block_s: float
) -> list[tuple[int, int]]:
    edge, near = max(2, round(EDGE_S / block_s)), max(2, round(NEAR_S / block_s))
    torn = max(2, round(TORN_S / block_s))
    softer = 10 ** (-NEAR_DB / 10)
    loud = max(floor * 10 ** (EDGE_DB / 10), float(power.mean()) / 10 ** (UNDER_CLIP_DB / 10))
    found = []
    for start, end in inside:
        before, after = power[max(start - near, 0) : start], power[end : end + near]
        if min(before.size, after.size) < near // 2:  # a switch clicks, and then there is silence
            continue
        beside = float(before[-edge:].max()), float(after[:edge].max())
        was, comes = softer * before.mean(), softer * after.mean()
        cut = before[-1] >= before.mean() / 10 ** (CUT_DB / 10)  # then what comes may begin with a soft moment
        goes_on = before[-torn:].max() >= was and after[: edge if cut else torn].max() >= comes
        if DROPOUT_MIN_S <= (end - start) * block_s <= DROPOUT_MAX_S and min(beside) >= loud and goes_on:
            found.append((start, end))
    return found
