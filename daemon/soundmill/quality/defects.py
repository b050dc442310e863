"""The quality room, defects: where in a clip something is wrong, as plain data for players and reports.

A defect is {name, start_s, end_s, detail}; the name is that of the check that looks at the same fault, or
clipping_before for what was clipped before normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Defect = Mapping[str, object]

SILENCE_SPAN_S = 0.5  # shorter pauses belong to the music
MERGE_S = 0.05  # marked samples closer than this are one defect
MAX_DEFECTS = 100


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end (exclusive) of each run of True in a 1-D mask."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def silence_defects(silent: NDArray[np.bool_], window: int, length: int, sample_rate: int) -> list[Defect]:
    """One defect per silent span of at least half a second, from the silent windows [channels, windows].

    `window` is a window's length and `length` the clip's, in samples. Spans equal in several channels are one.
    """
    channels, windows = silent.shape
    spans: dict[tuple[int, int], list[int]] = {}
    for channel in range(channels):
        for start, end in _runs(silent[channel]):
            stop = length if end == windows else end * window  # the incomplete last window goes with its neighbour
            if stop - start * window >= SILENCE_SPAN_S * sample_rate:
                spans.setdefault((start * window, stop), []).append(channel)
    return [
        _defect("silence", start, end, sample_rate, f"below -60 dBFS in {_named(where, channels)}")
        for (start, end), where in spans.items()
    ]


def sample_defects(name: str, mask: NDArray[np.bool_], what: str, sample_rate: int) -> list[Defect]:
    """One defect per group of marked samples [channels, time] less than 50 ms apart, over all channels."""
    marked = np.flatnonzero(mask.any(axis=0))
    if marked.size == 0:
        return []
    defects: list[Defect] = []
    for group in np.split(marked, np.flatnonzero(np.diff(marked) > MERGE_S * sample_rate) + 1):
        start, end = int(group[0]), int(group[-1]) + 1
        counts = mask[:, start:end].sum(axis=1)
        where = _named([int(channel) for channel in np.flatnonzero(counts)], len(mask))
        defects.append(_defect(name, start, end, sample_rate, f"{counts.sum()} samples {what} in {where}"))
    return defects


def _named(where: list[int], channels: int) -> str:
    if channels == 1:
        return "the clip"
    if len(where) == channels:
        return "all channels"
    names = ("left", "right") if channels == 2 else [str(number) for number in range(1, channels + 1)]
    return "channel " + ", ".join(names[channel] for channel in where)


def _defect(name: str, start: int, end: int, sample_rate: int, detail: str) -> Defect:
    return {
        "name": name,
        "start_s": round(start / sample_rate, 4),
        "end_s": round(end / sample_rate, 4),
        "detail": detail,
    }


def bounded(defects: list[Defect]) -> tuple[Defect, ...]:
    """The defects in order of time; of more than 100 the longest."""

    def at(defect: Defect, key: str) -> float:
        return float(str(defect[key]))

    kept = sorted(defects, key=lambda defect: at(defect, "start_s") - at(defect, "end_s"))[:MAX_DEFECTS]
    return tuple(sorted(kept, key=lambda defect: at(defect, "start_s")))
