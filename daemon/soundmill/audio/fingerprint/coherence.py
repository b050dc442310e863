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
# One may begin between two samples of the other, and half of one turns 4 kHz by a quarter of a period: the best place
# is looked for between samples, and then once more between these.
FINER = 2
FRACTIONS = 16
QUIETEST = 1e-4  # of a sound's energy: where less is heard, nothing is to be found
# From this coherence on they are one recording, whatever else: MP3 of 128 kbit/s keeps 0.98 and more; takes of the same
# notes by the same instrument came to 0.971.
SAME = 0.975


def waveform(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """What is compared of finite samples [channels, time]: at 8 kHz the first difference, lest the bass decide, of the
    mean of the channels."""
    mono = samples.mean(axis=0, keepdims=True, dtype=np.float32)
    return np.diff(resample(mono, sample_rate, RATE)[0].astype(np.float64))


def coherence(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    """How far the second of two waveforms is the first or a piece of it, 0 to 1, and how many seconds after the first
    it begins.

    That is where they correlate most for their loudness. There, the correlation of each half second is weighted by how
    loud that is, for an encoder keeps nothing of the waveform of faint noise. Where one is empty or silent the answer
    is (0, 0).
    """
    if min(first.size, second.size) == 0:
        return 0.0, 0.0
    lag, fraction = _lag(first, second)
    first, second = first[max(0, lag) :], second[max(0, -lag) :]
    length = min(first.size, second.size)
    first, second = _earlier(first[:length], fraction), second[:length]
    starts = np.arange(0, length, round(SEGMENT_S * RATE))
    loudness = np.sqrt(np.sqrt(np.add.reduceat(first**2, starts) * np.add.reduceat(second**2, starts)))
    common = np.abs(np.add.reduceat(first * second, starts))
    heard = loudness > 0
    if not heard.any():
        return 0.0, 0.0
    return float((common[heard] / loudness[heard]).sum() / loudness.sum()), (lag + fraction) / RATE


def _lag(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[int, float]:
    """By how many samples, whole ones and the rest, the second is to be taken earlier to fit the first best: where
    their correlation is the highest for what both have there, lest the loudest passage fits all."""
    size = next_fast_len(first.size + second.size, real=True)
    spectrum = rfft(first, size) * np.conj(rfft(second, size))
    # Between two samples, the correlation is the same sum of the spectrum's waves.
    crossed = np.abs(irfft(spectrum, FINER * size)) * FINER
    # Where only the ends overlap, one note that both have would decide.
    least = round(LEAST_OVERLAP * min(first.size, second.size))
    lags = np.arange(FINER * (least - second.size), FINER * (first.size - least) + 1)
    begins = lags // FINER
    heard = _energy(first, begins, second.size) * _energy(second, -begins, first.size)
    fit = crossed[lags % (FINER * size)] / np.sqrt(heard)
    lag = float(lags[np.argmax(fit)]) / FINER
    turn = 2j * np.pi / size * np.arange(spectrum.size)
    spectrum *= np.exp((lag - 0.5) * turn)
    step, at = np.exp(turn / FRACTIONS), list[float]()
    for _ in range(FRACTIONS + 1):
        at.append(abs(float(spectrum.real.sum())))
        spectrum *= step
    lag += int(np.argmax(at)) / FRACTIONS - 0.5
    return round(lag), lag - round(lag)


def _energy(sound: NDArray[np.float64], begins: NDArray[np.int64], length: int) -> NDArray[np.float64]:
    """Of each piece of a sound of that length, or what of it is in the sound; at least what counts as heard."""
    until = np.concatenate([[0.0], np.cumsum(sound**2)])
    pieces = until[np.clip(begins + length, 0, sound.size)] - until[np.clip(begins, 0, sound.size)]
    return np.asarray(np.maximum(pieces, QUIETEST * until[-1] + 1e-30), np.float64)


def _earlier(sound: NDArray[np.float64], fraction: float) -> NDArray[np.float64]:
    """A sound as it is that fraction of a sample later in it."""
    size = next_fast_len(sound.size, real=True)
    spectrum = rfft(sound, size)
    spectrum *= np.exp(2j * np.pi / size * fraction * np.arange(spectrum.size))
    return np.asarray(irfft(spectrum, size)[: sound.size], np.float64)
