from __future__ import annotations

import contextlib
from pathlib import Path

from commands.conftest import Command
from soundmill.home import Home, lock_home


def switch_on(home: Home, model: Path) -> None:
    home.config_file.write_text(f"scoring:\n  scorers: [clap]\n  clap_model: {model}\n")


def test_without_scorers_there_is_nothing_to_do(soundmill: Command, worked_home: Home) -> None:
    done = soundmill("score")
    assert done.exit_code == 2
    assert "scoring.scorers names none" in done.output


def test_in_a_home_that_is_not_set_up_the_mend_is_named(soundmill: Command) -> None:
    done = soundmill("score")
    assert done.exit_code == 1
    assert "no catalogue here yet: run `soundmill init`" in done.output


def test_beside_a_daemon_it_is_refused_because_the_daemon_does_it(
    soundmill: Command, worked_home: Home, tmp_path: Path
) -> None:
    switch_on(worked_home, tmp_path)
    with contextlib.closing(lock_home(worked_home)):
        done = soundmill("score")
    assert done.exit_code == 1
    assert "another daemon" in done.output


def test_a_scorer_that_cannot_be_loaded_fails_the_command(
    soundmill: Command, worked_home: Home, tmp_path: Path
) -> None:
    switch_on(worked_home, tmp_path)
    done = soundmill("score")
    assert done.exit_code == 1
    assert "scorer clap" in done.output and "scoring.clap_model" in done.output
    assert done.output.count("\n") == 1


def test_ranking_by_a_scorer_that_is_off_is_a_fault_of_the_settings(soundmill: Command, worked_home: Home) -> None:
    worked_home.config_file.write_text("scoring:\n  rank_by: clap\n")
    done = soundmill("status")
    score = soundmill("score")
    assert done.exit_code == 0
    assert score.exit_code == 1
    assert "rank_by clap needs clap among scorers" in score.output
