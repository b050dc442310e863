"""The quality room, pairs: a stereo channel that is turned over from some moment on, or comes later than the other.

A recording's two channels hold the same sources at nearly the same time, whatever the stage: what makes one of them the
other's opposite halfway through, or a copy of it 5 to 40 ms later, happened on the way.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SEGMENT_S = 0.25
SIDE_S = 1.0  # a turn is one from so much to so much
LEAST_DELAY_S, MOST_DELAY_S = 0.004, 0.045
EXCERPT_S = 1.5
EXCERPTS = 5
AGREE_S = 0.001  # within this most excerpts have the same delay
OVER_NONE = 0.25  # how much more alike the channels are with the delay than without


def turn(left: Samples, right: Samples, sample_rate: int) -> tuple[float, float]:
    """(How alike the channels are before and opposite after, or the other way round: the smaller of the two mean
    correlations of quarters of a second, 0 where there is no turn; where in seconds)."""
    size = round(SEGMENT_S * sample_rate)
    count, side = left.size // size, round(SIDE_S / SEGMENT_S)
    if count < 2 * side:
        return 0.0, 0.0
    one, two = (each[: count * size].reshape(count, size) for each in (left, right))
    power = np.vecdot(one, one) * np.vecdot(two, two)
    heard = power > power.max() * 1e-6
    alike = np.where(heard, np.vecdot(one, two) / np.sqrt(np.maximum(power, 1e-30)), 0.0)
    sums = np.concatenate(([0.0], np.cumsum(alike, dtype=np.float64)))
    counts = np.concatenate(([0], np.cumsum(heard)))
    at = np.arange(side, count - side + 1)
    before = sums[at] / np.maximum(counts[at], 1)
    after = (sums[-1] - sums[at]) / np.maximum(counts[-1] - counts[at], 1)
    turned = np.where(before * after < 0, np.minimum(np.abs(before), np.abs(after)), 0.0)
    best = int(turned.argmax())
    return float(turned[best]), float(at[best]) * SEGMENT_S


def delay(left: Samples, right: Samples, sample_rate: int) -> tuple[float, float]:
    """(Correlation of one channel with the other 4 to 45 ms later, how much later the right one is in seconds): the
    median over those excerpts which agree within 1 ms, three in five at least; (0, 0) where they do not, or where the
    channels are about as alike without a delay."""
    size = min(round(EXCERPT_S * sample_rate), left.size)
    most = round(MOST_DELAY_S * sample_rate)
    if size < 4 * most:
        return 0.0, 0.0
    length = scipy.fft.next_fast_len(size + most, real=True)
    found = []
    for start in np.linspace(0, left.size - size, EXCERPTS).astype(np.int64):
        one, two = left[start : start + size], right[start : start + size]
        scale = float(np.sqrt(float(np.vecdot(one, one)) * float(np.vecdot(two, two))))
        if scale <= 0:
            continue
        spectrum = scipy.fft.rfft(two, length) * scipy.fft.rfft(one, length).conj()
        cross = scipy.fft.irfft(spectrum, length) / scale
        lags = np.concatenate((cross[: most + 1], cross[-most:]))  # 0 … most, -most … -1
        top = int(np.abs(lags).argmax())
        lag = top if top <= most else top - lags.size
        found.append((lag / sample_rate, float(abs(lags[top])), float(np.abs(lags[0]))))
    if not found:
        return 0.0, 0.0
    middle = float(np.median([lag for lag, _, _ in found]))
    agreeing = [(alike, none) for lag, alike, none in found if abs(lag - middle) <= AGREE_S]
    alike, none = (float(np.median(each)) for each in zip(*agreeing, strict=True)) if agreeing else (0.0, 0.0)
    if 5 * len(agreeing) < 3 * EXCERPTS or abs(middle) < LEAST_DELAY_S or alike - none < OVER_NONE:
        return 0.0, 0.0
    return alike, middle
