"""The audio room, fades: a clip is cut out of sound that goes on, and a wave cut in the middle clicks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEAR_ZERO = 1e-3  # of full scale, -60 dBFS: a step of this size is not heard


def fade(samples: NDArray[np.float32], sample_rate: int, seconds: float, *, start: bool) -> NDArray[np.float32]:
    """The samples [channels, time] with their last `seconds` brought to zero, all channels alike.

    With `start` the first `seconds` rise from zero too, unless every channel begins near zero (within -60 dBFS) by
    itself: an attack that starts from silence stays as sharp as it is. The gain is half a period of a raised cosine,
    (1 - cos(πi/n)) / 2 for i = 0 … n - 1, and its mirror image; its slope is zero at both ends. A clip shorter
    than both fades gets two that meet in its middle. The length stays what it is, 0 seconds change nothing, and
    non-finite samples stay where they are. Raises ValueError unless samples are 2-D.
    """
    if samples.ndim != 2:
        raise ValueError(f"samples of shape {samples.shape}: must be [channels, time]")
    length = min(round(seconds * sample_rate), samples.shape[1] // 2)
    if length < 1:
        return samples
    rise = _rise(length)
    faded = samples.astype(np.float32, copy=True)
    faded[:, -length:] *= rise[::-1]
    if start and not (np.abs(samples[:, 0]) <= NEAR_ZERO).all():
        faded[:, :length] *= rise
    return faded


def fade_ends(samples: NDArray[np.float32], sample_rate: int, start_s: float, end_s: float) -> NDArray[np.float32]:
    """The samples [channels, time] with the same curve over their first `start_s` and their last `end_s`, each no
    longer than the clip; 0 leaves an end as it is."""
    first, last = (min(round(seconds * sample_rate), samples.shape[1]) for seconds in (start_s, end_s))
    if not (first or last):
        return samples
    faded = samples.astype(np.float32, copy=True)
    faded[:, :first] *= _rise(first)
    faded[:, faded.shape[1] - last :] *= _rise(last)[::-1]
    return faded


def _rise(length: int) -> NDArray[np.float32]:
    made: NDArray[np.float32] = ((1 - np.cos(np.pi * np.arange(length) / max(1, length))) / 2).astype(np.float32)
    return made
