"""Loops of published music, and a look at their seams by other numbers than they were chosen by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundmill.audio.musical.loop import folded, found_loop
from soundmill.audio.musical.seam import loop_seam

Samples = NDArray[np.float32]
LISTENED_S = 14


def heard_over(loop: Samples, rate: int, points: int = 300) -> tuple[float, float]:
    """The loop played twice in a row: what share of random inner points change less than the join, in spectrum and in
    the wave's curvature. A look of its own, by other numbers than the seam was chosen by."""
    twice = np.concatenate([loop, loop], axis=1).mean(axis=0)
    length, frame = loop.shape[1], 1024

    def change(at: int) -> float:
        before, after = (
            np.abs(np.fft.rfft(twice[first : first + frame] * np.hanning(frame))) for first in (at - frame, at)
        )
        return float(np.abs(np.log10(after + 1e-3) - np.log10(before + 1e-3)).mean())

    def bend(at: int) -> float:
        curve = np.abs(np.diff(twice[at - 400 : at + 400], 2))
        return float(curve[397:401].max() / (np.median(curve) + 1e-6))

    inner = frame + np.random.default_rng(7).integers(0, length - 2 * frame, points)
    return tuple(float(np.mean([look(int(p)) < look(length) for p in inner])) for look in (change, bend))  # type: ignore[return-value]


def look(path: Path) -> list[tuple[float, float, float]] | None:
    """Of a published piece's loop of 9 s, and of the one that is found in it: its seam, and `heard_over`."""
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            if file.frames < 1.3 * LISTENED_S * rate:
                return None
            file.seek(file.frames // 5)
            clip = np.ascontiguousarray(file.read(LISTENED_S * rate, dtype="float32", always_2d=True).T)
    except soundfile.LibsndfileError:
        return None
    if not clip.any():
        return None
    made = [folded(clip[:, : 11 * rate], rate, 9 * rate), found_loop(clip, rate)]
    return [(loop_seam(loop.samples, rate) or 0.0, *heard_over(loop.samples, rate)) for loop in made if loop]
