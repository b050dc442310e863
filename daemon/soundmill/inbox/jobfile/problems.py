"""Inbox: collects everything that is wrong with one job file, so that a person mends it in one go."""

from __future__ import annotations

from soundmill.errors import InvalidJobFile, Problem
from soundmill.words import count

MOST_REPORTED = 200  # nobody reads more, and a 100,000-row file with one wrong column would have as many
MOST_SHOWN = 60  # characters of a value


def shorten(value: str) -> str:
    """The value as it is shown in a problem: at most 60 characters, control characters spelled out."""
    short = value if len(value) <= MOST_SHOWN else value[: MOST_SHOWN - 1] + "…"
    return _spelled(short)


def _spelled(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class Problems:
    """The problems of one file, in the order they were found; repeats are told once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._unreported = self._times = 0
        self.place: str | None = None  # what `line` counts, where that is not the lines of a file

    def __len__(self) -> int:
        """How often something was found wrong, repeats too: who compares it sees that a part could not be read."""
        return self._times

    def repeat(self) -> None:
        """Count once more what has been told already."""
        self._times += 1

    def add(self, message: str, line: int | None, field: str | None = None, value: str | None = None) -> None:
        self._times += 1
        problem = Problem(
            message=message if message.isprintable() else _spelled(message),
            line=line,
            field=None if field is None else shorten(field),
            value=None if value is None else shorten(value),
            place=self.place,
        )
        if problem in self._found:
            return
        if len(self._found) < MOST_REPORTED:
            self._found[problem] = None
        else:
            self._unreported += 1

    def raise_if_any(self) -> None:
        """Raises InvalidJobFile with all problems, by line."""
        if not self._found:
            return
        listed = sorted(self._found, key=lambda problem: problem.line or 0)
        if self._unreported:
            listed.append(Problem(message=f"and {count(self._unreported, 'more problem')}, not listed here"))
        raise InvalidJobFile(listed)
