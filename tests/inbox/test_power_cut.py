"""What a power cut, or a kill in the middle of a step, leaves of the inbox is gone on with as if nothing had been."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from soundmill.inbox.control import Control, drop
from soundmill.inbox.intake import Intake
from soundmill.inbox.spool import Spool, submit

GOOD = "prompt\nrain\n"


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was fsynced, and of what was renamed, in their order; nobody can ask the disk."""
    seen: list[str] = []
    fsync, rename = os.fsync, os.rename

    def seen_fsync(handle: int) -> None:
        seen.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    def seen_rename(source: Any, target: Any) -> None:
        seen.append(f"{Path(source).name} moved to {Path(target).parent.name}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(os, "rename", seen_rename)
    return seen


def test_a_file_is_on_the_disk_before_it_is_claimed_and_its_claim_before_it_is_taken_in(
    intake: Intake, inbox: Path, synced: list[str]
) -> None:
    """Torn, or taken back under its old name, it would be taken in once more as another one."""
    (inbox / "a.csv").write_text(GOOD)
    (outcome,) = intake.scan()
    claimed = f"{outcome.ulid}__a.csv"
    (kept,) = (inbox / "accepted").rglob("a.csv")
    taken = ["a.csv", "a.csv moved to .claimed", ".claimed"]
    assert synced[:3] == taken and synced[-1] == f"{claimed} moved to {kept.parent.name}"


def test_the_explanation_is_on_the_disk_before_its_file_is_rejected(
    intake: Intake, inbox: Path, synced: list[str]
) -> None:
    (inbox / "a.csv").write_text("duration\nnever\n")
    (outcome,) = intake.scan()
    (month,) = (inbox / "rejected").iterdir()
    assert synced[-2:] == [month.name, f"{outcome.ulid}__a.csv moved to {month.name}"]


def test_what_commands_leave_is_on_the_disk_when_they_end(tmp_path: Path, synced: list[str]) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    submit(tmp_path / "a.csv", tmp_path / "inbox")
    assert synced[-1] == "inbox"
    drop(tmp_path / ".control", Control(action="pause", target="a"), "01HA")
    assert synced[-1] == ".control"


def test_a_file_that_was_being_given_back_is_taken_in_once(intake: Intake, inbox: Path, spool: Spool) -> None:
    """Its daemon died when the file had its name in the inbox again, and the other one still."""
    (inbox / "a.csv").write_text(GOOD)
    (path,) = spool.settled()
    claimed = spool.claim(path)
    assert claimed is not None
    os.link(claimed.path, inbox / "a.csv")
    outcomes = intake.scan() + intake.scan()
    assert [outcome.accepted for outcome in outcomes] == [True]
    assert not list((inbox / ".claimed").iterdir())
    assert [path.name for path in (inbox / "accepted").rglob("*.csv")] == ["a.csv"]


def test_what_could_not_be_claimed_is_postponed_until_it_can_or_is_gone(
    intake: Intake, inbox: Path, spool: Spool, clock: Any
) -> None:
    """`run --once` waited for ever for a file that had long been taken in."""
    for name in ("a.csv", "b.csv"):
        (inbox / name).write_text(f"prompt\n{name}\n")
    claim = spool.claim

    def broken(path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    spool.claim = broken  # type: ignore[method-assign,assignment]
    assert [outcome.error is None for outcome in intake.scan()] == [False, False]
    assert intake.postponed == {"a.csv", "b.csv"}
    spool.claim = claim  # type: ignore[method-assign]
    (inbox / "b.csv").unlink()
    clock.now += 100
    (outcome,) = intake.scan()
    assert outcome.accepted and intake.postponed == frozenset()
