"""The quality room, noise: where a clip is nothing but noise, the sound of a model that lost the thread.

White noise shows in the bands of a moment. Noise of another colour, as of wind or a waterfall, takes longer to tell: in
it every bin wavers as chance does, none stands out of its neighbours, and that stays so for 5 s. Notes stand out, and
hits waver more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from soundmill.quality.detectors.runs import bridged, longest, runs
from soundmill.quality.detectors.spectra import Spectra

WINDOW_S = 0.4
FLAT_DB = 9.0  # from the strongest to the weakest band; music spans 30 and more
FROM_HZ = 150.0
BRIDGE_S = 0.3
LEAST_POWER = 1e-9  # per bin, against a full-scale sine of the channel's peak

TO_HZ = 10_000.0  # coloured noise: above, lossy coders leave holes
TO_SHARE = 0.4  # and this of the sample rate at most
FEWEST_FRAMES = 8  # in a segment; of fewer, at rates under 16 kHz, chance is not told from notes
WAVERS = 0.58, 1.1  # median of the bins' variance over mean²: 1 for noise, less in few and overlapping frames
AT_ONCE = 3  # segments that are looked at together, and
LEAST_LOOKS = 8  # that many such looks, each half a second later: music may begin with the sea for a while
NEIGHBOURS = 31  # bins whose mean a bin is compared with
ROUGH = 0.27  # standard deviation of the logarithm of that ratio; 0.13 to 0.22 for noise, from 0.7 in music
STANDS_OUT = 0.65  # its highest half percent; 0.3 to 0.54 for noise
HIGHEST = 0.995

MOSTLY = 0.9  # share of what sounds: more of it is noise, and a clip of rain is meant to be
UNLIKE_DB = 5.0  # mean difference of the bands' levels from those of the rest: less is the same rain

Span = tuple[float, float]


def noise_span(found: Spectra) -> Span | None:
    """Start and end in seconds of the longest stretch of noise in one channel, white or of another colour."""
    spans = [span for span in (_white(found), _coloured(found)) if span]
    return max(spans, key=lambda span: span[1] - span[0], default=None)


def odd(found: Spectra, span: Span) -> bool:
    """Whether a passage of noise is unlike the rest of its channel: a model that lost the thread, not the sea."""
    sounding = np.asarray(found.bands.any(axis=1))
    moments = np.array([found.seconds(0), found.seconds(1)])
    first, last = np.rint((np.asarray(span) - moments[0]) / (moments[1] - moments[0])).astype(np.int64)
    within = np.zeros(len(sounding), dtype=np.bool_)
    within[max(int(first), 0) : int(last) + 1] = True
    rest = sounding & ~within
    if np.count_nonzero(rest) < max((1 - MOSTLY) * np.count_nonzero(sounding), FEWEST_FRAMES):
        return False
    shapes = [np.log10(np.maximum(found.bands[each], LEAST_POWER)).mean(axis=0) for each in (within & sounding, rest)]
    difference = 10 * (shapes[0] - shapes[1])
    return float(np.abs(difference - difference.mean()).mean()) > UNLIKE_DB


def _white(found: Spectra) -> Span | None:
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


def _coloured(found: Spectra) -> Span | None:
    size, rate = found.segment_frames, 2 * float(found.frequencies[-1])
    bins = slice(*np.searchsorted(found.frequencies, (FROM_HZ, min(TO_HZ, TO_SHARE * rate))))
    if size < FEWEST_FRAMES or len(found.mean) < AT_ONCE + LEAST_LOOKS - 1:
        return None
    typical = np.median(found.wavering[:, bins], axis=1)
    by_chance = (typical > WAVERS[0]) & (typical < WAVERS[1])
    looks = [start for start in range(len(by_chance) - AT_ONCE + 1) if by_chance[start : start + AT_ONCE].all()]
    if len(looks) < LEAST_LOOKS:
        return None
    smooth = np.zeros(len(by_chance), dtype=np.bool_)
    smooth[looks] = _smooth(np.stack([found.mean[start : start + AT_ONCE, bins].mean(axis=0) for start in looks]))
    start, end = longest(runs(smooth))
    if end - start < LEAST_LOOKS:
        return None
    return found.seconds(start * size - 0.5), found.seconds((end + AT_ONCE - 1) * size - 0.5)


def _smooth(power: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether no bin stands out of its neighbours, for each spectrum [looks, bins]."""
    ratio = np.log(power / uniform_filter1d(power, NEIGHBOURS, axis=1, mode="nearest"))
    calm: NDArray[np.bool_] = (ratio.std(axis=1) < ROUGH) & (np.quantile(ratio, HIGHEST, axis=1) < STANDS_OUT)
    return calm
