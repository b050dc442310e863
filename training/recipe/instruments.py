"""Instruments that hear: tempo, onsets, brightness and kind of sound, measured on samples by numpy alone.

They know nothing of the model; tests try them on the synthesiser's clips, whose facts are known.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Wave = NDArray[np.float32]
Array = NDArray[np.float64]

RATE = 16_000  # Hz
SIZE, HOP = 512, 160  # of the spectrogram: 10 ms a frame
FRAMES_PER_S = RATE / HOP
SLOWEST, FASTEST = 55.0, 200.0  # beats per minute the tempo is looked for in
USUAL = 110.0  # beats per minute, the middle of the preference
ATTACK = 0.12  # rise of the mean band level, as `bands` gives it, from which on it is an attack


def spectrogram(samples: Wave) -> Array:
    """Magnitudes [frames, bins] of Hann-windowed frames, a full-scale sine being about 1 / 2."""
    padded = np.pad(samples.astype(np.float64), SIZE // 2)
    frames = sliding_window_view(padded, SIZE)[::HOP] * np.hanning(SIZE)
    return np.asarray(np.abs(np.fft.rfft(frames, axis=1)) * 2 / SIZE)


def bands(samples: Wave, count: int = 24) -> Array:
    """Band levels [frames, count], log-spaced from 60 Hz to 8 kHz, as log(1 + 1000 × magnitude)."""
    magnitudes = spectrogram(samples)
    frequencies = np.fft.rfftfreq(SIZE, 1 / RATE)
    edges = np.geomspace(60, 8_000, count + 1)
    rows = [(frequencies >= low) & (frequencies < high) for low, high in pairwise(edges)]
    levels = [magnitudes[:, row].mean(axis=1) for row in rows if row.any()]
    return np.asarray(np.log1p(1_000 * np.stack(levels, axis=1)))


def onset_envelope(samples: Wave) -> Array:
    """Spectral flux [frames]: by how much all bands together rise within 20 ms."""
    levels = bands(samples)
    rise = np.maximum(levels[2:] - levels[:-2], 0).mean(axis=1)
    return np.concatenate([[0.0, 0.0], rise])


def tempo(samples: Wave) -> float:
    """Beats per minute: the lag where the onset envelope repeats best, with a mild preference for the usual.

    Autocorrelation summed over some beats, weighted by a log-normal around USUAL of about an octave (D. Ellis,
    "Beat tracking by dynamic programming", J. New Music Research 36, 2007, uses the same kind of weight).
    """
    envelope = onset_envelope(samples)
    envelope = envelope - envelope.mean()
    size = 2 * len(envelope)
    spectrum = np.fft.rfft(envelope, size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, size)[: len(envelope)]
    correlation /= np.arange(len(envelope), 0, -1)  # what a shorter overlap takes away
    candidates = np.arange(SLOWEST, FASTEST, 0.5)
    lags = 60 * FRAMES_PER_S / candidates
    usable = len(envelope) * 0.75
    total = np.zeros(len(candidates))
    places = np.arange(len(correlation))
    for beats, weight in ((1, 1.0), (2, 0.7), (3, 0.4), (4, 0.7)):
        inside = beats * lags < usable
        total += weight * np.where(inside, np.interp(beats * lags, places, correlation), 0)
    preference = np.exp(-0.5 * (np.log2(candidates / USUAL) / 0.9) ** 2)
    return float(candidates[np.argmax(np.maximum(total, 0) * preference)])


def centroid_hz(samples: Wave) -> float:
    """Spectral centroid of the whole clip in Hz, by magnitude."""
    magnitudes = spectrogram(samples).sum(axis=0)
    frequencies = np.fft.rfftfreq(SIZE, 1 / RATE)
    return float(frequencies @ magnitudes / max(magnitudes.sum(), 1e-12))


def rms(samples: Wave) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def onset_strength(samples: Wave) -> float:
    """How sharp the attacks are: mean of the highest tenth of the onset envelope, the clip brought to an RMS of 0.1."""
    envelope = onset_envelope(samples * np.float32(0.1 / max(rms(samples), 1e-6)))
    highest = np.sort(envelope)[-max(1, len(envelope) // 10) :]
    return float(highest.mean())


def onsets_per_s(samples: Wave) -> float:
    """How many attacks a second: peaks of the spectral flux, at least 80 ms apart, the clip brought to an RMS of 0.1.

    A band's rise counts from the loudest of itself and its neighbours 20 ms before, so that a held note that wavers is
    no attack (S. Böck, G. Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013).
    """
    levels = bands(samples * np.float32(0.1 / max(rms(samples), 1e-6)), 48)
    before = sliding_window_view(np.pad(levels, ((0, 0), (1, 1)), mode="edge"), 3, axis=1).max(axis=2)[:-2]
    rise = np.concatenate([[0.0, 0.0], np.maximum(levels[2:] - before, 0).mean(axis=1)])
    window = np.hanning(7)[1:-1]
    envelope = np.convolve(rise, window / window.sum(), "same")
    around = sliding_window_view(np.pad(envelope, 8), 17).max(axis=1)
    return float(np.sum((envelope == around) & (envelope > ATTACK)) * FRAMES_PER_S / len(envelope))


def features(samples: Wave) -> Array:
    """What a sound effect is told by: mean and spread of its bands, and how its level moves."""
    levels = bands(samples * np.float32(0.1 / max(rms(samples), 1e-6)), 16)
    loudness = levels.mean(axis=1)
    motion = np.array([loudness.std(), onset_strength(samples), onsets_per_s(samples) / 10, np.ptp(loudness)])
    return np.concatenate([levels.mean(axis=0), levels.std(axis=0), motion])


class Classifier:
    """Linear least squares on standardised features, one output per class, with a ridge."""

    def __init__(self, examples: dict[str, list[Wave]]) -> None:
        self.names = list(examples)
        x = np.stack([features(wave) for waves in examples.values() for wave in waves])
        labels = np.concatenate([[i] * len(waves) for i, waves in enumerate(examples.values())])
        self._mean, self._scale = x.mean(axis=0), x.std(axis=0) + 0.05
        x = self._standard(x)
        targets = np.eye(len(self.names))[labels]
        self._weights = np.linalg.solve(x.T @ x + 3.0 * np.eye(x.shape[1]), x.T @ targets)

    def _standard(self, x: Array) -> Array:
        return np.concatenate([(x - self._mean) / self._scale, np.ones((len(x), 1))], axis=1)

    def name(self, samples: Wave) -> str:
        return self.names[int(np.argmax(self._standard(features(samples)[None]) @ self._weights))]


def dc_offset(samples: Wave) -> float:
    return float(samples.mean(dtype=np.float64))


def end_jump(samples: Wave) -> float:
    """The larger of the first and the last sample, relative to the clip's peak: what a player hears as a click."""
    return float(max(abs(samples[0]), abs(samples[-1])) / max(np.abs(samples).max(), 1e-9))


def buzz_db(samples: Wave, every_hz: float) -> float:
    """How far the spectrum stands out at multiples of `every_hz` from 200 Hz to 6 kHz: median over them, in dB."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2 + 1e-12
    width = len(samples) / RATE * every_hz  # bins from one multiple to the next

    def level(multiple: float) -> float:
        at = round(multiple * width)
        return float(power[at - 2 : at + 3].mean())

    numbers = range(int(200 / every_hz), int(6_000 / every_hz))
    excess = [10 * np.log10(level(n) / (0.5 * (level(n - 0.5) + level(n + 0.5)))) for n in numbers]
    return float(np.median(excess))
