"""The quality room, slower: a clip at a lower rate, for what lies so low that most samples say nothing of it."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

REACH = 10  # samples of the lower rate, on either side
KAISER_BETA = 5.0


def slower(wave: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Every `by`-th sample of [time] after a low-pass at half the new rate, the first one in its place.

    A windowed sinc, as scipy.signal.resample_poly(wave, 1, by) has it: importing scipy.signal brings statistics
    and optimisers, half a second of each process that measures.
    """
    if by == 1 or not wave.size:
        return wave
    places = np.arange(-REACH * by, REACH * by + 1)
    taps = np.sinc(places / by) * np.kaiser(places.size, KAISER_BETA)
    around = sliding_window_view(np.pad(wave, REACH * by), places.size)[::by]
    return np.asarray(around @ (taps / taps.sum()).astype(np.float32))
