"""The audio room, resampling: another sample rate, with nothing heard of it (libsoxr at its very high quality)."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

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


def resample_loop(samples: NDArray[np.float32], sample_rate: int, wanted_hz: int) -> NDArray[np.float32]:
    """The same of a loop, one period of a sound without end: its seam stays one of its points.

    By its Fourier series, which loses nothing below half the lower rate. Of round(n · wanted / rate) samples, so that a
    length that is no whole number of them changes its pitch by less than one in its samples.
    """
    if samples.ndim != 2:
        raise ValueError(f"samples of shape {samples.shape}: must be [channels, time]")
    if min(sample_rate, wanted_hz) <= 0:
        raise ValueError(f"from {sample_rate} to {wanted_hz} Hz: both must be above 0")
    if sample_rate == wanted_hz or samples.size == 0:
        return samples
    length = round(samples.shape[1] * wanted_hz / sample_rate)
    spectrum = rfft(samples.astype(np.float64), axis=1)
    kept = min(spectrum.shape[1], length // 2 + 1)
    made = irfft(spectrum[:, :kept], length, axis=1) * (length / samples.shape[1])
    return np.ascontiguousarray(made, dtype=np.float32)
