"""What a home's site keeps to itself, in the folder .site of the home: the secret that cookies are signed with, and the
one-time links by which somebody at this machine becomes its owner on the site.

A link is a random token. Its digest is the name of an empty file; whoever removes that file has used the link, so
it is used once, by whatever site of this home is asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

from soundmill.disk import read_plain, write_whole

LINK_S = 900.0  # how long a link may be used
LINK = "link-"
SECRET = "secret"
ADDRESS = "address"
MOST_BYTES = 4096
ENTRANCE = "/-/soundmill/enter"


def folder_of(home: Path) -> Path:
    return home / ".site"


def secret(folder: Path) -> str:
    """The secret of a home's site, made on first use. Raises OSError."""
    _make(folder)
    path = folder / SECRET
    with suppress(FileExistsError):
        _write_new(path, secrets.token_hex(32))
    return read_plain(path, MOST_BYTES).decode("ascii")


def new_link(folder: Path, now: float) -> str:
    """The token of a fresh link; those whose time is over are swept away. Raises OSError."""
    _make(folder)
    for path in folder.glob(f"{LINK}*"):
        if not _is_fresh(path, now):
            path.unlink(missing_ok=True)
    token = secrets.token_urlsafe(32)
    path = folder / _name(token)
    _write_new(path, "")
    os.utime(path, (now, now))
    return token


def use_link(folder: Path, token: str, now: float) -> bool:
    """Whether this token is that of a link that may still be used; it may not be from then on. Raises OSError."""
    path = folder / _name(token)
    try:
        fresh = _is_fresh(path, now)
        path.unlink()  # of several at the same time one succeeds
    except FileNotFoundError:
        return False
    return fresh


def note_address(folder: Path, url: str) -> None:
    """Keep where the site is, for whoever makes a link. Raises OSError."""
    _make(folder)
    write_whole(folder / ADDRESS, json.dumps({"url": url}).encode(), durable=False)


def address(folder: Path) -> str | None:
    """Where the site was last; None where none has been."""
    try:
        return str(json.loads(read_plain(folder / ADDRESS, MOST_BYTES))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def link(url: str, token: str) -> str:
    """The link itself, to a site that is at `url`."""
    return f"{url.rstrip('/')}{ENTRANCE}?token={token}"


def _name(token: str) -> str:
    return f"{LINK}{hashlib.sha256(token.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _is_fresh(path: Path, now: float) -> bool:
    with suppress(FileNotFoundError):
        return 0 <= now - path.stat().st_mtime <= LINK_S
    return False


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)


def _write_new(path: Path, text: str) -> None:
    """Only this user may read it, from its first moment on. Raises FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, text.encode("ascii"))
    finally:
        os.close(handle)
