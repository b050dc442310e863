"""The quality room, repetition: how much one second of a clip is like the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.detectors.spectra import NO_SOUND

SEGMENT_S = 1.0


def repetition(scaled: NDArray[np.float32], sample_rate: int) -> float | None:
    """The highest correlation of two consecutive seconds in any channel [channels, time], each of which has a peak of
    1; None where no two of them sound."""
    length = round(SEGMENT_S * sample_rate)
    count = scaled.shape[1] // length
    if count < 2:
        return None
    segments = scaled[:, : count * length].reshape(-1, count, length)
    offsets = segments.mean(axis=2, dtype=np.float32).astype(np.float64)
    power = np.vecdot(segments, segments).astype(np.float64)
    if (length * np.square(offsets) > 0.1 * power).any():  # taking large ones off the sums would leave rounding errors
        segments = segments - offsets.astype(np.float32)[..., None]
        offsets[:] = 0
        power = np.vecdot(segments, segments).astype(np.float64)
    power -= length * np.square(offsets)
    cross = np.vecdot(segments[:, :-1], segments[:, 1:]) - length * offsets[:, :-1] * offsets[:, 1:]
    sounding = power >= NO_SOUND * length
    both = sounding[:, :-1] & sounding[:, 1:]
    if not both.any():
        return None
    highest = float((cross[both] / np.sqrt(power[:, :-1][both] * power[:, 1:][both])).max())
    return min(max(highest, -1.0), 1.0)
