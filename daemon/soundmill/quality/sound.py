"""The quality room, the sound: what several checks need to know of a clip, worked out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.detectors.level.clipping import PILED, beyond, clipped, flat_tops
from soundmill.quality.detectors.spectra import Spectra, spectra

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]

BLOCK = 64  # samples of the finest level; silence windows and spectra's frames are made of these
SLOW_HZ = 8000.0
LFE = 3  # of six channels: bass effects, which are silent or rumbling without fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Tops:
    """The highest and lowest of samples [channels, length] as they came, full scale = 1.

    lows, highs: of each channel, at least 0 on either side [channels]
    clipped, flat: for each channel the numbers of the samples that are at full scale, and that lie in tops cut flat
    piled, loud: for each channel how many samples lie at its extremes, and beyond half of the one on their side
    """

    length: int
    lows: Floats
    highs: Floats
    clipped: Sequence[NDArray[np.int64]]
    flat: Sequence[NDArray[np.int64]]
    piled: Sequence[int]
    loud: Sequence[int]

    @property
    def peaks(self) -> Floats:
        return np.maximum(self.highs, -self.lows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A clip as the checks get it.

    scaled: samples [channels, time], each channel divided by its peak, those that are no numbers as 0
    peaks: of each channel, full scale = 1 [channels]
    duration_s: of the clip; requested_s: as asked, or None
    nonfinite: where the samples were NaN or infinite [channels, time]; None for nowhere
    tops, before: extremes and clipping of the clip, and of the samples before normalisation where there are any
    power: sum of squares of each channel of scaled [channels]; blocks: of each whole block of BLOCK samples
        [channels, blocks]
    judged: the channels whose sound is judged; heard: those of scaled
    slow: scaled at about 8 kHz, each sample the mean of `slower` [channels, time]: what needs no more is told from it
    spectra: of each judged channel that has any sound, by its number
    meter: what audio/loudness.py measured, by the names of measurements
    """

    scaled: Samples
    sample_rate: int
    peaks: Floats
    duration_s: float
    requested_s: float | None
    nonfinite: NDArray[np.bool_] | None
    tops: Tops
    before: Tops | None
    power: Floats
    blocks: Floats
    judged: list[int]
    heard: Samples
    slow: Samples
    slower: int
    spectra: Mapping[int, Spectra]
    meter: Mapping[str, float | None]


def listen(
    samples: Samples,
    sample_rate: int,
    *,
    requested_s: float | None,
    before: Samples | None,
    meter: Mapping[str, float | None],
    overwrite_samples: bool,
) -> Sound:
    """The arguments are those of measure.measure."""
    sound, nonfinite = _finite(samples)
    tops = _tops(sound)
    peaks = tops.peaks
    scale = np.where(peaks > 0, peaks, 1).astype(np.float32)
    scaled: Samples = np.divide(sound, scale[:, None], out=sound if overwrite_samples else None)  # 1e38 can be squared
    blocks = _block_power(scaled)
    judged = _judged(peaks)
    slower = max(1, round(sample_rate / SLOW_HZ))
    return Sound(
        scaled=scaled,
        sample_rate=sample_rate,
        peaks=peaks,
        duration_s=samples.shape[1] / sample_rate,
        requested_s=requested_s,
        nonfinite=nonfinite,
        tops=tops,
        before=None if before is None else _tops(_finite(np.asarray(before, dtype=np.float32))[0]),
        power=np.vecdot(scaled, scaled).astype(np.float64),
        blocks=blocks,
        judged=judged,
        heard=scaled if len(judged) == len(scaled) else scaled[judged],
        slow=_means(scaled, slower),
        slower=slower,
        spectra={c: spectra(scaled[c], blocks[c], BLOCK, sample_rate) for c in judged if peaks[c] > 0},
        meter=meter,
    )


def _judged(peaks: Floats) -> list[int]:
    channels = list(range(len(peaks)))
    if len(channels) <= 2:
        return channels
    if len(channels) == 6:
        channels.remove(LFE)
    return [channel for channel in channels if peaks[channel] > 0] or channels


def _finite(samples: Samples) -> tuple[Samples, NDArray[np.bool_] | None]:
    """The samples with non-finite ones as 0, and where those were (None when nowhere)."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.vecdot(samples, samples)).all():  # a tenth of the time; what overflows is looked at again
            return samples, None
    good = np.isfinite(samples)
    if good.all():
        return samples, None
    return np.where(good, samples, np.float32(0)), ~good


def _tops(sound: Samples) -> Tops:
    channels, length = sound.shape
    lows = np.minimum(sound.min(axis=1, initial=0), 0).astype(np.float64)
    highs = np.maximum(sound.max(axis=1, initial=0), 0).astype(np.float64)
    return Tops(
        length=length,
        lows=lows,
        highs=highs,
        clipped=[clipped(sound[c], lows[c], highs[c]) for c in range(channels)],
        flat=[flat_tops(sound[c], lows[c], highs[c]) for c in range(channels)],
        piled=[beyond(sound[c], lows[c] * PILED, highs[c] * PILED) for c in range(channels)],
        loud=[beyond(sound[c], lows[c] / 2, highs[c] / 2) for c in range(channels)],
    )


def _means(scaled: Samples, of: int) -> Samples:
    """Of each `of` samples; an incomplete rest is left out."""
    count = scaled.shape[1] // of
    return scaled[:, : count * of].reshape(len(scaled), count, of) @ np.full(of, 1 / of, np.float32)


def _block_power(scaled: Samples) -> Floats:
    """Sum of squares of each whole block [channels, blocks]."""
    count = scaled.shape[1] // BLOCK
    blocks = scaled[:, : count * BLOCK].reshape(scaled.shape[0], count, BLOCK)
    power: Floats = np.vecdot(blocks, blocks).astype(np.float64)
    return power
