"""The daemon's heartbeat: real daemons that are killed, held and cut off from their catalogue, and who notices."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from publish.conftest import fetch
from service.conftest import home  # noqa: F401  # a fixture
from service.test_crash import daemon, rows, wait_until
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.connection import transaction
from soundmill.config import Config
from soundmill.engine.protocol import Engine
from soundmill.errors import EngineNotStarted
from soundmill.home import Home
from soundmill.publish import site
from soundmill.publish.health import pulse
from soundmill.service.daemon import Service
from soundmill.service.telling.heartbeat import Heartbeat

TOLD_WITHIN_S = 10.0


@contextlib.contextmanager
def a_site(home: Home) -> Iterator[site.Site]:  # noqa: F811
    started = site.start(home.catalog, home.outputs, "127.0.0.1", 0, log=subprocess.DEVNULL)  # type: ignore[arg-type]
    try:
        assert site.wait_until_up("127.0.0.1", started.port, 60.0)
        yield started
    finally:
        started.stop()


def healthz(started: site.Site, query: str = "") -> tuple[int, dict[str, Any]]:
    status, _, body = fetch(started, f"/-/soundmill/healthz{query}")
    return status, json.loads(body)


def command(home: Home, *words: str) -> str:  # noqa: F811
    done = subprocess.run(
        [sys.executable, "-m", "soundmill", "--home", str(home.root), *words], capture_output=True, text=True
    )
    return done.stdout


def test_a_daemon_that_is_killed_is_missed_within_ten_seconds(home: Home) -> None:  # noqa: F811
    with daemon(home) as process, a_site(home) as started:
        status, found = healthz(started, "?daemon=1")
        assert status == 200 and found["daemon"]["state"] == "running" and found["daemon"]["pid"] == process.pid
        process.kill()
        killed_at = time.monotonic()
        assert "does not answer since" in command(home, "status")  # whoever has the lock to ask knows at once
        wait_until(lambda: healthz(started, "?daemon=1")[0] == 503, TOLD_WITHIN_S)
        assert time.monotonic() - killed_at < TOLD_WITHIN_S
        status, found = healthz(started)
        assert status == 200 and found["ok"], "the site itself is well"
        assert f"(pid {process.pid}): it has ended" in found["daemon"]["message"]
        for page in ("/", "/-/soundmill"):
            assert f"(pid {process.pid})" in fetch(started, page)[2].decode()
        assert json.loads(fetch(started, "/-/soundmill/daemon.json")[2])["state"] == "ended"
    with daemon(home):
        died = rows(home, "SELECT message FROM events WHERE kind = 'daemon died'")
    assert len(died) == 1 and f"(pid {process.pid})" in str(died[0][0])


def test_a_daemon_that_is_held_is_told_to_hang(home: Home) -> None:  # noqa: F811
    with daemon(home) as process, a_site(home) as started:
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(lambda: healthz(started)[1]["daemon"]["state"] == "silent", TOLD_WITHIN_S)
        assert "it hangs" in command(home, "status")
        os.kill(process.pid, signal.SIGCONT)
        wait_until(lambda: healthz(started)[1]["daemon"]["state"] == "running", TOLD_WITHIN_S)


def test_a_catalogue_that_takes_nothing_is_told_by_the_file_beside_it(home: Home) -> None:  # noqa: F811
    with daemon(home), a_site(home) as started:
        other = sqlite3.connect(home.catalog, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # as if another program had it open for writing
        try:
            wait_until(lambda: healthz(started)[1]["daemon"]["state"] in ("unrecorded", "stuck"), 2 * TOLD_WITHIN_S)
            wait_until(lambda: healthz(started)[1]["daemon"]["state"] == "unrecorded", 40.0)
            wait_until(lambda: "stop whatever else has it open" in healthz(started)[1]["daemon"]["message"])
            assert "the catalogue takes nothing since" in command(home, "status")
        finally:
            other.close()
        wait_until(lambda: healthz(started)[1]["daemon"]["state"] == "running", 20.0)


def test_a_daemon_that_was_told_to_stop_has_not_died(home: Home) -> None:  # noqa: F811
    with daemon(home) as process:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    last = pulse.read(pulse.beside(home.catalog))
    assert last is not None and last.state == "stopped"
    assert "not running" in command(home, "status") and "does not answer" not in command(home, "status")
    with daemon(home):
        assert rows(home, "SELECT message FROM events WHERE kind = 'daemon died'") == []


class Board:
    writing = False

    def __init__(self) -> None:
        self.beats: list[dict[str, object]] = []

    def beat(self, **beat: object) -> None:
        self.beats.append(beat)


@pytest.fixture
def beating(tmp_path: Path) -> Iterator[tuple[Heartbeat, Board, Path]]:
    def outlive(_part: str, step: Any) -> bool:
        with contextlib.suppress(OSError):
            step()
            return True
        return False

    board, file = Board(), tmp_path / "beat"
    heart = Heartbeat(
        board,
        file,
        clock=time.time,
        steady=time.monotonic,
        troubles=list,
        outlive=outlive,
        look=lambda _: None,
        every_s=0.02,
    )
    yield heart, board, file
    heart.stop()


def test_a_file_that_somebody_takes_away_comes_back(beating: tuple[Heartbeat, Board, Path]) -> None:
    _, _, file = beating
    for _ in range(2):
        wait_until(lambda: pulse.read(file) is not None)
        file.unlink()
    wait_until(lambda: pulse.read(file) is not None)


def test_the_file_beats_without_a_descriptor_to_be_had(beating: tuple[Heartbeat, Board, Path]) -> None:
    """It is written through one that is kept."""
    _, _, file = beating
    wait_until(lambda: pulse.read(file) is not None)
    inode, before = file.stat().st_ino, pulse.read(file)
    wait_until(lambda: pulse.read(file) != before)
    assert file.stat().st_ino == inode and file.stat().st_size == pulse.SIZE


def test_a_reader_never_meets_half_a_beat(beating: tuple[Heartbeat, Board, Path]) -> None:
    _, _, file = beating
    wait_until(lambda: pulse.read(file) is not None)
    missed = [0]

    def read_on() -> None:
        for _ in range(2000):
            missed[0] += pulse.read(file) is None

    readers = [threading.Thread(target=read_on) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert missed == [0]


def test_a_round_that_hangs_is_told_with_its_part_while_it_does(tmp_path: Path) -> None:
    begun = time.monotonic()

    def hurried() -> float:  # half a second is half a minute
        return begun + 60 * (time.monotonic() - begun)

    heart = Heartbeat(
        Board(), tmp_path / "beat", clock=time.time, steady=hurried, troubles=list, outlive=lambda _, step: not step(),
        look=lambda _: None, every_s=0.02,
    )  # fmt: skip

    def state() -> str:
        return pulse.life(None, pulse.read(tmp_path / "beat"), now=time.time(), steady_s=hurried()).state

    try:
        heart.at("reports")
        wait_until(lambda: state() == "stuck")
        heart.at(None)
        wait_until(lambda: state() != "stuck")
    finally:
        heart.stop()


def test_the_row_is_written_once_in_its_time(beating: tuple[Heartbeat, Board, Path]) -> None:
    heart, board, _ = beating
    heart.check()
    count = len(board.beats)
    heart.check()
    assert len(board.beats) == count == 1
    time.sleep(0.03)
    heart.check()
    assert len(board.beats) == 2


def test_no_round_of_the_thread_outlives_the_stop(tmp_path: Path) -> None:
    looking, looked = threading.Event(), threading.Event()

    def slowly(_: str | None) -> None:
        looking.set()
        time.sleep(0.1)
        looked.set()

    heart = Heartbeat(
        Board(), tmp_path / "beat", clock=time.time, steady=time.monotonic, troubles=list,
        outlive=lambda _, step: not step(), look=slowly, every_s=60.0,
    )  # fmt: skip
    assert looking.wait(20)
    heart.stop()
    assert looked.is_set()


def test_a_long_transaction_of_our_own_is_no_hang(tmp_path: Path) -> None:
    catalog = Catalog.open(tmp_path / "catalog.db", clock=time.time)
    assert not catalog.writing
    with catalog.connected() as db, transaction(db):
        assert catalog.writing
    catalog.close()
    assert not catalog.writing


def test_a_death_is_told_though_the_start_after_it_fails(home: Home) -> None:  # noqa: F811
    """That one says goodbye as it ends: the next finds nothing amiss."""
    home.create()
    with contextlib.closing(Catalog.open(home.catalog, clock=time.time)) as catalog:
        catalog.beat(pid=4711, at=time.time() - 60, steady_s=0.0, doing="running")

    def no_engine(_: str) -> Engine:
        raise EngineNotStarted("no process can be started")

    with pytest.raises(EngineNotStarted):
        Service(home, Config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=no_engine)
    died = rows(home, "SELECT message FROM events WHERE kind = 'daemon died'")
    assert len(died) == 1 and "(pid 4711)" in str(died[0][0])
