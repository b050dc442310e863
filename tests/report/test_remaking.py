"""A report whose facts change after it was made is made again: some quiet seconds later, once for many changes, also
after a kill, and in the page that people open."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ulid import ULID

from publish.conftest import Home
from report.test_reporting import alive, events, finished, report_command, reporter, says, until, with_child
from service.conftest import config, drop, quick_engine
from service.conftest import until as daemon_until
from soundmill.catalog.asking import ratings
from soundmill.commands.run import conclude
from soundmill.config import Config, QualityConfig
from soundmill.home import Home as HomeFolder
from soundmill.inbox import control
from soundmill.inbox.control import Control
from soundmill.service.daemon import Ended, Service
from soundmill.service.reporter import PATIENCE_S, QUIET_S, TRIES, Reporter
from support.asking import asked

STARS = 'aria-label="4 of 5 stars"'


@pytest.fixture
def home(tmp_path: Path, fresh: Callable[[Path], Home]) -> Home:
    return fresh(tmp_path / "home")


def reported(home: Home, made: Reporter) -> None:
    """Until nothing is owed."""
    until(made, lambda: made.idle, home)


def rate(home: Home, made: Reporter, stars: int = 4, batch: str = "bells") -> None:
    home.now[0] += 1.0
    asked(home.catalog, ratings.rate, f"{batch}/clip-001", stars, "warm")
    made.tick()


def test_a_rating_after_the_report_is_in_the_page_the_tables_and_the_summary(home: Home) -> None:
    finished(home)
    made = reporter(home, report_command(HomeFolder(home.root)))
    reported(home, made)
    page = home.outputs / "bells" / "report.html"
    assert STARS not in page.read_text(encoding="utf-8")
    rate(home, made)
    reported(home, made)
    assert STARS in page.read_text(encoding="utf-8")
    with (page.parent / "jobs.csv").open(encoding="utf-8-sig", newline="") as table:
        assert [(row["stars"], row["note"]) for row in csv.DictReader(table)] == [("4", "warm")]
    assert json.loads((page.parent / "summary.json").read_text())["quality"]["stars_mean"] == 4.0


def test_twenty_ratings_in_a_row_make_one_report(home: Home) -> None:
    finished(home)
    made = reporter(home, says("pass"))
    reported(home, made)
    for number in range(20):
        rate(home, made, stars=1 + number % 5)
        assert made.busy_with is None
    home.now[0] += QUIET_S - 0.1
    made.tick()
    assert made.busy_with is None and not made.idle
    home.now[0] += 0.2
    made.tick()
    assert made.busy_with == "bells"
    reported(home, made)
    assert made.made == ["bells", "bells"]


def test_changes_without_a_pause_do_not_put_the_report_off_for_ever(home: Home) -> None:
    finished(home)
    made = reporter(home, says("pass"))
    reported(home, made)
    began = home.now[0]
    while made.busy_with is None:
        assert home.now[0] < began + PATIENCE_S + 5
        rate(home, made)
    assert home.now[0] >= began + PATIENCE_S
    made.stop()


def test_a_daemon_killed_before_or_while_it_makes_the_report_again_makes_it_after_all(
    home: Home, tmp_path: Path
) -> None:
    finished(home)
    made = reporter(home, says("pass"))
    reported(home, made)
    rate(home, made)  # the quiet seconds are not over: this daemon never comes to it
    pids = tmp_path / "pids"
    second = reporter(home, with_child(pids))
    until(second, pids.exists, home)
    third = reporter(home, says("pass"))  # while what the killed one had started still runs
    assert alive(int(pids.read_text().split()[0])) and not third.idle
    reported(home, third)
    second.stop()
    assert third.made == ["bells"] and home.catalog.unreported() == []


def test_a_rating_while_the_report_is_being_made_makes_it_once_more(home: Home, tmp_path: Path) -> None:
    finished(home)
    go = tmp_path / "go"
    made = reporter(home, says(f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"))
    made.tick()
    rate(home, made)
    assert made.busy_with == "bells"
    go.touch()
    reported(home, made)
    assert made.made == ["bells", "bells"]


def test_a_report_given_up_is_tried_again_when_something_changes(home: Home) -> None:
    finished(home)
    made = reporter(home, says("import sys; sys.exit('no room')"))
    reported(home, made)
    assert made.given_up == ("bells",) and len(events(home, "report failed")) == TRIES
    rate(home, made)
    assert made.given_up == ()
    reported(home, made)
    assert made.given_up == ("bells",) and len(events(home, "report failed")) == 2 * TRIES


def test_a_new_batch_does_not_wait_for_reports_that_are_made_again(home: Home) -> None:
    for name in ("horns", "bells"):
        finished(home, name)
    made = reporter(home, says("pass"))
    reported(home, made)
    for name in ("horns", "bells"):
        rate(home, made, batch=name)
    home.now[0] += QUIET_S + 1
    finished(home, "drums")
    reported(home, made)
    assert made.made[2:] == ["drums", "bells", "horns"]


def test_a_folder_that_was_taken_away_is_not_made_again_for_a_report(home: Home) -> None:
    finished(home)
    made = reporter(home, says("pass"))
    reported(home, made)
    (home.outputs / "bells").rename(home.root / "archive")
    rate(home, made)
    reported(home, made)
    assert made.made == ["bells"] and not (home.outputs / "bells").exists()


def test_a_rating_dropped_while_the_daemon_was_down_is_in_the_report_of_its_next_run(tmp_path: Path) -> None:
    home = HomeFolder(tmp_path / "home")
    home.create()
    drop(home, "bells.csv", 2)
    hurried = [0.0]

    def clock() -> float:
        hurried[0] += 0.2  # the quiet seconds are soon over
        return time.time() + hurried[0]

    def run_once() -> tuple[str, ...]:
        service = Service(
            home, config(), devices=["cpu"], with_site=False, with_reports=True, engine_for=quick_engine, clock=clock
        )
        ended = service.run(once=True)
        assert ended.ok
        return ended.reports

    assert run_once() == ("bells",)
    page = home.outputs / "bells" / "report.html"
    assert STARS not in page.read_text(encoding="utf-8")
    control.drop(home.control, Control(action="rate", target="1", stars=4, note=None), str(ULID()))
    assert run_once() == ("bells",)
    assert STARS in page.read_text(encoding="utf-8")
    assert run_once() == ()


def test_what_is_expected_is_made_before_what_else_became_due_again_and_alone_is_waited_for(home: Home) -> None:
    ids = {name: finished(home, name) for name in ("horns", "bells", "drums")}
    made = reporter(home, says("pass"))
    reported(home, made)
    for name in ids:
        asked(home.catalog, ratings.rate, f"{name}/clip-001", 4, None)
    assert made.worked_off is False  # their first reports were made in this run
    later = reporter(home, says("pass"))
    assert later.worked_off and later.outdated == 3
    later.expect([ids["horns"]])
    assert not later.worked_off and later.outdated == 2
    home.now[0] += QUIET_S + 1
    until(later, lambda: later.worked_off, home)
    assert later.made == ["horns"] and not later.idle
    reported(home, later)
    assert sorted(later.made[1:]) == ["bells", "drums"] and later.outdated == 0


def test_run_once_leaves_the_reports_of_earlier_batches_that_a_new_limit_changed_to_the_daemon(tmp_path: Path) -> None:
    home = HomeFolder(tmp_path / "home")
    home.create()
    strict = config().model_copy(
        update={"quality": QualityConfig.model_validate({"music": {"loudness_min_lufs": -1.0}})}
    )
    began = time.time()

    def service(settings: Config, speed: float) -> Service:
        return Service(
            home,
            settings,
            devices=["cpu"],
            with_site=False,
            with_reports=True,
            engine_for=quick_engine,
            clock=lambda: began + speed * (time.time() - began),
        )

    for name in ("horns", "bells"):
        drop(home, f"{name}.csv", 2)
    assert sorted(service(config(), 1).run(once=True).reports) == ["bells", "horns"]
    drop(home, "drums.csv", 2)
    ended = service(strict, 1.01).run(once=True)
    assert ended.ok and (ended.reports, ended.outdated) == (("drums",), 2)
    flagged = "2 flagged"
    assert flagged not in (home.outputs / "bells" / "README.md").read_text(encoding="utf-8")
    daemon = service(strict, 10)
    try:
        daemon_until(daemon, lambda: flagged in (home.outputs / "bells" / "README.md").read_text(encoding="utf-8"))
        daemon_until(daemon, lambda: flagged in (home.outputs / "horns" / "README.md").read_text(encoding="utf-8"))
    finally:
        daemon.stop(0.0)


@pytest.mark.parametrize(
    ("outdated", "said"),
    [
        (0, None),
        (1, "the report of 1 earlier batch is out of date"),
        (30, "the reports of 30 earlier batches are out of"),
    ],
)
def test_run_once_says_how_many_reports_it_leaves(outdated: int, said: str | None, tmp_path: Path) -> None:
    lines: list[str] = []
    conclude(HomeFolder(tmp_path), Ended(1, 0, 0, outdated=outdated), lines.append)
    assert [line.startswith(said) for line in lines[:-1]] == [True] if said else len(lines) == 1
