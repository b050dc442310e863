"""Inbox: what stands in a cell and was never meant as words — comments, formulas, errors, marks of other programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from soundmill.inbox.jobfile.cells import Wrong
from soundmill.words import normal

# Excel's and LibreOffice's, in English and translated: #NAME?, #DIV/0!, #N/A, #BEZUG!, #¿NOMBRE?, Err:508, ######
_ERROR = re.compile(r"#[^\s#!?]{1,24}[!?]|#N/?[ADV]|#GETTING_DATA|(?:Err|Fehler):\d{3}|#{3,}", re.IGNORECASE)
_FORMULA = re.compile(r"=\s*[+\-(]*\s*(?:[\"'{]|\$?[A-Za-z]{1,3}\$?\d|[A-Za-z][\w.]*\s*\(|[\w' ]+!|[\d.]+\s*[-+*/&^])")
_CHOICE = re.compile(r"\{[^{}]*\|[^{}]*\}|\[[^\[\]]*\|[^\[\]]*\]")
_WILDCARD = re.compile(r"__[\w/*-]+__")
_PLACEHOLDER = re.compile(r"\{\s*([^{}]*?)\s*\}")
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
            kind = f"a text that contains {SPOKEN[delimiter]}" if delimiter else "it"
            return f'begins with {cell[0]}, which keeps no text together; put {kind} in straight marks, " (U+0022)'
    return None


def filled(prompt: str, value_of: Callable[[str], str | None], columns: Mapping[str, int]) -> str:
    """The prompt with each {column} as the row has it. Raises Wrong for what nothing fills."""
    how = "in a YAML file, write the prompt as template: and the words under variables:"
    if choice := _CHOICE.search(prompt):
        raise Wrong(f"{choice[0]} is not chosen from here; {how}, each as a list, and every combination is made")
    if card := _WILDCARD.search(prompt):
        raise Wrong(f"{card[0]} is another tool's wildcard, and nothing fills it here; {how}")

    def fill(found: re.Match[str]) -> str:
        value = value_of(normal(found[1])) if found[1] else None
        if value is None:
            known = f"the columns are {', '.join(columns)}; " if columns else ""
            raise Wrong(f"{found[0]} is filled by no column; {known}or {how}")
        if not value:
            raise Wrong(f"{found[0]} has nothing to be filled with: the row's cell is blank")
        return value

    return _PLACEHOLDER.sub(fill, prompt)
