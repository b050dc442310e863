"""Inbox: finds the slip of the pen in a line that YAML takes for something else, and mends it to read on.

A mended line is never made into jobs: the file is refused, and the rest of its problems are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from soundmill.inbox.jobfile.cells import KNOWN
from soundmill.inbox.jobfile.problems import MOST_SHOWN
from soundmill.inbox.jobfile.written import Experiment, FactorRange, JobFile

# What YAML counts as the end of a line, in the order in which it looks.
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
INVISIBLE = " \t\u00a0\u200b\u200c\u200d\u2060\ufeff"
ODD_SPACES = "\u00a0\u1680\u2000-\u200f\u202f\u205f\u2060\u3000\ufeff"
_ODD = f"[ \t]*[{ODD_SPACES}][ \t{ODD_SPACES}]*"
_BULLETS = "–—−‐‑‒•·‣▪●◦∙"
_PAIRS = {"“": "”", "„": "“”", "«": "»", "»": "«", "‘": "’", "‚": "‘’", "‹": "›", "”": "”", "’": "’"}
_QUOTES = "".join(_PAIRS) + "".join(_PAIRS.values())
# Shorter lines are not broken by an editor or a program that folds long texts.
SHORTEST_FOLDED = 72

_NAMES = frozenset({*KNOWN, *JobFile.model_fields, *Experiment.model_fields, *FactorRange.model_fields})
_KEY = r"""(?:"[^"]*"|'[^']*'|[^\s"'#&*!|>%@`\[\]{},:?][^:#]*?)"""
_LINE = re.compile(rf"(?P<lead>[ ]*(?:-[ \t]+)*(?:(?P<key>{_KEY})[ \t]*:[ \t]+)?)(?P<text>\S.*?)?[ \t]*")
_ODD_LEAD = re.compile(
    rf"(?P<indent>{_ODD})[^\s{ODD_SPACES}]"
    rf"|[ \t]*(?:-[ \t]+)*(?P<mark>-|[\w ]+:)(?P<space>[{ODD_SPACES}][ \t{ODD_SPACES}]*)"
)
_ANY_ODD = re.compile(f"[{ODD_SPACES}]")
_TAB_LEAD = re.compile(r" *\t[ \t]*(?=\S)")
_NO_SPACE = re.compile(r"(\w[\w ]{0,98}?)[ \t]*([:：])(?!//)[ \t]*(\S.*)")
_DASH = re.compile(rf"(?P<dash>-(?![-\s\d.])|[{_BULLETS}]|\*(?=[ \t]))[ \t]*(?P<item>\S.*)")
_BLOCK = re.compile(r"[|>][+-]?[1-9]?[+-]?([ \t]+#.*)?")
_DOUBLE = re.compile(r'"(?:[^"\\]|\\.)*"')
_SINGLE = re.compile(r"'(?:[^']|'')*'")
_BAD_ESCAPE = re.compile(
    r"""\\(?:[^0abt\tnvfre "/\\N_LPxuU]|x(?![0-9A-Fa-f]{2})|u(?![0-9A-Fa-f]{4})|U(?![0-9A-Fa-f]{8})|$)"""
)
_FENCE = re.compile(r"[ \t]*(```|~~~)[\w ]*")
_STARTS = {
    "*": "an alias",
    "&": "an anchor",
    "!": "a tag",
    "@": "a mark of its own",
    "`": "a mark of its own",
    "%": "a directive",
    "|": "the start of a text on the lines below",
    ">": "the start of a text on the lines below",
    "[": "a list",
    "{": "a mapping",
    "]": "the end of a list",
    "}": "the end of a mapping",
    ",": "the end of an item",
    "?": "the start of a key",
}


class Slip(NamedTuple):
    """What is wrong on a line, and the line as it was probably meant."""

    line: int  # 1-based
    message: str
    mended: str


def lines_of(data: bytes) -> list[str]:
    """The lines as YAML counts them."""
    return _BREAK.split(data.decode("utf-8-sig", "replace"))


def quoted(text: str) -> str:
    """The text as YAML takes it for a text, whatever it contains."""
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def find(lines: list[str], at: int) -> list[Slip]:
    """What is wrong on the line at this 0-based index, where the reader stumbled; with the same on other lines where
    that is a habit of the whole file's (tabs, other spaces, Markdown)."""
    line = lines[at]
    if _FENCE.fullmatch(line):
        message = "``` belongs to Markdown, not to the job file; delete the line"
        return [Slip(n + 1, message, "") for n, each in enumerate(lines) if _FENCE.fullmatch(each)]
    if found := find_odd_space(lines, at):
        return found
    if _TAB_LEAD.match(line):
        message = "a tab stands in the indentation; indent with spaces, not with tabs"
        return [Slip(n + 1, message, each.expandtabs(4)) for n, each in enumerate(lines) if _TAB_LEAD.match(each)]
    if found := items(lines, at):
        return found
    if slip := in_text(lines, at):
        return [slip]
    return missing_space(lines, at, any_name=True) or deeper(lines, at)


def has_odd_space(text: str) -> bool:
    return _ANY_ODD.search(text) is not None


def find_odd_space(lines: list[str], at: int) -> list[Slip]:
    """If this line's structure has a space that is none to YAML: what is wrong with it, and others like it."""
    if not _ODD_LEAD.match(lines[at]):
        return []
    return [slip for n in range(len(lines)) if (slip := odd_space(lines, n))]


def odd_space(lines: list[str], at: int) -> Slip | None:
    """A space that is none to YAML, where the structure needs one."""
    line = lines[at]
    found = _ODD_LEAD.match(line)
    if not found:
        return None
    spaces = found["indent"] or found["space"]
    odd = next(each for each in spaces if each not in " \t")
    name = "no-break space" if odd in "\u00a0\u202f" else "space" if odd.isspace() else "invisible character"
    where = "in the indentation" if found["indent"] else f"after {found['mark'].strip()}"
    message = f"a {name} (U+{ord(odd):04X}) stands {where}, which YAML takes for a letter; type an ordinary space"
    mended = _ANY_ODD.sub(" ", line[: found.end()]) + line[found.end() :]
    return Slip(at + 1, message, mended)


def item(lines: list[str], at: int) -> Slip | None:
    """A hyphen without its space, or another mark where a list item's hyphen belongs."""
    line = lines[at]
    text = line.lstrip(" ")
    found = _DASH.fullmatch(text)
    if not found:
        return None
    dash = found["dash"]
    shown = quoted(text) if ": " not in text else "…"
    if dash == "-":
        message = f"a space is missing after the hyphen: write - {_short(found['item'])}; a text that starts with - "
        message += f"goes in quotes: {_short(shown)}"
    else:
        message = f"a list item starts with a hyphen and a space, not with {dash}: write - {_short(found['item'])}"
    return Slip(at + 1, message, f"{line[: len(line) - len(text)]}- {found['item']}")


def items(lines: list[str], at: int) -> list[Slip]:
    """If this line lacks its hyphen's space: what is wrong with it, and with its neighbours."""
    found = []
    for neighbours in (range(at, len(lines)), range(at - 1, -1, -1)):
        for n in neighbours:
            slip = item(lines, n)
            if slip is None:
                break
            found.append(slip)
        if not found:
            break
    return found


def missing_space(lines: list[str], at: int, *, any_name: bool = False) -> list[Slip]:
    """A key whose colon has no space behind it, or is another script's colon."""
    found = _LINE.fullmatch(lines[at])
    text = (found and found["text"]) or ""
    pair = _NO_SPACE.fullmatch(text)
    if not found or found["key"] or not pair or not (any_name or pair[1].lower() in _NAMES):
        return []
    key, colon, value = pair.groups()
    if colon == ":":
        message = f"a space is missing after the colon: write {key}: {_short(value)}"
    else:
        message = f"{colon} is no colon to YAML: write {key}: {_short(value)}"
    return [Slip(at + 1, message, f"{found['lead']}{key}: {value}")]


def deeper(lines: list[str], at: int) -> list[Slip]:
    """A key that stands deeper than the one it belongs with, so that YAML joins it to that one's text."""
    before = next((n for n in range(at - 1, -1, -1) if lines[n].strip()), None)
    here, there = _LINE.fullmatch(lines[at]), None if before is None else _LINE.fullmatch(lines[before])
    if not here or not there or not here["key"] or not there["key"] or not there["text"]:
        return []
    column = there["lead"].index(there["key"])
    if "-" in here["lead"].split(here["key"])[0] or here["lead"].index(here["key"]) <= column:
        return []
    message = (
        f"stands deeper than {there['key']} above it, so YAML takes it for more of that text; "
        "keys that belong together start in the same column"
    )
    return [Slip(at + 1, f"{here['key']} {message}", " " * column + lines[at].lstrip())]


def in_text(lines: list[str], at: int) -> Slip | None:
    """A text that needs quotes, or other quotes than it has."""
    found = _LINE.fullmatch(lines[at])
    if not found or not found["text"]:
        return None
    text = found["text"]
    message, mended = _in_text(text)
    return Slip(at + 1, message, found["lead"] + mended) if message else None


def _short(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def starts(text: str) -> str:
    """Says what YAML takes the first character of the text for."""
    return f"the text starts with {text[0]}, which YAML takes for {_STARTS[text[0]]}; put it in quotes: " + _short(
        quoted(text)
    )


def cut(text: str, comment: str) -> str:
    """Says that a comment cuts a text."""
    whole = quoted(f"{text} {comment}" if text else comment)
    return (
        f'YAML takes "{_short(comment)}" for a comment and leaves it out; if it belongs to the text, '
        f"put the whole in quotes: {_short(whole)}; else give the comment a line of its own"
    )


def _in_text(text: str) -> tuple[str, str]:
    first = text[0]
    if first in "\"'":
        return _in_quotes(text, first)
    if first in _PAIRS:
        return typographic(text)
    if first in "[{":
        if (comment := re.search(r"[ \t]#", text)) and not _closes(text[: comment.start()]):
            piece = re.split(r"[\[{,:]", text[: comment.start()])[-1].strip()
            return cut(piece, text[comment.start() :].strip()), text.replace(" #", " ")
        after = _after_bracket(text)
        if after and not after.startswith((" #", ",", "]", "}")):
            return starts(text), quoted(text)
        bare = text.rstrip(", ") if after == "," else ""
        return (f"a comma follows the {bare[-1]}; delete it", bare) if bare else ("", "")
    if first in "|>" and _BLOCK.fullmatch(text):
        return "", ""
    if first in _STARTS and (first != "?" or text[1:2] == " "):
        return starts(text), quoted(text)
    if re.search(r"[ \t]#", text):
        plain, _, comment = text.partition("#")
        return cut(plain.rstrip(), f"#{comment}"), quoted(text)
    if ": " in text or text.endswith(":"):
        return f"the text contains a colon, so YAML takes it for a key; put it in quotes: {_short(quoted(text))}", (
            quoted(text)
        )
    return "", ""


def _in_quotes(text: str, mark: str) -> tuple[str, str]:
    if mark == '"' and (bad := _BAD_ESCAPE.search(text)):
        path = text[1:-1] if text.endswith('"') else text[1:]
        return (
            f"\\ in double quotes starts a code, and {bad[0][:2]} is none; in single quotes it stands for itself: "
            + _short("'" + path.replace("'", "''") + "'")
            + ", and in a path / does as well"
        ), quoted(path)
    whole = (_DOUBLE if mark == '"' else _SINGLE).match(text)
    if not whole:
        return "", ""
    after = text[whole.end() :].strip()
    if not after or after[0] in "#:":
        return "", ""
    if after == ",":
        return f"a comma follows the closing {mark}; delete it", whole[0]
    if mark == "'" and re.search(r"\w'\w", text):
        body = text[1:-1] if text.endswith("'") else text[1:]
        fixed = quoted(re.sub("''", "'", body))
        return f"the apostrophe ends the text that ' began; write the text in double quotes: {_short(fixed)}", fixed
    return (
        f"text follows the closing {mark}, and YAML takes only what is inside; "
        f"put the whole in quotes: {_short(quoted(text))}"
    ), quoted(text)


def typographic(text: str) -> tuple[str, str]:
    """Says that a mark is no quotation mark to YAML, if it was meant as one; and the text in those that are."""
    closing = _PAIRS.get(text[0])
    inner = text[1:].rstrip(", ")
    if closing is not None:
        closed = inner[-1:] in closing if inner else False
        body = inner[:-1] if closed else inner
        if (not closed and any(mark in inner for mark in closing)) or any(mark in body for mark in _QUOTES):
            if ": " not in text:
                return "", ""
            return f"the text contains a colon, so YAML takes it for a key; put it in quotes: {quoted(text)}", (
                quoted(text)
            )
        return f"{text[0]} is no quotation mark to YAML; type {_short(quoted(body))}", quoted(body)
    if text[-1] in "”»“’›" and not any(mark in text[:-1] for mark in _PAIRS):
        if text[-1] == "’":  # an apostrophe
            return "", ""
        return f"{text[-1]} is no quotation mark to YAML; type {_short(quoted(text[:-1]))}", quoted(text[:-1])
    return "", ""


def _after_bracket(text: str) -> str:
    """What follows the bracket that closes the first one."""
    depth = 0
    for i, each in enumerate(text):
        depth += (each in "[{") - (each in "]}")
        if depth == 0:
            return text[i + 1 :]
    return ""


def _closes(text: str) -> bool:
    return sum((each in "[{") - (each in "]}") for each in text) <= 0


def joined(lines: list[str], first: int, last: int, *, in_flow: bool) -> list[Slip]:
    """Something that YAML joined to the text above it although it was meant to stand by itself."""
    for n in range(first + 1, last + 1):
        if found := find_odd_space(lines, n) or items(lines, n) or missing_space(lines, n):
            return found
        text = lines[n].lstrip()
        if len(lines[n - 1]) >= SHORTEST_FOLDED or not text:
            continue
        if text.startswith("- "):
            message = (
                "YAML takes this line for more of the text above; an item of the list starts in the same column as "
                "the others, and a text on several lines goes in quotes"
            )
            return [Slip(n + 1, message, "")]
        if in_flow:
            message = "YAML takes this line for more of the text above; put a comma between them, or the text in quotes"
            return [Slip(n + 1, message, ", " + text)]
    return []


def holds(lines: Iterable[str]) -> str | None:
    """Says of which other kind the file is, by its first line that is not blank."""
    first = next((line.strip() for line in lines if line.strip()), "")
    cells = [cell.strip(" \"'").lower() for cell in re.split("[,;\t]", first)]
    if "prompt" in cells and not first.startswith(("{", "[", "-", "#")) and (len(cells) > 1 or ":" not in first):
        return "its lines are those of a CSV file; give it a name that ends in .csv"
    return None
