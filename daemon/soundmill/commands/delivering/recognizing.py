"""Takes by their sound: which one a file is or is a piece of, which of a delivery are the same, which are like one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.decode import read_audio
from soundmill.audio.fingerprint.coherence import SAME, coherence, waveform
from soundmill.audio.fingerprint.fingerprint import Fingerprint, fingerprint, unpacked
from soundmill.audio.fingerprint.landmarks import Landmarks
from soundmill.audio.fingerprint.likeness import distances
from soundmill.audio.fingerprint.search import Index, Match, shifted
from soundmill.catalog.reader import Reader
from soundmill.errors import MissingInput
from soundmill.words import count

# Of a take whose file is gone, which leaves only the fingerprint to go by.
SURE_CERTAINTY, SURE_SHARE = 12.0, 0.7
# An encoder keeps little of the waveform of noise: with so many landmarks in common a lesser coherence will do.
LIKELY, LIKELY_SHARE = 0.4, 0.6
ALSO_CERTAINTY = 0.5  # of the surest: what is less likely than that is not listened to
# Two takes of one length and beginning have nearly all pairs in common if they are the same; fewer are not compared.
TWIN_SHARE = 0.5

Sound = tuple[NDArray[np.float32], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognized:
    """A take that a sound is or is a piece of. `coherence`: how far their waveforms agree, 0 to 1; None where the
    take's file is gone. `begins_s`: how long after the take the sound begins."""

    output_id: int
    coherence: float | None
    begins_s: float


def recognize(reader: Reader, outputs: Path, file: Path, say: Callable[[str], None]) -> list[Recognized]:
    """The takes that a file is or is a piece of, the surest first. `say` hears of what takes longer.

    Raises MissingInput where the file is no audio.
    """
    sound = _heard(file)
    asked = shifted(*sound)
    prints = reader.fingerprints()
    found = _recognized(
        reader, outputs, sound, asked, [one for one, _ in prints], [unpacked(data) for _, data in prints]
    )
    if found:
        return found
    known = list(_taken(outputs, _old(reader, say)))
    return _recognized(reader, outputs, sound, asked, [one for one, _ in known], [each for _, each in known])


def same(reader: Reader, outputs: Path, files: Mapping[int, Path]) -> list[tuple[int, int]]:
    """Pairs of the takes of these `files`, by output id, that are one sound; each take with the first that it is like.

    Takes from before there were fingerprints are read. Those without a file are left out.
    """
    known = {one: unpacked(data) for one, data in reader.fingerprints(files)}
    known |= dict(_taken(outputs, [(one, str(path)) for one, path in files.items() if one not in known]))
    ids = sorted(known)
    index = Index([known[one].landmarks for one in ids])
    pairs = []
    for place, one in enumerate(ids):
        for match in index.search([known[one].landmarks]):
            if match.number < place and match.share >= TWIN_SHARE and _agree(files[ids[match.number]], files[one]):
                pairs.append((ids[match.number], one))
                break
    return pairs


def like(reader: Reader, outputs: Path, file: Path, most: int, say: Callable[[str], None]) -> list[tuple[int, float]]:
    """Takes that sound most like a file, by output id with their distance (see likeness.py), nearest first.

    Raises MissingInput where the file is no audio.
    """
    known = {one: unpacked(data) for one, data in reader.fingerprints()}
    known |= dict(_taken(outputs, _old(reader, say)))
    if not known:
        return []
    ids = list(known)
    asked = unpacked(fingerprint(*_heard(file))).likeness
    far = distances(asked, np.stack([each.likeness for each in known.values()]))
    return [(ids[place], float(far[place])) for place in np.argsort(far, kind="stable")[:most]]


def _recognized(
    reader: Reader,
    outputs: Path,
    sound: Sound,
    asked: Sequence[Landmarks],
    ids: Sequence[int],
    known: Sequence[Fingerprint],
) -> list[Recognized]:
    matches = Index([each.landmarks for each in known]).search(asked)
    files = {int(str(row["output_id"])): outputs / str(row["audio"]) for row in _rows(reader, ids, matches)}
    heard = waveform(*sound)
    found, surest = list[Recognized](), 0.0
    for match in matches:
        if match.certainty < surest * ALSO_CERTAINTY:
            break
        one = ids[match.number]
        try:
            agreement, begins_s = coherence(waveform(*_heard(files[one])), heard)
        except (MissingInput, KeyError):
            if match.certainty >= SURE_CERTAINTY and match.share >= SURE_SHARE:
                found.append(Recognized(output_id=one, coherence=None, begins_s=match.offset_s))
            continue
        many = match.certainty >= SURE_CERTAINTY and match.share >= LIKELY_SHARE
        if agreement >= (LIKELY if many else SAME):
            found.append(Recognized(output_id=one, coherence=agreement, begins_s=begins_s))
            surest = max(surest, match.certainty)
    return sorted(found, key=lambda each: -(each.coherence or 0.0))


def _rows(reader: Reader, ids: Sequence[int], matches: Sequence[Match]) -> list[dict[str, object]]:
    return reader.deliverable(output_ids=[ids[match.number] for match in matches]) if matches else []


def _old(reader: Reader, say: Callable[[str], None]) -> list[tuple[int, str]]:
    old = reader.without_fingerprint()
    if old:
        say(f"{count(len(old), 'take')} from before there were fingerprints: reading the files")
    return old


def _taken(outputs: Path, takes: Sequence[tuple[int, str]]) -> Iterator[tuple[int, Fingerprint]]:
    """Fingerprints of files, those left out that are not there."""
    for one, path in takes:
        try:
            yield one, unpacked(fingerprint(*_heard(outputs / path)))
        except MissingInput:
            continue


def _agree(first: Path, second: Path) -> bool:
    try:
        return coherence(waveform(*_heard(first)), waveform(*_heard(second)))[0] >= SAME
    except MissingInput:
        return False


def _heard(path: Path) -> Sound:
    samples, sample_rate = read_audio(path)
    return np.nan_to_num(samples, posinf=0.0, neginf=0.0), sample_rate
