"""Listening tests as a home keeps them: one file each in the folder .site of the home, which only its owner can read.

Whoever has a test's token may answer its questions, and see nothing else of the site.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from soundmill.disk import read_plain, write_whole

FOLDER = "studies"
MOST_STUDIES = 500
MOST_BYTES = 65_536
LONGEST_NAME = 100  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One listening test. `takes` are numbers of outputs, `questions` how many one listener is asked at most; its
    answers carry its `name`, which no other test of the home has."""

    id: str
    name: str
    token: str
    takes: tuple[int, ...]
    questions: int
    made_by: str
    made_at: float
    ended_at: float | None = None


class Unfit(ValueError):
    """A test that cannot be made, and why."""


def all_of(site: Path) -> list[Study]:
    """Every test of a home whose folder for its site is `site`, the newest first; what cannot be read is left out."""
    found = []
    for path in (site / FOLDER).glob("*.json"):
        with suppress(OSError, ValueError, TypeError, KeyError):
            content = json.loads(read_plain(path, MOST_BYTES))
            found.append(Study(**content | {"takes": tuple(content["takes"])}))
    return sorted(found, key=lambda study: (-study.made_at, study.id))


def make(site: Path, *, name: str, takes: Sequence[int], questions: int, by: str, now: float) -> Study:
    """A new test with a token of its own. Raises Unfit, OSError."""
    name = " ".join(name.split())
    known = all_of(site)
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Unfit(f"a listening test needs a name of at most {LONGEST_NAME} characters")
    if any(study.name.casefold() == name.casefold() for study in known):
        raise Unfit(f"{name}: there is a listening test of that name; take another")
    if len(known) >= MOST_STUDIES:
        raise Unfit(f"there are {MOST_STUDIES} listening tests already; remove files of .site/{FOLDER} in the home")
    study = Study(
        id=secrets.token_hex(4),
        name=name,
        token=secrets.token_urlsafe(24),
        takes=tuple(takes),
        questions=questions,
        made_by=by,
        made_at=now,
    )
    _write(site, study)
    return study


def end(site: Path, study_id: str, now: float) -> bool:
    """Take a test's link back; what was answered stays. Whether there is such a test. Raises OSError."""
    study = next((one for one in all_of(site) if one.id == study_id), None)
    if study is None:
        return False
    if study.ended_at is None:
        _write(site, replace(study, ended_at=now))
    return True


def opened(site: Path, token: str) -> Study | None:
    """The test that a token opens, while it runs."""
    given = token.encode("utf-8", "surrogatepass")
    for study in all_of(site):
        if secrets.compare_digest(study.token.encode(), given):
            return study if study.ended_at is None else None
    return None


def _write(site: Path, study: Study) -> None:
    folder = site / FOLDER
    site.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    write_whole(folder / f"{study.id}.json", json.dumps(asdict(study)).encode())
