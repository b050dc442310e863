from __future__ import annotations

import signal
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import pytest

from service.conftest import config, drop, quick_engine, serving, until
from service.test_crash import daemon, rows, run_to_the_end, wait_until
from soundmill.catalog.asking import ratings
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.keeping.retention import DAY_S, Rules
from soundmill.config import Config, RetentionConfig
from soundmill.errors import InvalidControl, StorageUnavailable
from soundmill.home import Home
from soundmill.inbox.control import Control
from soundmill.inbox.control import drop as leave_word
from soundmill.service.daemon import Service
from soundmill.service.keeping.pruning import INTERVAL_S, Pruning
from support.asking import asked
from support.catalogues import put_empty

OFF = Rules(after_d=None, failed_after_d=None, set_aside_after_d=None, max_gb=None)
WEEK = Rules(after_d=7.0, failed_after_d=None, set_aside_after_d=None, max_gb=None)


@dataclass
class Times:
    """A date and a steady clock that a test moves."""

    date: float
    steady: float = 0.0

    def go_on(self, seconds: float) -> None:
        self.date += seconds
        self.steady += seconds


def worked(home: Home, clips: int) -> None:
    drop(home, "old.csv", clips)
    service = Service(home, config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine)
    assert service.run(once=True).ok


def audio(home: Home) -> set[str]:
    return {path.relative_to(home.outputs).as_posix() for path in home.outputs.rglob("*.wav*")}


class Keeper:
    """Pruning on the catalogue of a home whose takes are ten days old."""

    def __init__(self, home: Home, rules: Rules) -> None:
        self.home = home
        self.events: list[tuple[str, str]] = []
        born = float(str(rows(home, "SELECT max(created_at) FROM outputs")[0][0]))
        self.times = Times(born + 10 * DAY_S)
        self.catalog = Catalog.open(put_empty(home.catalog), clock=lambda: self.times.date)
        self.pruning = Pruning(
            self.catalog,
            home.outputs,
            rules,
            record=lambda kind, message: self.events.append((kind, message)),
            clock=lambda: self.times.date,
            steady=lambda: self.times.steady,
        )

    def work(self) -> None:
        self.pruning.step()
        while not self.pruning.idle:
            self.pruning.step()

    def close(self) -> None:
        self.catalog.close()


def test_once_an_hour_what_is_due_goes_with_its_sidecar_and_its_row_stays(home: Home) -> None:
    worked(home, 120)
    with closing(Keeper(home, WEEK)) as keeper:
        asked(keeper.catalog, ratings.rate, "old/0001-clip-number-0-of-old-csv", 3, None)
        keeper.work()
        assert len(audio(home)) == 240  # by a wrong date all takes are old: not at once
        keeper.times.go_on(INTERVAL_S)
        keeper.work()
        assert audio(home) == {f"old/0001-clip-number-0-of-old-csv.wav{suffix}" for suffix in ("", ".json")}
        assert rows(home, "SELECT count(*), sum(pruned_at IS NULL) FROM outputs") == [(120, 1)]
        assert rows(home, "SELECT count(*) FROM prunings") == [(0,)]
        ((kind, message),) = keeper.events
        assert kind == "takes pruned" and message.startswith("119 takes of 1 batch, ")
        keeper.times.go_on(INTERVAL_S)
        keeper.work()
        assert len(keeper.events) == 1


def test_a_step_is_short(home: Home) -> None:
    """A worker, the inbox and the site wait for no more than fifty files."""
    worked(home, 120)
    with closing(Keeper(home, WEEK)) as keeper:
        keeper.pruning.ask()
        before = len(audio(home))
        while not keeper.pruning.idle:
            keeper.pruning.step()
            assert before - len(audio(home)) <= 100
            before = len(audio(home))


def test_without_rules_nothing_goes_and_who_asks_is_told(home: Home) -> None:
    worked(home, 2)
    with closing(Keeper(home, OFF)) as keeper:
        keeper.times.go_on(10 * INTERVAL_S)
        keeper.work()
        with pytest.raises(InvalidControl, match="retention is off"):
            keeper.pruning.ask()
    assert len(audio(home)) == 4


@pytest.mark.parametrize("asked", [False, True])
def test_a_date_that_was_set_forward_lets_nothing_go(home: Home, asked: bool) -> None:
    worked(home, 3)
    with closing(Keeper(home, WEEK)) as keeper:
        keeper.times.date -= 9 * DAY_S  # the takes are a day old
        keeper.pruning.use(WEEK)
        keeper.work()
        keeper.times.go_on(INTERVAL_S)
        if asked:
            keeper.pruning.ask()
        keeper.times.date += 3650 * DAY_S
        keeper.work()
        assert len(audio(home)) == 6
        keeper.times.date -= 3650 * DAY_S
        keeper.work()
        keeper.times.go_on(INTERVAL_S)
        keeper.work()
    assert len(audio(home)) == 6
    assert [kind for kind, _ in keeper.events] == (["takes kept"] if asked else [])


def test_marked_files_go_at_the_next_start_also_where_retention_is_off_by_then(home: Home) -> None:
    worked(home, 3)
    with closing(Keeper(home, WEEK)) as keeper:
        keeper.catalog.prune([take.id for take in keeper.catalog.stored(0)][:2])
    with closing(Keeper(home, OFF)) as keeper:
        keeper.work()
        assert len(audio(home)) == 2
        assert rows(home, "SELECT count(*) FROM prunings") == [(0,)]


def test_a_file_that_cannot_be_removed_is_tried_again(home: Home) -> None:
    worked(home, 2)
    (first, *_) = sorted(home.outputs.rglob("*.wav"))
    first.unlink()
    first.mkdir()
    with closing(Keeper(home, WEEK)) as keeper:
        keeper.pruning.ask()
        with pytest.raises(StorageUnavailable):
            keeper.work()
        first.rmdir()
        keeper.work()
    assert audio(home) == set()


def test_a_word_left_for_the_daemon_prunes_and_new_rules_are_taken_on_sighup(home: Home) -> None:
    worked(home, 3)
    settings = config()
    late = settings.model_copy(update={"retention": RetentionConfig(after_d=1e-9)})
    found: list[Config] = [late]
    with serving(home, settings=settings, reread=lambda: found[-1]) as service:
        leave_word(home.control, Control(action="prune", target="retention"), "01A")
        until(service, lambda: rows(home, "SELECT message FROM events WHERE kind = 'control refused'") != [])
        assert len(audio(home)) == 6
        with service._signals:  # as while `run` is at it
            signal.raise_signal(signal.SIGHUP)
            service.tick()
        leave_word(home.control, Control(action="prune", target="retention"), "01B")
        until(service, lambda: rows(home, "SELECT message FROM events WHERE kind = 'takes pruned'") != [])
    assert audio(home) == set()


def unpruned(home: Home) -> list[tuple[object, ...]]:
    return rows(home, "SELECT count(*) FROM outputs WHERE pruned_at IS NULL")


def differs(home: Home, before: list[tuple[object, ...]]) -> bool:
    return unpruned(home) != before


def test_kill_9_while_takes_are_pruned_leaves_no_row_without_its_file_or_its_mark(home: Home) -> None:
    worked(home, 300)
    (home.root / "soundmill.yaml").write_text("retention: {after_d: 0.0000001}\n")
    kills = 0
    while unpruned(home) != [(0,)] and kills < 40:
        with daemon(home) as process:
            leave_word(home.control, Control(action="prune", target="retention"), f"01K{kills}")
            before = unpruned(home)
            wait_until(partial(differs, home, before))
            process.send_signal(signal.SIGKILL)
            process.wait()
        kills += 1
        there = {path for path in audio(home) if path.endswith(".wav")}
        kept = {str(row[0]) for row in rows(home, "SELECT path FROM outputs WHERE pruned_at IS NULL")}
        marked = {str(row[0]) for row in rows(home, "SELECT path FROM outputs JOIN prunings ON output_id = outputs.id")}
        assert kept <= there <= kept | marked
    assert kills > 1
    assert run_to_the_end(home) == 0
    assert audio(home) == set()
    assert rows(home, "SELECT count(*) FROM outputs") == [(300,)]
