"""The audio room, fingerprints: which of many recordings a sound is, or is a piece of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.fingerprint.landmarks import ASKED_PARTNERS, LAST_FRAME, PARTNERS, Landmarks, all_landmarks, pairs
from soundmill.audio.fingerprint.spectrum import HOP_S

SHIFTS = 8  # a sound that was cut has its frames elsewhere; it is asked for at so many places between two
OWNER_BITS, FRAME_BITS = 26, 16
OFFSET_BITS = FRAME_BITS + 1
CANDIDATES = 16  # that are looked at closely
LEAST_COMMON = 4  # pairs at one offset
LEAST_CERTAINTY = 3.0
LEAST_OVERLAP = 0.8  # of the shorter of the two


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """`number`: the recording's. `share`: of its pairs where both sound, those that the sound has too, 0 to 1.
    `certainty`: how many standard deviations that is above what two such sounds have in common by chance. `offset_s`:
    how long after the recording the sound begins."""

    number: int
    share: float
    certainty: float
    offset_s: float


class Index:
    """Recordings by their pairs, in memory: 8 bytes a pair, sorted; a question is two binary searches for each of its
    pairs. Recordings have the numbers of their places in `recordings`."""

    def __init__(self, recordings: Sequence[Landmarks]) -> None:
        sizes = [each.frames.size for each in recordings]
        self._ends = np.cumsum([0, *sizes])
        self._frames = np.concatenate([np.zeros(0, np.uint16), *(each.frames for each in recordings)])
        self._bins = np.concatenate([np.zeros(0, np.uint8), *(each.bins for each in recordings)])
        owner = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        codes, anchors = pairs(self._frames, self._bins, owner, PARTNERS)
        # Code, owner and time in one number: a plain sort puts equal codes together, several times as fast as argsort.
        keys = codes.astype(np.uint64) << (OWNER_BITS + FRAME_BITS)
        keys |= owner[anchors].astype(np.uint64) << FRAME_BITS
        keys |= self._frames[anchors]
        keys.sort()
        self._keys = keys

    def __len__(self) -> int:
        return len(self._ends) - 1

    def search(self, sound: Sequence[Landmarks]) -> list[Match]:
        """The recordings that a sound (its landmarks at several shifts) is or is a piece of, the likeliest first."""
        asked = _asked(sound)
        if asked.size == 0:
            return []
        codes, times = (asked >> FRAME_BITS).astype(np.uint64), asked & LAST_FRAME
        low = np.searchsorted(self._keys, codes << (OWNER_BITS + FRAME_BITS))
        counts = np.searchsorted(self._keys, (codes + 1) << (OWNER_BITS + FRAME_BITS)) - low
        which = np.repeat(np.arange(codes.size), counts)
        keys = self._keys[np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + low[which]]
        owner = ((keys >> FRAME_BITS) & (2**OWNER_BITS - 1)).astype(np.int64)
        offset = (keys & LAST_FRAME).astype(np.int64) - times[which] + LAST_FRAME
        places, votes = np.unique((owner << OFFSET_BITS) | offset, return_counts=True)
        likeliest = places[np.argsort(-votes, kind="stable")]
        _, first = np.unique(likeliest >> OFFSET_BITS, return_index=True)
        # A time is rounded to a frame, to either side.
        around = np.unique(np.concatenate([asked + slack for slack in (-1, 0, 1)]))
        found = []
        for place in likeliest[np.sort(first)[:CANDIDATES]]:
            at = int(place & (2**OFFSET_BITS - 1)) - LAST_FRAME
            match = self._compared(int(place >> OFFSET_BITS), at, around, int(times.max()))
            if match is not None:
                found.append(match)
        return sorted(found, key=lambda match: (-match.certainty, match.number))

    def _compared(self, number: int, at: int, around: NDArray[np.int64], last: int) -> Match | None:
        """How much of the recording is in the sound, if that begins `at` frames after it; None where that is no match.

        By chance a pair of the recording stands where it should as often as the sound has such pairs, as a share of
        the sound's frames: in a steady tone or a beat that is often. These chances make a sum with a mean and a
        variance (Poisson's binomial distribution).
        """
        own = slice(self._ends[number], self._ends[number + 1])
        frames = self._frames[own]
        codes, anchors = pairs(frames, self._bins[own], np.zeros(frames.size, np.int32), PARTNERS)
        moved = frames[anchors].astype(np.int64) - at
        inside = (moved >= 0) & (moved <= last)
        lowest, moved = codes[inside].astype(np.int64) << FRAME_BITS, moved[inside]
        overlap = min(last, int(frames.max()) - at) - max(0, -at)
        if overlap < LEAST_OVERLAP * min(last, int(frames.max())):
            return None
        wanted = lowest | moved
        place = np.minimum(np.searchsorted(around, wanted), around.size - 1)
        common = int((around[place] == wanted).sum())
        often = np.searchsorted(around, lowest | LAST_FRAME, "right") - np.searchsorted(around, lowest)
        chance = np.minimum(1.0, often / (last + 1))
        certainty = (common - chance.sum()) / np.sqrt(1 + (chance * (1 - chance)).sum())
        share = common / max(1, wanted.size)
        if common < LEAST_COMMON or certainty < LEAST_CERTAINTY:
            return None
        return Match(number=number, share=share, certainty=float(certainty), offset_s=at * HOP_S)


def shifted(samples: NDArray[np.float32], sample_rate: int) -> list[Landmarks]:
    """The landmarks that a sound is asked for with: of samples [channels, time] at each shift."""
    return [all_landmarks(samples, sample_rate, shift_s=HOP_S * shift / SHIFTS) for shift in range(SHIFTS)]


def _asked(sound: Sequence[Landmarks]) -> NDArray[np.int64]:
    """Each pair of a sound once, its code above the frame it begins at, in order."""
    found = [np.zeros(0, np.int64)]
    for each in sound:
        codes, anchors = pairs(each.frames, each.bins, np.zeros(each.frames.size, np.int32), ASKED_PARTNERS)
        found.append((codes.astype(np.int64) << FRAME_BITS) | each.frames[anchors])
    return np.unique(np.concatenate(found))
