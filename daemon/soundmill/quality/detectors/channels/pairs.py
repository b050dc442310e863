"""The quality room, pairs: a stereo channel that is turned over from some moment on, or comes later than the other.

A recording's two channels hold the same sources at nearly the same time, whatever the stage: what makes one the other's
opposite halfway through, or a copy of it 5 to 40 ms later, happened on the way. Sound is also widened on purpose
by a delayed copy (H. Haas, 1951): then what is not delayed stays in both channels, or the copy is another's spectrum.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SEGMENT_S = 0.25
SIDE_S = 1.0  # a turn is one from so much to so much
HEARD = 1e-10  # of the largest product of the two powers: 50 dB below the loudest quarter of a second
LASTING = 0.85  # share of the quarters of a second on either side that have the sign of their side
LEAST_DELAY_S, MOST_DELAY_S = 0.004, 0.045
EXCERPT_S = 1.5
EXCERPTS = 5
AGREE_S = 0.001  # within this most excerpts have the same delay
OVER_NONE = 0.25  # how much more alike the channels are with the delay than without
LEFT_OVER = 0.15  # and no more alike without it than a whole channel's delay leaves them


def turn(left: Samples, right: Samples, sample_rate: int) -> tuple[float, float]:
    """(How alike the channels are before and opposite after, or the other way round: the smaller of the two mean
    correlations of quarters of a second, 0 where there is no turn; where in seconds)."""
    size = round(SEGMENT_S * sample_rate)
    count, side = left.size // size, round(SIDE_S / SEGMENT_S)
    if count < 2 * side:
        return 0.0, 0.0
    one, two = (each[: count * size].reshape(count, size) for each in (left, right))
    power = np.vecdot(one, one) * np.vecdot(two, two)
    heard = power > power.max() * HEARD
    alike = np.where(heard, np.vecdot(one, two) / np.sqrt(np.maximum(power, 1e-30)), 0.0)
    sums = np.concatenate(([0.0], np.cumsum(alike, dtype=np.float64)))
    counts = np.concatenate(([0], np.cumsum(heard)))
    at = np.arange(side, count - side + 1)
    before = sums[at] / np.maximum(counts[at], 1)
    after = (sums[-1] - sums[at]) / np.maximum(counts[-1] - counts[at], 1)
    positive = np.concatenate(([0], np.cumsum(heard & (alike > 0))))
    share = positive[at] / np.maximum(counts[at], 1)
    share_after = (positive[-1] - positive[at]) / np.maximum(counts[-1] - counts[at], 1)
    lasting = np.where(before > 0, np.minimum(share, 1 - share_after), np.minimum(1 - share, share_after)) >= LASTING
    enough = np.minimum(counts[at], counts[-1] - counts[at]) >= side
    turned = np.where((before * after < 0) & lasting & enough, np.minimum(np.abs(before), np.abs(after)), 0.0)
    best = int(turned.argmax())
    return float(turned[best]), float(at[best]) * SEGMENT_S


def delay(left: Samples, right: Samples, rate: float) -> tuple[float, float]:
    """(Correlation of one channel with the other 4 to 45 ms later, how much later the right one is in seconds): the
    median over those excerpts which agree within 1 ms, three in five at least. (0, 0) where they do not, where the
    channels are about as alike without a delay, and where they are more alike without it than the sound is like itself
    so much later: then only a part of it comes later. `rate`, Hz, may be low: below 4 kHz is what matters."""
    size, most = min(round(EXCERPT_S * rate), left.size), round(MOST_DELAY_S * rate)
    if size < 4 * most:
        return 0.0, 0.0
    length = scipy.fft.next_fast_len(size + most, real=True)
    found = []
    for start in np.linspace(0, left.size - size, EXCERPTS).astype(np.int64):
        one, two = left[start : start + size], right[start : start + size]
        scale = float(np.sqrt(float(np.vecdot(one, one)) * float(np.vecdot(two, two))))
        if scale <= 0:
            continue
        first = scipy.fft.rfft(one, length)
        cross = scipy.fft.irfft(scipy.fft.rfft(two, length) * first.conj(), length) / scale
        lags = np.concatenate((cross[: most + 1], cross[-most:]))  # 0 … most, -most … -1
        top = int(np.abs(lags).argmax())
        lag = top if top <= most else top - lags.size
        itself = scipy.fft.irfft(np.square(first.real) + np.square(first.imag), length)
        alike, none = float(abs(lags[top])), float(abs(lags[0]))
        left_over = none - alike * abs(float(itself[abs(lag)] / max(float(itself[0]), 1e-30)))
        found.append((lag / rate, alike, none, left_over))
    if not found:
        return 0.0, 0.0
    middle = float(np.median([each[0] for each in found]))
    agreeing = np.asarray([each[1:] for each in found if abs(each[0] - middle) <= AGREE_S])
    if 5 * len(agreeing) < 3 * EXCERPTS or abs(middle) < LEAST_DELAY_S:
        return 0.0, 0.0
    alike, none, left_over = (float(each) for each in np.median(agreeing, axis=0))
    if alike - none < OVER_NONE or left_over > LEFT_OVER:
        return 0.0, 0.0
    return alike, middle
