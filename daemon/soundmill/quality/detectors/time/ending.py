"""The quality room, endings: a clip that is over before its sound is.

What is cut on purpose is faded, if only over 10 ms. Where the very last milliseconds are as loud as those before them,
the file ended and not the sound; but for a loop, which begins as abruptly as it ends and about as loud, and for a
short effect, which is trimmed to what of it is needed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LAST_S = 0.003  # what is compared with
BEFORE_S = 0.06  # this before it
SOFTER_DB = 9.0  # a fade of 10 ms leaves less
SHORTEST_S = 2.5
LOUD = 0.9  # level that nine in ten blocks have not

Floats = NDArray[np.float64]


def ending_db(heard: NDArray[np.float32], sample_rate: int, loud: float) -> float | None:
    """Level of the last 60 ms of sound [channels, time] against its loud moments, whose power is `loud`, in dB, where
    the clip ends in the middle of it; None where it dies away or is faded, where it begins as abruptly and about as
    loud, and under 2.5 s."""
    last, before = (max(1, round(each * sample_rate)) for each in (LAST_S, BEFORE_S))
    if heard.shape[1] < SHORTEST_S * sample_rate or loud <= 0:
        return None

    def power(part: NDArray[np.float32]) -> float:
        return float(np.square(part, dtype=np.float64).mean())

    end, begin = power(heard[:, -before:]), power(heard[:, :before])
    softer = 10 ** (-SOFTER_DB / 10)
    if end <= 0 or power(heard[:, -last:]) < softer * end:
        return None
    if softer * end < begin < end / softer and power(heard[:, :last]) > softer * begin:
        return None
    return 10 * math.log10(end / loud)
