from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inbox.conftest import MONTH
from soundmill.errors import CatalogError, InvalidJobFile, Problem
from soundmill.inbox.intake import FIRST_WAIT_S, Intake
from soundmill.inbox.spool import Spool

GOOD = "prompt\ncalm piano\n"
BAD = "prompt,duration\ncalm piano,long\n"
MAX_BYTES = 1 << 20


def restarted(inbox: Path, clock: Any, new_ulid: Callable[[], str], ledger: Any, rules_with: Any) -> Intake:
    """The intake of a daemon that was started afresh on the same folder."""
    spool = Spool(inbox, clock, new_ulid, settle_s=0.0, patience_s=0.0, command="soundmill")
    return Intake(spool, ledger, lambda ulid: rules_with(inbox, ulid), MAX_BYTES)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_good_file_becomes_a_batch_and_moves_to_accepted(intake: Intake, inbox: Path, ledger: Any) -> None:
    (inbox / "themes.csv").write_text(GOOD)
    (outcome,) = intake.scan()
    assert outcome.accepted and outcome.batch == ledger.batches[outcome.ulid]
    assert outcome.reason == ""
    assert names(inbox / "accepted" / MONTH) == {"themes.csv"}
    assert [job.prompt for job in ledger.jobs[outcome.ulid]] == ["calm piano"]
    assert intake.scan() == []
    assert (intake.waiting, intake.more, intake.postponed) == (False, False, frozenset())


def test_the_source_records_name_hash_and_size(intake: Intake, inbox: Path, ledger: Any) -> None:
    (inbox / "themes.csv").write_text(GOOD)
    (outcome,) = intake.scan()
    source = ledger.sources[outcome.ulid]
    assert (source.file_name, source.size_bytes, source.again) == ("themes.csv", len(GOOD), False)
    assert len(source.sha256) == 64


def test_the_same_content_again_is_rejected_naming_the_earlier_batch(intake: Intake, inbox: Path) -> None:
    (inbox / "themes.csv").write_text(GOOD)
    intake.scan()
    (inbox / "a copy.csv").write_text(GOOD)
    (outcome,) = intake.scan()
    assert outcome.rejected
    said, _, command = outcome.reason.partition("; to run it once more: ")
    assert said == "has the same content as batch themes, which was accepted earlier"
    *words, file = shlex.split(command)
    assert words == ["soundmill", "submit", "--again"]
    assert Path(file).read_text() == GOOD  # the command can be pasted: the file lies where it says


def test_two_copies_dropped_together_make_one_batch(intake: Intake, inbox: Path, ledger: Any) -> None:
    for name in ("a.csv", "b.csv"):
        (inbox / name).write_text(GOOD)
    assert sorted(outcome.accepted for outcome in intake.scan()) == [False, True]
    assert len(ledger.batches) == 1


def test_a_name_ending_in_again_runs_the_same_content_once_more(intake: Intake, inbox: Path, ledger: Any) -> None:
    (inbox / "themes.csv").write_text(GOOD)
    intake.scan()
    (inbox / "themes.again.csv").write_text(GOOD)
    (outcome,) = intake.scan()
    assert outcome.accepted and outcome.batch is not None and outcome.batch.name == "themes"
    assert ledger.sources[outcome.ulid].again


def test_a_rejected_file_may_come_again(intake: Intake, inbox: Path) -> None:
    for _ in range(3):
        (inbox / "odd.csv").write_text(BAD)
        assert intake.scan()[0].rejected
    assert names(inbox / "rejected" / MONTH) == {
        f"odd{number}.csv{suffix}" for number in ("", "-2", "-3") for suffix in ("", ".errors.txt")
    }


CRASHES = ["batch_by_sha256", "before ingest", "after ingest", "before record_rejection", "after record_rejection"]


@pytest.mark.parametrize("point", CRASHES)
def test_after_a_crash_at_any_call_each_file_is_ingested_exactly_once(
    point: str, intake: Intake, inbox: Path, ledger: Any, clock: Any, new_ulid: Any, rules_with: Any
) -> None:
    (inbox / "a-bad.csv").write_text(BAD)
    (inbox / "b-good.csv").write_text(GOOD)
    ledger.fail[point] = CatalogError("the disk went away")
    outcomes = intake.scan()
    assert [type(o.error) for o in outcomes if o.error] == [CatalogError]
    assert ledger.fail == {}
    assert len(names(inbox / ".claimed")) == 1
    again = restarted(inbox, clock, new_ulid, ledger, rules_with).scan()
    assert len(again) == 1
    assert len(ledger.batches) == 1 and len(ledger.rejections) == 1
    assert names(inbox / "accepted" / MONTH) == {"b-good.csv"}
    assert names(inbox / "rejected" / MONTH) == {"a-bad.csv", "a-bad.csv.errors.txt"}
    assert names(inbox / ".claimed") == set()


@pytest.mark.parametrize("point", ["batch_by_ulid", "rejection_exists"])
def test_a_crash_while_resuming_is_resumed_too(
    point: str, intake: Intake, inbox: Path, ledger: Any, clock: Any, new_ulid: Any, rules_with: Any
) -> None:
    (inbox / "good.csv").write_text(GOOD)
    ledger.fail["before ingest"] = CatalogError("locked")
    intake.scan()
    ledger.fail[point] = CatalogError("locked")
    (outcome,) = restarted(inbox, clock, new_ulid, ledger, rules_with).scan()
    assert isinstance(outcome.error, CatalogError)
    (outcome,) = restarted(inbox, clock, new_ulid, ledger, rules_with).scan()
    assert outcome.accepted and len(ledger.batches) == 1


@pytest.mark.parametrize("where", ["accepted", "rejected"])
def test_after_a_crash_at_the_move_each_file_is_ingested_exactly_once(
    where: str, intake: Intake, inbox: Path, ledger: Any, clock: Any, new_ulid: Any, rules_with: Any
) -> None:
    (inbox / "file.csv").write_text(GOOD if where == "accepted" else BAD)
    (inbox / where).rmdir()
    (inbox / where).write_text("a file where the folder should be")
    (outcome,) = intake.scan()
    assert isinstance(outcome.error, OSError)
    (inbox / where).unlink()
    (outcome,) = restarted(inbox, clock, new_ulid, ledger, rules_with).scan()
    assert (outcome.accepted, outcome.rejected) == (where == "accepted", where == "rejected")
    assert len(ledger.batches) + len(ledger.rejections) == 1
    assert (inbox / where / MONTH / "file.csv").exists()


def test_an_errors_file_left_by_a_crash_is_used_again(
    intake: Intake, inbox: Path, ledger: Any, clock: Any, new_ulid: Any, rules_with: Any
) -> None:
    (inbox / "odd.csv").write_text(BAD)
    (outcome,) = intake.scan()
    # as if the crash had come between the explanation and the move
    (inbox / "rejected" / MONTH / "odd.csv").rename(inbox / ".claimed" / f"{outcome.ulid}__odd.csv")
    restarted(inbox, clock, new_ulid, ledger, rules_with).scan()
    assert names(inbox / "rejected" / MONTH) == {"odd.csv", "odd.csv.errors.txt"}
    assert len(ledger.rejections) == 1


def test_a_recorded_rejection_stands_even_if_the_file_could_be_read_now(
    intake: Intake, inbox: Path, ledger: Any, tmp_path: Path
) -> None:
    (inbox / "odd.csv").write_text("prompt,continue_from\ncalm piano,intro.wav\n")
    ledger.fail["after record_rejection"] = CatalogError("lost")
    intake.scan()
    (tmp_path / "intro.wav").write_bytes(b"RIFF")
    intake._spool.clock.now += FIRST_WAIT_S  # type: ignore[attr-defined]
    (outcome,) = intake.scan()
    assert outcome.rejected and not ledger.batches
    assert "was rejected before Soundmill stopped" in outcome.reason


def test_problems_found_while_ingesting_reject_the_file(intake: Intake, inbox: Path, ledger: Any) -> None:
    (inbox / "jobs.csv").write_text(GOOD)
    ledger.fail["before ingest"] = InvalidJobFile([Problem(message="there is no such file", line=2, field="melody")])
    (outcome,) = intake.scan()
    assert outcome.rejected and outcome.reason == "line 2: melody: there is no such file"
    assert names(inbox / "rejected" / MONTH) == {"jobs.csv", "jobs.csv.errors.txt"}


def test_an_unexpected_error_is_tried_again_later_and_ever_more_seldom(
    intake: Intake, inbox: Path, ledger: Any, clock: Any
) -> None:
    (inbox / "good.csv").write_text(GOOD)
    wait = FIRST_WAIT_S
    for _ in range(4):
        ledger.fail["before ingest"] = RuntimeError("odd")
        (outcome,) = intake.scan()
        assert isinstance(outcome.error, RuntimeError) and not outcome.accepted and not outcome.rejected
        clock.now += wait - 0.1
        assert intake.scan() == []
        clock.now += 0.1
        wait *= 2
    assert intake.scan()[0].accepted


def test_one_failing_file_does_not_stop_the_others(intake: Intake, inbox: Path, ledger: Any) -> None:
    for name in "abc":
        (inbox / f"{name}.csv").write_text(f"prompt\npiano {name}\n")
    ledger.fail["before ingest"] = RuntimeError("odd")
    outcomes = intake.scan()
    assert len(outcomes) == 3 and sum(outcome.accepted for outcome in outcomes) == 2


def test_a_file_that_vanishes_before_it_is_claimed_is_no_outcome(intake: Intake, inbox: Path, spool: Spool) -> None:
    (inbox / "gone.csv").write_text(GOOD)
    settled = spool.settled

    def then_gone() -> list[Path]:
        paths = settled()
        (inbox / "gone.csv").unlink()
        return paths

    spool.settled = then_gone  # type: ignore[method-assign]
    assert intake.scan() == []


def test_a_file_that_grows_while_it_is_read_goes_back_and_is_read_whole(
    intake: Intake, inbox: Path, ledger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "slow.csv").write_text(GOOD)
    # the moment between the first look and the reading is reached by no other door
    real_fstat = os.fstat
    calls: list[os.stat_result] = []
    with (inbox / "slow.csv").open("a") as writer:  # opened before the claim, so it writes into the claimed file

        def fstat(descriptor: int) -> os.stat_result:
            status = real_fstat(descriptor)
            if names(inbox / ".claimed"):
                calls.append(status)
            if len(calls) == 1:
                writer.write("storm\n")
                writer.flush()
            return status

        monkeypatch.setattr("soundmill.disk.os.fstat", fstat)
        assert intake.scan() == [] and intake.waiting
        monkeypatch.undo()
    assert names(inbox / ".claimed") == set() and (inbox / "slow.csv").exists()
    assert ledger.events == [("file put back", "slow.csv: was written to while it was read; it is read again")]
    (outcome,) = intake.scan()
    assert outcome.batch is not None and outcome.batch.job_count == 2


def test_a_file_that_grows_before_the_transaction_goes_back(
    spool: Spool, inbox: Path, ledger: Any, tmp_path: Path, rules_with: Any
) -> None:
    """The rules are asked for after the reading and before the transaction."""
    grown: list[str] = []

    def grow_once(ulid: str) -> Any:
        if not grown:
            grown.append(ulid)
            (claimed,) = (inbox / ".claimed").iterdir()
            with claimed.open("a") as writer:
                writer.write("storm\n")
        return rules_with(tmp_path, ulid)

    intake = Intake(spool, ledger, grow_once, MAX_BYTES)
    (inbox / "slow.csv").write_text(GOOD)
    assert intake.scan() == [] and intake.waiting and not ledger.batches
    (outcome,) = intake.scan()
    assert outcome.batch is not None and outcome.batch.job_count == 2


def test_a_file_is_not_refused_for_what_was_still_to_come(
    spool: Spool, inbox: Path, ledger: Any, tmp_path: Path, rules_with: Any
) -> None:
    mended: list[str] = []

    def mend_once(ulid: str) -> Any:
        if not mended:
            mended.append(ulid)
            (claimed,) = (inbox / ".claimed").iterdir()
            claimed.write_text(GOOD)
        return rules_with(tmp_path, ulid)

    (inbox / "slow.csv").write_text(BAD)
    intake = Intake(spool, ledger, mend_once, MAX_BYTES)
    assert intake.scan() == [] and not ledger.rejections
    assert intake.scan()[0].accepted


def test_an_accepted_file_that_grows_is_said_once_with_the_command_that_makes_it(
    intake: Intake, inbox: Path, ledger: Any, clock: Any
) -> None:
    (inbox / "p1.csv").write_text(GOOD)
    with (inbox / "p1.csv").open("a") as writer:  # a handle that outlives the renaming
        assert intake.scan()[0].accepted
        writer.write("storm\n")
    for _ in range(5):
        assert intake.scan() == []
        clock.now += 5
    path = inbox / "accepted" / MONTH / "p1.csv"
    assert ledger.events == [
        (
            "file changed after it was accepted",
            "p1.csv: batch p1 was made of its first version (18 bytes) and lacks what was written later "
            f"(24 bytes now); to make the rows that it lacks: soundmill submit --rest {path}",
        )
    ]
    assert [one["file"] for one in json.loads(ledger.settings["inbox notices"])] == ["p1.csv"]
    (inbox / "p1.again.csv").write_bytes(path.read_bytes())
    assert intake.scan()[0].accepted
    intake.scan()
    assert json.loads(ledger.settings["inbox notices"]) == []


def test_a_touched_accepted_file_is_no_news(intake: Intake, inbox: Path, ledger: Any, clock: Any) -> None:
    (inbox / "a.csv").write_text(GOOD)
    intake.scan()
    (inbox / "accepted" / MONTH / "a.csv").touch()
    for _ in range(5):
        intake.scan()
        clock.now += 5
    assert ledger.events == []


def test_a_burst_of_files_is_taken_in_whole(intake: Intake, inbox: Path, ledger: Any) -> None:
    count = 1000
    for number in range(count):
        (inbox / f"drop-{number}.csv").write_text(f"prompt\npiano {number}\n")
    outcomes = intake.scan()
    assert sum(outcome.accepted for outcome in outcomes) == count == len(ledger.batches)
    assert len(names(inbox / "accepted" / MONTH)) == count


def test_a_name_dropped_over_and_over_is_numbered_without_counting_from_one(
    intake: Intake, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    plain_lexists = os.path.lexists

    def lexists(path: str) -> bool:
        looks.append(path)
        return plain_lexists(path)

    monkeypatch.setattr("soundmill.inbox.spool.os.path.lexists", lexists)
    for number in range(50):
        (inbox / "drop.csv").write_text(f"prompt\npiano {number}\n")
        assert intake.scan()[0].accepted
    assert {"drop.csv", "drop-2.csv", "drop-50.csv"} <= names(inbox / "accepted" / MONTH)
    assert len(names(inbox / "accepted" / MONTH)) == 50
    assert len(looks) < 3 * 50  # counting from one each time would take 1275


def test_a_claim_that_lies_in_the_inbox_again_is_given_up(
    spool: Spool, inbox: Path, ledger: Any, clock: Any, new_ulid: Callable[[], str], rules_with: Any
) -> None:
    (inbox / "a.csv").write_text(GOOD)
    (path,) = spool.settled()
    claimed = spool.claim(path)
    assert claimed is not None
    os.link(claimed.path, inbox / "a.csv")
    intake = restarted(inbox, clock, new_ulid, ledger, rules_with)
    (outcome,) = intake.scan()
    assert outcome.accepted and outcome.ulid != claimed.ulid and len(ledger.batches) == 1
    assert names(inbox / ".claimed") == set()


def test_the_rest_of_a_file_that_was_never_accepted_is_refused(intake: Intake, inbox: Path) -> None:
    (inbox / "a.rest.csv").write_text(GOOD)
    (outcome,) = intake.scan()
    assert outcome.rejected and outcome.reason == (
        "asks for the rest of a.csv, and no accepted file has that name; for all of it, rename it"
    )
