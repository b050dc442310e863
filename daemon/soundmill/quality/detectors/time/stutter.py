"""The quality room, stutter: 20 to 100 ms that are played again and again, a buffer that nobody filled.

A held note is like itself after any of its periods; a buffer played again is itself, sample for sample, after its own
length and after nothing shorter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from soundmill.quality.detectors.runs import longest

Samples = NDArray[np.float32]

FRAME_S = 0.256
SHORTEST_S, LONGEST_S = 0.02, 0.1
LIKELY = 0.3  # autocorrelation of the slope: what is looked at more closely
AT_ONCE = 32  # frames: fits a core's cache
LOOKS = 12
COPY = 0.02  # of the slope's power is what may be left once what was one period earlier is taken away
SOONEST_S, PITCHED = 0.003, 0.85  # what is so much like itself after a shorter time is a note,
FAR = 20.0  # unless it is so many times more like itself after the period, as no note is
NEAR = 40  # steps of a millisecond
FAINT = 1e-3  # of the mean power
FEWEST = 1.5  # periods that are copies, one after the other


@dataclass(frozen=True, slots=True)
class Stutter:
    start_s: float
    end_s: float
    period_s: float


def stutters(slow: Samples, slow_rate: float, heard: Samples, rate: int) -> list[Stutter]:
    """In one clip [time] at a few kHz, and as it is [channels, time]; where it is stuck, longest first, none twice."""
    size, hop = round(FRAME_S * slow_rate), round(FRAME_S * slow_rate * 0.6)
    if slow.size <= size + 1:
        return []
    likely, lags = _likely(sliding_window_view(np.diff(slow), size)[::hop], slow_rate)
    found: list[Stutter] = []
    for frame in np.argsort(-likely)[:LOOKS]:
        at_s = (float(frame) * hop + size / 2) / slow_rate
        if likely[frame] < LIKELY or any(each.start_s <= at_s <= each.end_s for each in found):
            continue
        stuck = _stuck(heard, rate, at_s, float(lags[frame]) / slow_rate, 1 / slow_rate)
        if stuck and not any(stuck.start_s < each.end_s and each.start_s < stuck.end_s for each in found):
            found.append(stuck)
    return sorted(found, key=lambda each: each.start_s - each.end_s)


def _likely(frames: Samples, rate: float) -> tuple[Samples, NDArray[np.int64]]:
    """How much each frame [frames, time] is like itself 20 to 100 ms later, 0 for a faint one, and how much later."""
    size = frames.shape[1]
    least, most = round(SHORTEST_S * rate), round(LONGEST_S * rate)
    power, likely = np.zeros(len(frames), np.float32), np.zeros(len(frames), np.float32)
    lags = np.zeros(len(frames), np.int64)
    for first in range(0, len(frames), AT_ONCE):
        here = slice(first, first + AT_ONCE)
        spectrum = scipy.fft.rfft(frames[here], 2 * size, axis=1)
        alike = scipy.fft.irfft(np.square(spectrum.real) + np.square(spectrum.imag), axis=1)[:, : most + 1]
        power[here] = alike[:, 0]
        alike *= np.float32(size) / (size - np.arange(most + 1, dtype=np.float32))  # what is left to compare
        lags[here] = least + alike[:, least:].argmax(axis=1)
        likely[here] = alike[:, least:].max(axis=1) / np.maximum(alike[:, 0], 1e-20)
    likely[power < FAINT * power.mean()] = 0
    return likely, lags


def _stuck(heard: Samples, rate: int, at_s: float, about_s: float, slack_s: float) -> Stutter | None:
    """What repeats itself around a moment after about so long."""
    reach = round((FRAME_S + 2 * LONGEST_S) * rate)
    first = max(round(at_s * rate) - reach, 0)
    slope = np.diff(heard[:, first : round(at_s * rate) + reach].mean(axis=0))
    about, slack = round(about_s * rate), 2 + round(slack_s * rate)
    if slope.size < 4 * about or about <= slack:
        return None
    middle = round(at_s * rate) - first
    piece = slope[middle : middle + about]
    near = slope[middle - about - slack : middle + slack]
    if piece.size < about or near.size < about + 2 * slack or middle < about + slack:
        return None
    lag = about + slack - int(np.correlate(near, piece, "valid").argmax())
    step = max(8, round(0.001 * rate))
    where = (middle - lag) // step
    for parts in (4, 3, 2, 1):  # what is likely may be several periods
        if lag / parts < SHORTEST_S * rate and parts > 1:
            continue
        period = round(lag / parts)
        found = _copied(slope, period, step, where)
        if found is None:
            continue
        start, end, left = found
        held = slope[start * step : period + end * step]
        alike = _like_itself(held, round(SOONEST_S * rate), round(0.9 * period))
        if alike > PITCHED and 1 - alike < FAR * left:
            return None
        first_s, last_s = ((first + each * step + period) / rate for each in (start, end))
        return Stutter(first_s, last_s, period / rate)
    return None


def _copied(slope: Samples, lag: int, step: int, where: int) -> tuple[int, int, float] | None:
    """(First and last step of what is a copy one lag later around step `where`, the share of power by which it is
    none); None for less than one and a half lags of it."""
    left = _left(slope, lag, step)
    edges = np.flatnonzero(np.diff(left < COPY, prepend=False, append=False)).reshape(-1, 2)
    spans = [(int(start), int(end)) for start, end in edges if start - NEAR <= where <= end + NEAR]
    start, end = longest(spans)
    if (end - start) * step < FEWEST * lag:
        return None
    return start, end, float(left[start:end].mean())


def _left(slope: Samples, lag: int, step: int) -> NDArray[np.float64]:
    """Of each step of samples, the share of its power that is not what was one lag earlier."""
    count = (slope.size - lag) // step
    now, then = slope[lag : lag + count * step], slope[: count * step]
    sums = [np.square(each, dtype=np.float64).reshape(count, step).sum(axis=1) for each in (now - then, now, then)]
    faint = FAINT * float(np.mean(sums[1])) if count else 0.0
    left: NDArray[np.float64] = sums[0] / np.maximum((sums[1] + sums[2]) / 2, max(faint, 1e-20))
    return left


def _like_itself(held: Samples, least: int, most: int) -> float:
    """Highest correlation with itself so many samples later."""
    if most <= least or most >= held.size:
        return 0.0
    spectrum = scipy.fft.rfft(held, scipy.fft.next_fast_len(2 * held.size, real=True))
    cross = scipy.fft.irfft(np.square(spectrum.real) + np.square(spectrum.imag))[least:most]
    sums = np.concatenate(([0.0], np.cumsum(np.square(held, dtype=np.float64))))
    later = np.arange(least, most)
    scale = np.sqrt((sums[-1] - sums[later]) * sums[held.size - later])
    return float((cross / np.maximum(scale, 1e-20)).max())
