"""What systemd is told of the daemon (sd_notify(3)): that it is ready, alive, stopping."""

from __future__ import annotations

import logging
import os
import socket

from soundmill.faults import passing

log = logging.getLogger(__name__)


def notify(message: str) -> None:
    """As `tell`; a notice that nobody takes is lost and logged."""
    try:
        tell(message)
    except OSError as error:
        log.warning("systemd was not told %s: %s", message, error)


def tell(message: str) -> None:
    """Does nothing outside a unit, and never waits. Raises OSError when nobody takes the notice."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    passing("systemd.tell")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.sendall(message.encode())
