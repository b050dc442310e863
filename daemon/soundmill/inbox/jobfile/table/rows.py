"""Inbox: the jobs of a table — a header, then one row per job — whichever kind of file it stood in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from soundmill.inbox.jobfile.cells import INVISIBLE, JOB_FIELDS, Wrong, read_label
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.placeholders import fill, may_have
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.rows import SHARED_FIELDS, Row, RowReader
from soundmill.inbox.jobfile.table.header import MOST_TITLE_ROWS, Header, meaning_of, names_prompt, read_header
from soundmill.inbox.jobfile.table.prompts import no_words
from soundmill.inbox.jobfile.table.suspicion import SPOKEN, WATCHED, unclosed, unfilled, unmeant, unmeant_prompt
from soundmill.inbox.jobfile.vocabulary import PROMPTS
from soundmill.words import normal

_NO_LINES: dict[str, int] = {}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+\s*%?")
_THOUSANDS_COMMA = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_THOUSANDS = re.compile(r"([1-9]\d{0,2})[.,](\d{3})")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_FLOATS = tuple(name for name, field in JOB_FIELDS.items() if field.is_number)


class Source(Protocol):
    """A table as it was written: gives its records any number of times."""

    @property
    def place(self) -> str | None:
        """What a record's number counts: None for the lines of a file, else such as `sheet jobs, row`."""
        ...

    @property
    def delimiter(self) -> str: ...

    @property
    def decimal_comma(self) -> bool: ...

    def records(self, problems: Problems) -> Iterator[tuple[int, int, list[str]]]:
        """(number of its first line, of its last line, cells) of each record; what ends it early goes to `problems`."""
        ...


class Table:
    """The rows of a table, readable any number of times without holding them."""

    kind = "list"
    name: str | None = None
    on_qc_fail = None
    priority = 0
    experiment = None
    extends = None

    def __init__(self, source: Source, rules: Rules, problems: Problems) -> None:
        self._source = source
        self._reader = RowReader(rules)
        self._header = _find_header(source, problems)
        self.columns = () if self._header is None else tuple(self._header.labels)
        self.naming = rules.naming

    def rows(self, problems: Problems) -> Iterator[Row]:
        """The good rows; what is wrong with the others goes to `problems`."""
        header = self._header
        if header is None:
            return
        problems.place = self._source.place
        width = len(header.names)
        nameless = [i for i, name in enumerate(header.names) if not name]
        labels = tuple(header.labels.items())
        prompt_at, id_at, seed_at = (header.known.get(name, width) for name in ("prompt", "id", "seed"))
        shared_at = [header.known.get(name, width) for name in SHARED_FIELDS]
        commas = [(i, self._may_part_thousands(name, header)) for name, i in header.known.items() if name in _FLOATS]
        columns = {normal(name): i for name, i in (*header.known.items(), *labels) if i != prompt_at}
        fillers = [name for name in (*header.known, *header.labels) if name != "prompt"]
        read = self._reader.read
        position = 0
        for line, last, cells in self._source.records(problems):
            if last <= header.line:
                continue
            shown = [cell.strip() if cell.isascii() else cell.strip(INVISIBLE) for cell in cells]
            if not any(shown):
                shown = [cell.strip() for cell in cells]
                if not any(shown):
                    continue  # a row of characters nobody sees is told of, a blank one is not
            raw_prompt = cells[prompt_at].strip() if prompt_at < len(cells) else ""
            cells = shown
            position += 1
            wrong = False
            if not WATCHED.isdisjoint([cell[:1] for cell in cells]):
                wrong = self._refuse_marks(header, cells, line, problems)
            if len(cells) == 1 < width and (why := self._other_delimiter(header, cells[0])):
                problems.add(why, line, None, cells[0])
                continue
            if any(cells[width:]):
                if not wrong:
                    problems.add(self._too_many(header, cells), line)
                continue  # from the comma too many on, each cell stands in the wrong column
            # One blank more than the header has columns: where columns that are not there are found.
            cells += [""] * (width + 1 - len(cells))
            for i in nameless:
                if cells[i]:
                    problems.add(f"column {i + 1} has no name in the header", line, None, cells[i])
            prompt = cells[prompt_at] or raw_prompt
            if len(prompt) < 60 and "prompt" in prompt.lower() and _is_header(header, cells):
                problems.add("is the header again; delete this row", line, None, prompt)
                continue
            wrong = self._read_numbers(header, commas, cells, line, problems) or wrong
            if may_have(prompt):
                try:
                    prompt = fill(prompt, _value_of(columns, cells), unfilled(fillers))
                except Wrong as error:
                    problems.add(str(error), line, "prompt", prompt)
                    wrong = True
            if not wrong and cells[prompt_at] and (why := no_words(prompt)):
                problems.add(why, line, "prompt", prompt)
                wrong = True
            if wrong:
                continue
            row = read(
                lines=_NO_LINES,
                line=line,
                position=position,
                prompt=prompt,
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

    def _may_part_thousands(self, name: str, header: Header) -> bool:
        """Whether 1,000 may be a thousand, where it is no decimal comma for sure."""
        small = header.factors.get(header.known[name], 1.0) < 1
        return JOB_FIELDS[name].is_whole or small or not self._source.decimal_comma

    def _read_numbers(
        self, header: Header, commas: Sequence[tuple[int, bool]], cells: list[str], line: int, problems: Problems
    ) -> bool:
        """Writes decimal points for commas and seconds for other units; tells what may mean two numbers, and whether
        something does. `commas`: the columns of numbers, and whether 1,000 may be a thousand there."""
        wrong = False
        for i, thousands in commas:
            if "," not in cells[i] or (thousands and _THOUSANDS_COMMA.fullmatch(cells[i])):
                continue
            if _DECIMAL_COMMA.fullmatch(cells[i]):
                cells[i] = cells[i].replace(",", ".")
        for i, factor in header.factors.items():
            if factor < 1 and (found := _THOUSANDS.fullmatch(cells[i])):
                many = found[1] + found[2]
                message = f"may be {many} or {found[1]}.{found[2]}: write {many}, or {found[1]}"
                problems.add(message, line, header.names[i], cells[i])
                wrong = True
            if _NUMBER.fullmatch(cells[i]):
                cells[i] = f"{float(cells[i]) * factor:.10g}"
        seed = "" if self._source.delimiter else cells[header.known.get("seed", -1)]
        if len(seed) == 16 and seed.endswith("0"):
            message = "may have lost its last digit: spreadsheets keep 15; take a seed of at most 15 digits"
            problems.add(message, line, "seed", seed)
            wrong = True
        return wrong

    def _refuse_marks(self, header: Header, cells: Sequence[str], line: int, problems: Problems) -> bool:
        """Tells `problems` what in this row was not meant as words; whether there was something."""
        delimiter = self._source.delimiter
        if delimiter and (why := unclosed(cells, delimiter)):
            problems.add(why, line, None, f"{delimiter} ".join(cell for cell in cells if cell))
            return True
        names, prompt_at, id_at = header.names, header.known["prompt"], header.known.get("id", -1)
        found = False
        first = next((i for i, cell in enumerate(cells) if cell), -1)
        prompt = cells[prompt_at] if prompt_at < len(cells) else ""
        for i, cell in enumerate(cells[: len(names)]):
            commented = i == prompt_at or (i == first and (i == id_at or not prompt) and not cell[1:].isdecimal())
            if why := unmeant_prompt(cell) if commented else unmeant(cell):
                problems.add(why, line, names[i] or None, cell)
                found = True
        return found

    def _other_delimiter(self, header: Header, text: str) -> str | None:
        """Why a row without the header's delimiter, cut by another one into as many cells, is not one prompt."""
        numbers = [i for name, i in header.known.items() if name in _FLOATS]
        for other, spoken in SPOKEN.items():
            parts = text.split(other)
            if len(parts) == len(header.names) and any(_NUMBER.fullmatch(parts[i].strip()) for i in numbers):
                if not self._source.delimiter:
                    return f"is one cell with {spoken} in it; give each value a cell of its own"
                return f"has {spoken} between its cells, and the header {SPOKEN[self._source.delimiter]}; take one"
        return None

    def _too_many(self, header: Header, cells: Sequence[str]) -> str:
        width, delimiter = len(header.names), self._source.delimiter
        over = next(i for i, cell in enumerate(cells) if i >= width and cell)
        if not delimiter or (len(cells) <= header.written and not any(cells[header.written :])):
            return f"column {over + 1} has no name in the header"
        return (
            f"has {len(cells)} cells but the header names {width}; a text that contains {SPOKEN[delimiter]} "
            f'goes in quotes: "slow{delimiter} calm piano"'
        )


def _find_header(source: Source, problems: Problems) -> Header | None:
    problems.place = source.place
    filled = (record for record in source.records(problems) if any(map(str.strip, record[2])))
    top = list(islice(filled, 1 + MOST_TITLE_ROWS))
    if not top:
        if not problems:
            problems.add("the file is empty", None)
        return None
    line, last, cells = top[0]
    if not names_prompt(cells) and not any(meaning_of(cell[:60]).key in PROMPTS for cell in cells):
        below = next((at for at, _, cells in top[1:] if names_prompt(cells)), None)
        if below is not None:
            where = "row" if source.place else "line"
            title = next(cell for cell in cells if cell.strip())
            problems.add(f"the header seems to be on {where} {below}; delete what stands above it", line, None, title)
            return None
    return read_header(cells, line, last, problems)


def _is_header(header: Header, cells: Sequence[str]) -> bool:
    """Whether each cell that is not blank is its column's name."""
    return all(not cell or normal(cell) == normal(name) for name, cell in zip(header.names, cells, strict=False))


def _value_of(columns: Mapping[str, int], cells: Sequence[str]) -> Callable[[str], str | None]:
    return lambda name: cells[columns[name]] if name in columns else None


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
