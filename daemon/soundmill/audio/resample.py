"""The audio room, resampling: another sample rate, with nothing heard of it (libsoxr at its very high quality)."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

QUALITY = "VHQ"


def resample(samples: NDArray[np.float32], sample_rate: int, wanted_hz: int) -> NDArray[np.float32]:
    """The samples [channels, time] at `wanted_hz`; the same array where that is their rate.

    Without delay: what began at a time begins at that time. A sound of n samples has round(n · wanted / rate) then.
    Computed in double precision, so that the filter and not the arithmetic decides how deep images and aliases lie.
    Non-finite samples must have been removed. Raises ValueError unless samples are 2-D and both rates are positive.
    """
    if samples.ndim != 2:
        raise ValueError(f"samples of shape {samples.shape}: must be [channels, time]")
    if min(sample_rate, wanted_hz) <= 0:
        raise ValueError(f"from {sample_rate} to {wanted_hz} Hz: both must be above 0")
    if sample_rate == wanted_hz or samples.size == 0:
        return samples
    made = soxr.resample(samples.T.astype(np.float64), sample_rate, wanted_hz, quality=QUALITY)
    return np.ascontiguousarray(made.T, dtype=np.float32)
