"""`soundmill restore`: a home as a backup has it; or single takes that a home lacks.

The catalogue comes last. A mark in the home, put there first, says that a restore was broken off: no daemon starts
while it is there, and the same restore goes on where it was.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from soundmill.catalog.keeping import snapshot
from soundmill.commands.keeping.store import Backup, BadBackup, Entry, Store
from soundmill.disk import files_below, part_of, sha256_of, sync_folder, unavailable, write_whole
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home, lock_home
from soundmill.words import count

ASIDE = "before-restore"


def restore(home: Home, folder: Path, name: str | None, *, force: bool, say: Callable[[str], None]) -> None:
    """Put a backup back: the newest, or the one of that name. With `force` also where the home is in use already: its
    catalogue and settings are moved aside, files in the way of those of the backup are replaced, others are left.

    Raises UsageError where the home is in use, or the folder has no such backup, HomeInUse while a daemon works there,
    BadBackup where it is not whole (nothing was changed then), StorageUnavailable, and SoundmillError at the end where
    files of the backup are damaged.
    """
    backup = Store(folder).find(name)
    backup.check()
    snapshot.must_be_whole(backup.catalog)
    try:
        home.root.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(lock_home(home, to_restore=True)):
            if not force and not _goes_on(home, backup):
                _must_be_empty(home)
            write_whole(home.half_restored, json.dumps({"backup": str(backup.folder.absolute())}).encode())
            sync_folder(home.root)
            damaged, put, kept = _put_back(home, Store(folder), backup)
            os.sync()
            home.half_restored.unlink()
            sync_folder(home.root)
    except OSError as error:
        raise unavailable(Path(os.fsdecode(error.filename or home.root)), error) from error
    there = f", {count(kept, 'file')} were there already" if kept else ""
    say(f"{home.root}: restored from {backup.folder}: {count(put, 'file')}{there}; checked")
    for fault in backup.about["faults"]:
        say(f"{fault} when the backup was made")
    if damaged:
        for each in damaged:
            say(each)
        raise SoundmillError(f"{backup.folder}: {count(len(damaged), 'file')} not restored; try an older backup")


def _goes_on(home: Home, backup: Backup) -> bool:
    """Whether a restore of this backup was broken off here. Raises UsageError where it was one of another backup."""
    try:
        of = json.loads(home.half_restored.read_text(encoding="utf-8"))["backup"]
    except FileNotFoundError:
        return False
    if of != str(backup.folder.absolute()):
        raise UsageError(f"{home.root}: a restore of {of} was broken off here: end that one, or begin with --force")
    return True


def _must_be_empty(home: Home) -> None:
    in_use = home.catalog.exists()
    for folder in (home.inbox, home.outputs):
        if folder.is_dir():
            in_use = in_use or any(folder / inside != home.marker for inside, _ in files_below(folder))
    if in_use:
        raise UsageError(
            f"{home.root}: is in use; restore into another home (--home DIR), or with --force, which replaces its "
            "catalogue and files"
        )


def _put_back(home: Home, store: Store, backup: Backup) -> tuple[list[str], int, int]:
    """What could not be put back, and how many files were, or were there already."""
    home.create()
    if not _has(home.catalog, backup.catalog.stat().st_size, backup.about["sha256"]["catalog.db"]):
        _move_catalogue_aside(home.catalog)
    damaged, put, kept = [], 0, 0
    for entry in backup.entries():
        target = home.root / entry.path
        if _has(target, entry.size, entry.sha256):
            kept += 1
            continue
        if target == home.config_file and target.exists():
            target.rename(_aside(target))
        try:
            store.fetch(entry, target)
        except BadBackup as error:
            damaged.append(f"{entry.path}: {error}")
        else:
            put += 1
    part = part_of(home.catalog)
    shutil.copyfile(backup.catalog, part)
    snapshot.must_be_whole(part)
    os.sync()
    part.replace(home.catalog)
    return damaged, put + 1, kept


def _move_catalogue_aside(catalog: Path) -> None:
    """With its write-ahead log, which SQLite looks for by name; the catalogue last, so that it may be repeated."""
    target = _aside(catalog)
    for end in ("-wal", "-shm", ""):
        place = catalog.with_name(catalog.name + end)
        if place.exists():
            place.rename(target.with_name(target.name + end))


def _aside(place: Path) -> Path:
    """A name that nothing has, for what is there now."""
    for number in itertools.count(1):
        target = place.with_name(f"{place.name}.{ASIDE}" + (f"-{number}" if number > 1 else ""))
        if not target.exists():
            return target
    raise AssertionError("count does not end")


def _has(place: Path, length: int, sha256: str) -> bool:
    try:
        return place.stat().st_size == length and sha256_of(place) == sha256
    except OSError:
        return False


def restore_missing(home: Home, folder: Path, say: Callable[[str], None]) -> None:
    """Put those files of takes back that are missing or damaged in a home, while its daemon runs or not.

    Raises UsageError, CatalogError, StorageUnavailable, and SoundmillError where some are in no backup.
    """
    store = Store(folder)
    wanting = {f"outputs/{path}": sha256 for path, sha256 in _wanting(home)}
    found: dict[str, Entry] = {}
    for backup in reversed(store.backups()):
        for entry in backup.entries():
            take = entry.path.removesuffix(".json")
            if take not in wanting or entry.path in found:
                continue
            if entry.path != take or entry.sha256 == wanting[take]:
                found[entry.path] = entry
    put, lacking = 0, []
    for path, sha256 in wanting.items():
        try:
            sidecar = home.root / f"{path}.json"
            if f"{path}.json" in found and not sidecar.exists():
                store.fetch(found[f"{path}.json"], sidecar)
            if path not in found:
                raise BadBackup(f"no backup has it with the hash {sha256[:12]}…")
            store.fetch(found[path], home.root / path)
            sync_folder((home.root / path).parent)
            put += 1
        except BadBackup as error:
            lacking.append(f"{path}: {error}")
        except OSError as error:
            raise unavailable(home.root / path, error) from error
    say(f"{home.root}: {count(put, 'take')} put back" if wanting else f"{home.root}: no take is missing or damaged")
    for each in lacking:
        say(each)
    if lacking:
        raise SoundmillError(f"{folder}: {count(len(lacking), 'take')} could not be put back")


def _wanting(home: Home) -> Iterator[tuple[str, str]]:
    for take in snapshot.filed(home.catalog):
        if take.pruned or take.moving:
            continue
        if not _has(home.outputs / take.path, take.size_bytes, take.sha256):
            yield take.path, take.sha256
