"""Inbox: the names of job files. Which are ours, how they are made printable, and numbered."""

from __future__ import annotations

import os
import re
from pathlib import Path

from soundmill.disk import PART
from soundmill.inbox.jobfile.recognize import JOB_SUFFIXES

# File systems allow 255 bytes; the claim's ulid, a number and `.errors.txt` come on top.
LONGEST_FILE_NAME = 180
AGAIN = ".again"
REST = ".rest"
_REST = re.compile(rf"(.+)\{REST}(?:-\d+)?", re.IGNORECASE | re.DOTALL)
_IGNORED_ENDINGS = (PART, ".tmp", "~")


def is_candidate(name: str) -> bool:
    """Whether a name in the inbox is a job file's. Editors and downloads write under the other ones first."""
    return (
        not name.startswith(".")
        and name.lower().endswith(JOB_SUFFIXES)
        and not name.lower().endswith(_IGNORED_ENDINGS)
        and not name.startswith("~$")  # spreadsheets' lock files
    )


def asks_again(file_name: str) -> bool:
    """Whether the name says that the same content is wanted once more: `themes.again.csv`."""
    return Path(file_name).stem.lower().endswith(AGAIN)


def rest_of(file_name: str) -> str | None:
    """The name, in accepted/, of the file whose missing rows are wanted alone: `themes.csv` for `themes.rest.csv`, also
    where that was numbered; None for any other name."""
    path = Path(file_name)
    found = _REST.fullmatch(path.stem)
    return None if found is None else found[1] + path.suffix


def tidy(name: str) -> str:
    """The name as it can be printed and stored, short enough to be numbered; the suffix stays."""
    name = os.fsencode(name).decode("utf-8", "replace")
    name = "".join(c if c.isprintable() else "_" for c in name)
    if len((rest_of(name) or name).encode()) <= LONGEST_FILE_NAME:
        return name
    tail = Path(name).suffix
    if asks_again(name):
        tail = AGAIN + tail
    head = name[: -len(tail)].encode()[: LONGEST_FILE_NAME - len(tail.encode())]
    return head.decode("utf-8", "ignore") + tail


def numbered(name: str, number: int) -> str:
    """`themes.csv`, `themes-2.csv`, `themes-3.csv`; `.again` stays next to the suffix."""
    if number == 1:
        return name
    suffix = Path(name).suffix
    stem = name[: len(name) - len(suffix)]
    if asks_again(name):
        stem, suffix = stem[: -len(AGAIN)], stem[-len(AGAIN) :] + suffix
    return f"{stem}-{number}{suffix}"
