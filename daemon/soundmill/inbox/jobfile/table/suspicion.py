"""Inbox: what stands in a cell and was never meant as words — comments, formulas, errors, marks of other programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from soundmill.inbox.jobfile.placeholders import kind_of
from soundmill.inbox.jobfile.problems import shorten

# Excel's and LibreOffice's, in English and translated: #NAME?, #DIV/0!, #N/A, #BEZUG!, #¿NOMBRE?, Err:508, ######
_ERROR = re.compile(r"#[^\s#!?]{1,24}[!?]|#N/?[ADV]|#GETTING_DATA|(?:Err|Fehler):\d{3}|#{3,}", re.IGNORECASE)
_FORMULA = re.compile(r"=\s*[+\-(]*\s*(?:[\"'{]|\$?[A-Za-z]{1,3}\$?\d|[A-Za-z][\w.]*\s*\(|[\w' ]+!|[\d.]+\s*[-+*/&^])")
# What opens a quotation, and what may close it.
_QUOTES = {
    "“": "”“", "„": "“”", "”": "”", "«": "»", "»": "«", "‘": "’‘", "‚": "‘’", "’": "’", "‹": "›", "›": "‹",
    "「": "」", "『": "』", "《": "》", "＂": "＂", "'": "'", "`": "`'", "´": "´", "〝": "〞〟",
}  # fmt: skip
SPOKEN = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
_NEVER_LETTERS = frozenset("“„«»”‹›「『《＂〝")  # unlike an apostrophe, these open nothing but a quotation
_SUSPECT = frozenset("#=/EF")  # the first letters of what `unmeant` and `unmeant_prompt` find
WATCHED = _SUSPECT | frozenset(_QUOTES)  # a row none of whose cells begins so has nothing for this module


def unmeant(text: str) -> str | None:
    """Why this cell, of any column, is not what its person sees or means; None where it may be."""
    if _ERROR.fullmatch(text):
        return "is the error of a formula, not a text; mend it in the spreadsheet, or delete it"
    if _FORMULA.match(text):
        return "is a formula, not its value; in the spreadsheet, paste it as a value (Paste Special)"
    return None


def unmeant_prompt(text: str) -> str | None:
    """As `unmeant`, for a prompt."""
    if why := unmeant(text):
        return why
    if text.startswith("="):
        return "looks like a formula; write the prompt without ="
    if text.startswith(("#", "//")):
        return "looks like a comment, and a table has none: delete the row, or begin the prompt with a word"
    return None


def unclosed(cells: Sequence[str], delimiter: str) -> str | None:
    """Why a row is cut where it must not be: its text stands in other quotation marks than the straight double ones."""
    for i, cell in enumerate(cells):
        closing = _QUOTES.get(cell[:1])
        if closing is None:
            continue
        sure = cell[0] in _NEVER_LETTERS
        if any(mark in cell[1:] for mark in closing) if sure else cell[1:].endswith(tuple(closing)):
            continue
        if sure or any(each.endswith(tuple(closing)) for each in cells[i + 1 :]):
            kind = f"a text that contains {SPOKEN[delimiter]}"
            return f'begins with {cell[0]}, which keeps no text together; put {kind} in straight marks, " (U+0022)'
    return None


def unfilled(columns: Collection[str]) -> Callable[[str, str | None], str]:
    """Says why a prompt cannot have {column}, {a|b} or __name__; `value` is what the row has for it."""
    how = "in a YAML file, write the prompt as template: and the words under variables:"

    def why(piece: str, value: str | None) -> str:
        shown = shorten(piece)
        match kind_of(piece):
            case "choice":
                return f"{shown} is not chosen from here; {how}, each as a list, and every combination is made"
            case "wildcard":
                return f"{shown} is another tool's wildcard, and nothing fills it here; {how}"
        if value is not None:
            return f"{shown} has nothing to be filled with: the row's cell is blank"
        known = f"the columns are {', '.join(columns)}; or " if columns else ""
        return f"{shown} is filled by no column; {known}{how}; {{{shown}}} stands for {shown} itself"

    return why
