"""Report: how the levels of a factor are named in sentences, tables and plots.

Levels are compared and looked up by their whole text; these names are for reading. The levels of one factor are named
together, because prompts often begin alike and would be cut to one and the same text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from soundmill.words import shortened

LONGEST_LEVEL = 60  # characters in a sentence or a table
ROOM_TO_TELL_APART = 12  # characters; in less, what begins alike is numbered
LONGEST_WORD = 12  # characters, of which a name goes back to the start of one
NEARLY_ALIKE = 3 / 4  # of the longest name; what is cut and begins alike for so long shows too little of what differs
RANGE = re.compile(r"(up to |above )?-?[\d.e+-]+( to -?[\d.e+-]+)?")


def told_apart(texts: Iterable[str], longest: int) -> dict[str, str]:
    """Each text on one line of at most so many characters, different ones differently.

    What is too long is cut at its end; where that leaves texts nearly alike, at what they have in common:
    `warm strings… in a cathedral`. Where that is not enough either they are numbered.
    """
    lines = {text: " ".join(text.split()) for text in sorted(set(texts))}
    names = {text: shortened(line, longest) for text, line in lines.items()}
    alike: dict[str, list[str]] = defaultdict(list)
    for text, name in names.items():
        if name != lines[text]:
            alike[name[: int(NEARLY_ALIKE * longest)]].append(text)
    for group in alike.values():
        if len({lines[text] for text in group}) > 1 and longest >= ROOM_TO_TELL_APART:
            names |= _by_what_differs({text: lines[text] for text in group}, longest)
    return _numbered(names, longest)


def _by_what_differs(lines: Mapping[str, str], longest: int) -> dict[str, str]:
    """The first words that the lines have in common, then what each has for itself."""
    first, last = min(lines.values()), max(lines.values())  # what these two share, all between them share
    differ = (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    shared = first[: next(differ, len(first))]
    word = shared.rfind(" ") + 1
    start = word if len(shared) - word <= LONGEST_WORD else len(shared)
    head = shared[: longest // 3]
    head = f"{head[: head.rfind(' ')] if ' ' in head else head}… "
    rests = told_apart((line[start:] for line in lines.values()), longest - len(head))
    return {text: f"{head}{rests[line[start:]]}".rstrip() for text, line in lines.items()}


def _numbered(names: Mapping[str, str], longest: int) -> dict[str, str]:
    found: dict[str, str] = {}
    taken: set[str] = set()
    for text, name in names.items():
        own, number = name, 1
        while own in taken:
            number += 1
            own = f"{shortened(name, longest - len(f' ({number})'))} ({number})"
        taken.add(own)
        found[text] = own
    return found


def spoken(name: str) -> str:
    """A level's name as it stands in a sentence: of several words in quotation marks, a range of numbers plain."""
    return name if " " not in name or RANGE.fullmatch(name) else f"“{name}”"
