"""What systemd is told of the daemon and of the site (sd_notify(3)): that it is ready, alive, stopping."""

from __future__ import annotations

import logging
import os
import socket

from soundmill.faults import passing

log = logging.getLogger(__name__)


def listens() -> bool:
    """Whether systemd wants to be told: it started this process as a unit of that kind."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def notify(message: str) -> None:
    """As `tell`; a notice that nobody takes is lost and logged."""
    try:
        tell(message)
    except OSError as error:
        log.warning("systemd was not told %s: %s", message, error)


def extend(seconds: float) -> None:
    """Ask for so much time for what is under way, the start or the stop."""
    notify(f"EXTEND_TIMEOUT_USEC={seconds * 1_000_000:.0f}")


def tell(message: str) -> None:
    """Does nothing outside a unit, and never waits. Raises OSError when nobody takes the notice."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    passing("systemd.tell")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.sendall(message.encode())
