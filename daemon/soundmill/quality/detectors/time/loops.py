"""The quality room, loops: a passage that plays over and over, sample for sample.

A steady beat is no loop: a band's next bar differs from the last one in every sample. So candidates for the period come
from the autocorrelation of the band levels (cheap, coarse), and what convicts is the wave itself: a long stretch that
equals the sound one period earlier, at least twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from soundmill.quality.detectors.runs import bridged, longest, runs

Samples = NDArray[np.float32]
Floats = NDArray[np.float32]

SHORTEST_S = 0.15  # a shorter period is a tone
LONGEST_S = 4.0  # a bar at 60 beats a minute; sections longer than that come back in music that a program plays,
WHOLE = 0.97  # so of a longer period this share of all that could repeat must do so,
PLAYS = 2.5  # in a clip that holds it as many times
CANDIDATES = 4
LONG_CANDIDATES = 2
ALIKE = 1.6  # mean squared difference from one period earlier over the variance: 0 copy, 2 unrelated
LIKELY = 0.12  # autocorrelation of the band levels below which no period is tried
SMOOTH_S = 0.5
EVENTFUL_DB = 1.5  # standard deviation of the band levels; a held sound equals itself at any distance
DEPTH_DB = 50.0
COPY = 0.9  # correlation of the wave with itself one period earlier
BLOCK_S = 0.05
BRIDGE_S = 0.1
FAINT = 1e-3  # of the mean power: a pause is no evidence
PROBE_S = 0.25
PROBES = 5
SWELL_S = 1.5  # what rises and falls more slowly is not part of a pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """`start_s` to `end_s` is what repeats, from its second play on."""

    start_s: float
    end_s: float
    period_s: float


def find_loop(sound: Samples, sample_rate: int, bands: Floats, frame_rate: float) -> Loop | None:
    """The loop that covers most of a clip [channels, time] with band powers [frames, bands]; None without one."""
    if len(bands) < 3 * SHORTEST_S * frame_rate or bands.shape[1] < 4 or not bands.any():
        return None
    floor = float(bands.max()) * 10 ** (-DEPTH_DB / 10)
    levels: Floats = 10 * np.log10(np.maximum(bands, np.float32(floor)))
    levels = _without_swell(levels, max(3, round(SWELL_S * frame_rate)))
    if float(levels.std()) < EVENTFUL_DB:
        return None
    candidates = [lag for lag in _likely_lags(levels, frame_rate) if _alike_for_long(levels, lag, frame_rate)]
    if not candidates:
        return None
    wave = sound[0] if len(sound) == 1 else sound.mean(axis=0)
    found = (_in_the_wave(wave, sample_rate, lag / frame_rate, 1 / frame_rate) for lag in candidates)
    return next((loop for loop in found if loop and _convicts(loop, wave.size / sample_rate)), None)


def _convicts(loop: Loop, clip_s: float) -> bool:
    return loop.period_s <= LONGEST_S or loop.end_s - loop.start_s >= WHOLE * (clip_s - loop.period_s)


def _without_swell(levels: Floats, width: int) -> Floats:
    """The levels less their moving mean over `width` frames."""
    padded = np.pad(levels, ((width // 2 + 1, width - width // 2 - 1), (0, 0)), mode="edge")
    sums = np.cumsum(padded, axis=0, dtype=np.float64)
    return np.asarray(levels - (sums[width:] - sums[:-width]) / width if width < len(sums) else levels, np.float32)


def _likely_lags(levels: Floats, frame_rate: float) -> list[int]:
    """Peaks of the autocorrelation of the band levels in frames: the strongest up to 4 s, then the strongest beyond."""
    count = len(levels)
    longest = round(LONGEST_S * frame_rate)
    most = max(min(longest, count * 2 // 3), int(count / PLAYS))
    size = scipy.fft.next_fast_len(count + most + 1, real=True)
    spectrum = scipy.fft.rfft(levels, size, axis=0)
    power = np.square(spectrum.real).sum(axis=1) + np.square(spectrum.imag).sum(axis=1)
    correlation = scipy.fft.irfft(power, size)[: most + 1]
    if correlation[0] <= 0:
        return []
    correlation /= correlation[0] * (count - np.arange(most + 1)) / count
    least = max(2, round(SHORTEST_S * frame_rate))
    inner = correlation[1:-1]
    peaks = np.flatnonzero((inner >= correlation[:-2]) & (inner > correlation[2:]) & (inner > LIKELY)) + 1
    peaks = peaks[peaks >= least]
    peaks = peaks[np.argsort(-correlation[peaks])]
    chosen = [*peaks[peaks <= longest][:CANDIDATES], *peaks[peaks > longest][:LONG_CANDIDATES]]
    return [int(lag) for lag in chosen]


def _alike_for_long(levels: Floats, lag: int, frame_rate: float) -> bool:
    """Whether the levels equal those `lag` frames earlier for at least twice that long."""
    width = max(3, round(SMOOTH_S * frame_rate))
    if len(levels) <= lag + width:
        return False
    difference = np.square(levels[lag:] - levels[:-lag]).mean(axis=1)
    variance = float(levels.var(axis=0).mean())
    sums = np.concatenate(([0.0], np.cumsum(difference, dtype=np.float64)))
    alike = (sums[width:] - sums[:-width]) / width < ALIKE * variance
    start, end = longest(runs(alike))
    return end - start + width >= 1.5 * lag


def _in_the_wave(wave: Samples, rate: float, about_s: float, slack_s: float) -> Loop | None:
    """The longest stretch that equals the wave about one period earlier, with the period found to the sample."""
    lag = _exact_lag(wave, rate, about_s, slack_s)
    if lag is None:
        return None
    best: Loop | None = None
    for parts in range(1, 9):  # the levels' period may be several of the wave's
        shorter = _nearest_copy(wave, round(lag / parts)) if parts > 1 else lag
        if shorter / rate < SHORTEST_S:
            break
        loop = _copied(wave, rate, shorter)
        if loop and (best is None or loop.end_s - loop.start_s >= 0.98 * (best.end_s - best.start_s)):
            best = loop
    return best


def _nearest_copy(wave: Samples, lag: int) -> int:
    """The lag within two samples of this one at which the second half of the wave is most like what came before."""
    half = wave[wave.size // 2 :]
    first = wave.size - half.size
    near = [each for each in range(lag - 2, lag + 3) if 0 < each <= first]
    return max(near, key=lambda each: float(np.vecdot(half, wave[first - each : wave.size - each])), default=lag)


def _exact_lag(wave: Samples, rate: float, about_s: float, slack_s: float) -> int | None:
    """The lag near `about_s` at which probes along the clip equal what came before best; None if none does."""
    around, slack, size = round(about_s * rate), round(slack_s * rate), round(PROBE_S * rate)
    best, best_lag = COPY, None
    room = wave.size - around - slack - size
    if room < 0:
        return None
    for at in np.linspace(around + slack, wave.size - size, PROBES).astype(np.int64):
        probe = wave[at : at + size]
        context = wave[max(at - around - slack, 0) : at - around + slack + size]
        energy = float(np.vecdot(probe, probe))
        if energy <= 0 or context.size <= size:
            continue
        length = scipy.fft.next_fast_len(context.size, real=True)  # what wraps around lies beyond what is read
        spectrum = scipy.fft.rfft(context, length) * scipy.fft.rfft(probe, length).conj()
        cross = scipy.fft.irfft(spectrum, length)[: context.size - size + 1]
        sums = np.concatenate(([0.0], np.cumsum(np.square(context, dtype=np.float64))))
        energies = sums[size:] - sums[:-size]
        likeness = cross / np.sqrt(np.maximum(energies * energy, 1e-30))
        top = int(likeness.argmax())
        if likeness[top] > best:
            best, best_lag = float(likeness[top]), int(at - max(at - around - slack, 0) - top)
    return best_lag


def _copied(wave: Samples, rate: float, lag: int) -> Loop | None:
    block = max(1, round(BLOCK_S * rate))
    count = (wave.size - lag) // block
    if count < 2:
        return None
    now = wave[lag : lag + count * block].reshape(count, block)
    then = wave[: count * block].reshape(count, block)
    offset_now, offset_then = now.mean(axis=1), then.mean(axis=1)  # silence at an offset is no sound
    energy_now = np.vecdot(now, now) - block * np.square(offset_now)
    energy_then = np.vecdot(then, then) - block * np.square(offset_then)
    heard = np.maximum(energy_now, energy_then) > float(energy_now.mean()) * FAINT
    both = np.vecdot(now, then) - block * offset_now * offset_then
    same = both > COPY * np.maximum(energy_now, energy_then) * 0.9
    alike = (same | ~heard).astype(np.bool_)
    start, end = longest(runs(bridged(alike, round(BRIDGE_S / BLOCK_S))))
    sounding = np.flatnonzero(heard[start:end])
    if not sounding.size:
        return None
    first, last = start + int(sounding[0]), start + int(sounding[-1]) + 1
    if max(first - start, end - last) * block >= lag:  # silence is like itself at any distance
        start, end = first, last
    if (end - start) * block < 2 * lag - block:
        return None
    return Loop(start_s=(start * block + lag) / rate, end_s=(end * block + lag) / rate, period_s=lag / rate)
