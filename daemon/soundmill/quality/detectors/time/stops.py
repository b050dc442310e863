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

END_S = 0.003  # the very last of a sound that breaks off
END_DBFS, END_DB = -50.0, 30.0  # is above this, and no further below the whole
END_BLOCKS = 8  # in which it is looked for

Floats = NDArray[np.float64]
Span = tuple[float, float]


def breaks_off(waves: NDArray[np.float32], peaks: Floats, power: Floats, block: int, sample_rate: int) -> float | None:
    """When, in seconds, the last sound of a clip breaks off, with nothing but silence after it; None where it dies away
    or goes on to the end. From channels [channels, time] whose peaks were `peaks`, and the mean power of their
    consecutive blocks of `block` samples [channels, blocks], full scale = 1.

    What dies away is a whisper when it falls under the level of silence, and a cut is sharp: in its last 3 ms the
    sound is as loud as it happened to be.
    """
    silent = power.max(axis=0) < 10 ** (SILENCE_DBFS / 10)
    if not silent[-1] or silent.all():
        return None
    last = int(np.flatnonzero(~silent)[-1])
    first = max(last - END_BLOCKS, 0) * block
    heights = (np.abs(waves[:, first : (last + 2) * block]) * peaks[:, None].astype(np.float32)).max(axis=0)
    end = first + 1 + int(np.flatnonzero(heights > 0.99 * 10 ** (SILENCE_DBFS / 20))[-1])
    about = waves[:, max(end - max(1, round(END_S * sample_rate)), 0) : end]
    squares = np.square(peaks)
    ending = float((np.square(about, dtype=np.float64).mean(axis=1) * squares).mean())
    whole = float(power[:, : last + 1].mean())
    loud = ending > 10 ** (END_DBFS / 10) and ending > whole / 10 ** (END_DB / 10)
    return end / sample_rate if loud else None


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
