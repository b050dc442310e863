"""The quality room, noise: where a clip is nothing but white noise, the sound of a model that lost the thread."""

from __future__ import annotations

import numpy as np

from soundmill.quality.runs import bridged, longest, runs
from soundmill.quality.spectra import Spectra

WINDOW_S = 0.4
FLAT_DB = 9.0  # from the strongest to the weakest band; music spans 30 and more
FROM_HZ = 150.0
BRIDGE_S = 0.3
LEAST_POWER = 1e-9  # per bin, against a full-scale sine of the channel's peak


def noise_span(found: Spectra) -> tuple[float, float] | None:
    """Start and end in seconds of the longest stretch of white noise in one channel."""
    first = int(np.searchsorted(found.frequencies[found.edges[:-1]], FROM_HZ))
    bands = found.bands[:, first:]
    frames = max(2, round(WINDOW_S * found.frame_rate))
    if bands.shape[1] < 4 or len(bands) < frames:
        return None
    sums = np.concatenate((np.zeros((1, bands.shape[1])), np.cumsum(bands, axis=0, dtype=np.float64)))
    mean = (sums[frames:] - sums[:-frames]) / frames
    lowest, highest = mean.min(axis=1), mean.max(axis=1)
    flat = (highest < lowest * 10 ** (FLAT_DB / 10)) & (lowest > LEAST_POWER)
    start, end = longest(runs(bridged(flat, round(BRIDGE_S * found.frame_rate))))
    if start == end:
        return None
    return found.seconds(start - 0.5), found.seconds(end + frames - 1.5)
