"""`soundmill verify`: every take's row has its file with its hash, every file its row; and what to do where not."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from stat import S_ISREG

from soundmill.catalog.keeping import snapshot
from soundmill.catalog.keeping.snapshot import Filed
from soundmill.commands import terminal as show
from soundmill.commands.keeping.store import BadBackup, Store
from soundmill.disk import files_below, sha256_of
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home, daemon_running
from soundmill.jobs import AudioFormat
from soundmill.words import count, size

AUDIO = tuple(f".{each.value}" for each in AudioFormat)
YOUNG_S = 60.0  # a file that a running daemon has made just now may be without its row for a moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong. `path` is relative to the home."""

    kind: str
    path: str
    message: str
    mend: str


def verify(home: Home, *, quick: bool, as_json: bool, now: Callable[[], float], say: Callable[[str], None]) -> None:
    """Compare the catalogue with the outputs folder and print what is wrong, with the mend of each. `quick` goes by
    sizes and reads no audio.

    Raises UsageError where there is no catalogue, SoundmillError when something is wrong.
    """
    if not home.catalog.is_file():
        raise UsageError(f"{home.root}: there is nothing to verify; its catalogue is not there")
    findings = [_damaged(fault) for fault in snapshot.faults(home.catalog)]
    takes: list[Filed] = []
    if home.half_restored.exists():
        findings.append(
            Finding(
                kind="half restored",
                path=home.half_restored.name,
                message="a restore was broken off here",
                mend="run the same soundmill restore again",
            )
        )
    if not findings:
        takes = snapshot.filed(home.catalog)
        found = {each.path: each for each in _look(home, takes, quick=quick, now=now())}
        if found:  # a daemon may have moved, pruned or filed them meanwhile: what is wrong still is, is wrong
            again = snapshot.filed(home.catalog)
            now_there = {each.path for each in _look(home, again, quick=quick, now=now(), only=set(found))}
            findings += [each for path, each in found.items() if path in now_there]
    whole = [take for take in takes if not take.pruned]
    wrong = sum(each.kind in ("missing", "damaged") for each in findings)
    audio = sum(take.size_bytes for take in whole)
    if as_json:
        show.print_json(
            {"takes": len(whole), "bytes": audio, "quick": quick, "findings": [asdict(each) for each in findings]}
        )
    else:
        for each in findings:
            say(f"{each.kind}: {each.path}: {each.message}; {each.mend}")
        how = "by size" if quick else "by hash"
        say(f"{len(whole) - wrong:,} of {count(len(whole), 'take')} whole ({how}), {size(audio)}")
    if findings:
        raise SoundmillError(f"{home.root}: {count(len(findings), 'finding')}")


def verify_backups(folder: Path, *, as_json: bool, say: Callable[[str], None]) -> None:
    """Read every file that a whole backup names. Raises UsageError, SoundmillError when something is wrong."""
    store = Store(folder)
    findings, checked = [], dict[str, bool]()
    for half in store.halves():
        say(f"{half.name}: was broken off; the next backup removes it") if not as_json else None
    for backup in store.backups():
        try:
            backup.check()
            for fault in snapshot.faults(backup.catalog):
                raise BadBackup(f"{backup.catalog}: {fault}")
        except BadBackup as error:
            findings.append(Finding(kind="damaged", path=backup.name, message=str(error), mend="take another backup"))
            continue
        for entry in backup.entries():
            if entry.sha256 not in checked:
                checked[entry.sha256] = store.is_whole(entry.sha256, entry.size)
            if not checked[entry.sha256]:
                place = store.object(entry.sha256)
                findings.append(
                    Finding(
                        kind="damaged",
                        path=f"{backup.name}: {entry.path}",
                        message=f"{place} is missing or damaged",
                        mend=f"delete it ({shlex.join(['rm', '-f', str(place)])}): the next backup copies it again",
                    )
                )
    if as_json:
        show.print_json({"files": len(checked), "findings": [asdict(each) for each in findings]})
    else:
        for each in findings:
            say(f"{each.kind}: {each.path}: {each.message}; {each.mend}")
        say(f"{count(len(store.backups()), 'backup')}, {count(len(checked), 'file')} read")
    if findings:
        raise SoundmillError(f"{folder}: {count(len(findings), 'finding')}")


def _damaged(fault: str) -> Finding:
    return Finding(
        kind="catalogue damaged",
        path="catalog.db",
        message=fault,
        mend="stop the daemon, then: soundmill restore DIR --force",
    )


def _look(home: Home, takes: list[Filed], *, quick: bool, now: float, only: set[str] | None = None) -> list[Finding]:
    """What is wrong; with `only`, of these paths."""
    found = []
    rows = {f"outputs/{take.path}": take for take in takes}
    moving = {take.path for take in takes if take.moving}
    for path, take in rows.items():
        if (only is None or path in only) and take.path not in moving:
            found += _of_row(home, path, take, quick=quick)
    moved = {f"{batch}/" for batch in (path.partition("/")[0] for path in moving)}
    running = daemon_running(home)
    for inside, status in files_below(home.outputs):
        path = f"outputs/{inside}"
        take_path = path.removesuffix(".json")
        if (only is not None and path not in only) or not take_path.endswith(AUDIO) or take_path in rows:
            continue
        if (running and now - status.st_mtime < YOUNG_S) or any(inside.startswith(batch) for batch in moved):
            continue
        found.append(
            Finding(
                kind="no row",
                path=path,
                message="no row of the catalogue knows it",
                mend=f"if it is nothing of yours: {shlex.join(['rm', str(home.root / path)])}",
            )
        )
    return found


def _of_row(home: Home, path: str, take: Filed, *, quick: bool) -> list[Finding]:
    place = home.root / path
    lost = (
        "soundmill restore DIR --missing takes it from a backup; "
        f"soundmill rerun {shlex.quote(take.job)} --save FILE makes it again"
    )
    try:
        status = place.lstat()
        if take.pruned:
            mend = f"free the room: {shlex.join(['rm', str(place)])}"
            return [Finding(kind="pruned", path=path, message="was pruned, and its file is still there", mend=mend)]
        if not S_ISREG(status.st_mode):
            return [Finding(kind="damaged", path=path, message="is not a plain file", mend=lost)]
        if status.st_size != take.size_bytes:
            message = f"has {status.st_size:,} bytes instead of {take.size_bytes:,}"
            return [Finding(kind="damaged", path=path, message=message, mend=lost)]
        if not quick and sha256_of(place) != take.sha256:
            return [Finding(kind="damaged", path=path, message="has another hash than its row says", mend=lost)]
    except FileNotFoundError:
        return [] if take.pruned else [Finding(kind="missing", path=path, message="is not there", mend=lost)]
    except OSError as error:
        mend = f"make it readable, or: {lost}"
        return [Finding(kind="damaged", path=path, message=f"cannot be read ({error.strerror})", mend=mend)]
    return []
