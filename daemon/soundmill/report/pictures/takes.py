"""Report: a small picture of a take, its waveform above its spectrogram.

Drawn straight into a palette image: about ten milliseconds a take, where a plotting library needs half a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import rfft

from soundmill.report.folder import write

WIDTH = 480  # pixels; a page shows them at half that, for dense screens
WAVE_HEIGHT = 52
SPECTRUM_HEIGHT = 92
HEIGHT = WAVE_HEIGHT + SPECTRUM_HEIGHT
LOWEST_HZ = 40.0
QUIETEST_DB, LOUDEST_DB = -82.0, -10.0  # of a full-scale sine, per bin: the ends of the colour scale
FRAME = 2048  # samples in a spectrum
SPECTRA = WIDTH // 2  # a page shows the picture at that width on most screens
SPECTRA_AT_ONCE = 120  # so many stay in the processor's cache
SHADES = 24  # fewer compress better, more show no more
WAVE = (130, 191, 232)
RAMP = ((18, 21, 24), (38, 32, 78), (98, 38, 124), (178, 54, 108), (238, 112, 72), (252, 200, 110), (255, 246, 214))
WORTH_PROCESSES = 200  # pictures; below, starting processes takes longer than drawing

Image8 = NDArray[np.uint8]


def picture(samples: NDArray[np.float32], sample_rate: int) -> bytes:
    """A PNG of samples [time, channels] (at least one of each): index 0 is the ground, 1..SHADES rise in level,
    the last is the wave.

    The waveform spans the channels and is drawn at full scale; the spectrogram is of their mean, on a logarithmic
    axis from 40 Hz to half the sample rate, with the same colour for the same level in every picture.
    """
    # Channel by channel: reducing over a last axis of two is ten times slower than over the first.
    channels = [_finite(channel) for channel in samples.T]
    mono = sum(channels[1:], channels[0]) / np.float32(len(channels))
    image = Image.fromarray(np.concatenate((_wave(channels), _spectrogram(mono, sample_rate))))
    image.putpalette(_palette())
    file = BytesIO()
    image.save(file, "PNG", compress_level=6)  # more takes seven times as long for a fiftieth
    return file.getvalue()


def _finite(channel: NDArray[np.float32]) -> NDArray[np.float32]:
    if np.isfinite(np.dot(channel, channel)):  # one pass, and nearly always the answer
        return channel
    return np.clip(np.nan_to_num(channel, nan=0.0), -1, 1)


def _columns(length: int) -> NDArray[np.intp]:
    """First sample of each pixel column; several columns share one when there are fewer samples."""
    return np.minimum(np.arange(WIDTH) * length // WIDTH, length - 1)


def _wave(channels: Sequence[NDArray[np.float32]]) -> Image8:
    starts = _columns(len(channels[0]))
    high = np.max([np.maximum.reduceat(channel, starts) for channel in channels], axis=0)
    low = np.min([np.minimum.reduceat(channel, starts) for channel in channels], axis=0)
    middle = (WAVE_HEIGHT - 1) / 2
    top = np.round(middle * (1 - np.clip(high, -1, 1)))
    bottom = np.round(middle * (1 - np.clip(low, -1, 1)))
    rows = np.arange(WAVE_HEIGHT)[:, None]
    return np.where((rows >= top) & (rows <= bottom), SHADES + 1, 0).astype(np.uint8)


def _spectrogram(mono: NDArray[np.float32], sample_rate: int) -> Image8:
    if len(mono) < FRAME:
        mono = np.pad(mono, (0, FRAME - len(mono)))
    window = np.hanning(FRAME + 1)[:-1].astype(np.float32)
    scale = np.float32(2 / window.sum())
    bands = _band_starts(sample_rate)
    frames = np.lib.stride_tricks.sliding_window_view(mono, FRAME)
    starts = np.linspace(0, len(frames) - 1, SPECTRA).astype(np.intp)
    levels = np.empty((SPECTRA, SPECTRUM_HEIGHT), dtype=np.float32)
    for at in range(0, SPECTRA, SPECTRA_AT_ONCE):
        spectra = np.abs(rfft(frames[starts[at : at + SPECTRA_AT_ONCE]] * window, overwrite_x=True))
        levels[at : at + SPECTRA_AT_ONCE] = np.maximum.reduceat(spectra, bands, axis=1)
    decibels = 20 * np.log10(np.maximum(levels * scale, np.float32(1e-7)))
    share = (decibels - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB)
    shades = np.clip(np.round(share * SHADES), 0, SHADES).astype(np.uint8)
    wide: Image8 = shades.T[::-1].repeat(WIDTH // SPECTRA, axis=1)
    return wide


def _band_starts(sample_rate: int) -> NDArray[np.intp]:
    """First bin of each of the picture's rows, from the lowest; neighbouring rows may share a bin."""
    highest = sample_rate / 2
    edges = LOWEST_HZ * (highest / LOWEST_HZ) ** (np.arange(SPECTRUM_HEIGHT) / SPECTRUM_HEIGHT)
    return np.clip(np.round(edges * FRAME / sample_rate), 1, FRAME // 2 - 1).astype(np.intp)


def _palette() -> bytes:
    along = np.linspace(0, len(RAMP) - 1, SHADES + 1)
    shades = np.stack([np.interp(along, np.arange(len(RAMP)), channel) for channel in zip(*RAMP, strict=True)], axis=1)
    return np.concatenate((np.round(shades), [WAVE])).astype(np.uint8).tobytes()


def draw(job: tuple[Path, Path]) -> bool:
    """Draw the audio file of `job` into its picture file; False when it cannot be read as audio."""
    audio, target = job
    try:
        samples, sample_rate = soundfile.read(audio, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError):
        return False
    if len(samples) == 0:
        return False
    write(target, picture(samples, sample_rate))
    return True


def draw_all(jobs: Sequence[tuple[Path, Path]], processes: int, advance: Callable[[int], None]) -> list[bool]:
    """`draw` for each (audio, picture), in order; `advance` is told of every one done."""
    done: list[bool] = []
    for drawn in _results(jobs, processes):
        done.append(drawn)
        advance(1)
    return done


def _results(jobs: Sequence[tuple[Path, Path]], processes: int) -> Iterable[bool]:
    if processes < 2 or len(jobs) < WORTH_PROCESSES:
        yield from map(draw, jobs)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(draw, jobs, chunksize=8)
