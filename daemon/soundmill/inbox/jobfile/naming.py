"""Inbox: names for batches and jobs that are unique in their file and safe as file names everywhere."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePath

from soundmill.inbox.jobfile.cells import KNOWN, Wrong
from soundmill.inbox.jobfile.written import LONGEST_ID

LONGEST_SLUG = 48  # characters of the prompt in a job's name
LONGEST_LEVEL = 32  # characters of one level in a condition's name
LONGEST_CONDITION = 110  # characters of a condition's name
LONGEST_BATCH_NAME = 80  # characters
# File systems allow 255 bytes; replicate number, attempt number and suffix come on top.
LONGEST_ID_BYTES = 200

# ASCII to lower-case letters, digits and spaces.
_TO_WORDS = {n: chr(n).lower() if chr(n).isalnum() else " " for n in range(128)}
_PLAIN_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?")
_NOT_NAME = re.compile(r"[^\w.\-]+")
# Letters that NFKD leaves whole.
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}
)


def slug(text: str, longest: int, otherwise: str) -> str:
    """Lower-case ASCII words joined by hyphens, cut between words where that loses little."""
    text = text[: 3 * longest]
    if not text.isascii():
        plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
        text = plain.encode("ascii", "ignore").decode("ascii")
    words = "-".join(text.translate(_TO_WORDS).split())
    if len(words) > longest:
        at = words.rfind("-", longest // 2, longest + 1)
        words = words[: at if at > 0 else longest].strip("-")
    return words or otherwise


def batch_name(wanted: str | None, file_name: str) -> str:
    """The batch's name: what the file asks for, or its own name without suffix and `.again`."""
    stem = PurePath(file_name).stem
    if stem.lower().endswith(".again"):
        stem = stem[: -len(".again")]
    name = slug(wanted or stem, LONGEST_BATCH_NAME, "batch")
    return f"{name}-jobs" if name in _WINDOWS_DEVICES else name


def automatic_name(position: int, prompt: str) -> str:
    return f"{position:04d}-{slug(prompt, LONGEST_SLUG, 'clip')}"


def condition_name(position: int, condition: Mapping[str, str]) -> str:
    """The name of a condition's clips, from its levels: `0003-calm-piano_temperature-0.7_top_k-50`.

    As many levels as there is room for; the position keeps the name unique.
    """
    name = f"{position:04d}-"
    for factor, level in condition.items():
        words = _level_words(factor, level)
        if len(name) + len(words) > LONGEST_CONDITION:
            break
        name += f"{words}_"
    return name[:-1]


def _level_words(factor: str, level: str) -> str:
    """A prompt, a model and a file speak for themselves; any other level needs its factor's name."""
    if factor == "prompt":
        return slug(level, LONGEST_LEVEL, "prompt")
    if factor == "model":
        return slug(PurePath(level).name, LONGEST_LEVEL, "model")
    if factor in ("melody", "continue_from"):
        return slug(PurePath(level).stem, LONGEST_LEVEL, factor)
    words = level if _PLAIN_NUMBER.fullmatch(level) else slug(level, LONGEST_LEVEL, "other")
    return f"{factor if factor in KNOWN else slug(factor, LONGEST_LEVEL, 'factor')}-{words}"


def replicate_name(name: str, replicate: int) -> str:
    return name if replicate == 1 else f"{name}-r{replicate}"


def name_from_id(wanted: str) -> str:
    """The job name for a person's id: kept as it is but for spaces and punctuation. Raises Wrong.

    Refused is what some file system would take for a path, hide, or not store at all.
    """
    if "/" in wanted or "\\" in wanted:
        raise Wrong("becomes a file name, so it must not contain / or \\")
    if ".." in wanted or wanted.startswith("."):
        raise Wrong("becomes a file name, so it must not start with a dot or contain ..")
    if not wanted.isprintable():
        raise Wrong("becomes a file name, so it must be on one line and without control characters")
    if len(wanted) > LONGEST_ID or len(wanted.encode()) > LONGEST_ID_BYTES:
        raise Wrong(f"becomes a file name, so it must have at most {LONGEST_ID} characters ({LONGEST_ID_BYTES} bytes)")
    name = _NOT_NAME.sub("-", wanted if wanted.isascii() else unicodedata.normalize("NFC", wanted)).strip("-. ")
    if not name:
        raise Wrong("becomes a file name, so it needs at least one letter or digit")
    if name.split(".")[0].lower() in _WINDOWS_DEVICES:
        raise Wrong("is a name that Windows keeps for a device; add a word to it")
    return name


def same_name(name: str) -> str:
    """What two names have in common when a case-insensitive file system holds them for one."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFKC", name).casefold()


class NameBook:
    """Remembers the ids of one file and tells which of them cannot stand side by side.

    Automatic names need no memory: their position makes them unique among themselves. Only an id
    that looks like one, or like a replicate's name, is looked at twice.
    """

    _REPLICATE = re.compile(r"(.+)-r([1-9]\d{0,5})")
    _AUTOMATIC = re.compile(r"\d{4,}-")

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._like_replicates: list[tuple[str, str, int]] = []  # id, name it may be a replicate of, number
        self._like_automatic: dict[str, list[tuple[int, int]]] = {}  # name: (replicate, line)

    def add(self, name: str, count: int, line: int) -> int | None:
        """Enter the name of a row with `count` replicates; the line of its namesake, or None."""
        key = same_name(name)
        first = self._lines.get(key)
        if first is not None:
            return first
        self._lines[key] = line
        if count > 1:
            self._counts[key] = count
        if "-" in key:
            replicate = self._REPLICATE.fullmatch(key)
            if replicate:
                self._like_replicates.append((key, replicate[1], int(replicate[2])))
            if self._AUTOMATIC.match(key):
                self._like_automatic.setdefault(key, []).append((1, line))
                if replicate:
                    self._like_automatic.setdefault(replicate[1], []).append((int(replicate[2]), line))
        return None

    def replicate_clashes(self) -> list[tuple[str, int, int]]:
        """Ids that are also the name of another row's replicate: (id, its line, the other's line)."""
        return [
            (key, self._lines[key], self._lines[other])
            for key, other, number in self._like_replicates
            if 2 <= number <= self._counts.get(other, 1)
        ]

    @property
    def may_clash_with_automatic(self) -> bool:
        return bool(self._like_automatic)

    def automatic_clash(self, name: str, count: int) -> int | None:
        """Line of the id that equals an automatic name or one of its replicates', or None."""
        for number, line in self._like_automatic.get(name, ()):
            if number <= count:
                return line
        return None
