"""Changes that nothing can notice: the list in equivalent.yaml, each with its reason.

An entry names the file, the line as it stands there, the change as it is printed, and why. One that fits no change any
more is an error: the list is kept, or it would come to excuse what it was not written for.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml

from mutation.changes import PACKAGE, Change, one_line

LIST = Path(__file__).with_name("equivalent.yaml")
Key = tuple[str, str, str]


def key_of(change: Change) -> Key:
    return change.file, _lines(change.file)[change.line - 1].strip(), change.label.split(": ", 1)[1]


@cache
def _lines(file: str) -> list[str]:
    return (PACKAGE / file).read_text(encoding="utf-8").splitlines()


def reasons(path: Path = LIST) -> dict[Key, str]:
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    return {(each["file"], each["line"].strip(), one_line(each["change"])): each["why"] for each in entries or []}


def stale(known: Iterable[Change], listed: dict[Key, str]) -> list[Key]:
    return sorted(set(listed) - {key_of(change) for change in known})
