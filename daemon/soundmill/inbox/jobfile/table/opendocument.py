"""Inbox: the cells of an OpenDocument spreadsheet (.ods), as their texts. Source: OpenDocument 1.3, part 3, 9."""

from __future__ import annotations

import re

from soundmill.inbox.jobfile.table.archive import (
    LONGEST_CELL,
    Archive,
    SheetReader,
    Unreadable,
    heft,
)
from soundmill.inbox.jobfile.table.workbook import Rows, clock

_DURATION = re.compile(r"PT(\d+)H(\d+)M(\d+(?:[.,]\d+)?)S")
_PADDED = re.compile(r"0\d+")
MOST_REPEATED = 100_000  # of one row that has something in it


class OpenDocument:
    """The sheets of an OpenDocument spreadsheet. Raises Unreadable."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.sheets: list[tuple[str, bool]] = []  # name, whether it is seen
        hidden: set[str] = set()
        style = ""

        def start(name: str, at: dict[str, str]) -> None:
            nonlocal style
            if name == "style":
                style = at.get("name", "")
            elif name == "table-properties" and at.get("display") == "false":
                hidden.add(style)
            elif name == "table":
                self.sheets.append((at.get("name", ""), at.get("style-name", "") not in hidden))

        archive.read("content.xml", start, only=("style", "table-properties", "table"))

    def rows(self, sheet: int) -> Rows:
        """(row number, cells) of each row that has any."""
        reader = _Reader(sheet)
        for _ in self._archive.parse("content.xml", reader.start, reader.end, reader.text):
            for number, times, cells in reader.done:
                if times > 1:
                    self._archive.spend(times * (len(cells) + 7))
                for again in range(times):
                    yield number + again, list(cells)
            reader.done.clear()


class _Reader(SheetReader):
    """Gathers the rows of one table of content.xml."""

    def __init__(self, sheet: int) -> None:
        super().__init__()
        self.done: list[tuple[int, int, list[str]]] = []
        self._sheet = sheet
        self._table = -1
        self._depth = 0  # of tables: one in a cell is no sheet
        self._row = 1
        self._times = self._cell_times = 1
        self._cells: list[str] = []
        self._column = 0  # of the next cell
        self._above: dict[int, tuple[int, str]] = {}  # column: last row of a merged cell that began above, its text
        self._own = False  # whether the row has a text that no merged cell above gave it
        self._cell: dict[str, str] = {}
        self._notes = self._paragraphs = self._inside = 0

    def start(self, name: str, at: dict[str, str]) -> None:
        if name == "table":
            self._depth += 1
            self._table += self._depth == 1
        if self._table != self._sheet or self._depth != 1:
            return
        if name == "table-row":
            self._times = _count(at.get("number-rows-repeated"))
            self._cells, self._column, self._own = [], 0, False
            self.count(1)
        elif name in ("table-cell", "covered-table-cell"):
            self._cell, self._cell_times = at, _count(at.get("number-columns-repeated"))
            self._paragraphs = 0
            self.begin_cell()
        elif name == "annotation":
            self._notes += 1
        elif self._notes:
            return
        elif name == "p":
            self.add("\n" * (self._paragraphs > 0))
            self._paragraphs += 1
            self._inside += 1
        elif self._inside:
            if name == "s":
                self.add(" " * min(_count(at.get("c")), LONGEST_CELL + 1))
            elif name in ("tab", "line-break"):
                self.add("\t" if name == "tab" else "\n")

    def text(self, found: str) -> None:
        if self._inside and not self._notes:
            self.add(found)

    def end(self, name: str) -> None:
        if name == "table":
            self._depth -= 1
        if self._table != self._sheet or self._depth != 1:
            return
        if name == "annotation":
            self._notes -= 1
        elif name == "p" and not self._notes:
            self._inside -= 1
        elif name == "table-cell":
            if text := _text(self._cell, "".join(self._parts)):
                self._own = True
                rows = _count(self._cell.get("number-rows-spanned"))
                if rows > 1:
                    self._above[self._column] = self._row + rows - 1, text
                self.count(self._cell_times - 1)
                for column in range(self._column, self._column + self._cell_times):
                    self.place(self._cells, column, text)
            self._column += self._cell_times
        elif name == "covered-table-cell":
            # What a merged cell that began above says stands in each of its rows.
            for column, (last, text) in sorted(self._above.items()):
                if self._column <= column < self._column + self._cell_times and self._row <= last:
                    self.place(self._cells, column, text)
            self._column += self._cell_times
        elif name == "table-row":
            if self._own:
                if self._times > MOST_REPEATED:
                    raise Unreadable(f"repeats row {self._row} {self._times:,} times")
                again = self._times - 1
                self.count(again * len(self._cells), again * sum(map(heft, self._cells)))
                self.done.append((self._row, self._times, self._cells))
            self._row += self._times


def _count(text: str | None) -> int:
    return min(max(int(text), 1), 1 << 24) if text and text.isdecimal() and len(text) < 12 else 1


def _text(at: dict[str, str], shown: str) -> str:
    """A cell's text as people see it."""
    kind = at.get("value-type", "")
    if shown.startswith(("#", "Err:")):
        return shown  # an error has the type and value of a number beside it
    if kind in ("float", "percentage", "currency") and (value := at.get("value")):
        if _PADDED.fullmatch(shown):
            return shown
        try:
            number = float(value)
        except ValueError:
            return shown
        return (
            value
            if value.isdecimal()
            else f"{number:.0f}"
            if number.is_integer() and abs(number) < 1e15
            else repr(number)
        )
    if kind == "date" and (value := at.get("date-value")):
        return value.replace("T", " ")
    if kind == "time" and (found := _DURATION.fullmatch(at.get("time-value", ""))):
        hours, minutes, seconds = found.groups()
        text = clock(round(int(hours[:6]) * 3600 + int(minutes[:6]) * 60 + float(seconds.replace(",", ".")[:12]), 3))
        return shown if shown.lstrip("0") == text.lstrip("0") else text  # 00:01:30 where people see it so
    if kind == "boolean" and (value := at.get("boolean-value")):
        return value.upper()
    return shown or at.get("string-value", "")
