"""Accepted files are looked at for a while, and what they have become is said when it rests."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from soundmill.inbox.aftermath import LOOK_S, MOST_WATCHED, QUIET_S, WATCHED_S, Aftermath
from soundmill.inbox.notices import Notice
from soundmill.jobs import Source


def source_of(path: Path) -> Source:
    status, data = path.stat(), path.read_bytes()
    return Source(
        ulid="01H", file_name=path.name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
    )  # fmt: skip


@pytest.fixture
def known() -> set[str]:
    return set()


@pytest.fixture
def aftermath(clock: Any, known: set[str]) -> Aftermath:
    return Aftermath(clock, known.__contains__, command="soundmill --home x")


@pytest.fixture
def path(tmp_path: Path, aftermath: Aftermath) -> Path:
    path = tmp_path / "a b.csv"
    path.write_text("prompt\na\n")
    aftermath.watch(path, batch="a", source=source_of(path))
    return path


def said(path: Path, size: int) -> list[Notice]:
    message = (
        f"batch a was made of its first version (9 bytes) and lacks what was written later ({size:,} bytes now); "
        f"to make the rows that it lacks: soundmill --home x submit --rest '{path}'"
    )
    return [Notice(kind="changed after it was accepted", file_name="a b.csv", message=message)]


def test_growth_is_said_when_it_rests_and_until_it_is_accepted(
    aftermath: Aftermath, path: Path, clock: Any, known: set[str]
) -> None:
    assert aftermath.notices(1 << 20) == []
    clock.now += 100
    path.write_text("prompt\na\nb\n")
    assert aftermath.notices(1 << 20) == []
    clock.now += QUIET_S - 0.1
    assert aftermath.notices(1 << 20) == []
    path.write_text("prompt\na\n" + "b\n" * 600)
    assert aftermath.notices(1 << 20) == []
    clock.now += QUIET_S - 0.1
    assert aftermath.notices(1 << 20) == []
    clock.now += 0.1
    for _ in range(2):
        assert aftermath.notices(1 << 20) == said(path, 1209)
        clock.now += WATCHED_S
    known.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert aftermath.notices(1 << 20) == []


def test_a_file_is_looked_at_for_so_long(aftermath: Aftermath, path: Path, clock: Any) -> None:
    clock.now += WATCHED_S
    path.write_text("prompt\na\nb\n")
    assert aftermath.notices(1 << 20) == []
    clock.now += 0.1
    assert aftermath.notices(1 << 20) == []
    clock.now += QUIET_S
    assert aftermath.notices(1 << 20) == []


def test_what_is_too_large_or_gone_or_only_touched_is_no_news(
    aftermath: Aftermath, path: Path, clock: Any, tmp_path: Path
) -> None:
    path.touch()
    aftermath.notices(1 << 20)
    clock.now += QUIET_S
    assert aftermath.notices(1 << 20) == []
    path.write_text("prompt\na\nb\n")
    aftermath.notices(10)
    clock.now += QUIET_S
    assert aftermath.notices(10) == [] == aftermath.notices(1 << 20)
    aftermath.watch(tmp_path / "gone.csv", batch="b", source=source_of(path))
    assert aftermath.notices(1 << 20) == []


def test_a_file_that_changed_before_it_was_watched_is_said(aftermath: Aftermath, tmp_path: Path, clock: Any) -> None:
    path = tmp_path / "a b.csv"
    path.write_text("prompt\na\n")
    source = source_of(path)
    path.write_text("prompt\nb\nc\n")
    aftermath.watch(path, batch="a", source=source)
    assert aftermath.notices(1 << 20) == []
    clock.now += QUIET_S
    assert aftermath.notices(1 << 20) == said(path, 11)


def test_reading_takes_so_long_at_one_look(tmp_path: Path, clock: Any) -> None:
    def slowly(_: str) -> bool:
        return False

    aftermath = Aftermath(lambda: clock(), slowly, command="soundmill")
    for number in range(4):
        path = tmp_path / f"{number}.csv"
        path.write_text(f"prompt\n{number}\n")
        source = source_of(path)
        path.write_text(f"prompt\n{number} more\n")
        aftermath.watch(path, batch=f"{number}", source=source)
    clock.now += QUIET_S
    times = iter([0.0, 0.0, LOOK_S, LOOK_S + 0.1, 0.0, 0.0, 0.0, 0.0])
    start = clock.now
    aftermath._clock = lambda: start + next(times)
    assert len(aftermath.notices(1 << 20)) == 2
    assert len(aftermath.notices(1 << 20)) == 4


def test_so_many_are_watched(aftermath: Aftermath, tmp_path: Path, clock: Any) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt\na\n")
    source = source_of(path)
    path.write_text("prompt\nb\n")
    for number in range(MOST_WATCHED + 1):
        aftermath.watch(path, batch=f"{number}", source=source)
    assert len(aftermath._young) == MOST_WATCHED == 1000
