"""Takes by their sound: which one a file is or is a piece of, which of a delivery are the same, which are like one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
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
# Encoders of 40 kbit/s keep 0.9: with so many landmarks in common that will do.
LIKELY, LIKELY_SHARE = 0.9, 0.6
ALSO_CERTAINTY = 0.5  # of the surest: what is less likely than that is not listened to
# Two takes of one length and beginning have nearly all pairs in common if they are the same; fewer are not compared.
TWIN_SHARE = 0.5

KEPT_AT_ONCE = 100  # fingerprints of takes that had none

Sound = tuple[NDArray[np.float32], int]
# Hears of fingerprints that were made of files, by their paths in the outputs folder.
Keep = Callable[[Sequence[tuple[str, bytes]]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognized:
    """A take that a sound is or is a piece of. `coherence`: how far their waveforms agree, 0 to 1; None where the
    take's file is gone. `begins_s`: how long after the take the sound begins."""

    output_id: int
    coherence: float | None
    begins_s: float


def recognize(reader: Reader, outputs: Path, file: Path, say: Callable[[str], None], keep: Keep) -> list[Recognized]:
    """The takes that a file is or is a piece of, the surest first. `say` hears of what takes longer, `keep` of what
    need not be done again.

    Raises MissingInput where the file is no audio.
    """
    sound = _heard(file)
    asked = shifted(*sound)
    known = list(_known(reader.fingerprints()))
    found = _recognized(reader, outputs, sound, asked, known)
    return found or _recognized(reader, outputs, sound, asked, list(_old(reader, outputs, say, keep)))


def same(reader: Reader, outputs: Path, files: Mapping[int, Path]) -> list[tuple[int, int]]:
    """Pairs of the takes of these `files`, by output id, that are one sound; each take with the first that it is like.

    Takes from before there were fingerprints are read. Those without a file are left out.
    """
    known = dict(_known(reader.fingerprints(files)))
    made = _made(outputs, [(one, str(path)) for one, path in files.items() if one not in known])
    known |= {one: unpacked(data) for one, _, data in made}
    ids = sorted(known)
    index = Index([known[one].landmarks for one in ids])
    pairs = []
    for place, one in enumerate(ids):
        for match in index.search([known[one].landmarks]):
            if match.number < place and match.share >= TWIN_SHARE and _agree(files[ids[match.number]], files[one]):
                pairs.append((ids[match.number], one))
                break
    return pairs


def like(
    reader: Reader, outputs: Path, file: Path, most: int, say: Callable[[str], None], keep: Keep
) -> list[tuple[int, float]]:
    """Takes that sound most like a file, by output id with their distance (see likeness.py), nearest first.

    Raises MissingInput where the file is no audio.
    """
    known = dict(_known(reader.fingerprints())) | dict(_old(reader, outputs, say, keep))
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
    known: Sequence[tuple[int, Fingerprint]],
) -> list[Recognized]:
    ids = [one for one, _ in known]
    matches = Index([each.landmarks for _, each in known]).search(asked)
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


def _known(prints: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, Fingerprint]]:
    """What fingerprints say; those of another version are as good as none."""
    for one, data in prints:
        with suppress(ValueError):
            yield one, unpacked(data)


def _old(reader: Reader, outputs: Path, say: Callable[[str], None], keep: Keep) -> Iterator[tuple[int, Fingerprint]]:
    """Fingerprints of takes that have none, made of their files."""
    old = reader.without_fingerprint()
    if old:
        say(f"{count(len(old), 'take')} from before there were fingerprints: reading the files")
    made = _made(outputs, old)
    while several := list(islice(made, KEPT_AT_ONCE)):
        keep([(path, data) for _, path, data in several])
        yield from ((one, unpacked(data)) for one, _, data in several)


def _made(outputs: Path, takes: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str, bytes]]:
    """Takes with their files and fingerprints, those left out that are not there."""
    for one, path in takes:
        with suppress(MissingInput):
            yield one, path, fingerprint(*_heard(outputs / path))


def _agree(first: Path, second: Path) -> bool:
    try:
        return coherence(waveform(*_heard(first)), waveform(*_heard(second)))[0] >= SAME
    except MissingInput:
        return False


def _heard(path: Path) -> Sound:
    samples, sample_rate = read_audio(path)
    return np.nan_to_num(samples, posinf=0.0, neginf=0.0), sample_rate
