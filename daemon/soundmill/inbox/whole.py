"""Inbox: when a file is whole.

A file is taken once it has rested: size, times and inode are what they were for as long as its signs ask.

    what it looks like \\ who has it open for writing     nobody         cannot be known   somebody
    whole                                                settle_s       5 x settle_s      patience_s
    its last row is complete but has no end of line      5 x settle_s   patience_s        5 x patience_s
    a part: empty, zeros, a row or YAML that stops       patience_s     5 x patience_s    5 x patience_s

and where it was seen to pause for longer than settle_s between two changes, and neither an open handle nor a missing
part explains that, at least three times the longest of these pauses, up to patience_s: who appends a row every two
seconds may do so again. What `soundmill submit` put there is whole, and rests for settle_s. After the wait a file is
taken as what it is, so that neither an editor that keeps its file open nor an empty file waits for ever.

Who has it open is asked of the kernel: a read lease is refused while anybody writes (fcntl(2), F_SETLEASE). Where it
is not to be had (other people's files, many file systems) /proc tells of the processes that may be looked into, and
finding none there proves nothing. Network file systems never prove it: the writer may sit at another machine.
"""

from __future__ import annotations

import codecs
import csv
import errno
import fcntl
import os
import signal
import stat
import sys
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path

import yaml

from soundmill.disk import open_plain
from soundmill.inbox.jobfile.recognize import TABLE_SUFFIXES, YAML_SUFFIXES
from soundmill.inbox.jobfile.table.archive import Archive, Unreadable

LOOKED_AT = 1 << 25  # bytes; of a larger file only the end is looked at
END = 1 << 16  # bytes
LONGEST_PARSED = 1 << 20  # bytes of YAML, a fifth of a second; of a longer one only the last line is looked at
DEEPEST = 50  # levels of YAML, as its reader takes them
SEVERAL = 5
PAUSES = 3
ZEROS = b"\0\0\0\0"  # no text has them, in whichever encoding
START_OF_ZIP = b"PK\x03\x04"
HOLE = bytes(2048)  # nothing that is packed has so many
END_OF_ZIP = b"PK\x05\x06"
# As /proc/self/mountinfo names them. A lease there is granted or refused for reasons of the protocol's own.
_SHARED = {
    "9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "prl_fs", "smb2", "smb3",
    "smbfs", "vboxsf", "virtiofs", "vmhgfs",
}  # fmt: skip
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Writers(Enum):
    """Who has a file open for writing."""

    NOBODY = auto()
    UNKNOWN = auto()
    SOMEBODY = auto()


class Look(Enum):
    """What a file's content looks like."""

    WHOLE = auto()
    OPEN_ENDED = auto()
    PART = auto()


def wait_s(look: Look, writers: Writers, *, longest_pause_s: float, settle_s: float, patience_s: float) -> float:
    """How long a file must have rested before it is taken; the table above."""
    several = min(SEVERAL * settle_s, patience_s)
    by_signs = {
        (Look.WHOLE, Writers.NOBODY): settle_s,
        (Look.WHOLE, Writers.UNKNOWN): several,
        (Look.OPEN_ENDED, Writers.NOBODY): several,
        (Look.WHOLE, Writers.SOMEBODY): patience_s,
        (Look.OPEN_ENDED, Writers.UNKNOWN): patience_s,
        (Look.PART, Writers.NOBODY): patience_s,
    }
    by_pauses = min(PAUSES * longest_pause_s, patience_s) if longest_pause_s > settle_s else 0.0
    return max(settle_s, by_pauses, by_signs.get((look, writers), SEVERAL * patience_s))


# -- what it looks like ------------------------------------------------------------------------


def look_at(path: Path) -> tuple[Look, str]:
    """What a file looks like, and what is missing in words. What cannot be read counts as whole: there is nothing to
    wait for."""
    try:
        handle, status = open_plain(path)
        with os.fdopen(handle, "rb") as file:
            cut = status.st_size > LOOKED_AT
            if cut:
                file.seek(-END, os.SEEK_END)
            data = file.read(LOOKED_AT)
    except OSError:
        return Look.WHOLE, ""
    return look(data, path.suffix.lower(), only_the_end=cut)


def look(data: bytes, suffix: str, *, only_the_end: bool = False) -> tuple[Look, str]:
    """As `look_at`, of the bytes of a file whose name ends in `suffix`."""
    if not data.strip(b"\0 \t\r\n" + codecs.BOM_UTF8):
        return Look.PART, "full of zeros" if b"\0" in data else "empty"
    if suffix not in TABLE_SUFFIXES + YAML_SUFFIXES:
        missing = _missing_of_workbook(data, only_the_end)
        return (Look.PART, missing) if missing else (Look.WHOLE, "")
    if data.startswith(START_OF_ZIP):
        return Look.WHOLE, ""  # no text at all, whatever its name says
    if ZEROS in data:
        return Look.PART, "zeros where text belongs"
    ended = data.endswith((b"\n", b"\r", b"\n\0", b"\r\0"))
    if only_the_end:
        missing = "" if ended else "a last line without an end"
    elif suffix in YAML_SUFFIXES:
        missing = _missing_of_yaml(data)
    else:
        missing = _missing_of_table(data, ended)
    if missing:
        return Look.PART, missing
    return (Look.WHOLE, "") if ended else (Look.OPEN_ENDED, "a last line without an end")


def _missing_of_workbook(data: bytes, only_the_end: bool) -> str:
    if HOLE in data or data.startswith(ZEROS):
        return "zeros where its content belongs"
    if only_the_end:
        return "" if END_OF_ZIP in data else "a workbook without its end"
    if not START_OF_ZIP.startswith(data[: len(START_OF_ZIP)]):
        return ""  # no workbook at all, whatever its name says
    try:
        Archive(data)
    except Unreadable:
        return "a workbook without its end"
    return ""


def _missing_of_table(data: bytes, ended: bool) -> str:
    lines = data.split(b"\n") if data.count(b"\n") else data.split(b"\r")
    header = next((line for line in lines if line.strip()), b"")
    delimiter = max((b",", b";", b"\t"), key=header.count).decode()
    if data.count(b'"') % 2 and _quote_is_open(data, delimiter):
        return "a quotation mark that is not closed"
    if ended:
        return ""
    return "a last row that stops early" if _cells(lines[-1], delimiter) < _cells(header, delimiter) else ""


def _quote_is_open(data: bytes, delimiter: str) -> bool:
    lines = data.decode("utf-8", "replace").splitlines(keepends=True)
    try:
        for _ in csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True):
            pass
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _cells(line: bytes, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line.decode("utf-8", "replace")], delimiter=delimiter, skipinitialspace=True), []))
    except csv.Error:
        return 0


def _missing_of_yaml(data: bytes) -> str:
    text = data.decode("utf-8-sig", "replace").rstrip()
    last = text.rpartition("\n")[2].strip()
    if last.endswith(":") and not last.startswith("#"):
        return "a key without its value at the end"
    if last == "-":
        return "a list's last item is missing"
    if len(data) > LONGEST_PARSED:
        return ""
    depth = 0
    try:
        for event in yaml.parse(text, _LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:  # is refused anyway, and the parser's time grows with the square of it
                return ""
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        lines = text.split("\n")
        if mark is not None and (mark.line, mark.column) >= (len(lines) - 1, len(lines[-1])):
            return "YAML that stops in the middle"
    except (yaml.YAMLError, ValueError, RecursionError):
        return ""
    return ""


# -- who writes --------------------------------------------------------------------------------


class Witness:
    """Asks who has files open for writing. /proc is read at most once in the life of one."""

    def __init__(self) -> None:
        self._open: set[tuple[int, int]] | None = None
        self._shared: dict[int, bool] = {}

    def writers_of(self, path: Path, status: os.stat_result) -> Writers:
        if not stat.S_ISREG(status.st_mode):
            return Writers.NOBODY
        if status.st_dev not in self._shared:
            self._shared[status.st_dev] = on_a_share(status.st_dev)
        shared = self._shared[status.st_dev]
        answer = Writers.UNKNOWN if shared else ask_for_lease(path)
        if answer is Writers.UNKNOWN and (status.st_dev, status.st_ino) in self._open_files():
            return Writers.SOMEBODY
        return answer

    def _open_files(self) -> set[tuple[int, int]]:
        if self._open is None:
            self._open = set(open_for_writing())
        return self._open


def ask_for_lease(path: Path) -> Writers:
    """Take a read lease; to close the file gives it back at once."""
    if sys.platform != "linux":
        return Writers.UNKNOWN
    try:
        handle, _ = open_plain(path)
    except OSError:
        return Writers.UNKNOWN
    try:
        # A writer who comes while we hold it has the kernel signal us. SIGIO, the usual one, would end the process;
        # this one is ignored by everybody who does not ask for it.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return Writers.SOMEBODY if error.errno == errno.EAGAIN else Writers.UNKNOWN
    finally:
        os.close(handle)
    return Writers.NOBODY


def open_for_writing(processes: Path = Path("/proc")) -> Iterator[tuple[int, int]]:
    """Device and inode of every file that a process of this machine writes to, as far as /proc may be looked into."""
    for process in processes.glob("[0-9]*"):
        try:
            handles = list((process / "fd").iterdir())
        except OSError:
            continue
        for handle in handles:
            try:
                status = handle.stat()
                if not stat.S_ISREG(status.st_mode):
                    continue
                info = (process / "fdinfo" / handle.name).read_text(encoding="ascii")
            except OSError:
                continue
            flags = next((line.split()[1] for line in info.splitlines() if line.startswith("flags:")), "0")
            if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
                yield status.st_dev, status.st_ino


def on_a_share(device: int, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether a device is a file system that others may write to from other machines, or one of user space."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    for line in lines:
        mount, _, source = line.partition(" - ")
        if mount.split()[2] == number:
            kind = source.split()[0]
            return kind in _SHARED or kind.startswith("fuse")
    return False
