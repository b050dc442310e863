"""The audio room, fingerprints: whether two sounds are one recording, decided on their waveforms.

Two takes of one tempo, key and instrument share many peaks; they do not share phases, which encoders keep.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from soundmill.audio.resample import resample

RATE = 8_000  # Hz; above, encoders at low rates keep no phases
SEGMENT_S = 0.5
LEAST_OVERLAP = 0.8  # of the shorter of the two
SAME = 0.65  # from this coherence on they are one recording


def waveform(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """What is compared of finite samples [channels, time]: at 8 kHz the first difference, lest the bass decide, of the
    mean of the channels."""
    mono = samples.mean(axis=0, keepdims=True, dtype=np.float32)
    return np.diff(resample(mono, sample_rate, RATE)[0].astype(np.float64))


def coherence(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    """How far the second of two waveforms is the first or a piece of it, 0 to 1, and how many seconds after the first
    it begins.

    That is where they correlate most. There, the correlation of each half second is weighted by how loud that is, for
    an encoder keeps nothing of the waveform of faint noise. Where one is empty or silent the answer is (0, 0).
    """
    if min(first.size, second.size) == 0:
        return 0.0, 0.0
    lag = _lag(first, second)
    first, second = first[max(0, lag) :], second[max(0, -lag) :]
    length = min(first.size, second.size)
    first, second = first[:length], second[:length]
    starts = np.arange(0, length, round(SEGMENT_S * RATE))
    loudness = np.sqrt(np.sqrt(np.add.reduceat(first**2, starts) * np.add.reduceat(second**2, starts)))
    common = np.abs(np.add.reduceat(first * second, starts))
    heard = loudness > 0
    if not heard.any():
        return 0.0, 0.0
    return float((common[heard] / loudness[heard]).sum() / loudness.sum()), lag / RATE


def _lag(first: NDArray[np.float64], second: NDArray[np.float64]) -> int:
    """By how many samples the second is to be taken earlier to fit the first best."""
    size = next_fast_len(first.size + second.size, real=True)
    crossed = np.abs(irfft(rfft(first, size) * np.conj(rfft(second, size)), size))
    # Where only the ends overlap, one note that both have would decide.
    least = round(LEAST_OVERLAP * min(first.size, second.size))
    lags = np.arange(least - second.size, first.size - least + 1)
    return int(lags[np.argmax(crossed[lags % size])])
