"""The audio room, loudness: how loud a clip is (ITU-R BS.1770-4, EBU Tech 3341 and 3342) and bringing it to a target
level."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.true_peak import true_peak_dbtp
from soundmill.jobs import Normalization

STEP_S = 0.02
STEPS_APART = 5  # gating blocks and short-term windows start every 100 ms, momentary ones every 20 ms
BLOCK_STEPS = 20  # gating block of BS.1770-4 annex 1, momentary loudness of Tech 3341: 400 ms
SHORT_TERM_STEPS = 150  # Tech 3341: 3 s
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
RANGE_GATE_LU = -20.0  # Tech 3342
RANGE_PERCENTILES = (10, 95)
OFFSET_LU = -0.691  # makes a full-scale 997 Hz sine in one channel read -3.01 LUFS
SURROUND_WEIGHT = 1.41
# Channel weights of BS.1770-4 by the number of channels, in the order of a WAV file; other numbers weigh 1 each.
WEIGHTS = {
    5: (1.0, 1.0, 1.0, SURROUND_WEIGHT, SURROUND_WEIGHT),  # L R C Ls Rs
    6: (1.0, 1.0, 1.0, 0.0, SURROUND_WEIGHT, SURROUND_WEIGHT),  # L R C LFE Ls Rs
}

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


def _scipys_sections() -> Any:
    """What scipy.signal.sosfilt computes with, without scipy.signal: that imports statistics, splines and optimisers,
    half a second of each process that makes or measures a clip."""
    package = find_spec("scipy.signal")
    spec = package and PathFinder.find_spec("_sosfilt", package.submodule_search_locations)
    if spec and spec.loader and "scipy.signal" not in sys.modules:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules.pop("scipy.signal._sosfilt", None)  # Cython's own entry, where its package is not imported
        return module._sosfilt
    from scipy.signal._sosfilt import _sosfilt

    return _sosfilt


_run_sections = _scipys_sections()


def weighted(channel: NDArray[np.float32], sections: NDArray[np.float64]) -> NDArray[np.float64]:
    """A channel [time] after second-order sections [n, 6], to the bit as scipy.signal.sosfilt has it."""
    sound: NDArray[np.float64] = channel.astype(np.float64)
    _run_sections(sections, sound[np.newaxis], np.zeros((1, len(sections), 2)))
    return sound


def _lufs(power: float) -> float:
    return OFFSET_LU + 10 * math.log10(power) if power > 0 else -math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Loudness:
    """What a loudness meter reads off a clip; None where there is no number (silence, or a clip shorter than the time
    that is looked at: 400 ms for momentary, 3 s for short-term loudness and loudness range)."""

    loudness_lufs: float | None
    loudness_range_lu: float | None
    loudness_momentary_max_lufs: float | None
    loudness_short_term_max_lufs: float | None
    true_peak_dbtp: float | None


def meter(samples: NDArray[np.float32], sample_rate: int) -> Loudness:
    """Everything a loudness meter says of samples [channels, time], full scale = 1.

    Integrated loudness as `integrated_loudness`; the largest momentary (400 ms, every 20 ms) and short-term (3 s, every
    100 ms) loudness, ungated (EBU Tech 3341); loudness range from the short-term loudness, 10th to 95th percentile
    of what lies above −70 LUFS and above 20 LU under the mean of that (EBU Tech 3342); true peak (BS.1770-4 annex 2).
    Non-finite samples count as 0. Raises ValueError unless samples are 2-D.
    """
    sound = _finite(_checked(samples))
    steps = _step_powers(sound, sample_rate)
    momentary = _windows(steps, BLOCK_STEPS)
    short_term = _windows(steps, SHORT_TERM_STEPS)[::STEPS_APART]
    return Loudness(
        loudness_lufs=_integrated(momentary[::STEPS_APART] if momentary.size else _whole(sound, sample_rate)),
        loudness_range_lu=_range(short_term),
        loudness_momentary_max_lufs=_highest(momentary),
        loudness_short_term_max_lufs=_highest(short_term),
        true_peak_dbtp=true_peak_dbtp(sound, sample_rate),
    )


def integrated_loudness(samples: NDArray[np.float32], sample_rate: int) -> float | None:
    """Integrated (gated) loudness in LUFS of samples [channels, time], full scale = 1.

    ITU-R BS.1770-4 annex 1: mean square z of every 400 ms block of the K-weighted channels, blocks starting
    every 100 ms (an incomplete last block is dropped), loudness −0.691 + 10 log₁₀ Σ Gᵢ zᵢ (equation 2) averaged
    over the blocks above −70 LUFS and above a second gate 10 LU under the mean of those (equations 5 to 7).
    Channel weights G are 1, for the surround channels of five (L R C Ls Rs) and of six (L R C LFE Ls Rs) 1.41, and for
    the LFE 0.

    A clip shorter than one block is measured as one block of its own length. Non-finite samples count as 0.
    None when nothing passes the absolute gate, as for silence. Raises ValueError unless samples are 2-D.
    """
    sound = _finite(_checked(samples))
    blocks = _windows(_step_powers(sound, sample_rate), BLOCK_STEPS)[::STEPS_APART]
    return _integrated(blocks if blocks.size else _whole(sound, sample_rate))


def _checked(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    if samples.ndim != 2:
        raise ValueError(f"samples of shape {samples.shape}: must be [channels, time]")
    return samples


def _step_powers(sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Mean square of the weighted channels, added up, of each whole 20 ms [steps]."""
    # The small number keeps a step that ends with the clip from being lost to rounding.
    count = int(sound.shape[1] / (STEP_S * sample_rate) + 1e-9)
    edges = np.rint(np.arange(count + 1) * STEP_S * sample_rate).astype(np.int64)
    if count == 0 or edges[1] == 0:
        return np.zeros(0)
    return _mean_powers(sound, sample_rate, edges)


def _whole(sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """The mean square of a clip too short for a block, as one block [1]."""
    return _mean_powers(sound, sample_rate, np.array([0, sound.shape[1]])) if sound.size else np.zeros(0)


def _mean_powers(sound: NDArray[np.float32], sample_rate: int, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean square of the weighted channels, added up, between each edge and the next."""
    sections, power = k_weighting(sample_rate), np.zeros(edges.size - 1)
    for weight, channel in zip(WEIGHTS.get(len(sound), (1.0,) * len(sound)), sound, strict=True):
        if weight:
            power += weight * _sums(weighted(channel, sections), edges)
    means: NDArray[np.float64] = power / np.diff(edges)
    return means


def _sums(channel: NDArray[np.float64], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum of squares between each edge and the next."""
    count, part = edges.size - 1, channel[: edges[-1]]
    if edges[1] * count == edges[-1]:  # steps of equal length need no pass of their own for the squares
        rows = part.reshape(count, edges[1])
        return np.asarray(np.vecdot(rows, rows))
    return np.asarray(np.add.reduceat(np.square(part), edges[:-1]))


def _windows(steps: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Mean of every `width` steps in a row."""
    if steps.size < width:
        return np.zeros(0)
    sums = np.concatenate(([0.0], np.cumsum(steps)))
    means: NDArray[np.float64] = np.maximum(sums[width:] - sums[:-width], 0.0) / width
    return means


def _heard(powers: NDArray[np.float64], relative_gate_lu: float) -> NDArray[np.float64]:
    """What passes the absolute gate, and the relative gate under the mean of that."""
    heard = powers[powers > 10 ** ((ABSOLUTE_GATE_LUFS - OFFSET_LU) / 10)]
    return heard[heard > heard.mean() * 10 ** (relative_gate_lu / 10)] if heard.size else heard


def _integrated(blocks: NDArray[np.float64]) -> float | None:
    heard = _heard(blocks, RELATIVE_GATE_LU)
    return _lufs(float(heard.mean())) if heard.size else None


def _range(short_term: NDArray[np.float64]) -> float | None:
    heard = np.sort(_heard(short_term, RANGE_GATE_LU))
    if heard.size == 0:
        return None
    low, high = (heard[round((heard.size - 1) * percentile / 100)] for percentile in RANGE_PERCENTILES)
    return 10 * math.log10(high / low)


def _highest(powers: NDArray[np.float64]) -> float | None:
    """None for silence: what a filter's ringing leaves of it is no loudness."""
    return _lufs(float(powers.max())) if powers.size and float(powers.max()) > 1e-13 else None


def _finite(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The samples with NaN and infinities as 0; the same array when there are none."""
    with np.errstate(over="ignore", invalid="ignore"):  # the first look is ten times faster than the second
        if np.isfinite(np.vecdot(samples, samples)).all() or np.isfinite(samples).all():
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
