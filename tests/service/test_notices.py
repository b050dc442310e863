"""What systemd is told must never hold up or end the daemon."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.conftest import drop
from service.test_crash import daemon, rows, wait_until
from soundmill.catalog.catalog import Catalog
from soundmill.home import Home
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


def test_a_daemons_life_is_told_from_its_start_to_its_stop(listener: socket.socket, home: Home) -> None:
    """What stands in for systemd where none runs: Type=notify with a watchdog."""
    with listener, daemon(home) as process:
        assert listener.recv(100) == b"READY=1"
        assert listener.recv(100) == b"WATCHDOG=1"
        process.send_signal(signal.SIGHUP)
        drop(home, "a.csv", 1)
        wait_until(lambda: rows(home, "SELECT n_succeeded FROM batches") == [(1,)])
        process.terminate()
        last = b"WATCHDOG=1"
        while last == b"WATCHDOG=1":
            last = listener.recv(100)
        assert last == b"STOPPING=1" and process.wait(20) == 0


def test_a_sites_life_is_told_while_it_answers(listener: socket.socket, home: Home) -> None:
    Catalog.open(home.catalog, clock=time.time).close()
    command = [sys.executable, "-m", "soundmill", "--home", str(home.root), "web", "--port", "0"]
    with listener, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        listener.settimeout(30)
        try:
            assert {listener.recv(100) for _ in range(2)} == {b"READY=1\nWATCHDOG=1"}
            process.send_signal(signal.SIGSTOP)
            listener.settimeout(3)
            with pytest.raises(TimeoutError):
                while True:  # what was said before
                    listener.recv(100)
        finally:
            process.kill()
