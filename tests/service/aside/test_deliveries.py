"""A job file's `deliver`: the daemon has it done when the batch ends, once, and again when jobs of it ran again."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import pytest

from service.conftest import config as settings
from service.conftest import quick_engine, serving, until
from soundmill.catalog.reader import Reader
from soundmill.catalog.reports import Undelivered
from soundmill.config import Config
from soundmill.home import Home
from soundmill.jobs import DeliveryAsked
from soundmill.service.aside.deliveries import TRIES, Deliveries, deliver_command
from soundmill.service.daemon import Ended, Service

JOBS = "defaults: {model: tiny, duration: 0.5}\njobs: [a bell, a drum]\n"


def drop(home: Home, deliver: str) -> None:
    part = home.inbox / ".bells.yaml.part"
    part.write_text(f"{JOBS}deliver: {deliver}\n")
    part.rename(home.inbox / "bells.yaml")


def run_once(home: Home, config: Config | None = None) -> Ended:
    service = Service(
        home, config or settings(), devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine
    )
    return service.run(once=True)


def test_the_takes_are_delivered_when_the_batch_ends(home: Home) -> None:
    drop(home, "{profile: wwise, to: castle, zip: true}")
    ended = run_once(home)
    assert ended.ok
    assert ended.deliveries == (home.deliveries / "castle",)
    manifest = json.loads((home.deliveries / "castle" / "manifest.json").read_text())
    assert manifest["profile"] == "wwise"
    assert len(manifest["files"]) == 2
    assert (home.deliveries / "castle.zip").is_file()
    with Reader.open(home.catalog) as reader:
        assert (reader.batch("bells")["deliver"], bool(reader.batch("bells")["delivered_at"])) == ("wwise", True)
        assert any(row["kind"] == "delivery made" for row in reader.events())
    assert run_once(home).deliveries == ()


def test_without_a_folder_it_is_called_as_the_batch(home: Home) -> None:
    drop(home, "web")
    assert run_once(home).deliveries == (home.deliveries / "bells",)


def test_one_that_fails_is_on_record_with_the_mend(home: Home) -> None:
    blocked = home.deliveries / "bells"
    home.deliveries.mkdir()
    blocked.write_text("a file is in the way")
    drop(home, "game")
    with serving(home) as service:
        until(service, lambda: _events(home, "delivery failed") != [])
    (first, *_) = _events(home, "delivery failed")
    assert str(blocked) in first


def _events(home: Home, kind: str) -> list[str]:
    with Reader.open(home.catalog) as reader:
        return [str(row["message"]) for row in reader.events() if row["kind"] == kind]


class Ledger:
    """A catalogue with one batch that wants its takes."""

    def __init__(self) -> None:
        self.owed = [
            Undelivered(
                id=1, ulid="01J", name="bells", job_count=2, finished_at=10.0, asked=DeliveryAsked(profile="game")
            )
        ]
        self.events: list[str] = []

    def undelivered(self, limit: int = -1) -> list[Undelivered]:
        return list(self.owed)

    def mark_delivered(self, batch_id: int, *, read_at: float) -> None:
        self.owed = []

    def event(self, kind: str, message: str, *, batch_id: int) -> None:
        self.events.append(f"{kind}: {message}")


def deliveries(ledger: Ledger, home: Home, now: list[float], words: list[str]) -> Deliveries:
    return Deliveries(ledger, home, lambda owed: [sys.executable, "-c", *words], lambda: now[0])


def worked_off(made: Deliveries, now: list[float], *, step_s: float) -> None:
    for _ in range(10_000):
        if made.worked_off:
            return
        made.tick()
        if made._running is not None:
            made._running[1].process.wait()
        now[0] += step_s


def test_it_is_tried_again_and_then_given_up(home: Home) -> None:
    ledger, now = Ledger(), [0.0]
    made = deliveries(ledger, home, now, ["raise SystemExit('no room')"])
    worked_off(made, now, step_s=1.0)
    assert made.given_up == ("bells",)
    assert len(ledger.events) == TRIES
    assert ledger.events[-1].startswith(
        "delivery failed: bells: no room; given up after 3 tries: soundmill deliver bells"
    )


def test_one_that_hangs_is_ended(home: Home) -> None:
    ledger, now = Ledger(), [0.0]
    made = deliveries(ledger, home, now, ["import time; time.sleep(1000)"])
    made.tick()
    now[0] += 10_000.0
    made.tick()
    assert "took longer than 620 s" in ledger.events[0]
    made.stop()


def test_the_command_names_the_folder_the_profile_and_the_batch(home: Home) -> None:
    (owed,) = Ledger().owed
    words = deliver_command(home)(owed)
    assert words[-1] == "01J"
    assert words[words.index("--to") + 1] == str(home.deliveries / "bells")


def test_jobs_that_ran_again_are_delivered_again(home: Home) -> None:
    drop(home, "game")
    run_once(home)
    with sqlite3.connect(home.catalog) as db:
        db.execute("UPDATE batches SET finished_at = finished_at + 1")
    assert run_once(home).deliveries == (home.deliveries / "bells",)


@pytest.mark.parametrize("to", ["../elsewhere", "/tmp/elsewhere"])
def test_a_job_file_leads_nowhere_else(home: Home, to: str) -> None:
    drop(home, f"{{profile: game, to: {to}}}")
    assert run_once(home).rejected == 1
    assert "must lead below" in next(home.inbox.glob("rejected/*/bells.yaml.errors.txt")).read_text()


def test_a_folder_of_the_settings_is_allowed(home: Home, tmp_path: Path) -> None:
    drop(home, f"{{profile: game, to: {tmp_path / 'share' / 'bells'}}}")
    config = settings().model_copy(update={"delivery_folders": (str(tmp_path / "share"),)})
    assert run_once(home, config).deliveries == (tmp_path / "share" / "bells",)
