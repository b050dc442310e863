"""The quality room, defects: where in a clip something is wrong, as plain data for players and reports.

A defect is {name, start_s, end_s, detail}; the name is that of the check that looks at the same fault (silence inside a
clip goes by silence), or clipping_before and flat_tops_before for what was clipped before normalisation. What is listed
is what was found, whether or not the thresholds mind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.check import Defect
from soundmill.quality.detectors.runs import runs

SILENCE_SPAN_S = 0.5  # shorter pauses belong to the music
MERGE_S = 0.05  # marked samples closer than this are one defect
MAX_DEFECTS = 100
CHANNEL_NAMES: Mapping[int, Sequence[str]] = {
    2: ("left", "right"),
    5: ("left", "right", "centre", "left surround", "right surround"),
    6: ("left", "right", "centre", "LFE", "left surround", "right surround"),
}


def silence_defects(silent: NDArray[np.bool_], window: int, length: int, sample_rate: int) -> list[Defect]:
    """One defect per silent span of at least half a second, from the silent windows [channels, windows].

    `window` is a window's length and `length` the clip's, in samples. Spans equal in several channels are one.
    """
    channels, windows = silent.shape
    spans: dict[tuple[int, int], list[int]] = {}
    for channel in range(channels):
        for start, end in runs(silent[channel]):
            stop = length if end == windows else end * window  # the incomplete last window goes with its neighbour
            if stop - start * window >= SILENCE_SPAN_S * sample_rate:
                spans.setdefault((start * window, stop), []).append(channel)
    found = []
    for (start, end), where in spans.items():
        at_head, at_tail = start == 0, end == length
        name = "silence" if at_head == at_tail else "silence_head" if at_head else "silence_tail"
        found.append(
            defect(name, start / sample_rate, end / sample_rate, f"below -60 dBFS in {named(where, channels)}")
        )
    return found


def sample_defects(name: str, mask: NDArray[np.bool_], what: str, sample_rate: int) -> list[Defect]:
    """One defect per group of marked samples [channels, time] less than 50 ms apart, over all channels."""
    marked = np.flatnonzero(mask.any(axis=0))
    if marked.size == 0:
        return []
    defects: list[Defect] = []
    for group in np.split(marked, np.flatnonzero(np.diff(marked) > MERGE_S * sample_rate) + 1):
        start, end = int(group[0]), int(group[-1]) + 1
        counts = mask[:, start:end].sum(axis=1)
        where = named([int(channel) for channel in np.flatnonzero(counts)], len(mask))
        defects.append(
            defect(name, start / sample_rate, end / sample_rate, f"{counts.sum()} samples {what} in {where}")
        )
    return defects


def listed_defects(name: str, samples: Sequence[NDArray[np.int64]], what: str, sample_rate: int) -> list[Defect]:
    """The same from the numbers of the marked samples of each channel."""
    if not any(each.size for each in samples):
        return []
    length = 1 + max(int(each[-1]) for each in samples if each.size)
    mask = np.zeros((len(samples), length), dtype=np.bool_)
    for channel, each in enumerate(samples):
        mask[channel, each] = True
    return sample_defects(name, mask, what, sample_rate)


def span_defects(name: str, spans: Sequence[Iterable[tuple[float, float]]], what: str) -> list[Defect]:
    """One defect per span (start, end in seconds) of each channel; spans equal in several channels are one."""
    found: dict[tuple[float, float], list[int]] = {}
    for channel, each in enumerate(spans):
        for span in each:
            found.setdefault(span, []).append(channel)
    return [defect(name, start, end, f"{what} in {named(where, len(spans))}") for (start, end), where in found.items()]


def named(where: list[int], channels: int) -> str:
    """The channels of a clip in words."""
    if channels == 1:
        return "the clip"
    if len(where) == channels:
        return "all channels"
    names = CHANNEL_NAMES.get(channels) or [str(number) for number in range(1, channels + 1)]
    return "channel " + ", ".join(names[channel] for channel in where)


def defect(name: str, start_s: float, end_s: float, detail: str) -> Defect:
    return {"name": name, "start_s": round(start_s, 4), "end_s": round(end_s, 4), "detail": detail}


def bounded(defects: list[Defect]) -> tuple[Defect, ...]:
    """The defects in order of time. Of more than 100, first the five longest of each name, then the longest: one kind
    of fault must not crowd out where another one is."""

    def at(found: Defect, key: str) -> float:
        return float(str(found[key]))

    longest = sorted(defects, key=lambda found: at(found, "start_s") - at(found, "end_s"))
    seen: dict[object, int] = {}
    first: list[Defect] = []
    rest: list[Defect] = []
    for found in longest:
        seen[found["name"]] = seen.get(found["name"], 0) + 1
        (first if seen[found["name"]] <= 5 else rest).append(found)
    return tuple(sorted([*first, *rest][:MAX_DEFECTS], key=lambda found: at(found, "start_s")))
