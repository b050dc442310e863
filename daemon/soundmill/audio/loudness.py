"""The audio room, loudness: how loud a clip is (ITU-R BS.1770-4) and bringing it to a target level."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt

from soundmill.jobs import Normalization

BLOCK_S = 0.4  # gating block, BS.1770-4 annex 1
STEP_S = 0.1  # 75 % overlap
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
OFFSET_LU = -0.691  # makes a full-scale 997 Hz sine in one channel read -3.01 LUFS
SURROUND_WEIGHT = 1.41

CEILING_DBFS = -1.0  # no gain of ours lifts a sample above this
RMS_FLOOR = 2e-3  # AudioCraft's energy floor (-54 dBFS): what is quieter is left alone

# The two filters of BS.1770-4 annex 1, tables 1 and 2, valid at 48 kHz: (b0, b1, b2), (a0, a1, a2).
TABLE_RATE = 48_000
SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))

Triple = tuple[float, float, float]


def _to_analogue(c: Triple) -> Triple:
    """Coefficients in z⁻¹ → coefficients of s², s, 1, with z = (1 + s) / (1 − s)."""
    return c[0] - c[1] + c[2], 2 * (c[0] - c[2]), c[0] + c[1] + c[2]


def _to_digital(c: Triple) -> Triple:
    """The inverse of `_to_analogue`, but for a factor that numerator and denominator share."""
    return c[0] + c[1] + c[2], 2 * (c[2] - c[0]), c[0] - c[1] + c[2]


def _at_rate(b: Triple, a: Triple, sample_rate: int) -> list[float]:
    """One second-order section of the standard's 48 kHz table, moved to another sample rate.

    BS.1770-4 annex 1 asks for coefficients that keep the 48 kHz frequency response. The table is taken back to its
    analogue prototype by the inverse bilinear transform, whose corner f₀ follows from the denominator
    (tan²(π f₀ / 48000) = c₀ / c₂), and brought forward with the frequency axis warped so that f₀ stays where it is:
    s → s · tan(π f₀ / 48000) / tan(π f₀ / rate), the prewarping of B. De Man, "Evaluation of implementations of the
    EBU R128 loudness measurement", AES 145 (2018). At 48 kHz it returns the table; toward Nyquist the responses
    drift apart, by 0.2 dB at 1 kHz for 8 kHz sampling.
    """
    numerator, denominator = _to_analogue(b), _to_analogue(a)
    corner_tan = math.sqrt(denominator[2] / denominator[0])
    corner_hz = TABLE_RATE / math.pi * math.atan(corner_tan)
    # Below 3.4 kHz the shelf's corner lies above Nyquist; it is then held just under it.
    stretch = corner_tan / math.tan(math.pi * min(corner_hz / sample_rate, 0.49))

    def forward(c: Triple) -> Triple:
        return _to_digital((c[0] * stretch * stretch, c[1] * stretch, c[2]))

    b_new, a_new = forward(numerator), forward(denominator)
    return [value / a_new[0] for value in (*b_new, *a_new)]


def k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """The K-weighting of BS.1770-4 (head shelf, then RLB high-pass) as sections [2, 6] for scipy's sosfilt.

    Raises ValueError for a sample rate that is not positive.
    """
    if sample_rate <= 0:
        raise ValueError(f"sample rate {sample_rate}: must be above 0 Hz")
    return np.array([_at_rate(*SHELF, sample_rate), _at_rate(*HIGH_PASS, sample_rate)])


def _lufs(power: float) -> float:
    return OFFSET_LU + 10 * math.log10(power) if power > 0 else -math.inf


def integrated_loudness(samples: NDArray[np.float32], sample_rate: int) -> float | None:
    """Integrated (gated) loudness in LUFS of samples [channels, time], full scale = 1.

    ITU-R BS.1770-4 annex 1: mean square z of every 400 ms block of the K-weighted channels, blocks starting
    every 100 ms (an incomplete last block is dropped), loudness −0.691 + 10 log₁₀ Σ Gᵢ zᵢ (equation 2) averaged
    over the blocks above −70 LUFS and above a second gate 10 LU under the mean of those (equations 5 to 7).
    Channel weights G are 1, and 1.41 for channels 4 and 5 of a five-channel clip (L R C Ls Rs).

    A clip shorter than one block is measured as one block of its own length. Non-finite samples count as 0.
    None when nothing passes the absolute gate, as for silence. Raises ValueError unless samples are 2-D.
    """
    if samples.ndim != 2:
        raise ValueError(f"samples of shape {samples.shape}: must be [channels, time]")
    channels, length = samples.shape
    if channels == 0 or length == 0:
        return None
    weights = np.ones(channels)
    if channels == 5:
        weights[3:] = SURROUND_WEIGHT
    weighted = sosfilt(k_weighting(sample_rate), _finite(samples).astype(np.float64), axis=1)
    power = weights @ np.square(weighted, out=weighted)
    block = min(max(1, round(BLOCK_S * sample_rate)), length)
    count = int((length - block) / (STEP_S * sample_rate) + 1e-9) + 1
    starts = np.rint(np.arange(count) * STEP_S * sample_rate).astype(np.int64)
    starts = np.minimum(starts, length - block)  # a start rounded up must not run over the end
    total = np.concatenate(([0.0], np.cumsum(power)))
    blocks = np.maximum(total[starts + block] - total[starts], 0.0) / block

    heard = blocks[blocks > 10 ** ((ABSOLUTE_GATE_LUFS - OFFSET_LU) / 10)]
    if heard.size == 0:
        return None
    relative_gate = heard.mean() * 10 ** (RELATIVE_GATE_LU / 10)
    return _lufs(float(heard[heard > relative_gate].mean()))


def _finite(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The samples with NaN and infinities as 0; the same array when there are none."""
    if np.isfinite(samples).all():
        return samples
    return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)


def normalize(samples: NDArray[np.float32], sample_rate: int, how: Normalization, target: float) -> NDArray[np.float32]:
    """The samples [channels, time] with one gain for the whole clip; dynamics and stereo image stay as they are.

    `how` and `target`: loudness brings the integrated loudness to `target` LUFS and rms the RMS of all samples to
    `target` dBFS; both gains are limited so that no sample exceeds −1 dBFS, so normalising never clips what
    was not clipped (AudioCraft's strategy of the same name clips instead) and a clip with high peaks stays under
    its target. peak brings the largest sample to `target` dBFS. none returns the samples as they are.

    A clip whose RMS is below −54 dBFS is left alone by loudness and rms, as AudioCraft does: boosting noise would
    hide an empty take from the checks. Silence stays silence. Non-finite samples stay where they are, for the
    measurement to count, and take no part in the gain. Raises ValueError unless samples are 2-D.
    """
    if samples.ndim != 2:
        raise ValueError(f"samples of shape {samples.shape}: must be [channels, time]")
    samples = samples.astype(np.float32, copy=False)
    if how is Normalization.NONE or samples.size == 0:
        return samples
    sound = _finite(samples)
    peak = max(float(sound.max()), -float(sound.min()))
    if peak == 0.0:
        return samples
    ceiling = 10 ** (CEILING_DBFS / 20) / peak
    if how is Normalization.PEAK:
        gain = 10 ** (target / 20) / peak
    else:
        rms = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))
        if rms < RMS_FLOOR:
            return samples
        if how is Normalization.RMS:
            gain = min(10 ** (target / 20) / rms, ceiling)
        else:
            loudness = integrated_loudness(sound, sample_rate)
            if loudness is None:
                return samples
            gain = min(10 ** ((target - loudness) / 20), ceiling)
    return samples * np.float32(gain)
