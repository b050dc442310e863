"""The audio room, true peak: how high the wave reaches between its samples (ITU-R BS.1770-4, annex 2)."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

# BS.1770-4 annex 2: the interpolating filter for four times oversampling, one row per phase; the last two phases mirror
# the first two.
_QUARTER = (
    0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000, -0.0594482421875, 0.1373291015625,
    0.9721679687500, -0.1022949218750, 0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500,
)  # fmt: skip
_HALF = (
    -0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250, -0.1665039062500, 0.4650878906250,
    0.7797851562500, -0.2003173828125, 0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375,
)  # fmt: skip
PHASES = np.array([_QUARTER, _HALF, _HALF[::-1], _QUARTER[::-1]], dtype=np.float32)
TAPS = PHASES.shape[1]
MIDDLE = TAPS // 2  # what is interpolated from a stretch lies between its two middle samples
GROUP = 16  # samples interpolated by one row of a matrix product
REACH = float(np.abs(PHASES).sum(axis=1).max())  # no interpolated value exceeds this times the samples around it
FINE_ENOUGH_HZ = 192_000  # sampled as finely as 48 kHz four times oversampled
AT_ONCE = 1024  # groups: what is made of them fits a core's cache


def _matrix() -> NDArray[np.float32]:
    """[GROUP + TAPS − 1, 4 · GROUP]: a stretch of samples times this gives the four phases of its GROUP samples."""
    matrix = np.zeros((GROUP + TAPS - 1, GROUP, len(PHASES)), dtype=np.float32)
    for at in range(GROUP):
        matrix[at : at + TAPS, at, :] = PHASES[:, ::-1].T
    return matrix.reshape(GROUP + TAPS - 1, -1)


MATRIX = _matrix()


def true_peak_dbtp(samples: NDArray[np.float32], sample_rate: int) -> float | None:
    """The true peak in dB relative to full scale of samples [channels, time]: the highest of all channels.

    Four times oversampled with the filter of BS.1770-4 annex 2; from 192 kHz on the samples are taken as they are. Only
    stretches that could exceed what is found already are interpolated: no value lies above the sum of the filter's
    coefficients times the highest sample it is made of. Non-finite samples must have been removed. None for digital
    silence.
    """
    peak = max((_true_peak(channel, sample_rate) for channel in samples), default=0.0)
    return 20 * math.log10(peak) if peak > 0 else None


def peak_envelope(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """How high the wave of samples [channels, time] reaches at and around each of them [time]: the highest of all
    channels, of the sample and of what `true_peak_dbtp` interpolates on both sides of it. Non-finite samples must have
    been removed."""
    levels: NDArray[np.float32] = np.abs(samples).max(axis=0, initial=0.0).astype(np.float32, copy=False)
    if sample_rate >= FINE_ENOUGH_HZ or levels.size == 0:
        return levels
    between = np.zeros(levels.size + 2 * TAPS + 2 * GROUP, dtype=np.float32)  # [i + MIDDLE]: between i and i + 1
    for channel in samples:
        padded = _padded(channel)
        stretches = sliding_window_view(padded, GROUP + TAPS - 1)[::GROUP]
        for start in range(0, len(stretches), AT_ONCE):
            values = np.abs(stretches[start : start + AT_ONCE] @ MATRIX).reshape(-1, len(PHASES)).max(axis=1)
            part = between[start * GROUP : start * GROUP + values.size]
            np.maximum(part, values[: part.size], out=part)
    after = between[MIDDLE : MIDDLE + levels.size]
    before = between[MIDDLE - 1 : MIDDLE - 1 + levels.size]
    highest: NDArray[np.float32] = np.maximum(levels, np.maximum(before, after))
    return highest


def _padded(channel: NDArray[np.float32]) -> NDArray[np.float32]:
    padded = np.zeros((-(-(channel.size + TAPS) // GROUP) + 1) * GROUP, dtype=np.float32)
    padded[TAPS - 1 : TAPS - 1 + channel.size] = channel
    return padded


def _true_peak(channel: NDArray[np.float32], sample_rate: int) -> float:
    if channel.size == 0:
        return 0.0
    padded = _padded(channel)
    levels = np.abs(padded)
    peak = float(levels.max())
    if peak == 0.0 or not math.isfinite(peak) or sample_rate >= FINE_ENOUGH_HZ:
        return peak
    likeliest = _stretches(levels >= np.float32(0.99 * peak))  # what they reach spares most of the others
    best = max(1.0, _interpolated(padded, np.flatnonzero(likeliest), peak))
    others = _stretches(levels > np.float32(best / REACH * peak)) & ~likeliest
    return max(best, _interpolated(padded, np.flatnonzero(others), peak)) * peak


def _stretches(near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which groups have such a sample in the stretch they are made of, which reaches into the next one."""
    eights = near.view(np.uint64)  # eight samples at a time
    groups: NDArray[np.bool_] = (eights[0::2] | eights[1::2]) != 0
    return groups[:-1] | groups[1:]


def _interpolated(padded: NDArray[np.float32], groups: NDArray[np.int64], peak: float) -> float:
    """The largest magnitude between the samples of some groups, over the highest sample: 1e38 must not overflow."""
    stretches = sliding_window_view(padded, GROUP + TAPS - 1)[::GROUP]
    highest = 0.0
    for start in range(0, groups.size, AT_ONCE):
        values = (stretches[groups[start : start + AT_ONCE]] / np.float32(peak)) @ MATRIX
        highest = max(highest, float(values.max()), -float(values.min()))
    return highest
