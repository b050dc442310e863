"""Inbox: the names of a file's clips — a row's own id, what the file's pattern makes of it, or one by itself.

Names are found before anything is queued: `check` sees every row, and tells which cannot be named as the pattern says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePath

from soundmill.inbox.jobfile.cells import SETTING_FIELDS, Wrong
from soundmill.inbox.jobfile.naming.automatic import AutomaticNames
from soundmill.inbox.jobfile.naming.book import NameBook
from soundmill.inbox.jobfile.naming.pattern import Field, Naming
from soundmill.inbox.jobfile.naming.safe import safe_name
from soundmill.inbox.jobfile.problems import Problems, shorten
from soundmill.inbox.jobfile.rows import Row
from soundmill.inbox.jobfile.suggest import closest
from soundmill.jobs import derive_seed
from soundmill.words import did_you_mean, normal, same_name

_MORE = "add to the pattern what tells them apart, such as {number}, or give one of them an id"
# Fields of a pattern beside a row's own labels and levels, and the settings.
OF_EACH_TAKE = {
    "take": "number of the take among those of its row, from 1",
    "replicate": "the same, in an experiment",
    "seed": "the take's seed",
}
OF_A_ROW = {
    "number": "the row's number in the file, from 1",
    "batch": "the batch's name as the file gives it",
    "prompt": "the first and last words of the prompt",
}
OF_SETTINGS = tuple(name for name in SETTING_FIELDS if name not in OF_EACH_TAKE)
FIELDS = (*OF_EACH_TAKE, *OF_A_ROW, *OF_SETTINGS)


def seed_of(row: Row, replicate: int, ulid: str) -> int:
    """The seed of a replicate: the row's own, counted on; or derived, so that reading again gives the same."""
    if row.seed is not None:
        return row.seed + replicate - 1
    if row.seeds_of is not None:
        return derive_seed(row.seeds_of, "replicate", replicate)
    return derive_seed(ulid, row.position, replicate)


class ClipNames:
    """Names the clips of one file. `note` each of its rows, then `check` each; then `of_row` and `of_take` give the
    same names whenever they are asked."""

    def __init__(self, naming: Naming | None, *, columns: Iterable[str], numbered: bool, batch: str, ulid: str) -> None:
        self._naming = naming
        self._numbered = numbered  # rows of a section share a line, and are told by their numbers
        self._batch = batch
        self._ulid = ulid
        self._automatic = AutomaticNames()
        self._book = NameBook()
        self._unnamed = False
        self._own = {name: normal(name) for name in columns}  # labels, by their names as written
        self._known = set(self._own.values())
        self._positions: dict[str, int] = {}
        self._told: set[int] = set()

    # -- the names ------------------------------------------------------------------------------

    def of_row(self, row: Row) -> str | None:
        """The name that all takes of the row have, but for their `-r2`; None where each has one of its own.

        Raises Wrong, as `of_take` does, where the pattern makes none.
        """
        if row.name is not None:
            return row.name
        if self._naming is None:
            return self._automatic.of(row.position, row.prompt, row.condition)
        if any(field.key in OF_EACH_TAKE and field.key not in self._known for field in self._naming.pattern.fields):
            return None
        return self._fill(self._naming, row, 1)

    def of_take(self, row: Row, replicate: int) -> str:
        """The name of one take of a row whose takes have names of their own."""
        assert self._naming is not None
        return self._fill(self._naming, row, replicate)

    def _fill(self, naming: Naming, row: Row, replicate: int) -> str:
        own = {self._own[name]: text for name, text in row.labels.items()}
        parts = []
        for piece in naming.pattern.pieces:
            if isinstance(piece, Field):
                text = own.get(piece.key, "") if piece.key in self._known else self._value(piece.key, row, replicate)
                if not text:
                    raise Wrong(f"{piece.name} is blank, and {naming.where} needs it; fill it, or give the job an id")
                piece = piece.render(text)
            parts.append(piece)
        try:
            return safe_name("".join(parts))
        except Wrong as wrong:
            raise Wrong(f"{naming.where} makes {shorten(''.join(parts))} of this row, which {wrong}") from None

    def _value(self, key: str, row: Row, replicate: int) -> str:
        """What a field stands for that is none of the person's own; "" for nothing."""
        choice = row.choice
        if key == "seed":
            return str(seed_of(row, replicate, self._ulid))
        if key in OF_EACH_TAKE:
            return str(replicate)
        if key == "prompt":
            return self._automatic.short(row.prompt)
        if key in OF_A_ROW:
            return str(row.position) if key == "number" else self._batch
        if key == "model":
            return PurePath(choice.model).name
        if key == "count":
            return str(choice.takes)
        value = getattr(choice, key) if hasattr(choice, key) else getattr(choice.parameters, key)
        if isinstance(value, PurePath):
            return value.stem
        return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)

    # -- whether they can stand ------------------------------------------------------------------

    def note(self, row: Row, problems: Problems) -> None:
        """Take in a row, in the order of the file; tells `problems` when its id is another's too."""
        for name in row.labels:
            if name not in self._own:
                self._own[name] = normal(name)
                self._known.add(self._own[name])
        if row.name is not None:
            self._enter(row, row.name, row.choice.takes, "id", problems)
            return
        self._unnamed = True
        self._automatic.note(row.prompt, row.condition if self._naming is None else {})

    def check(self, rows: Callable[[], Iterable[Row]], problems: Problems) -> None:
        """Tells `problems` which of the rows noted cannot have their names; `rows` gives them all again."""
        naming = self._naming
        if naming is not None and self._unnamed and self._fields_are_known(naming, problems):
            for row in rows():
                if row.name is None:
                    self._check_pattern(naming, row, problems)
        for name, line, other in self._book.replicate_clashes():
            key = "id" if naming is None else naming.key
            message = f"is the name that another take of the job on line {other} gets; choose another"
            problems.add(message, line, key, name)
        if naming is None and self._unnamed and self._book.may_clash_with_automatic:
            for row in rows():
                if row.name is None:
                    own = self._automatic.of(row.position, row.prompt, row.condition)
                    if (clash := self._book.automatic_clash(own, row.choice.takes)) is not None:
                        message = f"is the name that the job on line {row.line} gets by itself; choose another"
                        problems.add(message, clash[1], "id", clash[0])

    def _fields_are_known(self, naming: Naming, problems: Problems) -> bool:
        known = (*self._own, *FIELDS)
        unknown = [field for field in naming.pattern.fields if field.key not in self._known and field.key not in FIELDS]
        if unknown and problems:
            return False  # perhaps only rows that could not be read have it
        for field in unknown:
            if field.key == "id":
                mend = "; a job with an id is named by it alone"
            else:
                mend = did_you_mean(closest(field.name.split(".")[0], known)) or f"; there are {', '.join(known)}"
            message = f"no column, factor or setting of this file is called {field.name}{mend}"
            problems.add(message, naming.line, naming.key, naming.where)
        return not unknown

    def _check_pattern(self, naming: Naming, row: Row, problems: Problems) -> None:
        try:
            name = self.of_row(row)
            if name is not None:
                self._enter(row, name, row.choice.takes, naming.key, problems)
                return
            for replicate in row.replicates:
                if not self._enter(row, self.of_take(row, replicate), 1, naming.key, problems):
                    return
        except Wrong as wrong:
            problems.add(str(wrong), row.line, naming.key)

    def _enter(self, row: Row, name: str, takes: int, key: str, problems: Problems) -> bool:
        """Whether nothing else has this name."""
        first = self._book.add(name, takes, row.line)
        if first is None:
            if self._numbered:
                self._positions[same_name(name)] = row.position
            return True
        if key == "id":
            message = f"is the id of another job too, on line {first}; each needs its own"
        elif first != row.line:
            message = f"is the name of the job on line {first} too; {_MORE}"
        elif first in self._told:
            return False
        else:  # a section's rows all stand on its line
            self._told.add(first)
            twin = self._positions.get(same_name(name), row.position)
            message = f"is the name of clip {twin} and of clip {row.position} of this file; {_MORE}"
        problems.add(message, row.line, key, name)
        return False
