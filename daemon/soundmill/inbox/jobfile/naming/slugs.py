"""Naming: the words of a text that there is room for in a name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from soundmill.inbox.jobfile.naming.letters import clusters, size, words_of

LONGEST = 200  # size, whatever a name has to say: file systems allow 255 bytes, and its number and suffix come on top
HYPHEN = 2
_NUMBER = re.compile(r"\d+([.,]\d+)?")


def slug(text: str, longest: int, otherwise: str) -> str:
    """The words of a text, joined by hyphens: as many of its first and last ones as fit into a size of `longest`."""
    return cut(words_of(text), longest) or otherwise


def pieces(words: Sequence[str], longest: int) -> list[tuple[str, int]]:
    """What a name of `longest` is made of, each with the place of its word: words, and of one that would fill half of
    the name (most scripts of Asia part none) its letters."""
    return [
        (piece, place)
        for place, word in enumerate(words)
        for piece in ((word,) if size(word) <= longest // 2 or _NUMBER.fullmatch(word) else clusters(word))
    ]


def cut(
    words: Sequence[str],
    longest: int,
    shared: Collection[str] | None = None,
    *,
    stretch: int = 0,
    ends: tuple[int, int] = (0, 0),
) -> str:
    """The words joined by hyphens, `longest` in size; of too many the first ones, and a third of it the last.

    `shared` is what its neighbours have too, as `marks` has it: instead of the last words, those not among it stay,
    and may make the name up to `stretch` in size. So many characters at the `ends` stay with their words in any case.
    """
    whole = "-".join(words)
    if size(whole) <= longest:
        return whole
    if not shared and whole.isascii() and (kept := _both_ends(whole, longest // HYPHEN, ends[1])):
        return kept
    made_of = pieces(words, longest)
    count = len(made_of)
    sizes = [size(piece) if len(piece) > 1 else _size_of_one(piece) for piece, _ in made_of]
    first = _covering(ends[0], [len(piece) for piece, _ in made_of])
    last = [count - 1 - i for i in _covering(ends[1], [len(piece) for piece, _ in reversed(made_of)])]
    asked = _telling(words, made_of, shared) if shared else []
    due = {*first, *last, *asked} if asked else ()
    wanted = sum(sizes[i] for i in due) + HYPHEN * len({made_of[i][1] for i in due})
    room = max(longest + HYPHEN, min(stretch + HYPHEN, wanted))  # every word has a hyphen before it
    chosen = set[int]()
    parts = set[int]()  # the words of which something is chosen
    spent = 0

    def choose(order: Iterable[int], limit: int) -> None:
        nonlocal spent
        for i in order:
            if i not in chosen:
                due = sizes[i] + HYPHEN * (made_of[i][1] not in parts)
                if spent + due > limit:
                    break
                chosen.add(i)
                parts.add(made_of[i][1])
                spent += due

    choose(first, room)
    begun = spent
    choose(last, room)
    if asked:
        choose(_from_both_ends(asked), room)
    else:
        choose(range(count - 1, -1, -1), begun + room // 3)
        if spent == begun:
            choose((count - 1,), room)
    choose(range(count), room)
    return _joined([made_of[i] for i in sorted(chosen)])


def marks(words: Sequence[str], longest: int) -> set[str]:
    """What a name of `longest` could be told by: its pieces, and each with the one before it, for their order."""
    made_of = [piece for piece, _ in pieces(words, longest)]
    return {*made_of, *map("\0".join, pairwise(made_of))}


def _telling(words: Sequence[str], made_of: Sequence[tuple[str, int]], shared: Collection[str]) -> list[int]:
    """The places of the pieces that neighbours lack, or have after another one."""
    found = list[int]()
    before = ""
    for i, (piece, place) in enumerate(made_of):
        lacking = piece not in shared and words[place] not in shared
        moved = piece in shared and before in shared and f"{before}\0{piece}" not in shared
        if lacking or (moved and found[-1:] != [i - 1]):
            found.append(i)
        before = piece
    return found


def _both_ends(whole: str, longest: int, end: int) -> str | None:
    """As `cut` without `shared`, of ASCII and in characters, where whole words stay at both ends: most prompts."""
    last = whole.find("-", len(whole) - (longest + 1) // 3)
    if not 0 < last < len(whole) - end:
        last = whole.rfind("-", 0, len(whole) - end)
    first = whole.rfind("-", 0, longest - (len(whole) - last) + 1)
    return whole[:first] + whole[last:] if 0 < first < last else None


def _covering(characters: int, lengths: Sequence[int]) -> list[int]:
    """The places of the pieces, of these lengths, in which the first `characters` stand."""
    found = list[int]()
    for place, length in enumerate(lengths):
        if characters <= 0:
            break
        found.append(place)
        characters -= length
    return found


def _size_of_one(character: str) -> int:
    return 2 if character < "\u0800" else 3 if character < "\U00010000" else 4


def _from_both_ends(places: Sequence[int]) -> list[int]:
    """The last, the first, the last but one and so on."""
    return [places[-1 - k // 2] if k % 2 == 0 else places[k // 2] for k in range(len(places))]


def _joined(chosen: Sequence[tuple[str, int]]) -> str:
    words: dict[int, str] = {}
    for piece, place in chosen:
        words[place] = words.get(place, "") + piece
    name = "-".join(words.values())
    return name if name.isascii() else unicodedata.normalize("NFC", name)
