"""What systemd is told: sd_notify(3), without its library."""

from __future__ import annotations

import os
import socket


def notify(message: str) -> None:
    """Tell systemd about readiness and life; does nothing outside a unit."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.sendall(message.encode())
