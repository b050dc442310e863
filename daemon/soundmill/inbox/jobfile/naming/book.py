"""Naming: which chosen names of one file are the same, or the same as a name that another clip gets by itself."""

from __future__ import annotations

import re

from soundmill.words import same_name


def replicate_name(name: str, replicate: int) -> str:
    return name if replicate == 1 else f"{name}-r{replicate}"


class NameBook:
    """Remembers the chosen names of one file, ids and what its pattern makes, and which cannot stand side by side.

    Automatic names need no memory: their position makes them unique among themselves. Only an id
    that looks like one, or like a replicate's name, is looked at twice.
    """

    _REPLICATE = re.compile(r"(.+)-r([1-9]\d{0,5})")
    _AUTOMATIC = re.compile(r"\d{4,}-")

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._like_replicates: list[tuple[str, str, int]] = []  # id, name it may be a replicate of, number
        self._like_automatic: dict[str, list[tuple[int, int]]] = {}  # name: (replicate, line)

    def add(self, name: str, count: int, line: int) -> int | None:
        """Enter the name of a row with `count` replicates; the line of its namesake, or None."""
        key = same_name(name)
        first = self._lines.get(key)
        if first is not None:
            return first
        self._lines[key] = line
        if count > 1:
            self._counts[key] = count
        if "-" in key:
            replicate = self._REPLICATE.fullmatch(key)
            if replicate:
                self._like_replicates.append((key, replicate[1], int(replicate[2])))
            if self._AUTOMATIC.match(key):
                self._like_automatic.setdefault(key, []).append((1, line))
                if replicate:
                    self._like_automatic.setdefault(replicate[1], []).append((int(replicate[2]), line))
        return None

    def replicate_clashes(self) -> list[tuple[str, int, int]]:
        """Ids that are also the name of another row's replicate: (id, its line, the other's line)."""
        return [
            (key, self._lines[key], self._lines[other])
            for key, other, number in self._like_replicates
            if 2 <= number <= self._counts.get(other, 1)
        ]

    @property
    def may_clash_with_automatic(self) -> bool:
        return bool(self._like_automatic)

    def automatic_clash(self, name: str, count: int) -> tuple[str, int] | None:
        """The id that equals an automatic name or one of its replicates', with its line, or None."""
        for number, line in self._like_automatic.get(same_name(name), ()):
            if number <= count:
                return replicate_name(name, number), line
        return None
