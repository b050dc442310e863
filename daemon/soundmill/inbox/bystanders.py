"""Inbox: what lies beside the job files. Copies that sync programs and browsers make, and what is no job file.

Names of copies, as the programs' own pages give them: Syncthing `x.sync-conflict-20261128-101112-ABCDEFG.csv`; Dropbox,
ownCloud, Nextcloud, OpenCloud and pCloud `x (Anna's conflicted copy 2026-11-28).csv`, `x (conflicted copy 2026-11-28
101112).csv`; Seafile `x (SFConflict anna 2026-11-28-10-11-12).csv`; FileCloud `x(Conflict_anna_2026-11-28-…).csv`;
Synology `x_Annas-PC_Nov-28-1011-2026_Conflict.csv`; Resilio `x.Conflict.csv`; OneDrive `x-ANNAS-PC.csv`; browsers and
Google Drive `x (1).csv`; file managers `x - Copy.csv`, `x (Kopie).csv`, `Copy of x.csv`.
"""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from collections.abc import Callable
from pathlib import Path

from soundmill.words import count

_COPY = "copy|kopie|copie|copia|cópia|kopia|kopi|kopio|kópia|kopya|コピー|副本|복사본|사본|копия"
# Nothing but a sync program makes such names.
_CONFLICT = re.compile(
    r"(?P<original>.+?)(?:"
    r"\.sync-conflict-\d{8}-\d{6}(?:-\w+)?"
    r"|\s*[(\[][^()\[\]]*(?:conflicted|in konflikt stehende|copie en conflit|copia en conflicto|copia in conflitto"
    r"|conflictkopie|conflitante|конфликтующая копия|冲突副本|衝突複本|競合コピー|충돌"
    r"|sfconflict|case conflict|encoding conflict|white ?space conflict)[^()\[\]]*[)\]]"
    r"|\s*[(\[](?:[^()]*\W)?(?:conflict|konflikt|conflit)(?:[\W_].*)?\d{4}-\d\d-\d\d[^()\[\]]*[)\]]"
    r"|_[^_]+_[a-z]{3}-\d\d-\d{4,6}-\d{4}_\w*conflict(?:_\d+)?"
    r"|_conflict-\d{8}-\d{6}"
    r")",
    re.IGNORECASE | re.DOTALL,
)
# People give such names too: only beside the file itself are they held for a copy of it.
_LIKELY = (
    re.compile(
        rf"(?P<original>.+?)(?:\s*\(\d{{1,3}}\)|\s*\[\d{{1,3}}\]"
        rf"|\s*\((?:another |\d{{1,2}}(?:st|nd|rd|th) )?(?:{_COPY})(?: \d+)?\)"
        rf"|(?:\s+[-–—]\s+|\s+|\s*[の的]|의\s+)(?:{_COPY})(?:\s*\(?\d+\)?)?"
        r"|\s*[(\[][^()\[\]]*(?:conflict|konflikt|conflit)[^()\[\]]*[)\]]|[._-]conflict\d*)",
        re.IGNORECASE | re.DOTALL,
    ),
    re.compile(rf"(?:(?:{_COPY}) (?:of|von|de|di|van|av|z)|копия) (?P<original>.+)", re.IGNORECASE | re.DOTALL),
    # Machines' names: what Windows gives, what people's own end in, or capitals with a digit or a hyphen among them.
    re.compile(
        r"(?P<original>.+?)-(?:(?:DESKTOP|LAPTOP|WIN)-[A-Z0-9]{5,}|[\w-]*(?:PC|MacBook[\w-]*|iMac|Mac-?mini|Surface)"
        r"|(?=[A-Z0-9-]*[0-9-])[A-Z][A-Z0-9-]{5,14})(?:-\d{1,2})?",
        re.DOTALL,
    ),
)
# For melody and continue_from: they belong beside the files that name them.
_AUDIO = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".m4a", ".aif", ".aiff")
_UNFINISHED = (".part", ".tmp", ".crdownload", ".download", ".partial", ".filepart", ".opdownload", "~", ".swp")
_LITTER = {"thumbs.db", "desktop.ini", "icon\r"}
_MOST_IN_FOLDER = 1000
_ADVICE = {
    ".json": "write it as YAML, or as a CSV file",
    ".jsonl": "write it as a CSV file",
    ".txt": "name it .csv if it is a table, .yaml if it is YAML",
    ".zip": "unpack it and put the job files into the inbox",
    ".gz": "unpack it and put the job files into the inbox",
    ".7z": "unpack it and put the job files into the inbox",
}
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers", ".docx", ".odt", ".gsheet")


def original_of(name: str, is_known: Callable[[str], bool]) -> str | None:
    """The name of the file that `name` is a copy of; None if it is none, or nothing shows that it is.

    `is_known(name)` says whether there is, or was, such a file.
    """
    suffix = Path(name).suffix
    stem = name[: len(name) - len(suffix)]
    if sure := _CONFLICT.fullmatch(stem):
        return sure["original"] + suffix
    for pattern in _LIKELY:
        if (match := pattern.fullmatch(stem)) and is_known(match["original"] + suffix):
            return match["original"] + suffix
    return None


def same_name(name: str) -> str:
    """Equal for names that some file systems hold for one."""
    return unicodedata.normalize("NFC", name).casefold()


def question(path: Path, original: str, command: str) -> str:
    """What to ask about a copy that is held; `command` is how soundmill is called for this home."""
    quoted = shlex.quote(str(path))
    return (
        f"looks like a copy of {original} that a sync program, a browser or a file manager made, and is held: which "
        f"one is meant? To run this one too: {command} submit --again {quoted}; if not: rm {quoted}"
    )


def is_unfinished(name: str) -> bool:
    """Whether programs write under such names first."""
    return name.lower().endswith(_UNFINISHED)


def is_expected(name: str) -> bool:
    """Whether such a file may lie in the inbox without a word: hidden ones, audio, what file managers leave."""
    return name.startswith((".", "~$")) or name.lower() in _LITTER or name.lower().endswith(_AUDIO)


def about_file(path: Path, suffixes: tuple[str, ...]) -> str:
    """What to say about a file that is no job file; `suffixes` are those of job files."""
    suffix = path.suffix.lower()
    inner = path.with_suffix("")
    known = f"job files end in {', '.join(suffixes)}"
    if is_unfinished(path.name):
        return "is a download or a copy that was never finished; get it again, or delete it"
    if suffix == ".txt" and inner.suffix.lower() in suffixes:
        return f"has .txt after its ending; rename it: mv {shlex.quote(str(path))} {shlex.quote(str(inner))}"
    if suffix in _SPREADSHEETS:
        return f"is not a job file: {known}; save its table as CSV (UTF-8)"
    return f"is not a job file: {_ADVICE.get(suffix, known)}"


def about_folder(path: Path, suffixes: tuple[str, ...]) -> str | None:
    """What to say about a folder; None for one that only holds audio."""
    jobs = others = audio = 0
    try:
        with os.scandir(path) as entries:
            for number, entry in enumerate(entries):
                name = entry.name.lower()
                jobs += name.endswith(suffixes)
                audio += name.endswith(_AUDIO)
                others += not name.endswith((*suffixes, *_AUDIO)) and not name.startswith(".")
                if number >= _MOST_IN_FOLDER:
                    break
    except OSError:
        return "is a folder; put the job files themselves into the inbox"
    if jobs:
        inside = count(jobs, "job file")
        return f"is a folder with {inside} in it, which nobody reads there; put them into the inbox themselves"
    if audio and not others:
        return None
    return "is a folder; put the job files themselves into the inbox"
