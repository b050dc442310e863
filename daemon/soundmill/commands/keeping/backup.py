"""`soundmill backup`: everything of a home as of one moment, while the daemon runs.

Files that wait in the inbox are read before the catalogue is copied, all others after it, so that every file dropped
before the backup began is in it as a file, as a batch, or as both (it is then refused as a repetition). Where the
daemon moved or pruned takes meanwhile, the catalogue is copied once more. Files are copied, not linked: who edits a
take in the outputs folder would edit its backup.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from soundmill import __version__
from soundmill.catalog.keeping import snapshot
from soundmill.catalog.keeping.snapshot import Filed
from soundmill.commands.keeping.store import Entry, Store, write_list
from soundmill.commands.keeping.verify import AUDIO, YOUNG_S
from soundmill.disk import PART, NotPlain, files_below, is_below, sha256_of, sync_folder, unavailable
from soundmill.errors import CatalogError, SoundmillError, StorageUnavailable, UsageError
from soundmill.home import Home
from soundmill.words import count, size

CLAIMED, CONTROL = "inbox/.claimed/", "inbox/.control/"
ROUNDS = 5  # copies of the catalogue, where takes are moved or pruned all the while


@dataclass(slots=True)
class Making:
    """A backup in the making. `found` are its entries by path, `new` those objects that it brought."""

    store: Store
    former: dict[str, Entry]
    believed: set[str]
    found: dict[str, Entry] = field(default_factory=dict)
    new: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def add(self, path: str, file: Path, status: os.stat_result, sha256: str | None) -> None:
        """Take in a file of the home; `sha256` is what the catalogue says of it. One that has gone is left out."""
        before = self.former.get(path)
        if sha256 is None and before and (before.size, before.mtime_ns) == (status.st_size, status.st_mtime_ns):
            sha256 = before.sha256
        if sha256 is not None and self._has(sha256, status.st_size):
            entry = Entry(
                path=path,
                size=status.st_size,
                mtime_ns=status.st_mtime_ns,
                mode=status.st_mode & 0o777,
                sha256=sha256,
            )
            if entry == before:
                entry = before  # of millions of files one copy in memory is enough
        else:
            try:
                entry = replace(self.store.put(file), path=path)
            except FileNotFoundError:
                return
            except NotPlain:
                self.left_out.append(path)
                return
            self.believed.add(entry.sha256)
            self.new[entry.sha256] = entry.size
        self.found[path] = entry

    def _has(self, sha256: str, length: int) -> bool:
        if sha256 not in self.believed and self.store.is_whole(sha256, length):
            self.believed.add(sha256)
            self.new[sha256] = length  # of a backup that was broken off
        try:
            return sha256 in self.believed and self.store.object(sha256).stat().st_size == length
        except OSError:
            return False


def backup(home: Home, folder: Path, *, keep: int | None, now: Callable[[], float], say: Callable[[str], None]) -> None:
    """Back a home up into `folder`, beside earlier backups; of the oldest no more than `keep` stay.

    Raises UsageError where the folder cannot be one of backups, StorageUnavailable where it cannot be written,
    CatalogError, and SoundmillError at the end where the home lacks files or has damaged ones: the backup is then as
    good as its home.
    """
    if not home.catalog.is_file():
        raise UsageError(f"{home.root}: there is nothing to back up; its catalogue is not there")
    if is_below(folder, (home.inbox, home.outputs)):
        raise UsageError(f"{folder}: is in the home's inbox or outputs; name a folder on another disk")
    try:
        store = Store.create(folder)
        with store.locked():
            making, faults = _make(home, store, now(), say)
            if keep is not None and not faults:
                gone, objects = store.keep(keep)
                if gone:
                    say(f"{count(gone, 'older backup')} removed, with {count(objects, 'file')} that no other has")
    except (CatalogError, StorageUnavailable, UsageError):
        raise
    except OSError as error:
        raise unavailable(Path(os.fsdecode(error.filename or folder)), error) from error
    for path in making.left_out:
        say(f"left out: {path}: is not a plain file")
    if faults:
        for fault in faults[:20]:
            say(fault)
        raise SoundmillError(
            f"{home.root}: {count(len(faults), 'take')} missing or damaged there; soundmill verify says what to do"
        )


def _make(home: Home, store: Store, now: float, say: Callable[[str], None]) -> tuple[Making, list[str]]:
    for half in store.halves():
        shutil.rmtree(half)
    earlier = store.backups()
    former = {entry.path: entry for entry in earlier[-1].entries()} if earlier else {}
    making = Making(store, former, {entry.sha256 for entry in former.values()})
    name = _free_name(store, now)
    part = store.folder / f".{name}{PART}"
    part.mkdir()
    _add_waiting(home, making)
    takes = _add_the_rest(home, making, part / "catalog.db", now)
    if takes and not any(path.startswith("outputs/") for path in making.found):
        raise StorageUnavailable(f"{home.outputs}: has none of the catalogue's takes: mount its disk, then back up")
    faults = _faults(making, takes, now)
    _leave_out_later_takes(home, making, takes, part.stat().st_ctime)  # both by the clock of the disks
    entries = sorted(making.found.values(), key=lambda entry: entry.path)
    write_list(part / "files.jsonl", entries)
    os.sync()  # once for all objects: a backup is whole or not at all, and thousands of fsyncs take minutes
    _read_again(making)
    about = {
        "soundmill": __version__,
        "made_at": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        "home": str(home.root),
        "takes": sum(not take.pruned for take in takes),
        "files": len(entries),
        "bytes": sum(entry.size for entry in entries),
        "new_files": len(making.new),
        "new_bytes": sum(making.new.values()),
        "faults": faults,
        "sha256": {name: sha256_of(part / name) for name in ("catalog.db", "files.jsonl")},
    }
    (part / "backup.json").write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    os.sync()
    part.rename(store.folder / name)
    sync_folder(store.folder)
    say(
        f"{store.folder / name}: {count(len(entries), 'file')}, {size(sum(entry.size for entry in entries))}; "
        f"new: {count(len(making.new), 'file')}, {size(sum(making.new.values()))}; checked"
    )
    return making, faults


def _free_name(store: Store, now: float) -> str:
    """Later than every name there is, so that the newest backup is the last by name, also where the date went back."""
    name = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H%M%SZ")
    last = max((backup.name for backup in store.backups()), default="")
    if name > last:
        return name
    stem, _, number = last.partition("+")
    return f"{stem}+{int(number or 1) + 1:06}"


def _add_waiting(home: Home, making: Making) -> None:
    """What lies in the inbox, is claimed or asks for something."""
    for inside, status in files_below(home.inbox):
        if not inside.startswith(("accepted/", "rejected/")):
            making.add(f"inbox/{inside}", home.inbox / inside, status, None)


def _still_to_be_done(home: Home, waiting: Mapping[str, Entry], copy: Path, began: float) -> dict[str, Entry]:
    """What of it the copied catalogue does not know yet."""
    contents, claims = snapshot.taken_in(copy, began - 1.0)
    claimed = {entry.sha256 for path, entry in waiting.items() if path.startswith(CLAIMED)}
    left = {}
    for path, entry in waiting.items():
        gone = not (home.root / path).exists()
        if path.startswith(CLAIMED):
            known = path.removeprefix(CLAIMED).partition("__")[0] in claims
        else:
            known = entry.sha256 in contents | claimed
        if not (gone and known):
            left[path] = entry
    return left


def _add_the_rest(home: Home, making: Making, copy: Path, began: float) -> list[Filed]:
    """The catalogue and all that it speaks of; the takes it has."""
    waiting = making.found
    for _ in range(ROUNDS):
        # A wish that has gone by now is in the copy; one that is there is at worst granted twice.
        waiting = {p: e for p, e in waiting.items() if not p.startswith(CONTROL) or (home.root / p).exists()}
        snapshot.copy(home.catalog, copy)
        takes = snapshot.filed(copy)
        hashes = {f"outputs/{take.path}": take.sha256 for take in takes if not take.pruned}
        making.found = _still_to_be_done(home, waiting, copy, began)
        for path, status in _kept(home):
            making.add(path, home.root / path, status, hashes.get(path))
        if hashes.keys() <= making.found.keys():
            break
        if {take.path for take in takes if not take.pruned} <= {
            take.path for take in snapshot.filed(home.catalog) if not take.pruned
        }:
            break  # they are missing, rather than moved or pruned just now
    return takes


def _kept(home: Home) -> Iterator[tuple[str, os.stat_result]]:
    if home.config_file.is_file():
        yield home.config_file.name, home.config_file.stat()
    for folder in (home.inbox / "accepted", home.inbox / "rejected", home.outputs):
        for inside, status in files_below(folder):
            yield f"{folder.relative_to(home.root)}/{inside}", status


def _faults(making: Making, takes: list[Filed], now: float) -> list[str]:
    """The takes that the home lacks or has damaged; those that an earlier backup had whole, this one has so, too."""
    found = []
    for take in takes:
        path = f"outputs/{take.path}"
        entry = making.found.get(path)
        if take.pruned or (entry is not None and entry.sha256 == take.sha256):
            continue
        fault = f"{'missing' if entry is None else 'damaged'}: {path}"
        if making.store.is_whole(take.sha256, take.size_bytes):
            made = Entry(path=path, size=take.size_bytes, mtime_ns=int(now * 1e9), mode=0o644, sha256=take.sha256)
            former = making.former.get(path)
            making.found[path] = former if former is not None and former.sha256 == take.sha256 else made
            fault += " (the backup has it from earlier)"
        found.append(fault)
    return found


def _leave_out_later_takes(home: Home, making: Making, takes: list[Filed], begun_at: float) -> None:
    """Takes that were filed or moved about when the catalogue was copied, and that it does not know, or not there: it
    knows their jobs as running, or the place they were moved from."""
    rows = {f"outputs/{take.path}" for take in takes}
    for path in [*making.found]:
        take = path.removesuffix(".json")
        if path.startswith("outputs/") and take.endswith(AUDIO) and take not in rows:
            try:
                if (home.root / path).lstat().st_ctime < begun_at - YOUNG_S:
                    continue  # no take of the daemon's: somebody keeps it there
            except FileNotFoundError:
                pass
            del making.found[path]


def _read_again(making: Making) -> None:
    """What was written is read from the disk and compared with its hash. Raises StorageUnavailable."""
    for sha256, length in making.new.items():
        place = making.store.object(sha256)
        with place.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # from the disk, not from memory
        if not making.store.is_whole(sha256, length):
            raise StorageUnavailable(f"{place}: is not what was written: check the disk (dmesg), then back up again")
