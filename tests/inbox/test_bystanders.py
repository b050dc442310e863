from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from soundmill.inbox.arrivals import QUIET_S, UNFINISHED_S
from soundmill.inbox.bystanders import original_of
from soundmill.inbox.intake import Intake
from soundmill.inbox.notices import MOST_SHOWN
from soundmill.inbox.spool import Spool, submit
from support.missing import missing

GOOD = "prompt\ncalm piano\n"
SURE = [
    "x.sync-conflict-20261128-101112-ABCDEFG.csv",
    "x.sync-conflict-20261128-101112.csv",
    "x (conflicted copy 2026-11-28 101112).csv",
    "x (Anna's conflicted copy 2026-11-28).csv",
    "x [conflicted].csv",
    "x (SFConflict anna@example.org 2026-11-28-10-11-12).csv",
    "x(Conflict_anna (Web browser)_2026-11-28-22-50-36).csv",
    "x_Annas-PC_Nov-28-1011-2026_Conflict.csv",
    "x_Annas-PC_Nov-28-101112-2026_CaseConflict_1.csv",
    "x_conflict-20261128-101112.csv",
    "x (In Konflikt stehende Kopie von Anna 2026-11-28).csv",
    "x (Anna 的冲突副本 2026-11-28).csv",
    "x (Anna の競合コピー 2026-11-28).csv",
    "x (конфликтующая копия с компьютера Anna 2026-11-28).csv",
    "x (cópia conflitante de Anna 2026-11-28).csv",
]
LIKELY = [
    "x (1).csv", "x(12).csv", "x - Copy.csv", "x - Kopie (2).csv", "x (Kopie).csv", "x (copy 3).csv", "x copy 2.csv",
    "Copy of x.csv", "Kopie von x.csv", "x.Conflict.csv", "x.conflict2.csv", "x-DESKTOP-AB12CD3.csv", "x-ANNAS-PC.csv",
    "x-Annas-MacBook-Pro.csv", "x-STUDIO07.csv", "X (1).csv",
    "x のコピー.csv", "x 的副本.csv", "x의 사본.csv", "x — копия (2).csv", "Копия x.csv", "x - Kopya.csv",
    "x (3rd copy).csv", "x[1].csv",
]  # fmt: skip
ORDINARY = [
    "x-2.csv", "x 2.csv", "x-DARK.csv", "x-V2.csv", "x (forest).csv", "x_final.csv", "battle_conflict.csv",
    "copy.csv", "x (1).again.csv", "x 副.csv", "x [forest].csv",
]  # fmt: skip


@pytest.mark.parametrize("name", SURE)
def test_a_sync_programs_mark_is_enough(name: str) -> None:
    assert original_of(name, lambda other: False) == "x.csv"


@pytest.mark.parametrize("name", LIKELY)
def test_a_copys_name_counts_beside_its_original_only(name: str) -> None:
    assert (original_of(name, lambda other: other.lower() == "x.csv") or "").lower() == "x.csv"
    assert original_of(name, lambda other: False) is None


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_are_nobodys_copies(name: str, intake: Intake, inbox: Path) -> None:
    for each in ("x.csv", name):
        (inbox / each).write_text(f"prompt\npiano of {each}\n")
    assert sum(outcome.accepted for outcome in intake.scan()) == 2


@pytest.mark.parametrize("accepted_first", [True, False])
@pytest.mark.parametrize("name", ["x (1).csv", SURE[0], SURE[3]])
def test_a_copy_is_held_with_a_question_and_runs_when_the_command_is_pasted(
    name: str, accepted_first: bool, intake: Intake, inbox: Path, ledger: Any
) -> None:
    (inbox / "x.csv").write_text(GOOD)
    if accepted_first:
        assert intake.scan()[0].accepted
    (inbox / name).write_text("prompt\nanother piano\n")
    assert [outcome.file_name for outcome in intake.scan()] == ([] if accepted_first else ["x.csv"])
    assert intake.scan() == []
    ((kind, message),) = ledger.events
    assert kind == "file held" and message.startswith(f"{name}: looks like a copy of x.csv")
    command = shlex.split(message.split("To run this one too: ")[1].split("; if not")[0])
    assert command[:-1] == ["soundmill", "submit", "--again"]
    submit(Path(command[-1]), inbox, again=True)
    (outcome,) = intake.scan()
    assert outcome.accepted and not (inbox / name).exists()
    intake.scan()
    assert json.loads(ledger.settings["inbox notices"]) == []


def test_a_file_that_is_submitted_by_name_is_meant(intake: Intake, inbox: Path, tmp_path: Path, ledger: Any) -> None:
    """Where the file system keeps extended attributes; elsewhere it is held like any other."""
    (inbox / "x.csv").write_text(GOOD)
    intake.scan()
    (tmp_path / "x (1).csv").write_text("prompt\nanother piano\n")
    target = submit(tmp_path / "x (1).csv", inbox, again=False)
    if not os.listxattr(target):
        missing("this file system keeps no extended attributes")
    assert intake.scan()[0].accepted and ledger.events == []


def test_a_copy_of_a_file_that_was_refused_is_the_mended_one(intake: Intake, inbox: Path) -> None:
    (inbox / "x.csv").write_text("promtp\npiano\n")
    assert intake.scan()[0].rejected
    (inbox / "x (1).csv").write_text(GOOD)
    assert intake.scan()[0].accepted


def notices(intake: Intake, ledger: Any, clock: Any) -> dict[str, str]:
    intake.scan()
    clock.now += QUIET_S
    intake.scan()
    return {one["file"]: one["message"] for one in json.loads(ledger.settings.get("inbox notices", "[]"))}


def test_other_files_and_folders_are_spoken_of_once_with_the_mend(
    intake: Intake, inbox: Path, ledger: Any, clock: Any
) -> None:
    (inbox / "list.json").write_text("[]")
    (inbox / "list.csv.txt").write_text(GOOD)
    (inbox / "notes.docx").write_bytes(b"PK")
    (inbox / "noise").write_text("?")
    (inbox / "level 1").mkdir()
    (inbox / "level 1" / "a.csv").write_text(GOOD)
    found = notices(intake, ledger, clock)
    assert set(found) == {"list.json", "list.csv.txt", "notes.docx", "noise", "level 1"}
    assert found["list.csv.txt"].endswith(f"mv {inbox / 'list.csv.txt'} {inbox / 'list.csv'}")
    assert "1 job file in it" in found["level 1"] and "CSV" in found["notes.docx"]
    for _ in range(3):
        assert notices(intake, ledger, clock) == found
    assert sorted(message.split(":")[0] for _, message in ledger.events) == sorted(found)
    assert {kind for kind, _ in ledger.events} == {"file not a job file"}
    (inbox / "list.json").unlink()
    assert "list.json" not in notices(intake, ledger, clock)


def test_a_restart_says_nothing_twice(
    inbox: Path, ledger: Any, clock: Any, new_ulid: Any, rules_with: Any, intake: Intake
) -> None:
    (inbox / "list.json").write_text("[]")
    assert notices(intake, ledger, clock)
    spool = Spool(inbox, clock, new_ulid, settle_s=0.0, patience_s=0.0, command="soundmill")
    again = Intake(spool, ledger, lambda ulid: rules_with(inbox, ulid), 1 << 20)
    assert notices(again, ledger, clock)
    assert len(ledger.events) == 1


def test_what_belongs_beside_job_files_and_what_is_still_made_goes_without_a_word(
    intake: Intake, inbox: Path, ledger: Any, clock: Any
) -> None:
    (inbox / "melody.wav").write_bytes(b"RIFF")
    (inbox / "melodies").mkdir()
    (inbox / "melodies" / "a.flac").write_bytes(b"fLaC")
    for name in (".DS_Store", "Thumbs.db", "~$list.csv", "a.csv.part", "b.csv.crdownload"):
        (inbox / name).write_text("")
    assert notices(intake, ledger, clock) == {}
    clock.now += UNFINISHED_S
    assert set(notices(intake, ledger, clock)) == {"a.csv.part", "b.csv.crdownload"}


def test_a_thousand_strange_files_are_summed_up(intake: Intake, inbox: Path, ledger: Any, clock: Any) -> None:
    for number in range(1000):
        (inbox / f"{number:04}.json").write_text("")
    found = notices(intake, ledger, clock)
    assert len(found) == MOST_SHOWN + 1 and found[""] == "and 900 more files that are not taken"
    assert len(ledger.events) == MOST_SHOWN
