"""Best of n in the whole daemon: chosen while it works, asked for by file, rated by control file, and killed."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from service.conftest import config, serving, until
from service.test_crash import audio, daemon, rows, run_to_the_end
from soundmill.catalog.reader import Reader
from soundmill.config import Config, ScoringConfig
from soundmill.home import Home
from soundmill.inbox import control
from soundmill.inbox.control import Control
from soundmill.jobs import GenerationRequest
from support.fake_engine import FakeEngine

THREE_OF_A_ROW = "prompt,count,keep_best\nrain,3,1\n"


def engine_for(device: str) -> FakeEngine:
    """The second of three takes is the best, the first the worst."""

    def measurements(request: GenerationRequest) -> dict[str, float | None]:
        return {"silence_share": {1: 0.28, 2: 0.1, 3: 0.2}[request.job_id]}

    return FakeEngine(device, slots=2, measurements=measurements, wait=lambda s: time.sleep(min(s, 0.01)))


def kept(home: Home) -> list[int | None]:
    with Reader.open(home.catalog) as reader:
        return [row["kept"] for row in reader._rows("SELECT kept FROM takes ORDER BY job_id")]  # type: ignore[misc]


def test_the_best_take_of_a_row_stays_and_the_others_are_set_aside(home: Home) -> None:
    (home.inbox / "a.csv").write_text(THREE_OF_A_ROW)
    with serving(home, engine_for=engine_for) as service:
        until(service, lambda: service.worked_off and len(kept(home)) == 3)
        assert kept(home) == [0, 1, 0]
    assert {Path(name).parent.name for name in audio(home)} == {"a", "set_aside"}
    assert audio(home) == {row[0] for row in rows(home, "SELECT path FROM outputs")}


def test_a_rating_that_comes_later_chooses_again(home: Home) -> None:
    stars: Config = config().model_copy(update={"scoring": ScoringConfig(rank_by="stars")})
    (home.inbox / "a.csv").write_text(THREE_OF_A_ROW)
    with serving(home, engine_for=engine_for, settings=stars) as service:
        until(service, lambda: service.worked_off and len(kept(home)) == 3)
        assert kept(home) == [0, 1, 0]
        control.drop(home.control, Control(action="rate", target="1", stars=5, note=None), "01X")
        until(service, lambda: kept(home) == [1, 0, 0] and service.worked_off)
    assert audio(home) == {row[0] for row in rows(home, "SELECT path FROM outputs")}
    assert sum("set_aside" in name for name in audio(home)) == 2


def test_files_that_cannot_be_moved_hold_up_nothing_else(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    (home.outputs / "a").mkdir()
    (home.outputs / "a/set_aside").write_text("somebody's own file")
    (home.inbox / "a.csv").write_text(THREE_OF_A_ROW)
    with serving(home, engine_for=engine_for) as service:
        until(service, lambda: service.worked_off and len(kept(home)) == 3)
        assert kept(home) == [0, 1, 0]
        assert "a file stands where a folder should be: move it away" in caplog.text
        assert audio(home) == {row[0] for row in rows(home, "SELECT path FROM outputs")}
        (home.outputs / "a/set_aside").unlink()
        until(service, lambda: not service.catalog.undecided())
    assert sum("set_aside" in name for name in audio(home)) == 2


def test_kill_9_at_any_moment_leaves_each_row_with_its_best(home: Home) -> None:
    moments = random.Random(2)
    jobs = "".join(f"clip {n},4,2\n" for n in range(12))
    (home.inbox / "a.csv").write_text(f"prompt,count,keep_best\n{jobs}")
    for _ in range(4):
        with daemon(home, "--max-attempts", "20") as process:
            time.sleep(moments.uniform(0.1, 0.7))
            process.send_signal(signal.SIGKILL)
    assert run_to_the_end(home, "--max-attempts", "20") == 0
    assert rows(home, "SELECT status, count(*) FROM jobs GROUP BY status") == [("succeeded", 48)]
    chosen = "SELECT sum(kept), count(*) FROM takes GROUP BY position"
    assert rows(home, chosen) == [(2, 4)] * 12
    assert audio(home) == {row[0] for row in rows(home, "SELECT path FROM outputs")}
    assert rows(home, "SELECT count(*) FROM outputs WHERE kept <> (path NOT LIKE '%/set_aside/%')") == [(0,)]
    assert rows(home, "SELECT count(*) FROM moves") == rows(home, "SELECT count(*) FROM selections_due") == [(0,)]
