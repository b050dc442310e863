"""Commands that change something say what they met and what they changed; submit says what became of a file."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from commands.conftest import Command, parsed
from service.conftest import config, drop, quick_engine
from service.test_crash import daemon
from soundmill.catalog.reader import Reader
from soundmill.home import Home
from soundmill.inbox import control
from soundmill.service.daemon import Service


def run_once(home: Home) -> None:
    Service(home, config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine).run(
        once=True
    )


@pytest.fixture
def two_batches(worked_home: Home) -> Home:
    """Batch songs has jobs 1 to 3, batch noises 4 to 6, each as rows 1 to 3."""
    drop(worked_home, "noises.csv", 3)
    run_once(worked_home)
    return worked_home


def name_of(home: Home, job: int) -> str:
    with Reader.open(home.catalog) as reader:
        row = reader.job(job)
    return f"{row['batch']}/{row['name']}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cancel", "songs"], "songs: already finished (3 succeeded); nothing to cancel"),
        (["pause", "songs"], "songs: already finished (3 succeeded); nothing to pause"),
        (["resume", "songs"], "songs: already finished (3 succeeded); nothing to resume"),
        (["retry", "songs"], "songs: already finished (3 succeeded); nothing to retry"),
        (["cancel", "JOB"], "has succeeded already; nothing to cancel"),
        (["retry", "JOB"], "has succeeded already; nothing to retry"),
        (["cancel", "song"], "song: no such batch or job; did you mean songs?"),
        (["retry", "songs/0001-clip"], "did you mean songs/0001-clip-number-0"),
    ],
)
def test_where_there_is_nothing_to_do_that_is_said_and_no_word_left(
    soundmill: Command, worked_home: Home, words: list[str], said: str
) -> None:
    result = soundmill(*(name_of(worked_home, 1) if word == "JOB" else word for word in words))
    assert result.exit_code == 1 and said in result.output and result.output.count("\n") == 1
    assert control.pending(worked_home.control) == []


def test_a_number_that_may_mean_several_jobs_is_refused_by_every_command(soundmill: Command, two_batches: Home) -> None:
    """On the page of noises, "2" is its second row; in a list of jobs it is a job of songs."""
    for words in (["rate", "2", "5"], ["cancel", "2"], ["retry", "2"], ["rerun", "2"], ["pause", "2"]):
        result = soundmill(*words)
        assert result.exit_code == 1, words
        assert f"2: may mean any of {name_of(two_batches, 2)}, {name_of(two_batches, 5)}" in result.output
    assert control.pending(two_batches.control) == []


def test_a_number_that_can_mean_one_thing_is_taken_and_the_job_named(soundmill: Command, two_batches: Home) -> None:
    result = soundmill("rate", "5", "4")
    assert result.exit_code == 0 and f"rate {name_of(two_batches, 5)}.wav (4 stars)" in result.output
    ((_, word),) = control.pending(two_batches.control)
    assert isinstance(word, control.Control) and word.target == name_of(two_batches, 5)


def test_a_batch_whose_name_is_a_number_is_not_taken_for_a_job_nor_a_job_for_it(
    soundmill: Command, worked_home: Home
) -> None:
    (worked_home.inbox / "2.csv").write_text("prompt,id\nx,7\ny,3\n")
    run_once(worked_home)
    answer = soundmill("cancel", "2").output
    assert "2: may mean any of 2, songs/0002" in answer and "2/3" in answer
    assert "songs/0003" in soundmill("cancel", "3").output and "2/3" in soundmill("cancel", "3").output
    assert "2/7: has succeeded already" in soundmill("cancel", "7").output
    assert [row["batch"] for row in parsed(soundmill("jobs", "2", "--json"))] == ["2", "2"]


def test_word_that_waits_is_not_judged_before_it(soundmill: Command, worked_home: Home) -> None:
    """A retry that no daemon has done yet may give a cancel something to do."""
    assert soundmill("rate", "1", "5").exit_code == 0
    result = soundmill("cancel", "songs")
    assert result.exit_code == 0 and "it will be done at the next start" in result.output


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_running_daemon_is_waited_for_and_what_it_changed_is_said(
    soundmill: Command, home: Home, tmp_path: Path
) -> None:
    home.create()
    file = tmp_path / "slow.csv"
    file.write_text("prompt\n" + "hang here\n" * 30)
    with daemon(home):
        answer = soundmill("submit", str(file))
        assert answer.exit_code == 0 and f"{file}: accepted as batch slow, 30 jobs" in answer.output
        until(lambda: any(row["n_running"] for row in parsed(soundmill("status", "--json"))["batches"]))
        paused = soundmill("pause", "slow").output
        assert paused.startswith("paused slow: ") and paused.endswith(" jobs\n")
        again = soundmill("pause", "slow")
        assert (again.exit_code, again.output) == (0, "slow: is paused already; nothing changed\n")
        assert soundmill("resume", "slow").output.startswith("resumed slow: ")
        assert soundmill("cancel", "slow").output == "cancelled slow: 30 jobs\n"
        assert soundmill("retry", name_of(home, 3)).output == f"retried {name_of(home, 3)}: 1 job\n"
        done = soundmill("pause", "slo")
        assert done.exit_code == 1 and "did you mean slow?" in done.output


def test_submit_says_which_files_were_rejected_why_and_ends_with_one(
    soundmill: Command, home: Home, tmp_path: Path
) -> None:
    home.create()
    good, bad, twin = tmp_path / "good.csv", tmp_path / "bad one.csv", tmp_path / "my twin.csv"
    good.write_text("prompt\na bell\n")
    bad.write_text("prompt,duration\na bell,9999\n")
    twin.write_text(good.read_text())
    with daemon(home):
        first = soundmill("submit", str(good), str(bad))
        second = soundmill("submit", str(twin))
    assert first.exit_code == second.exit_code == 1
    assert f"{good}: accepted as batch good, 1 job\n" in first.output
    assert f"{bad}: rejected: 1 problem\n  line 2: duration = 9999: " in first.output
    assert "1 of 2 files were rejected" in first.output
    assert "same content as batch good" in second.output
    command = second.output.split("to run it once more: ")[1].splitlines()[0]
    with daemon(home):
        third = soundmill(*shlex.split(command)[1:])
    assert third.exit_code == 0 and "accepted as batch" in third.output


def test_submit_and_wait_names_the_batch_and_the_reasons(soundmill: Command, home: Home, tmp_path: Path) -> None:
    home.create()
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("prompt\na bell\n")
    bad.write_text("promt\na bell\n")
    with daemon(home):
        done = soundmill("submit", "--wait", str(good))
        refused = soundmill("submit", "--wait", str(bad))
    assert done.exit_code == 0 and "accepted as batch good, 1 job" in done.output
    assert refused.exit_code == 1 and "promt" in refused.output and "was rejected" in refused.output
