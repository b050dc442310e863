from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from publish.conftest import Home, job
from service.conftest import config, drop, quick_engine
from soundmill.cli import main
from soundmill.home import Home as HomeFolder
from soundmill.service.daemon import Service
from soundmill.service.reporter import BEHIND, BEHIND_FOR_S, TRIES, Reporter, report_command

Command = Callable[[str], list[str]]


def finished(home: Home, name: str = "bells") -> int:
    """A batch of one take, all done; its id."""
    home.ingest(name, [job(1, "a bell")])
    [attempt] = home.claim(1)
    home.finish(attempt, score=80.0)
    return attempt.job.batch_id


def reporter(home: Home, command: Command, *, generating: bool = False) -> Reporter:
    def now() -> float:
        return home.now[0]

    return Reporter(home.catalog, home.outputs, command, clock=now, steady=now, generating=lambda: generating)


def says(program: str) -> Command:
    return lambda batch: [sys.executable, "-c", program, batch]


def until(reporter: Reporter, true: Callable[[], bool], home: Home) -> None:
    """Tick until it is true, a fake minute at a time, so that waits between tries are over at once."""
    pause = threading.Event()
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not happen"
        reporter.tick()
        pause.wait(0.02)
        home.now[0] += 1.0


def events(home: Home, kind: str) -> list[str]:
    db = sqlite3.connect(home.database)
    try:
        return [row[0] for row in db.execute("SELECT message FROM events WHERE kind = ? ORDER BY id", (kind,))]
    finally:
        db.close()


@pytest.fixture
def home(tmp_path: Path, fresh: Callable[[Path], Home]) -> Home:
    return fresh(tmp_path / "home")


def test_the_real_command_makes_the_report_and_the_batch_is_no_longer_owed(home: Home) -> None:
    finished(home)
    made = reporter(home, report_command(HomeFolder(home.root)))
    assert not made.idle
    until(made, lambda: made.idle, home)
    assert (home.outputs / "bells" / "report.html").is_file()
    assert home.catalog.unreported() == [] and made.given_up == ()
    assert events(home, "report made") == ["bells: outputs/bells/report.html"]


def test_reports_are_made_one_at_a_time_oldest_first(home: Home, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        finished(home, name)
    log = tmp_path / "log"
    program = f"import sys\nf = open({str(log)!r}, 'a')\nf.write('<' + sys.argv[1])\nf.flush()\nf.write('>')"
    made = reporter(home, says(program))
    until(made, lambda: made.idle, home)
    assert log.read_text() == "<one><two><three>"


def test_while_clips_are_made_reports_take_no_more_than_half_the_time(home: Home, tmp_path: Path) -> None:
    for name in ("one", "two"):
        finished(home, name)
    made = reporter(home, says("pass"), generating=True)
    made.tick()
    home.now[0] += 30
    pause = threading.Event()
    while made.busy_with:
        pause.wait(0.02)
        made.tick()
    home.now[0] += 29
    made.tick()
    assert made.busy_with is None
    home.now[0] += 1
    made.tick()
    assert made.busy_with == "two"
    made.stop()


def test_reports_that_fall_behind_are_said(home: Home) -> None:
    for number in range(BEHIND):
        finished(home, f"batch-{number}")
    made = reporter(home, says("pass"))
    assert made.backlog is None
    home.now[0] += BEHIND_FOR_S
    assert made.backlog is not None and made.backlog.startswith(f"{BEHIND} reports are owed")
    until(made, lambda: made.idle, home)
    assert made.backlog is None


def test_a_report_that_fails_is_tried_again_and_then_given_up(home: Home) -> None:
    finished(home)
    made = reporter(home, says("import sys; sys.exit('soundmill: no room')"))
    until(made, lambda: made.idle, home)
    said = events(home, "report failed")
    assert len(said) == TRIES and all("bells: soundmill: no room" in message for message in said)
    assert said[-1].endswith("soundmill report bells makes it by hand")
    assert made.given_up == ("bells",) and len(home.catalog.unreported()) == 1


def test_a_new_start_of_the_daemon_tries_again(home: Home) -> None:
    finished(home)
    first = reporter(home, says("import sys; sys.exit(1)"))
    until(first, lambda: first.idle, home)
    second = reporter(home, says("pass"))
    assert not second.idle
    until(second, lambda: second.idle, home)
    assert home.catalog.unreported() == []


def test_between_tries_it_waits(home: Home) -> None:
    finished(home)
    made = reporter(home, says("import sys; sys.exit(1)"))
    pause = threading.Event()
    end = time.monotonic() + 60
    while not events(home, "report failed"):
        assert time.monotonic() < end
        made.tick()
        pause.wait(0.02)
    for _ in range(5):
        made.tick()  # the clock stands still
    assert len(events(home, "report failed")) == 1 and not made.idle


def alive(process: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked for its status does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def with_child(pids: Path) -> Command:
    """A report that hangs, with a process it has started."""
    program = (
        "import subprocess, sys, os, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        f"open({str(pids)!r} + '.part', 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.rename({str(pids)!r} + '.part', {str(pids)!r})\n"
        "time.sleep(300)\n"
    )
    return says(program)


def test_a_report_that_overruns_its_deadline_is_ended_with_its_children(home: Home, tmp_path: Path) -> None:
    finished(home)
    pids = tmp_path / "pids"
    made = reporter(home, with_child(pids))
    until(made, pids.exists, home)
    running = [int(pid) for pid in pids.read_text().split()]
    assert all(alive(pid) for pid in running)
    home.now[0] += 10_000
    made.tick()
    [message] = events(home, "report failed")
    assert "took longer than" in message
    ended = time.monotonic() + 10
    while any(alive(pid) for pid in running):
        assert time.monotonic() < ended
        threading.Event().wait(0.02)


def test_it_runs_at_the_lowest_priority_and_ends_with_the_daemon(home: Home, tmp_path: Path) -> None:
    finished(home)
    pids = tmp_path / "pids"
    made = reporter(home, with_child(pids))
    until(made, pids.exists, home)
    leader = int(pids.read_text().split()[0])
    assert os.getpriority(os.PRIO_PROCESS, leader) == 19
    made.stop()
    assert not alive(leader)
    assert len(home.catalog.unreported()) == 1


def test_a_batch_taken_up_again_meanwhile_is_reported_again(home: Home, tmp_path: Path) -> None:
    finished(home)
    go = tmp_path / "go"
    program = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    made = reporter(home, says(program))
    made.tick()
    db = sqlite3.connect(home.database)
    with db:
        db.execute("UPDATE batches SET finished_at = finished_at + 1000")  # as after a retry that ended
    db.close()
    go.touch()
    until(made, lambda: bool(events(home, "report made")), home)
    assert [batch.name for batch in home.catalog.unreported()] == ["bells"]
    made.stop()


def test_run_once_ends_when_the_reports_are_there(tmp_path: Path) -> None:
    home = HomeFolder(tmp_path / "home")
    home.create()
    for name in ("horns", "bells"):
        drop(home, f"{name}.csv", 2)
    ended = Service(home, config(), devices=["cpu"], with_site=False, with_reports=True, engine_for=quick_engine).run(
        once=True
    )
    assert ended.ok and sorted(ended.reports) == ["bells", "horns"]
    for name in ended.reports:
        assert "2 of 2 jobs have a take" in (home.outputs / name / "README.md").read_text(encoding="utf-8")


def test_run_once_tells_of_a_report_that_cannot_be_made(tmp_path: Path) -> None:
    home = HomeFolder(tmp_path / "home")
    home.create()
    drop(home, "bells.csv", 1)
    (home.outputs / "bells").mkdir()
    (home.outputs / "bells" / "pictures").write_text("a file where a folder should be")
    hours = [0.0]

    def clock() -> float:
        hours[0] += 1.0  # the waits between tries are over at once
        return time.time() + hours[0]

    ended = Service(
        home, config(), devices=["cpu"], with_site=False, with_reports=True, engine_for=quick_engine, steady=clock
    ).run(once=True)
    assert not ended.ok and ended.failed == 0 and "soundmill report bells" in str(ended.problem)


def run(home: Home, *words: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), *words])


def test_the_command_says_where_the_report_is(home: Home) -> None:
    finished(home)
    result = run(home, "report", "bells")
    assert result.exit_code == 0 and result.stdout.strip() == str(home.outputs / "bells" / "report.html")


def test_the_command_reports_on_a_batch_that_is_still_in_work(home: Home) -> None:
    home.ingest("bells", [job(1, "a bell"), job(2, "a gong")])
    [attempt] = home.claim(1)
    home.finish(attempt, score=80.0)
    assert run(home, "report", "bells").exit_code == 0
    assert "1 job still waits or runs" in (home.outputs / "bells" / "report.html").read_text(encoding="utf-8")
    assert home.catalog.unreported() == []


def test_an_unknown_batch_is_answered_with_the_nearest_name(home: Home) -> None:
    finished(home)
    result = run(home, "report", "bels")
    assert result.exit_code == 1 and "did you mean bells?" in result.output


def test_a_missing_outputs_folder_is_not_made(home: Home) -> None:
    finished(home)
    home.outputs.rename(home.root / "elsewhere")
    result = run(home, "report", "bells")
    assert result.exit_code == 1 and "mount its disk" in result.output and not home.outputs.exists()


def test_a_folder_that_cannot_be_written_is_said_with_the_mend(home: Home) -> None:
    finished(home)
    (home.outputs / "bells" / "pictures").write_text("a file where the report's folder should be")
    result = run(home, "report", "bells")
    assert result.exit_code == 1 and "then: soundmill report bells" in result.output
