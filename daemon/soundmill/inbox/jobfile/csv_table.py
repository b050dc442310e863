"""Inbox: reads CSV and TSV — a header, then one row per job."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from soundmill.inbox.jobfile.cells import KNOWN, Wrong, check_label_name, read_label
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.rows import SHARED_FIELDS, Row, RowReader
from soundmill.inbox.jobfile.suggest import nearly
from soundmill.words import did_you_mean, normal

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_EXCEL_SEPARATOR = re.compile(r"\ufeff?sep=(.)\s*", re.IGNORECASE)
_NO_LINES: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Header:
    """Which column holds what. `line` is the last line of the header."""

    delimiter: str
    line: int
    names: tuple[str, ...]  # as written
    known: dict[str, int]
    labels: dict[str, int]


class Table:
    """The rows of a CSV file, readable any number of times without holding them."""

    kind = "list"
    name: str | None = None
    on_qc_fail = None
    priority = 0
    experiment = None
    extends = None

    def __init__(self, data: bytes, rules: Rules, problems: Problems) -> None:
        self._data = data
        self._reader = RowReader(rules)
        self._header = _read_header(data, problems)

    def rows(self, problems: Problems) -> Iterator[Row]:
        """The good rows; what is wrong with the others goes to `problems`."""
        if self._header is None:
            return
        header = self._header
        width = len(header.names)
        nameless = [i for i, name in enumerate(header.names) if not name]
        labels = tuple(header.labels.items())
        prompt_at, id_at, seed_at = (header.known.get(name, width) for name in ("prompt", "id", "seed"))
        shared_at = [header.known.get(name, width) for name in SHARED_FIELDS]
        read = self._reader.read
        position = 0
        for line, cells in _records(self._data, header.delimiter, header.line, problems):
            if len(cells) > width and any(cell.strip() for cell in cells[width:]):
                position += 1
                problems.add(_too_many(cells, width, header.delimiter), line)
                continue  # from the comma too many on, each cell stands in the wrong column
            cells = [cell.strip() for cell in cells[:width]]
            if not any(cells):
                continue
            position += 1
            # One blank more than the header has columns: where columns that are not there are found.
            cells += [""] * (width + 1 - len(cells))
            for i in nameless:
                if cells[i]:
                    problems.add(f"column {i + 1} has no name in the header", line, None, cells[i])
            row = read(
                lines=_NO_LINES,
                line=line,
                position=position,
                prompt=cells[prompt_at],
                id_text=cells[id_at],
                seed_text=cells[seed_at],
                shared=tuple([cells[i] for i in shared_at]),
                labels=_labels(labels, cells, line, problems) if labels else {},
                condition={},
                problems=problems,
            )
            if row is not None:
                yield row
        if not position and not problems:
            problems.add("has a header but no rows: there is no job in it", header.line)


def _too_many(cells: Sequence[str], width: int, delimiter: str) -> str:
    return (
        f"has {len(cells)} cells but the header names {width}; "
        f'a text that contains a {_DELIMITERS[delimiter]} goes in quotes: "slow{delimiter} calm piano"'
    )


def _labels(columns: Sequence[tuple[str, int]], cells: Sequence[str], line: int, problems: Problems) -> dict[str, str]:
    labels = {}
    for name, i in columns:
        text = cells[i]
        if text:
            try:
                labels[name] = read_label(text)
            except Wrong as wrong:
                problems.add(str(wrong), line, name, text)
    return labels


def _records(data: bytes, delimiter: str, after: int, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """(line where it starts, cells) of each record below the header."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    for _ in range(after):
        text.readline()
    reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
    line = after + 1
    try:
        for cells in reader:
            yield line, cells
            line = after + reader.line_num + 1
    except csv.Error as error:
        problems.add(_explain(error), line)


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quotation mark that opens on or below this line is never closed"
    if "field larger" in text:
        return (
            f"a cell has more than {csv.field_size_limit():,} characters; "
            "perhaps a quotation mark that opens on or below this line is never closed"
        )
    if "expected after" in text:
        return 'text follows a closing quotation mark; inside quotes, write a quotation mark twice: "a 7"" single"'
    return f"cannot be read as CSV: {text}"


def _read_header(data: bytes, problems: Problems) -> Header | None:
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    skipped = 0
    first = text.readline(1 << 17)
    named: str | None = None
    if excel := _EXCEL_SEPARATOR.fullmatch(first):
        named, skipped, first = excel[1], 1, text.readline(1 << 17)
    while first and not first.strip():
        skipped, first = skipped + 1, text.readline(1 << 17)
    if not first:
        problems.add("the file is empty", None)
        return None
    delimiter = named if named in _DELIMITERS else _delimiter_of(first)
    text.seek(0)
    for _ in range(skipped):
        text.readline()
    reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        names = tuple(name.strip() for name in next(reader))
    except csv.Error as error:
        problems.add(_explain(error), skipped + 1)
        return None
    while names and not names[-1]:
        names = names[:-1]  # spreadsheets end rows with blank cells
    return _check_header(delimiter, skipped + 1, skipped + reader.line_num, names, problems)


def _delimiter_of(line: str) -> str:
    """The delimiter under which the header names most fields we know; then most fields at all."""

    def score(delimiter: str) -> tuple[int, int]:
        try:
            names = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
        except csv.Error:
            return 0, 0
        return sum(normal(name) in KNOWN for name in names), len(names)

    return max(_DELIMITERS, key=score)


def _check_header(delimiter: str, line: int, last: int, names: tuple[str, ...], problems: Problems) -> Header | None:
    known: dict[str, int] = {}
    labels: dict[str, int] = {}
    seen: dict[str, int] = {}
    suggested: set[str] = set()
    for i, name in enumerate(names):
        if not name:
            continue
        key = normal(name)
        if key in seen:
            problems.add(f"columns {seen[key] + 1} and {i + 1} have the same name", line, name)
            continue
        seen[key] = i
        if key in KNOWN:
            known[key] = i
            continue
        try:
            check_label_name(name)
        except Wrong as wrong:
            problems.add(str(wrong), line, name)
        if suggestion := nearly(name, KNOWN):
            suggested.add(suggestion)
            problems.add(f"is not a column Soundmill knows{did_you_mean(suggestion)}", line, name)
        else:
            labels[name] = i
    if "prompt" not in known:
        if "prompt" not in suggested:
            found = ", ".join(name for name in names if name)
            problems.add(
                "the first line must name the columns, one of them prompt; for example: prompt,duration",
                line,
                "prompt",
                found or None,
            )
        return None
    return Header(delimiter, last, names, known, labels)
