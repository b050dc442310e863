"""Inbox: tells a mistyped name from a name of the person's own."""

from __future__ import annotations

from collections.abc import Iterable

from soundmill import words
from soundmill.inbox.jobfile.vocabulary import SAME
from soundmill.words import distance, normal

# Words people do label their rows with, one or two letters away from a field. A typing error that
# happens to be one of them becomes a label; that is the price of letting `speed` be a column.
_ORDINARY = (
    "speed seen see need feed deed reed weed send shed sped steed mode modes modal motel county court mount bass bar "
    "bard barn bark cars wars ears look loot loom coop hoop formal"
)
ORDINARY_WORDS = frozenset(_ORDINARY.split())


def nearly(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is a mistyped form of, or None where it is a name of its own.

    One typing error is forgiven in words of four letters and more, two from seven on.
    """
    word = normal(name)
    known = tuple(known)
    if SAME.get(word) in known and word not in ORDINARY_WORDS:
        return SAME[word]
    if word in ORDINARY_WORDS:
        return None
    best: tuple[int, str] | None = None
    for candidate in known:
        allowed = 0 if len(candidate) < 4 else 1 if len(candidate) < 7 else 2
        if abs(len(candidate) - len(word)) > allowed:
            continue
        found = distance(word, candidate)
        if found <= allowed and (best is None or found < best[0]):
            best = found, candidate
    return best[1] if best else None


def closest(name: str, known: Iterable[str]) -> str | None:
    """As words.closest, for a name that may also be another tool's."""
    known = tuple(known)
    meant = SAME.get(normal(name))
    return meant if meant in known else words.closest(name, known)
