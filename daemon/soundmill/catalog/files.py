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
from soundmill.errors import StorageUnavailable
from soundmill.jobs import AudioFormat

PART = ".part"
NAME_MAX = 255  # bytes in one name, on every file system in common use
MENDS = {
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "the disk quota is used up: make room or raise it",
    errno.EROFS: "the disk is mounted read-only: remount it for writing",
    errno.EACCES: "this user may not write there: fix the folder's owner or mode",
    errno.EPERM: "this user may not write there: fix the folder's owner or mode",
    errno.ENOENT: "the folder is gone: mount its disk or make it again",
    errno.ENOTDIR: "a file stands where a folder should be: move it away",
    errno.EIO: "the disk failed: check it (dmesg) and its mount",
}


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
    text = json.dumps(plain(sidecar), ensure_ascii=False, indent=2) + "\n"
    try:
        folder = open_folder(outputs, parts[:-1])
        sidecar_part = _write_part(folder, f"{parts[-1]}.json", text.encode())
        try:
            audio_part = _write_part(folder, parts[-1], audio)
            try:
                sidecar_part.replace(folder / f"{parts[-1]}.json")
                audio_part.replace(folder / parts[-1])
            except BaseException:
                audio_part.unlink(missing_ok=True)
                raise
        except BaseException:
            sidecar_part.unlink(missing_ok=True)
            raise
        sync_folder(folder)
    except OSError as error:
        raise unavailable(outputs / relative, error) from error
    return FiledTake(path=relative, size_bytes=len(audio), sha256=hashlib.sha256(audio).hexdigest())


def discard(outputs: Path, relative: str) -> None:
    """Remove a take that was not to be, with its sidecar; nothing there is fine."""
    parts = relative_parts(relative)
    try:
        for name in (relative, f"{relative}.json"):
            (outputs / name).unlink(missing_ok=True)
        sync_folder(outputs.joinpath(*parts[:-1]))
    except FileNotFoundError:
        return
    except OSError as error:
        raise unavailable(outputs / relative, error) from error


def sweep_parts(outputs: Path) -> int:
    """Remove the part files a dead daemon left; how many. Call it before anything is written."""
    swept = 0
    for folder, _, names in os.walk(outputs):
        for name in names:
            if name.endswith(PART):
                with suppress(OSError):  # what cannot be removed does no harm, and probe() tells of a bad disk
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
        _write_part(outputs, "probe", b"soundmill").unlink()
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
    for name in names:
        parent, folder = folder, folder / name
        try:
            folder.mkdir()
            sync_folder(parent)
        except FileExistsError:
            if not folder.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
    if not folder.resolve().is_relative_to(outputs.resolve()):
        raise StorageUnavailable(f"{folder}: leads out of {outputs} by a link: remove the link")
    return folder


def _write_part(folder: Path, name: str, content: bytes) -> Path:
    """Write and fsync a hidden part file for `name`; gone again if that fails."""
    # Named by digest, because the name itself may already be as long as a name can be.
    part = folder / f".{hashlib.blake2b(name.encode(), digest_size=12).hexdigest()}{PART}"
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return part


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unavailable(path: Path, error: OSError) -> StorageUnavailable:
    mend = MENDS.get(error.errno or 0, "check the disk and its mount")
    return StorageUnavailable(f"{path}: {error.strerror or error}: {mend}")
