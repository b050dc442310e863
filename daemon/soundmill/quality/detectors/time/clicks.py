"""The quality room, clicks: a few samples that do not follow from their neighbours.

The second difference of a wave is its curvature. A click makes it leap for a millisecond, and it is as calm after as
before; the onset of a sound makes it leap too, but what follows stays lively, and a drop or a crackle of fire takes
many samples for its leap. A drum's sample or a synthesizer's voice may begin with a leap too, but the wave goes on
from there; from a click it comes back. The beater of a bass drum comes back too, but takes more samples for it. Where
the sound is lively by itself, a click must stick out of the wave as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

Samples = NDArray[np.float32]

BLOCK = 32  # samples
CALM_S = 0.012  # on either side
LEAP = 12.0  # times the highest curvature of either side,
JUMP = 8.0  # with a slope that many times the steepest of either side (a corner has only curvature),
BACK = 1.0  # and a height over the line from before to after that many times what the wave has changed by then,
BEGINS = 3.0  # unless the wave is that many times as high after as before, which is a note's beginning, or
SMALL_LEAP = 1.6  # that, together with
HEIGHT = 2.5  # times the highest sample of either side
WIDEST = 8  # samples over a quarter of the leap, from first to last, or
WIDEST_S = 0.00018  # this where it is more: a click that was resampled takes as long as before
NARROW = 6  # where the leap alone convicts, or
NARROW_S = 0.00013
LIKELY = 1.8  # a leap has this times the energy of curvature of either side; it is what is looked at more closely
LEAST = 0.02  # of the channel's peak: less is not heard


def clicks(channel: Samples, sample_rate: int) -> NDArray[np.float64]:
    """Where clicks are, in seconds [n], in one channel [time] whose peak is 1."""
    calm = max(4, round(CALM_S * sample_rate / BLOCK))
    count = (channel.size - 2) // BLOCK
    if count <= 2 * calm:
        return np.zeros(0)
    curvature: Samples = np.diff(channel, 2)[: count * BLOCK]
    rows = curvature.reshape(count, BLOCK)
    energy = np.vecdot(rows, rows)
    # A leap may straddle two blocks, so a block's direct neighbours are not asked.
    around = maximum_filter1d(energy, calm, mode="nearest")
    sides = np.maximum(_moved(around, -(2 + calm // 2), calm), _moved(around, 2 + (calm - 1) // 2, calm))
    found: list[int] = []
    for block in np.flatnonzero((energy > LIKELY * sides) & (energy > LEAST * LEAST)):
        top = int(block) * BLOCK + int(np.abs(rows[block]).argmax())
        if not (found and top - found[-1] < 2 * BLOCK) and _is_click(
            channel, curvature, top, calm * BLOCK, sample_rate
        ):
            found.append(top)
    return np.asarray([top + 1 for top in found], dtype=np.float64) / sample_rate


def _is_click(channel: Samples, curvature: Samples, top: int, calm: int, sample_rate: int) -> bool:
    widest, narrow = max(WIDEST, round(WIDEST_S * sample_rate)), max(NARROW, round(NARROW_S * sample_rate))
    height = float(abs(curvature[top]))
    start = max(top - BLOCK, 0)
    near = start + np.flatnonzero(np.abs(curvature[start : top + BLOCK]) > height / 4)
    width = near[-1] - near[0]
    if height <= LEAST or width >= widest:
        return False
    sides = _higher_side(curvature, top, calm)
    across = channel[near[0] + 1 : near[-1] + 2]  # from the last sample before to the first after
    line = np.linspace(across[0], across[-1], across.size, dtype=np.float32)
    comes_back = float(np.abs(across - line).max()) > BACK * float(abs(across[-1] - across[0]))
    before = max(top - BLOCK - calm, 0)
    slope = np.diff(channel[before : top + BLOCK + calm + 2])
    jump = float(np.abs(slope[max(top - before - 2, 0) : top - before + 4]).max())
    begins = _side(channel, top + 1, calm, 1) > BEGINS * _side(channel, top + 1, calm, -1)
    leaps = width < narrow and height > LEAP * sides and jump > JUMP * _higher_side(slope, top - before, calm)
    if leaps and comes_back and not begins:
        return True
    return height > SMALL_LEAP * sides and float(
        np.abs(channel[max(top + 1 - widest, 0) : top + 2 + widest]).max()
    ) > HEIGHT * _higher_side(channel, top + 1, calm)


def _higher_side(values: Samples, at: int, calm: int) -> float:
    """The largest magnitude within `calm` samples before and after `at`, but for what lies next to it."""
    return max(_side(values, at, calm, -1), _side(values, at, calm, 1))


def _side(values: Samples, at: int, calm: int, way: int) -> float:
    """That of one side: before `at` (way -1) or after it (way 1)."""
    side = values[at + BLOCK : at + BLOCK + calm] if way > 0 else values[max(at - BLOCK - calm, 0) : max(at - BLOCK, 0)]
    return float(np.abs(side).max(initial=0.0))


def _moved(values: Samples, by: int, calm: int) -> Samples:
    """values[i + by], and beyond the ends of the clip the largest there is: an end is nobody's calm."""
    padded = np.pad(values, calm + 2, constant_values=np.inf)
    start = calm + 2 + by
    return padded[start : start + values.size]
