"""A catalogue to be shown to others holds the takes that are shown and nothing that is the home's own business."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from soundmill.catalog.keeping.freezing import Chosen, freeze, last_name, last_names_in, refile

HOME = "/home/ann/mill"
PRIVATE = f"""
UPDATE jobs SET model = '{HOME}/models/mine', melody = '{HOME}/tune.wav', continue_from = '~/a.wav',
    labels = '{{"scene": "{HOME}/lake.txt", "cue": "and/or"}}', condition = '{{"model": "C:\\/m/mine"}}',
    error = 'broke', error_kind = 'internal', held = 1, not_before = 9 WHERE id = 1;
UPDATE attempts SET model = '{HOME}/models/mine', error = 'broke', error_kind = 'internal' WHERE job_id = 1;
INSERT INTO job_labels VALUES ('scene', '{HOME}/lake.txt', 1), ('cue', 'and/or', 1), ('cue', 'x', 2), ('cue', 'x', 4);
UPDATE outputs SET versions = '{{"model": "{HOME}/models/mine", "torch": "2.11"}}' WHERE id = 1;
UPDATE outputs SET duration_s = 6, device_s = NULL WHERE id = 2;
UPDATE outputs SET verdict = 'failed' WHERE id = 4;
UPDATE batches SET experiment = '{{"model": "{HOME}/models/mine"}}', file_name = '{HOME}/a.csv', kept_as = 'x', deliver = '{{}}',
    delivered_at = 1, reported_at = 2, changed_at = 3, paused = 1, modified_ns = 4, extends = 2 WHERE id = 1;
UPDATE batches SET extends = 1, rest_of = 1, finished_at = NULL, ended_at = 77 WHERE id = 2;
INSERT INTO ratings (output_id, who, stars, rejected, note, rated_at) VALUES (1, 'bob', 5, 0, 'private', 1),
    (1, '2', NULL, 0, 'only a note', 2), (2, 'ann', 4, 0, NULL, 3), (3, 'bob', NULL, 1, NULL, 4), (4, 'ann', 1, 0, NULL, 5);
INSERT INTO shortlists (id, name, note, created_by, created_at) VALUES (1, 'Boss', 'private', 'zoe', 1), (2, 'Other', NULL, 'bob', 2),
    (3, 'Empty', NULL, 'bob', 3);
INSERT INTO picks (shortlist_id, output_id, who, note, picked_at) VALUES (1, 1, 'ann', 'private', 1), (1, 3, 'bob', NULL, 2), (2, 2, 'bob', NULL, 3);
INSERT INTO comparisons (id, ulid, who, at, first_output_id, second_output_id, answer, blind, attention) VALUES
    (1, '01A', 'carl', 1, 1, 2, 'first', 1, 0), (2, '01B', 'carl', 2, 1, 3, 'tie', 0, 0), (3, '01C', 'carl', 3, 3, 1, 'tie', 0, 0);
INSERT INTO events (at, kind, message) VALUES (1, 'x', 'private');
INSERT INTO answers (ulid, action, target, who, asked_at, answered_at, state) VALUES ('01', 'x', 'x', 'ann', 1, 1, 'done');
INSERT INTO rejections (ulid, file_name, problem_count, problems, rejected_at) VALUES ('01', 'x', 0, '[]', 1);
INSERT INTO settings VALUES ('rank_by', 'private');
"""  # noqa: E501


@pytest.fixture
def frozen(mill: Any, tmp_path: Path) -> Iterator[Any]:
    """Freezes a catalogue of two batches: takes 1 to 4 of a, 5 of b; a fifth job of a has failed."""
    mill.ingest(5, name="a")
    for number, attempt in enumerate(mill.claim(limit=5), 1):
        mill.fail(attempt) if number == 5 else mill.succeed(attempt)
    mill.ingest(1, name="b")
    mill.succeed(*mill.claim())
    with closing(sqlite3.connect(mill.path, isolation_level=None)) as db:
        db.executescript(PRIVATE)
    opened: list[sqlite3.Connection] = []

    def made(**asked: tuple[str, ...]) -> tuple[list[Chosen], Any]:
        target = tmp_path / "shown.db"
        target.write_text("an older one")
        chosen = freeze(mill.path, target, **{"batches": (), "shortlists": ()} | asked)
        opened.append(sqlite3.connect(target))
        return chosen, lambda sql: opened[-1].execute(sql).fetchall()

    yield made
    for db in opened:
        db.close()


def test_of_every_batch_the_takes_that_count_are_shown(frozen: Any) -> None:
    chosen, rows = frozen()
    assert [(each.output_id, each.telling, each.drawn) for each in chosen] == [
        (1, True, True), (2, False, True), (4, False, True), (5, False, True),
    ]  # fmt: skip
    assert chosen[1] == Chosen(
        output_id=2, path="a/job-0002.wav", sha256="cd" * 32, format="wav", telling=False, drawn=True
    )
    assert rows("SELECT id, status, error, error_kind, held, not_before FROM jobs") == [
        (number, "succeeded", None, None, 0, None) for number in (1, 2, 4, 6)
    ]
    assert rows("SELECT DISTINCT status, error, error_kind FROM attempts") == [("succeeded", None, None)]
    assert rows("SELECT job_id FROM attempts ORDER BY 1") == [(1,), (2,), (4,), (6,)]
    for table in ("measurements", "checks", "peaks"):
        assert rows(f"SELECT DISTINCT output_id FROM {table} ORDER BY 1") == [(1,), (2,), (4,), (5,)]


def test_nothing_of_this_machine_or_its_people_is_left(frozen: Any) -> None:
    _, rows = frozen()
    assert rows("SELECT model, melody, continue_from, labels, condition FROM jobs WHERE id = 1") == [
        ("mine", "tune.wav", "a.wav", '{"scene": "lake.txt", "cue": "and/or"}', '{"model": "mine"}')
    ]
    assert rows("SELECT model FROM attempts WHERE job_id = 1") == [("mine",)]
    assert rows("SELECT versions FROM outputs WHERE id < 3") == [
        ('{"model": "mine", "torch": "2.11"}',), ('{"torch":"2.11"}',)
    ]  # fmt: skip
    told = "experiment, file_name, kept_as, deliver, delivered_at, reported_at, changed_at, paused, modified_ns"
    assert rows(f"SELECT {told} FROM batches") == [
        ('{"model": "mine"}', "a.csv", None, None, None, None, None, 0, None),
        (None, "themes.yaml", None, None, None, None, None, 0, None),
    ]
    # ann, bob, carl and zoe are told apart, and who is called 2 is nobody else's number
    assert rows("SELECT output_id, who, stars, rejected, note FROM ratings ORDER BY rated_at") == [
        (1, "listener 2", 5, 0, None), (2, "listener 1", 4, 0, None), (4, "listener 1", 1, 0, None),
    ]  # fmt: skip
    assert rows("SELECT name, note, created_by FROM shortlists") == [
        ("Boss", None, "listener 4"), ("Other", None, "listener 2")
    ]  # fmt: skip
    assert rows("SELECT shortlist_id, output_id, who, note FROM picks ORDER BY 1") == [
        (1, 1, "listener 1", None), (2, 2, "listener 2", None)
    ]  # fmt: skip
    assert rows("SELECT id, who FROM comparisons") == [(1, "listener 3")]
    assert [key for (key,) in rows("SELECT key FROM settings")] == ["views"]
    for table in ("events", "workers", "answers", "rejections", "fingerprints", "prunings", "moves", "selections_due"):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)], table


def test_what_is_counted_is_what_is_shown(frozen: Any) -> None:
    _, rows = frozen()
    counts = "job_count, n_queued, n_running, n_succeeded, n_failed, n_cancelled, n_outputs, n_flagged, audio_s"
    assert rows(f"SELECT {counts}, extends, rest_of FROM batches") == [
        (3, 0, 0, 3, 0, 0, 3, 1, 14.0, 2, None), (1, 0, 0, 1, 0, 0, 1, 0, 4.0, 1, 1),
    ]  # fmt: skip
    assert rows("SELECT finished_at FROM batches WHERE id = 2") == [(77.0,)]
    assert rows("SELECT name, value FROM job_labels ORDER BY 1, 2") == [
        ("cue", "and/or"), ("cue", "x"), ("cue", "x"), ("scene", "lake.txt"),
    ]  # fmt: skip
    assert rows("SELECT * FROM label_totals ORDER BY 1, 2") == [
        ("cue", "and/or", 1), ("cue", "x", 2), ("scene", "lake.txt", 1)
    ]  # fmt: skip
    assert rows("SELECT * FROM model_totals ORDER BY 1") == [
        ("mine", 1, 4.0, 4.0, 2.0, 4.0), ("tiny", 3, 14.0, 12.0, 4.0, 8.0)
    ]  # fmt: skip
    assert rows("SELECT rowid FROM jobs_fts WHERE jobs_fts MATCH 'calm' ORDER BY 1") == [(1,), (2,), (4,), (6,)]


@pytest.mark.parametrize(
    ("asked", "takes", "lists", "extends"),
    [
        ({"batches": ("b",)}, [5], [], None), ({"batches": ("a",)}, [1, 2, 4], ["Boss", "Other"], None),
        ({"shortlists": ("boss",)}, [1, 3], ["Boss"], None), ({"shortlists": ("none",)}, [], [], None),
        ({"batches": ("b",), "shortlists": ("OTHER",)}, [2, 5], ["Other"], 2),
    ],
)  # fmt: skip
def test_of_named_batches_and_lists_alone(
    frozen: Any, asked: dict[str, tuple[str, ...]], takes: list[int], lists: list[str], extends: int | None
) -> None:
    chosen, rows = frozen(**asked)
    assert [each.output_id for each in chosen] == takes == [number for (number,) in rows("SELECT id FROM outputs")]
    assert [name for (name,) in rows("SELECT name FROM shortlists ORDER BY name")] == lists
    if takes:
        assert rows("SELECT extends FROM batches ORDER BY id LIMIT 1") == [(extends,)]


@pytest.mark.parametrize(
    ("sql", "gone"),
    [
        ("UPDATE outputs SET pruned_at = 1 WHERE id = 1", 1), ("UPDATE outputs SET quarantined = 1 WHERE id = 2", 2),
        ("UPDATE outputs SET kept = 0 WHERE id = 4", 4), ("UPDATE jobs SET final_attempt = 9 WHERE id = 6", 5),
    ],
)  # fmt: skip
def test_a_take_that_does_not_count_is_not_shown(mill: Any, frozen: Any, sql: str, gone: int) -> None:
    with closing(sqlite3.connect(mill.path, isolation_level=None)) as db:
        db.execute("UPDATE outputs SET kept = 1 WHERE id = 1")
        db.execute(sql)
    assert {each.output_id for each in frozen()[0]} == {1, 2, 4, 5} - {gone}
    assert {each.output_id for each in frozen(shortlists=("Boss",))[0]} == {1, 3} - ({1} if gone == 1 else set())


def test_the_copy_says_where_each_file_is_now(frozen: Any, tmp_path: Path) -> None:
    frozen()
    takes = refile(tmp_path / "shown.db", {2: ("x/2.mp3", "mp3", "ef" * 32, 7)}, {2: b"new", 4: b"drawn"})
    assert [take["output_id"] for take in takes] == [1, 2, 4, 5]
    with closing(sqlite3.connect(tmp_path / "shown.db")) as db:
        assert db.execute("SELECT path, format, sha256, size_bytes FROM outputs WHERE id < 3").fetchall() == [
            ("a/job-0001.wav", "wav", "cd" * 32, 256044), ("x/2.mp3", "mp3", "ef" * 32, 7),
        ]  # fmt: skip
        assert db.execute("SELECT id, format FROM jobs WHERE format = 'mp3'").fetchall() == [(2, "mp3")]
        assert db.execute("SELECT output_id, data FROM peaks ORDER BY 1").fetchall() == [
            (1, b"\x01drawn"), (2, b"new"), (4, b"drawn"), (5, b"\x01drawn"),
        ]  # fmt: skip
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert sorted(path.name for path in tmp_path.glob("shown*")) == ["shown.db"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (None, None), ("tiny", "tiny"), ("facebook/musicgen-small", "facebook/musicgen-small"), ("/a/b/c", "c"),
        ("~/x.wav", "x.wav"), ("C:\\m\\x y", "x y"), ("/a", "a"), ("a /b/c", "a /b/c"), ('/a/"b', '/a/"b'),
    ],
)  # fmt: skip
def test_what_is_left_of_a_path(text: str | None, left: str | None) -> None:
    assert last_name(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (None, None), ('{"reference": "/home/ann/a b.wav"}', '{"reference": "a b.wav"}'),
        (r'["C:\\Users\\ann\\rain.wav", "~/x/ü.wav"]', '["rain.wav", "ü.wav"]'),
        (r'{"said": "3 \"/4\" beat", "n": 1.50}', r'{"said": "3 \"/4\" beat", "n": 1.50}'),
    ],
)  # fmt: skip
def test_what_is_left_of_paths_in_json(text: str | None, left: str | None) -> None:
    assert last_names_in(text) == left
