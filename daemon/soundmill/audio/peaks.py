"""The audio room, peaks: a clip's outline and a small spectrogram, for players that draw it before they have the audio.

One piece of at most 4,096 bytes, version 1, numbers little-endian:

    byte  0       the version, 1
    byte  1       bands of the spectrogram, B
    bytes 2-3     columns of the outline, W
    bytes 4-5     columns of the spectrogram, S
    bytes 6-7     the spectrogram's lowest frequency in Hz
    bytes 8-9     its highest
    bytes 10-11   0
    then          W lowest samples, W highest, signed bytes, 127 = full scale
    then          B × S bytes, band by band from the lowest, column by column: 0 = -96 dBFS or less, 255 = 0 dBFS
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

VERSION = 1
HEADER = struct.Struct("<BBHHHHH")
OUTLINE_COLUMNS = 500
SPECTRUM_COLUMNS = 120
BANDS = 25
FRAME = 2048  # samples
LOWEST_HZ = 60
FLOOR_DB = -96.0


def peaks(samples: NDArray[np.float32], sample_rate: int) -> bytes:
    """The peaks of finite samples [channels, time]; all channels count for the outline, their mean for the spectrogram.

    Bands are evenly spaced on a logarithmic scale; each holds the power of its strongest bin, in a Hann window, in dB
    of a sine at full scale. Two frames are looked at for each column, so a click between them is in the outline alone.
    Raises ValueError unless samples are 2-D.
    """
    if samples.ndim != 2:
        raise ValueError(f"samples of shape {samples.shape}: must be [channels, time]")
    lowest, highest = _outline(samples)
    spectrum, top_hz = _spectrum(samples, sample_rate)
    header = HEADER.pack(VERSION, spectrum.shape[0], lowest.size, spectrum.shape[1], LOWEST_HZ, top_hz, 0)
    return header + lowest.tobytes() + highest.tobytes() + spectrum.tobytes()


def _outline(samples: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """The lowest and the highest sample of each column, away from zero to the next step."""
    length = samples.shape[1]
    columns = min(OUTLINE_COLUMNS, length)
    if columns == 0:
        return np.zeros(0, np.int8), np.zeros(0, np.int8)
    starts = np.arange(columns) * length // columns
    lowest = np.minimum.reduceat(samples, starts, axis=1).min(axis=0)
    highest = np.maximum.reduceat(samples, starts, axis=1).max(axis=0)
    return (
        np.floor(np.clip(lowest, -1, 1) * 127).astype(np.int8),
        np.ceil(np.clip(highest, -1, 1) * 127).astype(np.int8),
    )


def _spectrum(samples: NDArray[np.float32], sample_rate: int) -> tuple[NDArray[np.uint8], int]:
    """Bytes [bands, columns], and the highest frequency in Hz."""
    length = samples.shape[1]
    top_hz = min(sample_rate // 2, 0xFFFF)
    columns = min(SPECTRUM_COLUMNS, length // (FRAME // 4))
    if columns == 0 or top_hz <= 2 * LOWEST_HZ:
        return np.zeros((0, 0), np.uint8), top_hz
    middles = (np.arange(2 * columns) + 0.5) * length / (2 * columns)
    starts = np.clip(middles.astype(np.int64) - FRAME // 2, 0, max(length - FRAME, 0))
    frame = min(FRAME, length)
    window = np.hanning(frame + 1)[:-1].astype(np.float32)
    window *= 2 / window.sum()
    mono = samples[0] if len(samples) == 1 else None
    frames = np.empty((2 * columns, frame), np.float32)
    for row, start in enumerate(starts):
        part = slice(start, start + frame)
        np.multiply(mono[part] if mono is not None else samples[:, part].mean(axis=0), window, out=frames[row])
    magnitudes = np.abs(rfft(frames, FRAME, axis=1))
    edges = np.geomspace(LOWEST_HZ, top_hz, BANDS + 1) * FRAME / sample_rate
    low = np.clip(np.round(edges[:-1]).astype(np.int64), 1, FRAME // 2)
    bands = np.maximum.reduceat(magnitudes, low, axis=1).reshape(columns, 2, BANDS).max(axis=1)
    decibels = 20 * np.log10(np.maximum(bands, 1e-9))
    return np.clip(np.round((decibels / -FLOOR_DB + 1) * 255), 0, 255).astype(np.uint8).T.copy(), top_hz
