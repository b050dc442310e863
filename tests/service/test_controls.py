"""Control files as the daemon works them off: each wish once, whatever happens to its file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from catalog.conftest import Clock, Mill
from soundmill.catalog.asking import ratings
from soundmill.catalog.catalog import Catalog
from soundmill.inbox.control import Control, drop, drop_all
from soundmill.service.controls import Controls
from support.asking import asked
from support.catalogues import put_empty


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Mill]:
    clock = Clock()
    path = tmp_path / "catalog.db"
    made = Mill(path, clock, Catalog.open(put_empty(path), clock=clock))
    made.ingest(3)
    for attempt in made.claim(limit=2):
        made.succeed(attempt)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".control"


def controls(mill: Mill, folder: Path, told: list[Any] | None = None) -> Controls:
    heard = [] if told is None else told
    return Controls(
        folder,
        mill.catalog,
        cancelled=heard.append,
        rated=heard.append,
        prune=lambda: heard.append("prune"),
        clock=mill.clock,
    )


def answers(mill: Mill) -> list[tuple[str, str, str]]:
    rows = mill.rows("SELECT action, state, coalesce(reason, '') AS reason FROM wish_answers ORDER BY answer_id")
    return [(row["action"], row["state"], row["reason"]) for row in rows]


def test_a_wish_whose_file_outlives_it_is_worked_off_once_also_by_the_next_daemon(mill: Mill, folder: Path) -> None:
    ulid = str(ULID())
    told: list[Any] = []
    path = drop(folder, Control(action="rate", target="themes/job-0001", stars=5, who="ann"), ulid)
    kept = path.read_bytes()
    controls(mill, folder, told).work_off()
    asked(mill.catalog, ratings.rate, "themes/job-0001", 2, None, "ann")
    path.write_bytes(kept)  # as where the daemon was killed between its effect and the file
    controls(mill, folder, told).work_off()
    assert mill.row("SELECT stars FROM ratings")["stars"] == 2
    assert told == [{1}] and answers(mill) == [("rate", "done", "")] and not path.exists()
    row = mill.row("SELECT who, asked_at, ulid FROM wish_answers")
    assert (row["who"], row["ulid"]) == ("ann", ulid) and row["asked_at"].startswith("20")


def test_an_effect_and_its_answer_are_one_transaction(mill: Mill, folder: Path) -> None:
    drop_all(folder, [(str(ULID()), Control(action="reject", target=f"themes/job-000{n}")) for n in (1, 2)])
    before = mill.content()
    mill.catalog._connection.execute("CREATE TEMP TRIGGER t BEFORE INSERT ON answers WHEN new.target LIKE '%2' "
                                     "BEGIN SELECT raise(ABORT, 'the disk is gone'); END")  # fmt: skip
    with pytest.raises(Exception, match="the disk is gone"):
        controls(mill, folder).work_off()
    assert mill.content() == before and len(list(folder.iterdir())) == 1
    mill.catalog._connection.execute("DROP TRIGGER t")
    controls(mill, folder).work_off()
    assert len(mill.rows("SELECT * FROM ratings")) == 2 and not list(folder.iterdir())


def test_of_several_wishes_in_a_file_one_that_is_refused_stops_no_other(mill: Mill, folder: Path) -> None:
    wishes = [
        Control(action="pick", target="themes/job-0001"),
        Control(action="pick", target="themes/nothing.wav"),
        Control(action="pick", target="themes/job-0003"),  # has no take yet
        Control(action="pick", target="themes/job-0002.wav", shortlist="b"),
    ]
    drop_all(folder, [(str(ULID()), wish) for wish in wishes])
    controls(mill, folder).work_off()
    assert [state for _, state, _ in answers(mill)] == ["done", "refused", "refused", "done"]
    assert "no such file among the outputs" in answers(mill)[1][2] and "no take" in answers(mill)[2][2]
    assert len(mill.rows("SELECT * FROM picks")) == 2
    assert len(mill.rows("SELECT * FROM events WHERE kind = 'control refused'")) == 2


def test_a_name_that_somebody_gives_by_hand_may_come_again(mill: Mill, folder: Path) -> None:
    work = controls(mill, folder)
    for number, action in enumerate(("pause", "resume", "pause")):
        path = drop(folder, Control(action=action, target="themes"), "mine")  # type: ignore[arg-type]
        os.utime(path, ns=(number, number))
        work.work_off()
    assert mill.row("SELECT paused FROM batches") == {"paused": 1}
    assert [action for action, _, _ in answers(mill)] == ["pause", "resume", "pause"]


def test_every_action_reaches_the_catalogue(mill: Mill, folder: Path) -> None:
    take = "themes/job-0001.wav"
    told: list[Any] = []
    wishes = [
        Control(action="rate", target=take, stars=4, who="ann"),
        Control(action="note", target=take, note="warm", who="ann"),
        Control(action="rate", target=take, stars=0, keep_note=True, who="ann"),
        Control(action="reject", target=take, who="bo"),
        Control(action="unreject", target=take, who="bo"),
        Control(action="create_list", target="bosses", note="loud ones", who="ann"),
        Control(action="pick", target=take, shortlist="bosses", who="ann"),
        Control(action="rename_list", target="bosses", name="Endgegner"),
        Control(action="archive_list", target="endgegner"),
        Control(action="unarchive_list", target="ENDGEGNER"),
        Control(action="unpick", target=take, shortlist="endgegner"),
        Control(action="delete_list", target="endgegner"),
        Control(action="compare", target=take, second="themes/job-0002", answer="tie", blind=True, study="s"),
        Control(action="fingerprint", target=take, fingerprint="AQID"),
        Control(action="priority", target="themes", priority=7),
        Control(action="pause", target="themes"),
        Control(action="resume", target="themes"),
        Control(action="cancel", target="themes"),
        Control(action="archive", target="themes"),
        Control(action="unarchive", target="themes"),
        Control(action="retry", target="themes"),
    ]
    with mill.catalog.connected() as db:
        db.execute("DELETE FROM fingerprints")  # as of takes from before there were any
    drop_all(folder, [(str(ULID()), wish) for wish in wishes])
    controls(mill, folder, told).work_off()
    assert answers(mill) == [(wish.action, "done", "") for wish in wishes]
    assert mill.rows("SELECT who, stars, rejected, note FROM ratings_list") == [
        {"who": "ann", "stars": None, "rejected": 0, "note": "warm"}
    ]
    assert mill.rows("SELECT * FROM shortlists") == []
    assert mill.row("SELECT data FROM take_fingerprints") == {"data": b"\x01\x02\x03"}
    assert mill.row("SELECT ulid, answer, blind FROM comparisons")["answer"] == "tie"
    assert mill.row("SELECT priority, paused, archived_at, n_queued FROM batches") == {
        "priority": 7, "paused": 0, "archived_at": None, "n_queued": 1,
    }  # fmt: skip
    assert told.count({1}) == 6  # what listeners say is in reports, too
    applied = mill.rows("SELECT message FROM events WHERE kind = 'control applied'")
    assert len(applied) == 7  # what steers the mill is news, what somebody thinks is not


def test_cancelling_what_runs_names_its_jobs_once_the_catalogue_has_it(mill: Mill, folder: Path) -> None:
    (attempt,) = mill.claim()
    told: list[Any] = []
    drop(folder, Control(action="cancel", target="themes"), str(ULID()))
    controls(mill, folder, told).work_off()
    assert told == [[attempt.job.id]]


@pytest.mark.parametrize(
    "content",
    [
        b'{"wishes": []}', b'{"wishes": 3}', b'{"wishes": [3, {"action": "explode", "target": "x"}]}',
        b'{"action": "note", "target": "themes/job-0001", "note": "\\ud800"}',
        b'{"action": "rate", "target": "themes/job-0001"}', b'{"action": "priority", "target": "themes"}',
        b'{"action": "compare", "target": "themes/job-0001", "answer": "tie"}',
        b'{"action": "pick", "target": "themes/job-0001", "who": 3}',
        b'{"action": "rate", "target": "themes/job-0001", "stars": 3, "rejected": 1}',
        b'{"action": "priority", "target": "themes", "priority": 1e3}',
        b'{"action": "note", "target": "themes/job-0001"}',
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_gone(mill: Mill, folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "01HA.json").write_bytes(content)
    (folder / "01HA.json").rename(folder / os.fsdecode(b"\xff.json"))
    controls(mill, folder).work_off()
    assert {state for _, state, _ in answers(mill)} == {"refused"} and not list(folder.iterdir())
    assert mill.rows("SELECT * FROM ratings") == mill.rows("SELECT * FROM picks") == []


def test_many_marks_are_few_files_in_their_order(tmp_path: Path, mill: Mill, folder: Path) -> None:
    wishes = [
        (str(ULID()), Control(action="rate", target="themes/job-0001", stars=1 + n % 5, note="x" * 200))
        for n in range(1003)
    ]
    files = drop_all(folder, wishes)
    assert len(files) < 10 and all(file.stat().st_size <= 65_536 for file in files)
    begun = time.monotonic()
    controls(mill, folder).work_off()
    assert time.monotonic() - begun < 10.0  # a hundred a second; fifty times that on an idle machine
    assert mill.row("SELECT stars FROM ratings")["stars"] == 1 + 1002 % 5
    assert len(answers(mill)) == 1003
