"""The quality room, pumping: a gain that is pulled down all at once and recovers slowly, again and again.

What sounds begins abruptly and dies away slowly, each band in its own time. A compressor that answers to something
nobody hears does the reverse: all bands fall by as much within a tenth of a second, and rise again over several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.detectors.spectra import Spectra

Floats = NDArray[np.float32]

COARSEST_HZ = 15.0  # frames a second: with fewer, what falls and what is gone look alike
FALL_S = 0.09  # within this it falls,
RISE_S = 0.45  # and rises over this; more in one go
BEFORE_S = 0.25
APART_S = 0.2
DEPTH_DB, HEARD_DB = 80.0, 15.0  # of the loudest band what still counts; above that, a band says something
LEAST_BANDS = 4
LEAST_DB, NOTED_DB = 3.5, 6.0  # a fall, and the usual one of what is noted
ALIKE, ALIKE_EACH = 0.36, 0.45  # share of it by which half of the bands differ from it: usually, and of any one
AS_DEEP = 0.6  # share of the usual fall that others of it have
FEWEST, FEWEST_A_S = 4, 0.5
SUDDEN, SUDDEN_EACH = 0.8, 1.6  # shares of the fall by which it may rise as quickly: usually, and after any one
RECOVERED = 0.02  # share of the fall that has come back after RISE_S
MOST = 40


@dataclass(frozen=True, slots=True)
class Pumping:
    depth_db: float
    times: int
    start_s: float
    end_s: float


def pumping(each: Sequence[Spectra]) -> Pumping | None:
    """Of the channels of one clip together."""
    if not each or each[0].frame_rate < COARSEST_HZ:
        return None
    rate = each[0].frame_rate
    power = np.sum([one.bands for one in each], axis=0)
    span, apart, before, after = (max(2, round(s * rate)) for s in (FALL_S, APART_S, BEFORE_S, RISE_S))
    if len(power) < 2 * (before + after + span) or not power.any():
        return None
    floor = float(power.max()) * 10 ** (-DEPTH_DB / 10)
    level: Floats = 10 * np.log10(np.maximum(power, np.float32(floor)))
    level = level[:, np.median(level, axis=0) > 10 * np.log10(floor) + HEARD_DB]
    bands = level.shape[1]
    if bands < LEAST_BANDS:
        return None
    change = np.sort(level[span:] - level[:-span], axis=1)
    shared = change[:, bands // 2]
    apart_db = (change[:, 3 * bands // 4] - change[:, bands // 4]) / 2
    falls = _lowest(np.where(apart_db < ALIKE_EACH * np.abs(shared), shared, 0), apart)
    if falls.size < FEWEST:
        return None
    deepest = falls[: max(FEWEST, falls.size // 2)]  # the deepest come first
    depth = -float(np.median(shared[deepest]))
    falls = np.sort(falls[shared[falls] < -AS_DEEP * depth])
    falls = falls[(falls >= before) & (falls + after + span < len(level))]
    if falls.size < max(FEWEST, FEWEST_A_S * len(power) / rate) or depth < NOTED_DB:
        return None
    around = shared[falls[:, None] + np.arange(-before, after)]
    back = np.median(level[falls + span + after] - level[falls + span], axis=1)
    if (
        float(np.median(around, axis=0).max()) > SUDDEN * depth
        or float(np.median(around.max(axis=1))) > SUDDEN_EACH * depth
        or float(np.median(back)) < RECOVERED * depth
        or float(np.median(apart_db[falls] / -shared[falls])) > ALIKE
    ):
        return None
    return Pumping(depth, int(falls.size), each[0].seconds(float(falls[0])), each[0].seconds(float(falls[-1] + after)))


def _lowest(curve: Floats, apart: int) -> NDArray[np.int64]:
    """Where the curve is lowest, lowest first, none nearer than that to another, below -LEAST_DB."""
    left, found = curve.copy(), list[int]()
    while len(found) < MOST:
        at = int(left.argmin())
        if left[at] > -LEAST_DB:
            break
        found.append(at)
        left[max(at - apart, 0) : at + apart + 1] = 0
    return np.array(found, dtype=np.int64)
