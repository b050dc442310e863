"""The quality room, bits: samples that were once rounded to fewer bits than they are kept in.

Of the values that 16 bits can take between an eighth and three times the level, a sound long enough takes nearly all.
One that was rounded to 8 bits takes every 256th, whatever gain came after.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

VALUES = 32768  # of 16 bits, on one side of zero
LOOKED_AT = 1 << 18  # samples, spread over the clip
FEWEST, DENSEST = 150, 0.05  # samples in that range, and for each value in it: of fewer nothing can be told
ROUNDED = 0.25  # of the values expected: more is only a quiet sound


def quantisation_db(channel: NDArray[np.float32], power: float, peak: float) -> float | None:
    """The step between the values that occur, against the whole range from -peak to peak, in dB: -6.02 for each bit.
    Of one channel [time] scaled to a peak of 1, with its sum of squares; None where its values are no coarser than
    those of 16 bits, or too few to tell."""
    gain = min(peak, 1.0) * VALUES  # beyond full scale are only floats, of which 16 bits say nothing
    level = math.sqrt(power / max(channel.size, 1)) * gain
    low, high = round(level / 8), round(min(3 * level, gain))
    if high - low < 4 / ROUNDED:
        return None
    some = channel[:: max(1, channel.size // LOOKED_AT)]
    values = np.abs(np.rint(some * np.float32(gain))).astype(np.int32)
    values = values[(values >= low) & (values < high)]
    there = high - low
    if values.size < max(FEWEST, DENSEST * there):
        return None
    taken = np.count_nonzero(np.bincount(values - low, minlength=there))
    share = taken / (there * -math.expm1(-values.size / there))
    return 20 * math.log10(1 / (share * 2 * gain)) if share < ROUNDED else None
