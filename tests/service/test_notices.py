"""What systemd is told must never hold up or end the daemon."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from soundmill.service.systemd import notify


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    address = str(tmp_path / "notify")
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(address)
    heard.settimeout(5)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    return heard


def test_what_is_said_is_heard(listener: socket.socket) -> None:
    with listener:
        notify("READY=1")
        assert listener.recv(100) == b"READY=1"


def test_a_socket_that_nobody_reads_delays_nothing(listener: socket.socket) -> None:
    """A datagram socket holds few messages; the daemon pings four times a second."""
    with listener:
        for _ in range(2000):
            notify("WATCHDOG=1")
        assert listener.recv(100) == b"WATCHDOG=1"


def test_a_socket_that_is_gone_ends_nothing(listener: socket.socket) -> None:
    address = Path(listener.getsockname())
    listener.close()
    notify("WATCHDOG=1")  # refused
    address.unlink()
    notify("WATCHDOG=1")  # not there
