"""Where backups are: each file once, by the hash of its content, and for each backup the list of what was in the home.

    DIR/soundmill-backup.json     marks the folder
    DIR/objects/ab/ab12…          files, named by their SHA-256
    DIR/2026-11-28T101503Z/       a backup: catalog.db, files.jsonl, and backup.json, which says what these must be
    DIR/.2026-11-28T101503Z.part/ one that was broken off

A backup is made under its part name and renamed once all of it is on the disk. An object is believed in when a whole
backup names it, or when it was read and had its hash: after a power cut others may be damaged.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from soundmill.disk import PART, open_plain, part_file, sha256_of, sync_folder, write_whole
from soundmill.errors import SoundmillError, UsageError

FORMAT = 1
MARKER = "soundmill-backup.json"
CHUNK = 1 << 20


class BadBackup(SoundmillError):
    """A backup is not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of the home. `path` is relative to it."""

    path: str
    size: int
    mtime_ns: int
    mode: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A whole backup in its folder."""

    folder: Path
    about: dict[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def catalog(self) -> Path:
        return self.folder / "catalog.db"

    def entries(self) -> Iterator[Entry]:
        with (self.folder / "files.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                entry = Entry(**json.loads(line))
                if PurePosixPath(entry.path).is_absolute() or ".." in PurePosixPath(entry.path).parts:
                    raise BadBackup(f"{self.folder}: names {entry.path}, which is no file of a home")
                yield entry

    def check(self) -> None:
        """Raises BadBackup where catalogue or list are not what they were, or name what they may not."""
        for name, wanted in self.about["sha256"].items():
            try:
                found = sha256_of(self.folder / name)
            except OSError as error:
                raise BadBackup(f"{self.folder / name}: {error.strerror}; take another backup") from error
            if found != wanted:
                raise BadBackup(f"{self.folder / name}: is damaged; take another backup")
        for _ in self.entries():
            pass


class Store:
    """A folder of backups. Raises UsageError where the folder is something else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / MARKER).is_file():
            raise UsageError(f"{folder}: no backups are there; `soundmill backup {folder}` makes one")
        version = json.loads((folder / MARKER).read_text(encoding="utf-8")).get("format")
        if version != FORMAT:
            raise UsageError(f"{folder}: was written by a newer Soundmill; use that one")

    @classmethod
    def create(cls, folder: Path) -> Store:
        """The same, made where there is nothing yet."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # prompts and settings are nobody else's business
        if not (folder / MARKER).is_file():
            if any(not entry.name.startswith(".") for entry in folder.iterdir()):
                raise UsageError(f"{folder}: holds other things; name an empty folder for the backups")
            write_whole(folder / MARKER, json.dumps({"format": FORMAT}).encode())
        (folder / "objects").mkdir(exist_ok=True)
        return cls(folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One backup at a time. Raises UsageError while another is made."""
        with (self.folder / ".lock").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UsageError(f"{self.folder}: another backup is being made there") from error
            yield

    def backups(self) -> list[Backup]:
        """The whole ones, oldest first."""
        found = []
        for place in sorted(self.folder.iterdir()):
            if place.name.startswith(".") or not (place / "backup.json").is_file():
                continue
            found.append(Backup(folder=place, about=json.loads((place / "backup.json").read_text(encoding="utf-8"))))
        return found

    def find(self, name: str | None) -> Backup:
        """The backup of that name, or the newest. Raises UsageError."""
        backups = self.backups()
        if not backups:
            raise UsageError(f"{self.folder}: no whole backup is there")
        if name is None:
            return backups[-1]
        for backup in backups:
            if backup.name == name:
                return backup
        raise UsageError(f"{self.folder}: there is no {name}; the newest is {backups[-1].name}")

    def halves(self) -> list[Path]:
        """What backups that were broken off left."""
        return [place for place in self.folder.iterdir() if place.name.endswith(PART) and place.is_dir()]

    def object(self, sha256: str) -> Path:
        return self.folder / "objects" / sha256[:2] / sha256

    def put(self, source: Path) -> Entry:
        """Store a file's content; the entry has the path as given. Raises NotPlain, OSError."""
        handle, status = open_plain(source)
        digest, length = hashlib.sha256(), 0
        with (
            os.fdopen(handle, "rb") as file,
            part_file(self.folder / "objects" / "incoming", durable=False) as (part, copy),
        ):
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                copy.write(chunk)
                length += len(chunk)
        target = self.object(digest.hexdigest())
        target.parent.mkdir(exist_ok=True)
        part.replace(target)
        return Entry(
            path=str(source),
            size=length,
            mtime_ns=status.st_mtime_ns,
            mode=status.st_mode & 0o777,
            sha256=digest.hexdigest(),
        )

    def is_whole(self, sha256: str, size: int) -> bool:
        """Whether the object is there and has its hash."""
        place = self.object(sha256)
        try:
            return place.stat().st_size == size and sha256_of(place) == sha256
        except OSError:
            return False

    def fetch(self, entry: Entry, target: Path) -> None:
        """Put a file back at `target`, whole or not at all. Raises BadBackup where the object is not what it was,
        OSError."""
        place = self.object(entry.sha256)
        digest = hashlib.sha256()
        try:
            handle, _ = open_plain(place)
        except OSError as error:
            raise BadBackup(f"{place}: {error.strerror}") from error
        target.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(handle, "rb") as file, part_file(target, by="-restored", durable=False) as (part, copy):
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                copy.write(chunk)
            if digest.hexdigest() != entry.sha256:
                raise BadBackup(f"{place}: is damaged")
        part.chmod(entry.mode)
        os.utime(part, ns=(entry.mtime_ns, entry.mtime_ns))
        part.replace(target)

    def keep(self, most: int) -> tuple[int, int]:
        """Let the oldest backups go beyond so many, and the objects that no backup names any more; how many of each."""
        old = self.backups()[:-most]
        for backup in old:
            half = backup.folder.with_name(f".{backup.name}{PART}")
            backup.folder.rename(half)
            sync_folder(self.folder)
            shutil.rmtree(half)
        if not old:
            return 0, 0
        named = {entry.sha256 for backup in self.backups() for entry in backup.entries()}
        removed = 0
        for place in (self.folder / "objects").glob("??/*"):
            if place.name not in named:
                place.unlink()
                removed += 1
        return len(old), removed


def write_list(place: Path, entries: Iterable[Entry]) -> None:
    with place.open("w", encoding="utf-8") as file:
        for entry in entries:
            file.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")
