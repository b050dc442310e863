"""Inbox: the cells of an Excel workbook (.xlsx), as their texts. Source of the names: ECMA-376, part 1, 18."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice

from soundmill.inbox.jobfile.table.archive import (
    LONGEST_CELL,
    MOST_COLUMNS,
    MOST_TEXT,
    Archive,
    SheetReader,
    Unreadable,
    heft,
)

MOST_MERGED = 100_000
NO_VALUE = "#FORMULA?"  # a formula that its program wrote without a value
# 18.8.30: the formats every program knows by number.
_DATES = {str(number) for number in (*range(14, 18), *range(27, 32), 36, *range(50, 55), 57, 58)}
_TIMES = {str(number) for number in (*range(18, 22), *range(32, 36), *range(45, 48))}
_QUOTED = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_MERGED = re.compile(rb'mergeCell\s+ref="([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"')
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_DIGITS = re.compile(r"-?\d{1,17}")
_ZEROS = re.compile(r"0{2,20}")

Rows = Iterator[tuple[int, list[str]]]


class Workbook:
    """The sheets of a workbook. Raises Unreadable."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._main = next(
            (name for name in sorted(archive.names) if name.lower().endswith("xl/workbook.xml")), "xl/workbook.xml"
        )
        self._folder = posixpath.dirname(self._main)
        self._targets: dict[str, str] = {}
        self._day_zero = datetime(1899, 12, 30)
        self.sheets: list[tuple[str, bool]] = []  # name, whether it is seen
        self._ids: list[str] = []
        archive.read(self._main, self._on_sheet, only=("sheet", "workbookPr"))
        archive.read(
            f"{self._folder}/_rels/{posixpath.basename(self._main)}.rels",
            lambda name, at: self._targets.update({at.get("Id", ""): at.get("Target", "")}),
        )
        self._formats: dict[str, str] = {}
        self._kinds: list[str] = []  # of each cell format: see _kind_of
        self._in_formats = False
        if self._at("styles.xml") in archive.names:
            archive.read(self._at("styles.xml"), self._on_style, self._on_style_end)
        self._shared: list[str] = []
        if self._at("sharedStrings.xml") in archive.names:
            self._read_shared()

    def rows(self, sheet: int) -> Rows:
        """(row number, cells) of each row that has any."""
        target = self._targets.get(self._ids[sheet], f"worksheets/sheet{sheet + 1}.xml")
        path = target[1:] if target.startswith("/") else posixpath.normpath(self._at(target))
        merged = {  # a merged cell's first row and column: its last row
            (int(found[2]), _column_of(found[1].decode())): int(found[3])
            for found in islice(self._archive.find(path, _MERGED), MOST_MERGED)
        }
        reader = _Reader(self._text, merged)
        for _ in self._archive.parse(path, reader.start, reader.end, reader.text):
            yield from reader.done
            reader.done.clear()

    def _at(self, name: str) -> str:
        return f"{self._folder}/{name}" if self._folder else name

    def _on_sheet(self, name: str, at: dict[str, str]) -> None:
        if name == "sheet":
            self.sheets.append((at.get("name", ""), at.get("state", "visible") == "visible"))
            self._ids.append(at.get("id", ""))
        elif name == "workbookPr" and at.get("date1904") in ("1", "true"):
            self._day_zero = datetime(1904, 1, 1)

    def _on_style(self, name: str, at: dict[str, str]) -> None:
        if name == "numFmt":
            self._formats[at.get("numFmtId", "")] = at.get("formatCode", "")
        elif name == "cellXfs":
            self._in_formats = True
        elif name == "xf" and self._in_formats:
            number = at.get("numFmtId", "0")
            self._kinds.append(_kind_of(number, self._formats.get(number)))

    def _on_style_end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_formats = False

    def _read_shared(self) -> None:
        parts: list[str] = []
        inside: list[str] = []
        size = 0

        def start(name: str, _: dict[str, str]) -> None:
            if name in ("t", "rPh"):
                inside.append(name)
            elif name == "si":
                parts.clear()

        def end(name: str) -> None:
            nonlocal size
            if name in ("t", "rPh") and inside:
                inside.pop()
            elif name == "si":
                whole = "".join(parts)
                size += heft(whole) + 50
                if size > 2 * MOST_TEXT or len(whole) > LONGEST_CELL:
                    raise Unreadable("has too much text; share its rows among several files")
                self._shared.append(_unescaped(whole))

        def text(found: str) -> None:
            if inside == ["t"]:  # rPh is how a word is spoken
                parts.append(found)

        self._archive.read(self._at("sharedStrings.xml"), start, end, text)

    def _text(self, kind: str, style: str, value: str) -> str:
        """A cell's text as people see it."""
        if kind == "s":
            number = value.strip()
            if number.isdecimal() and int(number) < len(self._shared):
                return self._shared[int(number)]
            raise Unreadable("is damaged: a cell names a text that is not there")
        if kind in ("str", "inlineStr"):
            return _unescaped(value)
        if kind == "b":
            return "TRUE" if value.strip() == "1" else "FALSE"
        if kind == "e":
            return value if value.startswith("#") else NO_VALUE
        if kind == "d":
            return value.replace("T", " ")
        shown = self._kinds[int(style)] if style.isdecimal() and int(style) < len(self._kinds) else ""
        try:
            return number_text(value.strip(), shown, self._day_zero)
        except (ValueError, OverflowError):
            raise Unreadable("is damaged: a number in it cannot be read") from None


class _Reader(SheetReader):
    """Gathers the rows of a sheet's XML."""

    def __init__(self, read: Callable[[str, str, str], str], merged: Mapping[tuple[int, int], int]) -> None:
        super().__init__()
        self.done: list[tuple[int, list[str]]] = []
        self._seen_as = read
        self._merged = merged
        self._above: dict[int, tuple[int, str]] = {}  # column: last row of a merged cell that began above, its text
        self._row = self._column = 0
        self._cells: list[str] = []
        self._kind = self._style = ""
        self._inside = self._phonetic = self._formula = False

    def start(self, name: str, at: dict[str, str]) -> None:
        if name == "c":
            reference = at.get("r")
            self._column = _column_of(reference) if reference else len(self._cells)
            self._kind, self._style = at.get("t", ""), at.get("s", "")
            self._formula = False
            self.begin_cell()
        elif name in ("v", "t"):
            self._inside = not self._phonetic
        elif name == "row":
            number = at.get("r", "")
            self._row = int(number) if number.isdecimal() else self._row + 1
            self._cells = []
            self.count(1)
        elif name == "f":
            self._formula = True
        elif name == "rPh":
            self._phonetic = True

    def text(self, found: str) -> None:
        if self._inside:
            self.add(found)

    def end(self, name: str) -> None:
        if name in ("v", "t"):
            self._inside = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "c":
            text = "".join(self._parts)
            if text:
                text = self._seen_as(self._kind, self._style, text)
            elif self._formula and self._kind != "str":
                text = NO_VALUE
            if text:
                self.place(self._cells, self._column, text)
                if last := self._merged.get((self._row, self._column)):
                    self._above[self._column] = last, text
            elif self._column == len(self._cells) < MOST_COLUMNS:
                self._cells.append("")
        elif name == "row" and any(self._cells):
            for column, (last, text) in self._above.items():
                if self._row <= last:
                    self.place(self._cells, column, text)
            self.done.append((self._row, self._cells))


def number_text(value: str, shown: str, day_zero: datetime) -> str:
    """A number as people see it: a date, a time, or its digits. Raises ValueError, OverflowError."""
    if not shown:
        if _DIGITS.fullmatch(value):
            return value
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    if shown.isdecimal():  # so many digits, with zeros in front
        return number_text(value, "", day_zero).zfill(int(shown))
    days = float(value)
    if shown in ("time", "0time"):
        text = clock(round(days * 86400, 3))
        return f"0{text}" if text[1] == ":" and shown == "0time" else text
    at = day_zero + timedelta(days=days)
    at = (at + timedelta(microseconds=500_000)).replace(microsecond=0)
    return at.strftime("%Y-%m-%d %H:%M:%S") if shown == "both" or at.time() != datetime.min.time() else f"{at:%Y-%m-%d}"


def clock(seconds: float) -> str:
    """h:mm:ss, with thousandths where there are any."""
    whole = int(seconds)
    rest = f"{seconds - whole:.3f}"[1:].rstrip("0").rstrip(".")
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}{rest}"


def _kind_of(number: str, code: str | None) -> str:
    """How a number format shows: "" as a number, date, time, 0time (08:00:00), both, or the count of its digits."""
    if code is None:
        return "both" if number == "22" else "date" if number in _DATES else "time" if number in _TIMES else ""
    code = code.split(";")[0]
    if _ZEROS.fullmatch(code):
        return str(len(code))
    letters = _QUOTED.sub("", code).lower().replace("general", "").replace("am/pm", "s")
    day, hour = bool(re.search("[yd]", letters)), bool(re.search("[hs]", letters))
    if not day and not hour:
        return "date" if "mmm" in letters else ""
    return "both" if day and hour else "date" if day else "0time" if "hh" in letters else "time"


def _column_of(reference: str) -> int:
    """0 for A1, 27 for AB7."""
    column = 0
    for letter in reference[:4]:
        if not "A" <= letter <= "Z":
            break
        column = 26 * column + ord(letter) - 64
    return max(column - 1, 0)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text
