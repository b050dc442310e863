from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundmill.inbox.watch import Watcher


@pytest.fixture
def woken() -> threading.Event:
    return threading.Event()


@pytest.fixture
def watcher(tmp_path: Path, woken: threading.Event) -> Iterator[Watcher]:
    watcher = Watcher(tmp_path, woken.set)
    yield watcher
    watcher.stop()


def test_a_dropped_file_wakes(watcher: Watcher, woken: threading.Event, tmp_path: Path) -> None:
    watcher.start()
    assert watcher.alive
    (tmp_path / "a.csv").write_text("prompt\n")
    assert woken.wait(5)


def test_a_file_moved_in_wakes(watcher: Watcher, woken: threading.Event, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.csv").write_text("prompt\n")
    watcher.start()
    (tmp_path / "elsewhere" / "a.csv").rename(tmp_path / "a.csv")
    assert woken.wait(5)


def test_looking_reading_and_claiming_do_not_wake(watcher: Watcher, woken: threading.Event, tmp_path: Path) -> None:
    (tmp_path / ".claimed").mkdir()
    (tmp_path / "a.csv").write_text("prompt\n")
    watcher.start()
    assert [path.name for path in sorted(tmp_path.iterdir())] == [".claimed", "a.csv"]
    assert (tmp_path / "a.csv").read_text() == "prompt\n"
    (tmp_path / "a.csv").rename(tmp_path / ".claimed" / "a.csv")
    assert not woken.wait(0.2)


def test_a_wake_that_fails_does_not_end_the_watch(tmp_path: Path) -> None:
    calls = threading.Semaphore(0)

    def wake() -> None:
        calls.release()
        raise RuntimeError("odd")

    watcher = Watcher(tmp_path, wake)
    watcher.start()
    try:
        for name in "ab":
            (tmp_path / f"{name}.csv").write_text("prompt\n")
            assert calls.acquire(timeout=5)
        assert watcher.alive
    finally:
        watcher.stop()


def test_a_folder_that_cannot_be_watched_costs_latency_only(tmp_path: Path, woken: threading.Event) -> None:
    watcher = Watcher(tmp_path / "missing", woken.set)
    watcher.start()
    assert not watcher.alive
    assert watcher.ensure()
    assert not watcher.alive
    watcher.stop()


def test_a_dead_observer_is_replaced(watcher: Watcher, woken: threading.Event, tmp_path: Path) -> None:
    watcher.start()
    assert not watcher.ensure()
    observer = watcher._observer
    assert observer is not None
    observer.stop()
    observer.join(5)
    assert not watcher.alive
    assert watcher.ensure()
    (tmp_path / "a.csv").write_text("prompt\n")
    assert woken.wait(5)


def test_stopping_twice_or_before_the_start_is_harmless(watcher: Watcher) -> None:
    watcher.stop()
    watcher.start()
    watcher.stop()
    watcher.stop()
    assert not watcher.alive


def test_a_watch_that_is_stopped_leaves_no_thread(watcher: Watcher) -> None:
    watcher.start()
    observer = watcher._observer
    assert observer is not None and observer.is_alive()
    watcher.stop()
    watcher.stop()
    assert not observer.is_alive() and not watcher.alive
