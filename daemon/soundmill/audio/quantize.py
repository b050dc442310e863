"""The audio room, quantising: samples to the integers of a file, with dither."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def quantize(samples: NDArray[np.float32], bits: int, seed: int) -> NDArray[np.int32]:
    """Samples [channels, time], full scale = 1, as integers [time, channels] of `bits`, in the upper bits of 32.

    The dither has a triangular distribution of two steps from end to end, independent in each sample and channel, which
    makes the error's mean and power independent of the sound (S. P. Lipshitz, R. A. Wannamaker and J. Vanderkooy,
    "Quantization and dither: a theoretical survey", JAES 40 (1992)). The same seed gives the same file. What exceeds
    full scale is clipped. Non-finite samples must have been removed.
    """
    scale = float(2 ** (bits - 1))
    draw = np.random.default_rng(seed)
    made = np.empty(samples.shape[::-1], dtype=np.int32)
    for channel, sound in enumerate(samples):
        noise = draw.random(sound.size) - draw.random(sound.size)
        steps = np.rint(sound * scale + noise)
        made[:, channel] = np.clip(steps, -scale, scale - 1).astype(np.int32) << (32 - bits)
    return made
