"""The quality room, traits: what a prompt may ask for by a word and a number can show. No judgement is made of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRAITS = ("brightness_hz", "attacks_per_s")
WINDOW_S = 0.032
LOWEST_HZ, HIGHEST_HZ = 60.0, 7_000.0  # what 16 kHz holds, too: a trait is the same at every sample rate
BANDS = 18
QUIET = 1e-4  # power of a band against the loudest moment of any, -40 dB: what lies below is nobody's attack
ATTACK_DB = 9.0  # in two hops, which are a window; a held note swells by less
ATTACK_BANDS = 0.5  # of all, at once: what drums do, and a note in few


def traits(samples: NDArray[np.float32], sample_rate: int) -> dict[str, float | None]:
    """Of a clip [channels, time]: `brightness_hz` and `attacks_per_s`; None for silence, or what is too short.

    brightness_hz: the spectral centroid over log frequency, from 60 Hz to 7 kHz: one that is played an octave higher
    has an octave more, whatever the sample rate.
    attacks_per_s: how often half of the bands and more rise by 9 dB and more at once, which drums do and a note in few
    bands (spectral flux, counted).
    """
    size = max(64, round(WINDOW_S * sample_rate / 4) * 4)
    hop = size // 2
    nothing: dict[str, float | None] = dict.fromkeys(TRAITS)
    with np.errstate(over="ignore", invalid="ignore"):
        sound = np.nan_to_num(samples.mean(axis=0), nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    if sound.size < 4 * size or not sound.any():
        return nothing
    sound = sound / np.abs(sound).max()
    frames = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop]
    edges = np.unique(np.rint(np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 1) * size / sample_rate).astype(np.int64))
    edges = edges[(edges >= 1) & (edges <= size // 2)]
    if edges.size < 3:
        return nothing
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)))
    bands = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1)
    total = bands.sum(axis=0)
    if total.sum() <= 0:
        return nothing
    middles = np.log2(np.sqrt(edges[:-1] * edges[1:]) * (sample_rate / size))
    heard = np.maximum(bands, QUIET * bands.max())
    rising = (10 * np.log10(heard[2:] / heard[:-2]) >= ATTACK_DB).mean(axis=1) >= ATTACK_BANDS
    attacks = int(rising[0]) + int((rising[1:] & ~rising[:-1]).sum())
    return {
        "brightness_hz": float(2 ** (middles @ total / total.sum())),
        "attacks_per_s": attacks / (sound.size / sample_rate),
    }
