"""The outputs folder: a take is there whole or not at all, and nothing is written outside it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from soundmill.catalog.rows import plain
from soundmill.disk import PART, gone_if_it_fails, sync_folder, unavailable, write_part
from soundmill.errors import StorageUnavailable
from soundmill.faults import passing
from soundmill.jobs import AudioFormat

NAME_MAX = 255  # bytes in one name, on every file system in common use


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledTake:
    """A take on disk. `path` is relative to the outputs folder."""

    path: str
    size_bytes: int
    sha256: str


def take_path(batch: str, name: str, format: AudioFormat, quarantined: bool, attempt: int) -> str:
    """Where a take belongs: `<batch>/<name>.wav`, or `<batch>/quarantine/<name>.take2.wav`.

    A quarantined take bears its attempt, because a job may have several. Raises ValueError for
    names that are no plain file names.
    """
    for part in (batch, name):
        _check_name(part)
    file = f"{name}.take{attempt}.{format.value}" if quarantined else f"{name}.{format.value}"
    path = "/".join((batch, "quarantine", file) if quarantined else (batch, file))
    relative_parts(path)
    return path


def file_take(outputs: Path, relative: str, audio: bytes, sidecar: Mapping[str, object]) -> FiledTake:
    """Put a take and its sidecar (`<file>.json`) in place, durably: when this returns, a power cut loses neither.

    The audio is renamed last, so an audio file always has its sidecar. Raises StorageUnavailable
    when the disk cannot take them, and ValueError for a path that is not inside `outputs`.
    """
    parts = relative_parts(relative)
    text = _compact(sidecar)
    try:
        folder = open_folder(outputs, parts[:-1])
        details, take = folder / f"{parts[-1]}.json", folder / parts[-1]
        passing("shelf.write")
        with (
            gone_if_it_fails(write_part(details, text.encode())) as sidecar_part,
            gone_if_it_fails(write_part(take, audio)) as audio_part,
        ):
            passing("shelf.sidecar")
            sidecar_part.replace(details)
            passing("shelf.audio")
            audio_part.replace(take)
        passing("shelf.sync")
        sync_folder(folder)
        passing("shelf.sync.done")
    except OSError as error:
        raise unavailable(outputs / relative, error) from error
    return FiledTake(path=relative, size_bytes=len(audio), sha256=hashlib.sha256(audio).hexdigest())


def _compact(sidecar: Mapping[str, object]) -> str:
    """JSON with a line a key: to be read by people, too, and in one block of most disks."""
    lines = (
        f"{json.dumps(key)}:{json.dumps(plain(value), ensure_ascii=False, separators=(',', ':'))}"
        for key, value in sidecar.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def discard(outputs: Path, relative: str) -> None:
    """Remove a take that was not to be, with its sidecar; nothing there is fine."""
    parts = relative_parts(relative)
    try:
        for name in (relative, f"{relative}.json"):
            passing("shelf.discard")
            (outputs / name).unlink(missing_ok=True)
        sync_folder(outputs.joinpath(*parts[:-1]))
    except FileNotFoundError:
        return
    except OSError as error:
        raise unavailable(outputs / relative, error) from error


def is_of(outputs: Path, relative: str, attempt: int) -> bool:
    """Whether what lies there is this attempt's: its sidecar says of no other. A power cut may have taken that."""
    try:
        details = json.loads((outputs / f"{relative}.json").read_bytes())
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    return isinstance(details, dict) and details.get("attempt") == attempt


def sweep_parts(outputs: Path) -> int:
    """Remove the part files a dead daemon left; how many. Call it before anything is written."""
    swept = 0
    for folder, _, names in os.walk(outputs):
        for name in names:
            if name.endswith(PART):
                with suppress(OSError):  # what cannot be removed does no harm, and probe() tells of a bad disk
                    passing("shelf.sweep")
                    Path(folder, name).unlink()
                    swept += 1
    return swept


def probe(outputs: Path, min_free_bytes: int) -> None:
    """Raise StorageUnavailable unless a file can be written durably and `min_free_bytes` stay free."""
    try:
        free = shutil.disk_usage(outputs).free
        if free < min_free_bytes:
            raise StorageUnavailable(
                f"{outputs}: only {free / 1e6:.0f} MB free, and {min_free_bytes / 1e6:.0f} MB must be: make room"
            )
        passing("shelf.probe")
        write_part(outputs / "probe", b"soundmill").unlink()
    except OSError as error:
        raise unavailable(outputs, error) from error


def relative_parts(relative: str) -> tuple[str, ...]:
    """The names in a relative path, each of them harmless."""
    parts = tuple(relative.split("/"))
    for part in parts:
        _check_name(part)
    if len(parts) < 2 or PurePosixPath(relative).is_absolute():
        raise ValueError(f"{relative!r}: a take belongs in its batch's folder")
    return parts


def _check_name(name: str) -> None:
    harmless = name not in ("", ".", "..") and not set(name) & set("/\\") and name.isprintable()
    if not harmless or len(name.encode()) > NAME_MAX - len(".json"):
        raise ValueError(f"{name!r} cannot be a file name in the outputs folder")


def open_folder(outputs: Path, names: tuple[str, ...]) -> Path:
    """Make the folder of a take. The outputs folder itself is not made: when it is missing its disk is
    not mounted, and files written in its place would vanish under the mount."""
    folder = outputs
    if not outputs.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(outputs))
    through_a_link = False
    for name in names:
        parent, folder = folder, folder / name
        try:
            passing("shelf.folder")
            folder.mkdir()
            sync_folder(parent)
        except FileExistsError:
            if not folder.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
            through_a_link = through_a_link or folder.is_symlink()
    if through_a_link and not folder.resolve().is_relative_to(outputs.resolve()):
        raise StorageUnavailable(f"{folder}: leads out of {outputs} by a link: remove the link")
    return folder
