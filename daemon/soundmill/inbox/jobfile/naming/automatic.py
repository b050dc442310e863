"""Naming: the names that clips get by themselves, `0003-slow-choir-in-a-hall`, and what in them tells row from row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from soundmill.inbox.jobfile.cells import KNOWN
from soundmill.inbox.jobfile.naming.letters import size, words_of
from soundmill.inbox.jobfile.naming.slugs import HYPHEN, LONGEST, cut, marks

LONGEST_SLUG = 96  # size of the prompt, and of one level, in a name; more where it takes more to tell rows apart
# Characters at both ends of a prompt, in ASCII and in other texts, that its name keeps: where they differ, names do.
ENDS = (16, 8), (8, 4)
MOST_GROUPS = 20_000  # of prompts with the same ends; what further ones share is not looked for
MOST_REMEMBERED = 16_384  # levels
MOST_LEVELS = 20  # in one name
_PLAIN_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?")


class AutomaticNames:
    """Names from a row's position and its prompt or, in an experiment, its levels. `note` every row, then ask."""

    def __init__(self) -> None:
        # By the ends of prompts, or by factor: the one text met so far, or what all of them share.
        self._groups: dict[str, str | frozenset[str]] = {}
        self._noted: set[tuple[str, str]] = set()
        self._levels: dict[tuple[str, str, int], str] = {}

    def note(self, prompt: str, condition: Mapping[str, str]) -> None:
        """Remember what this row has in common with others."""
        for level in condition.items():
            if level not in self._noted:
                if len(self._noted) < MOST_REMEMBERED:
                    self._noted.add(level)
                self._compare(f"\0{level[0]}", _text(*level))
        if not condition and len(prompt) > LONGEST_SLUG // (2 if prompt.isascii() else 4):
            self._compare(_ends(prompt), prompt)

    def of(self, position: int, prompt: str, condition: Mapping[str, str]) -> str:
        """The position keeps it unique."""
        return f"{position:04d}-{self._from_levels(condition) if condition else self.short(prompt)}"

    def short(self, prompt: str) -> str:
        """A prompt's words in a name."""
        found = self._groups.get(_ends(prompt))
        shared = found if isinstance(found, frozenset) else None
        ends = ENDS[not prompt.isascii()]
        return cut(words_of(prompt), LONGEST_SLUG, shared, stretch=LONGEST, ends=ends) or "clip"

    def _compare(self, group: str, text: str) -> None:
        known = self._groups.get(group)
        if known is None:
            if len(self._groups) < MOST_GROUPS:
                self._groups[group] = text
        elif isinstance(known, str):
            if known != text:
                self._groups[group] = frozenset(_marks(known) & _marks(text))
        elif known:
            self._groups[group] = known & _marks(text)

    def _from_levels(self, condition: Mapping[str, str]) -> str:
        """`calm-piano_temperature-0.7_top_k-50`: of too long ones each level gets its share of the room."""
        levels = list(condition.items())[:MOST_LEVELS]
        names = [self._level(factor, level, LONGEST_SLUG) for factor, level in levels]
        room = LONGEST - HYPHEN * (len(names) - 1)
        sizes = [size(name) for name in names]
        if sum(sizes) > room:
            shares = _shares(sizes, room)
            names = [self._level(*level, min(share, LONGEST_SLUG)) for level, share in zip(levels, shares, strict=True)]
        return "_".join(name for name in names if name)

    def _level(self, factor: str, level: str, longest: int) -> str:
        key = factor, level, longest
        found = self._levels.get(key)
        if found is None:
            if len(self._levels) >= MOST_REMEMBERED:
                self._levels.clear()
            found = self._levels[key] = self._cut_level(factor, level, longest)
        return found

    def _cut_level(self, factor: str, level: str, longest: int) -> str:
        """A prompt, a model and a file speak for themselves; any other level needs its factor's name."""
        words = [level] if _PLAIN_NUMBER.fullmatch(level) else words_of(_text(factor, level)) or ["other"]
        shared = self._groups.get(f"\0{factor}")
        known = frozenset[str]() if shared is None or isinstance(shared, str) else shared
        if factor not in ("prompt", "model", "melody", "continue_from"):
            names = [factor] if factor in KNOWN else words_of(factor)
            words = [*names, *words]
            known = known.union(marks(names, LONGEST_SLUG))
        return cut(words, longest, known or None)


def _ends(prompt: str) -> str:
    start, end = ENDS[not prompt.isascii()]
    return f"{prompt[:start]}\0{prompt[-end:]}".lower()


def _marks(text: str) -> set[str]:
    return marks(words_of(text), LONGEST_SLUG)


def _text(factor: str, level: str) -> str:
    """What of a level is meant: of a model or a file the last part of its path."""
    if factor == "model":
        return PurePath(level).name
    return PurePath(level).stem if factor in ("melody", "continue_from") else level


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    """The room divided: who wants less than an equal share gets that, the others share what is left."""
    given = [0] * len(wanted)
    for done, i in enumerate(sorted(range(len(wanted)), key=lambda i: wanted[i])):
        given[i] = min(wanted[i], room // (len(wanted) - done))
        room -= given[i]
    return given
