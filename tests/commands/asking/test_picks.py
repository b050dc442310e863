from __future__ import annotations

import csv
import json
from io import StringIO

import pytest
from click.testing import Result

from commands.conftest import Command, parsed
from service.conftest import serving, until
from soundmill.catalog.reader import Reader
from soundmill.home import Home


def work_off(home: Home) -> None:
    with serving(home) as service:
        until(service, lambda: not list(home.control.glob("*.json")))


def takes(soundmill: Command) -> list[str]:
    return [row["audio"] for row in parsed(soundmill("jobs", "songs", "--json"))]


def test_takes_are_picked_listed_and_taken_off_again(soundmill: Command, worked_home: Home) -> None:
    first, second, third = takes(soundmill)
    answer = soundmill("pick", first, str(worked_home.outputs / second), "--list", "=bosses", "--note", "big")
    assert answer.exit_code == 0 and "2 takes on the shortlist =bosses" in answer.output
    assert "it will be done at the next start" in answer.output
    soundmill("pick", third)
    work_off(worked_home)
    assert [(row["shortlist"], row["picks"]) for row in parsed(soundmill("picks", "--json"))] == [
        ("=bosses", 2), ("picks", 1),
    ]  # fmt: skip
    rows = list(csv.DictReader(StringIO(soundmill("picks", "=BOSSES", "--csv").stdout)))
    assert [row["audio"] for row in rows] == [first, second]
    assert {(row["shortlist"], row["note"], row["who"]) for row in rows} == {("'=bosses", "big", "owner")}
    assert "All 3 rows of songs have a pick." in soundmill("picks", "--missing", "songs").output
    missing = soundmill("picks", "=bosses", "--missing", "songs").output
    assert missing.startswith("2 of 3 rows have a pick; these do not:\n") and missing.count("\n") == 3
    soundmill("pick", first, "--list", "=bosses", "--remove")
    work_off(worked_home)
    assert [row["audio"] for row in parsed(soundmill("picks", "=bosses", "--json"))] == [second]


def test_a_take_is_rejected_and_that_is_taken_back(soundmill: Command, worked_home: Home) -> None:
    take = takes(soundmill)[0]
    assert "rejected" in soundmill("rate", take, "--reject", "--note", "hiss").output
    assert "2 stars and rejected" in soundmill("rate", take, "2", "--reject").output
    work_off(worked_home)
    with Reader.open(worked_home.catalog) as reader:
        assert [(row["stars"], row["note"]) for row in reader.takes("songs") if row["rejected"]] == [(2, None)]
    assert "taken back" in soundmill("rate", take, "--clear").output
    work_off(worked_home)
    with Reader.open(worked_home.catalog) as reader:
        assert not [row for row in reader.takes("songs") if row["rejected"] or row["stars"]]


def wrong(result: Result, said: str) -> None:
    assert result.exit_code in (1, 2) and said in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rate", "1"], "say one to five STARS"),
        (["rate", "1", "3", "--clear"], "say one to five STARS"),
        (["rate", "1", "--clear", "--note", "x"], "say one to five STARS"),
        (["pick", "songs"], "is a batch"),
        (["pick", "nothing.wav"], "no such"),
        (["picks", "nothing"], "no such shortlist"),
        (["picks", "--missing", "sngs"], "did you mean songs?"),
        (["archive", "1"], "is a job"),
        (["priority", "songs", "5000"], "range"),
    ],
)
def test_what_makes_no_sense_is_said_and_no_word_is_left(
    soundmill: Command, worked_home: Home, words: list[str], said: str
) -> None:
    wrong(soundmill(*words), said)
    assert not list(worked_home.control.glob("*.json"))


def test_archive_and_priority_are_left_for_the_daemon(soundmill: Command, worked_home: Home) -> None:
    assert "archive songs (archived): handed to the daemon" in soundmill("archive", "songs").output
    assert soundmill("priority", "songs", "--", "-5").exit_code == 0
    words = [json.loads(path.read_text()) for path in sorted(worked_home.control.glob("*.json"))]
    assert [(word["action"], word["target"], word.get("priority")) for word in words] == [
        ("archive", "songs", None), ("priority", "songs", -5),
    ]  # fmt: skip
    work_off(worked_home)
    (batch,) = parsed(soundmill("status", "--json"))["batches"]
    assert batch["priority"] == -5 and batch["archived_at"]
