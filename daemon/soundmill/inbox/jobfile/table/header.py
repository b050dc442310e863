"""Inbox: the header of a table — which column holds what, as people and other tools name it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from soundmill.inbox.jobfile.cells import KNOWN, Wrong, check_label_name
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.suggest import nearly
from soundmill.inbox.jobfile.vocabulary import PROMPTS, Meaning, meaning, visible
from soundmill.words import did_you_mean

MOST_TITLE_ROWS = 10  # above the header, looked through for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Which column holds what. `line` is the last line of the header."""

    line: int
    names: tuple[str, ...]  # as written, blank ones at the end left out
    written: int  # how many cells it has, blank ones at the end too
    known: dict[str, int]
    labels: dict[str, int]
    factors: dict[int, float] = field(default_factory=dict)  # what a column's numbers are multiplied by


def meaning_of(name: str) -> Meaning:
    return meaning(name, KNOWN)


def names_prompt(cells: Sequence[str]) -> bool:
    """Whether this row could be the header: a cell says prompt, beside others that are names too."""
    return any(len(cell) < 60 and meaning_of(cell).field == "prompt" for cell in cells)


def read_header(cells: Sequence[str], line: int, last: int, problems: Problems) -> Header | None:
    """The header in these cells, or None after telling `problems` why there is none."""
    names = [visible(cell) for cell in cells]
    while names and not names[-1]:
        names.pop()  # spreadsheets end rows with blank cells
    known: dict[str, int] = {}
    labels: dict[str, int] = {}
    factors: dict[int, float] = {}
    seen: dict[str, int] = {}
    suggested: set[str] = set()
    meanings = [meaning_of(name) for name in names]
    has_prompt = any(each.field == "prompt" for each in meanings)
    for i, (name, meant) in enumerate(zip(names, meanings, strict=True)):
        if not name:
            continue
        if name in seen or (meant.field is None and meant.key and meant.key in seen):
            first = seen[name] if name in seen else seen[meant.key]
            problems.add(f"columns {first + 1} and {i + 1} have the same name", line, name)
            continue
        seen[name] = i
        if meant.field is not None:
            if (first_of := known.get(meant.field)) is not None:
                same = meaning_of(names[first_of]).key == meant.key
                what = "have the same name" if same else f"both say {meant.field}; delete one of them"
                problems.add(f"columns {first_of + 1} and {i + 1} {what}", line, name)
                continue
            known[meant.field] = i
            if meant.factor != 1:
                factors[i] = meant.factor
            continue
        seen.setdefault(meant.key, i)
        if meant.why_not is not None:
            problems.add(meant.why_not, line, name)
            continue
        if not has_prompt and meant.key in PROMPTS:
            suggested.add("prompt")
            problems.add("if this column holds the prompts, rename it to prompt", line, name)
            continue
        try:
            check_label_name(name)
        except Wrong as wrong:
            problems.add(str(wrong), line, name)
        if suggestion := nearly(meant.key, [each for each in KNOWN if each not in known]):
            suggested.add(suggestion)
            problems.add(f"is not a column Soundmill knows{did_you_mean(suggestion)}", line, name)
        else:
            labels[name] = i
    if not has_prompt:
        if "prompt" not in suggested:
            problems.add(
                _why_one(names)
                or "the first line must name the columns, one of them prompt; for example: prompt,duration",
                line,
                "prompt",
                ", ".join(name for name in names if name) or None,
            )
        return None
    return Header(line=last, names=tuple(names), written=len(cells), known=known, labels=labels, factors=factors)


def _why_one(names: Sequence[str]) -> str | None:
    """Why a header that names prompt is but one cell."""
    for mark in "，；、,;\t" if len(names) == 1 else "":
        if names_prompt(names[0].split(mark)):
            if mark in "，；、":
                return f"{mark} separates no columns; type a comma or a semicolon there, in every line"
            return "the whole line is one cell; delete the quotation marks around it, or a sep= above that is wrong"
    return None
