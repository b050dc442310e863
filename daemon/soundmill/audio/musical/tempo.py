"""Musical, tempo: beats a minute, read off how a clip's onsets come back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from soundmill.audio.musical.onsets import FRAMES_PER_S, onset_strength

Floats = NDArray[np.float64]

SLOWEST_BPM, FASTEST_BPM = 40.0, 240.0
USUAL_BPM, OCTAVES = 120.0, 1.0  # centre and width of the log-normal prior
SHORTEST_S = 3.0
STEP = 0.005  # of the tempi that are tried
NEAR = 2  # steps
# Of a beat. Its half comes back in most music, and so do two, four and eight; of a beat and a third, which is the usual
# mistake beside half and double, the half lies between the notes. Which of the octaves it is, the half does not tell.
MULTIPLES = (0.5, 1, 2, 4, 8)
WEIGHTS = (1.5, 1.0, 0.5, 1.0, 0.5)
OF_OCTAVES = (0.0, 1.0, 0.5, 1.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """Beats a minute, and how certain they are, 0 to 1: how much of the onsets comes back after a beat."""

    bpm: float
    certainty: float


def tempo(samples: NDArray[np.float32], sample_rate: int) -> Tempo | None:
    """The tempo of finite samples [channels, time]; None for less than 3 s, and where nothing begins.

    The autocorrelation of the onset strength, summed over a beat's multiples (the idea of a comb: Klapuri et al. 2006,
    "Analysis of the Meter of Acoustic Musical Signals"), weighted by a log-normal prior over tempi (Ellis 2007, "Beat
    Tracking by Dynamic Programming"). Which of a piece's levels is its beat is a matter of taste: half and double are
    the usual mistake.
    """
    if samples.shape[1] < SHORTEST_S * sample_rate:
        return None
    return tempo_of(onset_strength(samples, sample_rate))


def tempo_of(onsets: NDArray[np.float32]) -> Tempo | None:
    """The same, of an onset strength."""
    if onsets.size < SHORTEST_S * FRAMES_PER_S * 0.9 or not onsets.any():
        return None
    returns = _autocorrelation(onsets)
    tempi = np.exp(np.arange(np.log(SLOWEST_BPM), np.log(FASTEST_BPM), STEP))
    prior = np.exp(-0.5 * (np.log2(tempi / USUAL_BPM) / OCTAVES) ** 2)
    salience = _salience(returns, tempi, WEIGHTS)
    best = int(np.argmax(salience * prior))
    certainty = float(np.clip(salience[best], 0, 1))
    if certainty <= 0:
        return None
    octave = round(math.log(2) / STEP)
    of_octaves = _salience(returns, tempi, OF_OCTAVES) * prior
    levels = [each for each in (best, best - octave, best + octave) if 0 <= each < tempi.size]
    best = max(levels, key=lambda each: of_octaves[max(0, each - NEAR) : each + NEAR + 1].max())
    return Tempo(bpm=float(_refined(returns, float(tempi[best]))), certainty=certainty)


def _salience(returns: Floats, tempi: Floats, weights: Sequence[float]) -> Floats:
    """Of each tempo, 0 or more: how much comes back after the beat's multiples."""
    beat = 60 * FRAMES_PER_S / tempi
    salience, weight = np.zeros(tempi.size), np.full(tempi.size, 1e-9)
    for times, share in zip(MULTIPLES, weights, strict=True):
        lags = times * beat
        there = lags < returns.size - 2
        salience[there] += share * _at(returns, lags[there])
        weight[there] += share
    found: Floats = np.maximum(salience / weight, 0)
    return found


def _autocorrelation(onsets: NDArray[np.float32]) -> Floats:
    """Of the onsets less their mean, by lag in frames, of what two such stretches have in common: 1 is all."""
    curve = onsets.astype(np.float64) - onsets.mean()
    size = next_fast_len(2 * curve.size, real=True)
    spectrum = rfft(curve, size)
    found = irfft(np.abs(spectrum) ** 2, size)[: curve.size]
    # Fewer frames overlap at greater lags; at the very end too few to go by.
    overlap = 1 - np.arange(curve.size) / curve.size
    correlation: Floats = found / found[0] / np.maximum(overlap, 0.25)
    return correlation


def _at(curve: Floats, places: Floats) -> Floats:
    """Between the frames, the straight line."""
    low = places.astype(np.int64)
    share = places - low
    between: Floats = curve[low] * (1 - share) + curve[low + 1] * share
    return between


def _refined(returns: Floats, bpm: float) -> float:
    """The tempo by the farthest of the beat's multiples that come back: a frame of eight beats is an eighth of one."""
    for times in (2, 4, 8, 16):
        lag = times * 60 * FRAMES_PER_S / bpm
        if lag * 1.03 + 2 >= returns.size * 0.7:
            break
        reach = max(2, round(lag * 0.6 * 0.03 / times**0.5))
        near = np.arange(round(lag) - reach, round(lag) + reach + 1)
        top = int(near[np.argmax(returns[near])])
        before, here, after = returns[top - 1 : top + 2]
        if here <= 0.05 or here < before or here < after:
            continue
        curve = before - 2 * here + after
        bpm = times * 60 * FRAMES_PER_S / (top + (0.5 * (before - after) / curve if curve < 0 else 0.0))
    return bpm
