"""Deliveries that people ask for on the site: made once, told in a sentence, gone on with by the next daemon."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.conftest import Clock, Mill
from service.conftest import drop as drop_file
from service.test_crash import DAEMON, environment, rows
from soundmill.catalog.asking.deliveries import MOST_WAITING, Wanted
from soundmill.catalog.catalog import Catalog
from soundmill.home import Home
from soundmill.inbox.control import Control, drop
from soundmill.service.aside.asked import AskedDeliveries, asked_command, folder_of
from soundmill.service.controls import Controls
from support.catalogues import put_empty

MAKES = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1]); folder.mkdir(parents=True)
files = [{"short_by_lu": 2.0}, {"short_by_lu": 0.0}]
(folder / "manifest.json").write_text(json.dumps({"delivery": 1, "files": files}))
"""


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Mill]:
    clock = Clock()
    path = tmp_path / "home" / "catalog.db"
    path.parent.mkdir()
    made = Mill(path, clock, Catalog.open(put_empty(path), clock=clock))
    made.ingest(3)
    for attempt in made.claim(limit=3):
        made.succeed(attempt)
    yield made
    made.close()


@pytest.fixture
def home(mill: Mill, tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def wish(mill: Mill, home: Home, number: int, **changes: object) -> str | None:
    """Why it was refused."""
    values = {"action": "deliver", "target": "themes", "of": "batch", "profile": "game", **changes}
    drop(home.control, Control(**values), f"01JC{number:022}")  # type: ignore[arg-type]
    ears = {"cancelled": lambda _: None, "rated": lambda _: None, "prune": lambda: None}
    Controls(home.control, mill.catalog, **ears, clock=mill.clock).work_off()  # type: ignore[arg-type]
    reason: str | None = mill.row(f"SELECT reason FROM wish_answers WHERE ulid = '01JC{number:022}'")["reason"]
    return reason


def making(mill: Mill, home: Home, program: str) -> AskedDeliveries:
    def command(wanted: Wanted) -> list[str]:
        return [sys.executable, "-c", program, str(home.deliveries / folder_of(wanted))]

    return AskedDeliveries(mill.catalog, home, command, mill.clock)


def worked_off(asked: AskedDeliveries) -> None:
    for _ in range(100):
        if asked.worked_off:
            return
        asked.tick()
        if asked._running is not None:
            asked._running[1].process.wait()
    raise AssertionError("not worked off")


def states(mill: Mill) -> list[tuple[str, str | None]]:
    return [(row["state"], row["said"]) for row in mill.rows("SELECT state, said FROM deliveries")]


def test_one_is_made_and_told(mill: Mill, home: Home) -> None:
    assert wish(mill, home, 1, zipped=True) is None
    assert states(mill) == [("waiting", None)]
    worked_off(making(mill, home, MAKES))
    said = "2 files in deliveries/themes-game; 1 under the loudness that was asked, manifest.csv says by how much"
    assert states(mill) == [("made", said)]
    assert mill.row("SELECT folder, zip_file FROM deliveries")["zip_file"] == "themes-game.zip"


def test_one_that_fails_says_why_and_not_where_the_home_is(mill: Mill, home: Home) -> None:
    wish(mill, home, 1)
    worked_off(making(mill, home, f"raise SystemExit('soundmill: {home.deliveries}/x: is a file')"))
    assert states(mill) == [("failed", "deliveries/x: is a file")]


def test_what_was_being_made_when_the_daemon_ended_is_made_by_the_next(mill: Mill, home: Home) -> None:
    wish(mill, home, 1)
    wish(mill, home, 2, profile="web")
    first = making(mill, home, "import time; time.sleep(1000)")
    first.tick()
    assert [state for state, _ in states(mill)] == ["making", "waiting"]
    first.stop()
    worked_off(making(mill, home, MAKES))
    assert [state for state, _ in states(mill)] == ["made", "made"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"target": "thems"}, "no such batch or job; did you mean"),
        ({"target": "themes/job-0001"}, "is a job"),
        ({"target": "picks", "of": "shortlist"}, "no such shortlist"),
    ],
)
def test_what_is_no_batch_or_shortlist_is_refused(
    mill: Mill, home: Home, changes: dict[str, object], reason: str
) -> None:
    assert reason in (wish(mill, home, 1, **changes) or "")
    assert states(mill) == []


def test_the_same_twice_and_too_much_at_once_are_refused(mill: Mill, home: Home) -> None:
    for number in range(MOST_WAITING):
        assert wish(mill, home, number, profile=f"p{number}") is None
    assert "is being made already" in (wish(mill, home, 98, profile="p3") or "")
    assert "wait already" in (wish(mill, home, 99) or "")


def test_those_that_have_ended_stay_on_record_and_let_others_wait(mill: Mill, home: Home) -> None:
    asked_for = 2 * MOST_WAITING + 1
    for number in range(asked_for):
        assert wish(mill, home, number) is None
        mill.catalog.delivery_ended(f"01JC{number:022}", "no", folder=None, zip_file=None)
    assert mill.row("SELECT count(*) AS n FROM deliveries WHERE state = 'failed'")["n"] == asked_for


def test_a_shortlist_is_named_as_one_whatever_it_is_called(mill: Mill, home: Home) -> None:
    wanted = Wanted(
        ulid="u", of="shortlist", target="--zip select/", named="--zip select/", takes=1, profile="game", zipped=False,
        rights=False,
    )  # fmt: skip
    words = asked_command(home)(wanted)
    assert words[-3:] == ["--list", "--", "--zip select/"]
    assert folder_of(wanted) == "picks-zip-select-game"


@pytest.mark.parametrize("end", ["", ".done"])
@pytest.mark.parametrize("point", ["catalog.delivery_begun", "catalog.delivery_ended"])
def test_one_is_whole_and_told_once_wherever_the_daemon_is_killed(tmp_path: Path, point: str, end: str) -> None:
    home = Home(tmp_path / "home")
    home.create()
    drop_file(home, "bells.csv", 2)
    command = [sys.executable, str(DAEMON), str(home.root), "--once"]
    subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL)
    drop(home.control, Control(action="deliver", target="bells", of="batch", profile="web"), f"01JC{1:022}")
    faulty = environment() | {"SOUNDMILL_FAULT": f"{point}{end}:1=kill"}
    assert subprocess.run(command, env=faulty, check=False, stdout=subprocess.DEVNULL).returncode == -signal.SIGKILL
    subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL)
    assert rows(home, "SELECT state, said FROM deliveries") == [("made", "2 files in deliveries/bells-web")]
    manifest = json.loads((home.deliveries / "bells-web" / "manifest.json").read_text(encoding="utf-8"))
    there = {str(path.relative_to(home.deliveries / "bells-web")) for path in home.deliveries.rglob("*.ogg")}
    assert there == {entry["file"] for entry in manifest["files"]} and len(there) == 2
