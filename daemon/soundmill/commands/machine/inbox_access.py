"""Who may drop files: a group owns the inbox, and what its people put there is for the daemon to read."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from soundmill.home import Home

DROPPED, ASKED = ("inbox",), ("inbox", ".control")
# What is made in these folders has their group (the bit 2000). Droppers see what became of their files and hear what
# came of them; what is claimed is the daemon's own.
MODES = {
    DROPPED: 0o2770,
    ("inbox", "accepted"): 0o2750,
    ("inbox", "rejected"): 0o2750,
    ("outputs",): 0o2750,
    ASKED: 0o2770,
}
# acl(5) as the kernel keeps it (linux/posix_acl_xattr.h): a version, then tag, permissions and id of each entry.
ACL, ACL_VERSION, NOBODY = "system.posix_acl_default", 2, 0xFFFFFFFF
OWNER, USER, GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20
READ_WRITE_GO = 7


def open_inbox(home: Home, uid: int, droppers: int, askers: int) -> list[str]:
    """Let the group `droppers` drop files into a home of the user's, who reads them whatever umask they were made with,
    and the group `askers` leave word for the daemon: those who read the catalogue.

    Returns what could not be done, in sentences. Raises OSError.
    """
    notes = []
    for names, mode in MODES.items():
        try:
            with _opened(home.root, names) as handle:
                os.fchown(handle, uid, askers if names == ASKED else droppers)
                os.fchmod(handle, mode)
                if names in (DROPPED, ASKED):
                    os.setxattr(handle, ACL, default_acl(uid))
        except OSError as error:
            folder = home.root.joinpath(*names)
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                notes.append(f"{folder}: is a link, which is not followed; give what it leads to its group yourself")
            elif error.errno == errno.ENOTSUP:
                notes.append(
                    f"{folder}: its file system has no access lists: files must be readable for their group "
                    "(umask 027 or less), or they are rejected"
                )
            else:
                raise
    return notes


def default_acl(uid: int) -> bytes:
    """For files made in a folder: owner, group and one more user read and write, others nothing."""
    entries = [
        (OWNER, READ_WRITE_GO, NOBODY),
        (USER, READ_WRITE_GO, uid),
        (GROUP, READ_WRITE_GO, NOBODY),
        (MASK, READ_WRITE_GO, NOBODY),
        (OTHERS, 0, NOBODY),
    ]
    return struct.pack("<I", ACL_VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@contextmanager
def _opened(root: Path, names: Sequence[str]) -> Iterator[int]:
    """A folder below `root`, without following a link: root could be led by one to open up something else."""
    how = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    with ExitStack() as opened:
        handle = os.open(root, how)
        opened.callback(os.close, handle)
        for name in names:
            handle = os.open(name, how, dir_fd=handle)
            opened.callback(os.close, handle)
        yield handle
