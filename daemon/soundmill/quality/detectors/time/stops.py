"""The quality room, stops: sound that breaks off, with nothing after it.

What an instrument, a room or a thing leaves behind dies away. Sound that is about as loud right up to a moment and gone
within milliseconds was switched off: by a channel that died, or where a model had no more to say.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.detectors.runs import runs
from soundmill.quality.detectors.time.pauses import EDGE_DB, EDGE_S, SILENCE_DBFS, UNDER_CLIP_DB

STEADY_S = 0.25  # over this the sound is about as loud as at its very end:
STEADY_DB = 10.0  # what dies away is softer by then
REST_S = 0.5
WHISPER_DB = 15.0  # above silence: what dies away by itself is softer at its end

Span = tuple[float, float]


def stops(power: NDArray[np.float64], block_s: float, duration_s: float, *, never_rests: bool = False) -> list[Span]:
    """The silences (start, end in seconds) before which the sound breaks off, and which last to the end or are left as
    abruptly, from the mean power of consecutive blocks [blocks], full scale = 1. With
    `never_rests` also the silence at the end of what had none of half a second before, and ends above a whisper."""
    floor = 10 ** (SILENCE_DBFS / 10)
    edge, near = max(2, round(EDGE_S / block_s)), max(4, round(STEADY_S / block_s))
    sounding = power[power >= floor]
    if not sounding.size:
        return []
    loud = max(floor * 10 ** (EDGE_DB / 10), float(sounding.mean()) / 10 ** (UNDER_CLIP_DB / 10))
    softer = 10 ** (-STEADY_DB / 10)
    found: list[Span] = []
    rested = False
    for start, end in runs(power < floor):
        rests, rested = rested, rested or (end - start) * block_s >= REST_S
        if start < near:
            continue
        before = power[start - near : start]
        beside = float(before[-edge:].mean())
        breaks_off = beside >= loud and beside >= softer * float(before.mean())
        if end == power.size:
            if breaks_off or (never_rests and not rests and beside >= floor * 10 ** (WHISPER_DB / 10)):
                found.append((start * block_s, duration_s))
        elif breaks_off and float(power[end : end + edge].max()) >= loud:
            found.append((start * block_s, end * block_s))
    return found
