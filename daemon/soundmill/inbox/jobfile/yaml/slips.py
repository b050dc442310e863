"""Inbox: finds the slip of the pen in a line that YAML takes for something else, and mends it to read on.

A mended line is never made into jobs: the file is refused, and the rest of its problems are told at once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import yaml

from soundmill.inbox.jobfile.cells import KNOWN
from soundmill.inbox.jobfile.problems import shorten
from soundmill.inbox.jobfile.written import Experiment, FactorRange, JobFile
from soundmill.inbox.jobfile.yaml.marks import COMMENT, cut, in_text, quoted, starts

# What YAML counts as the end of a line, in the order in which it looks.
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
INVISIBLE = " \t\u00a0\u200b\u200c\u200d\u2060\ufeff"
ODD_SPACES = "\u00a0\u1680\u2000-\u200f\u202f\u205f\u2060\u3000\ufeff"
_ODD = f"[ \t]*[{ODD_SPACES}][ \t{ODD_SPACES}]*"
_BULLETS = "–—−‐‑‒•·‣▪●◦∙"
# Shorter lines are not broken by an editor or a program that folds long texts.
SHORTEST_FOLDED = 72
MOST_OF_A_LINE = 4

_NAMES = frozenset({*KNOWN, *JobFile.model_fields, *Experiment.model_fields, *FactorRange.model_fields})
_KEY = r"""(?:"[^"]*"|'[^']*'|[^\s"'#&*!|>%@`\[\]{},:?][^:#]*+)"""
# The quantifiers give nothing back: a line of a million spaces must not take minutes.
# No possessive groups: before Python 3.11.5 they match wrongly where the last round of the group was half done.
_LINE = re.compile(rf"(?P<lead>[ ]*+(?:-[ \t]+)*(?:(?P<key>{_KEY}):(?:[ \t]++|$))?)(?P<text>\S.*)?")
_ODD_LEAD = re.compile(
    rf"(?P<indent>{_ODD})[^\s{ODD_SPACES}]"
    rf"|[ \t]*+(?:-[ \t]+)*(?P<mark>-|[\w ]+:)(?P<space>[{ODD_SPACES}][ \t{ODD_SPACES}]*)"
)
_ANY_ODD = re.compile(f"[{ODD_SPACES}]")
_TAB_LEAD = re.compile(r" *\t[ \t]*(?=\S)")
_NO_SPACE = re.compile(r"(\w[\w ]{0,98}?)[ \t]*([:：])(?!//)[ \t]*(\S.*)")
_DASH = re.compile(rf"(?P<dash>-(?![-\s\d.])|[{_BULLETS}]|\*(?=[ \t]))[ \t]*(?P<item>\S.*)")
_FENCE = re.compile(r"[ \t]*(```|~~~)[\w ]*")
_MARKED = re.compile(r"(?:[\[{,]|: )[ \t]*(?P<text>[*&@`%!|>][^,\[\]{}]*)")
_NO_MARK = re.compile(r"prompt[ \t]+([^\s:=;].*)")
_NO_COLON = re.compile(r"(\w+)[ \t]*(?:[;=][ \t]*(.*))?")


# Where no line has one of these, no plain text needs a second look.
_HASH = re.compile(rb"\S[ \t]+#")
_ODD_LINE = re.compile(  # by a first letter: fast
    rb"[\n\r][ \t]*+(?:-[^\s-]|\*[ \t]|(?:-[ \t]+)*(?:\? |prompt[ \t]|\w++[ \t]*+(?:=|:[^\s/])))"
)
_ODD_LETTER = re.compile(rb"\xe2[\x80-\x97]|\xc2[\xa0\xab\xbb]|\xe3\x80\x80|\xef\xbc\x9a|\xef\xbb\xbf|\xe1\x9a\x80")


class Slip(NamedTuple):
    """What is wrong on a line, and the line as it was probably meant."""

    line: int  # 1-based
    message: str
    mended: str


class Source:
    """The file, and its lines where something must be looked up in them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._times: Counter[int] = Counter()  # how often each line has been mended
        self.has_comments = b"#" in data and _HASH.search(data) is not None
        self.is_odd = _ODD_LINE.search(b"\n" + data) is not None or (
            not data.isascii() and _ODD_LETTER.search(data) is not None
        )

    @cached_property
    def lines(self) -> list[str]:
        return lines_of(self.data)

    def mend(self, found: list[Slip]) -> bool:
        """Puts the mended lines in their places; whether that changes anything. A line is mended a few times only:
        quotes within quotes double each time."""
        changed = False
        for slip in found:
            at = slip.line - 1
            self._times[at] += 1
            if self._times[at] <= MOST_OF_A_LINE and self.lines[at] != slip.mended:
                self.lines[at] = slip.mended
                changed = True
        self.data = "\n".join(self.lines).encode("utf-8")
        return changed


def lines_of(data: bytes) -> list[str]:
    """The lines as YAML counts them; blank ones at the end, where the parser may say that something is missing."""
    return [*_BREAK.split(data.decode("utf-8-sig", "replace")), "", ""]


def find(lines: list[str], at: int, *, in_flow: bool) -> list[Slip]:
    """What is wrong on the line at this 0-based index, where the reader stumbled; with the same on other lines where
    that is a habit of the whole file's (tabs, other spaces, Markdown). `in_flow`: within brackets."""
    line = lines[at]
    if fence := _FENCE.fullmatch(line):
        message = f"{fence[1]} belongs to Markdown, not to the job file; delete the line"
        return [Slip(n + 1, message, "") for n, each in enumerate(lines) if _FENCE.fullmatch(each)]
    if found := find_odd_space(lines, at):
        return found
    if _TAB_LEAD.match(line):
        message = "a tab stands in the indentation; indent with spaces, not with tabs"
        return [Slip(n + 1, message, each.expandtabs(2)) for n, each in enumerate(lines) if _TAB_LEAD.match(each)]
    if in_flow and (slip := _in_brackets(lines, at)):
        return [slip]
    if found := items(lines, at):
        return found
    if slip := unquoted(lines, at):
        return [slip]
    if any(bracket in line for bracket in "[{") and (slip := _in_brackets(lines, at)):
        return [slip]
    slip = missing_space(lines, at, any_name=True) or uneven(lines, at)
    return [slip] if slip else []


def _in_brackets(lines: list[str], at: int) -> Slip | None:
    line = lines[at]
    if comment := COMMENT.search(line):
        piece = re.split(r"[\[{,:]", line[: comment.start()])[-1].strip(" -")
        rest = line[comment.start() :].strip()
        message = cut(piece, rest, re.split(r"[,\]}]", rest)[0])
        return Slip(at + 1, message, line.replace("#", ""))
    if marked := _MARKED.search(line):
        end = marked.end("text")
        mended = line[: marked.start("text")] + quoted(marked["text"].rstrip()) + line[end:]
        return Slip(at + 1, starts(marked["text"].rstrip()), mended)
    if two := re.search(r"([\[{,])[ \t]*,", line):
        message = f"nothing stands between {two[1]} and the comma; delete the comma, or write what is missing"
        return Slip(at + 1, message, line[: two.start() + 1] + line[two.end() :])
    return None


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
    where = "in the indentation" if found["indent"] else f"after {shorten(found['mark'].strip())}"
    article = "an" if name.startswith("i") else "a"
    message = f"{article} {name} (U+{ord(odd):04X}) stands {where}, which YAML takes for a letter"
    message += "; type an ordinary space"
    mended = _ANY_ODD.sub(" ", line[: found.end()]) + line[found.end() :]
    return Slip(at + 1, message, mended)


def items(lines: list[str], at: int) -> list[Slip]:
    """If this line has no space after its hyphen, or another mark where a list item's hyphen belongs: what is wrong
    with it, and with its neighbours."""
    if not _DASH.fullmatch(lines[at].lstrip(" ")):
        return []
    first = at
    while first and _DASH.fullmatch(lines[first - 1].lstrip(" ")):
        first -= 1
    # as deep as the items above them, if there are any
    beside = lines[first - 1] if first and lines[first - 1].lstrip().startswith("- ") else None
    found = []
    for n in range(first, len(lines)):
        text = lines[n].lstrip(" ")
        each = _DASH.fullmatch(text)
        if not each:
            break
        dash, item = each["dash"], each["item"]
        message = f"a list item starts with a hyphen and a space, not with {dash}: write - {shorten(item)}"
        if dash == "-":
            message = (
                f"a space is missing after the hyphen: write - {shorten(item)}; a text that starts with - goes in "
                f"quotes: {shorten(quoted(text))}"
            )
        deep = lines[n] if beside is None else beside
        found.append(Slip(n + 1, message, " " * (len(deep) - len(deep.lstrip(" "))) + f"- {item}"))
    return found


def missing_space(lines: list[str], at: int, *, any_name: bool = False) -> Slip | None:
    """A key whose colon has no space behind it, or is another script's colon."""
    found = _LINE.fullmatch(lines[at].rstrip())
    if not found or not found["text"]:
        return None
    if slip := _no_colon(at, found["text"], found["lead"]):
        return slip
    pair = _NO_SPACE.fullmatch(found["text"])
    if found["key"] or not pair or not (any_name or pair[1].lower() in _NAMES):
        return None
    key, colon, value = pair.groups()
    if colon == ":":
        message = f"a space is missing after the colon: write {shorten(key)}: {shorten(value)}"
    else:
        message = f"{colon} is no colon to YAML: write {shorten(key)}: {shorten(value)}"
    return Slip(at + 1, message, f"{found['lead']}{key}: {value}")


def _no_colon(at: int, text: str, lead: str) -> Slip | None:
    if "-" in lead and (spoken := _NO_MARK.fullmatch(text)):
        mend = f"write - prompt: {shorten(spoken[1])}, or put a text that begins with prompt in quotes"
        return Slip(at + 1, f"a colon is missing after prompt: {mend}", f"{lead}prompt: {spoken[1]}")
    pair = _NO_COLON.fullmatch(text)
    if (
        not pair
        or pair[1].lower() not in _NAMES
        or (
            pair[2] is None
            and (lead or not text.endswith((";", "=")))
            and (lead or pair[1].lower() not in JobFile.model_fields)
        )
    ):
        return None
    key, value = pair[1], pair[2] or ""
    message = f"a colon and a space are missing after {key}: write {shorten(key)}: {shorten(value)}".rstrip()
    return Slip(at + 1, message, f"{lead}{key}: {value}")


def uneven(lines: list[str], at: int) -> Slip | None:
    """A key or an item that starts in another column than those it belongs with."""
    before = next((n for n in range(at - 1, -1, -1) if lines[n].strip()), None)
    if before is None:
        return None
    here, there = (_LINE.fullmatch(lines[n].rstrip()) for n in (at, before))
    if not here or not there:
        return None
    dash, column = here["lead"].find("-", 0, here.start("key")), there.start("key")
    name = shorten((here["key"] or "").rstrip())
    if here["key"] and dash < 0 and there["key"] and there["text"] and here.start("key") != column:
        message = (
            f"{name} starts in column {here.start('key') + 1}, and {shorten(there['key'].rstrip())} above it in column "
            f"{column + 1}; keys that belong together start in the same column"
        )
        return Slip(at + 1, message, " " * column + lines[at].lstrip())
    if here["key"] and dash < 0 and not there["key"] and "-" in there["lead"]:
        message = f"{name} belongs to no key: the item above it is a text; a job with keys of its own starts with one"
        return Slip(at + 1, f"{message}: - prompt: {shorten(there['text'] or '')}", "")
    above = next((n for n in range(at - 1, -1, -1) if re.match(" *- ", lines[n])), None)
    if dash >= 0 and above is not None and lines[above].index("-") != dash:
        message = (
            f"this item starts in column {dash + 1}, and the one above it in column {lines[above].index('-') + 1}; "
            "items of a list start in the same column"
        )
        return Slip(at + 1, message, " " * lines[above].index("-") + lines[at].lstrip())
    return None


def unquoted(lines: list[str], at: int) -> Slip | None:
    """A text that needs quotes, or other quotes than it has."""
    found = _LINE.fullmatch(lines[at].rstrip())
    if not found or not found["text"]:
        return None
    told = in_text(found["text"])
    return None if told is None else Slip(at + 1, told[0], found["lead"] + told[1])


def joined(lines: list[str], first: int, last: int, *, in_flow: bool) -> list[Slip]:
    """Something that YAML joined to the text above it although it was meant to stand by itself."""
    if not in_flow and (slip := _no_colon(first, lines[first].rstrip(), "")):
        return [slip]
    for n in range(first + 1, last + 1):
        if found := find_odd_space(lines, n) or items(lines, n):
            return found
        if slip := missing_space(lines, n):
            return [slip]
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
    if "prompt" in cells and not first.startswith(("{", "[", "-", "#")):
        return "its lines are those of a CSV file; give it a name that ends in .csv"
    return None


def find_cause(error: yaml.MarkedYAMLError, lines: list[str]) -> list[Slip]:
    """The slips that made the parser give up, by the lines it names."""
    last = len(lines) - 1
    problem = min(error.problem_mark.line if error.problem_mark else 0, last)
    context = min(error.context_mark.line if error.context_mark else problem, last)
    said = str(error.context)
    if "flow" in said:
        places = [*range(context, problem + 1)]
    else:
        before = next((n for n in range(problem - 1, -1, -1) if lines[n].strip()), problem)
        places = [problem, before] if "block" in said else [context, problem, before]
    found = (find(lines, at, in_flow="flow" in said) for at in dict.fromkeys(places))
    return next(filter(None, found), [])


def explain(error: yaml.MarkedYAMLError) -> str:
    """Says what the parser said, and a mend that may fit."""
    said = " ".join(part for part in (error.context, error.problem) if part)
    if "mapping values are not allowed" in said:
        mend = "put a text that contains a colon in quotes, and give each key its own line"
    elif "quoted scalar" in said:
        mend = "a quotation mark is never closed"
    elif "parsing a block" in said:
        mend = "check the indentation: keys that belong together start in the same column"
    else:
        mend = "see the line before it too"
    return f"is not valid YAML ({said}); {mend}"
