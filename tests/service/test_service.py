from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from ulid import ULID

from service.conftest import config, drop, never_ending, quick_engine, serving, until
from soundmill.config import Config, QualityConfig
from soundmill.errors import HomeInUse
from soundmill.home import Home
from soundmill.inbox import control
from soundmill.inbox.control import Control
from soundmill.jobs import FailureKind, GenerationRequest
from soundmill.service.daemon import Service
from support.fake_engine import FakeEngine


def rows(home: Home, sql: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(home.catalog)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def count(home: Home, status: str) -> int:
    found = rows(home, f"SELECT count(*) FROM jobs WHERE status = '{status}'")[0][0]
    assert isinstance(found, int)
    return found


def takes(home: Home) -> set[str]:
    return {p.relative_to(home.outputs).as_posix() for p in home.outputs.rglob("*.wav")}


def test_a_dropped_file_becomes_audio_and_rows(home: Home) -> None:
    with serving(home) as service:
        drop(home, "a.csv", 5)
        until(service, lambda: count(home, "succeeded") == 5)
    assert len(takes(home)) == 5
    assert list((home.inbox / "accepted").glob("*/a.csv"))
    recorded = {row[0] for row in rows(home, "SELECT path FROM outputs")}
    assert recorded == takes(home)


def test_a_bad_file_is_rejected_and_the_daemon_goes_on(home: Home) -> None:
    with serving(home) as service:
        drop(home, "bad.csv", 2, column="promptt")
        drop(home, "good.csv", 1)
        until(
            service, lambda: count(home, "succeeded") == 1 and list((home.inbox / "rejected").glob("*/bad.csv")) != []
        )
    (errors,) = (home.inbox / "rejected").glob("*/bad.csv.errors.txt")
    assert "prompt" in errors.read_text()


def test_two_devices_share_the_work(home: Home) -> None:
    with serving(home, devices=("gpu-a", "gpu-b")) as service:
        drop(home, "a.csv", 40)
        until(service, lambda: count(home, "succeeded") == 40)
    assert {row[0] for row in rows(home, "SELECT DISTINCT worker FROM attempts")} == {"gpu-a", "gpu-b"}


def test_only_one_daemon_works_on_a_home(home: Home) -> None:
    with serving(home), pytest.raises(HomeInUse, match="another daemon"):
        Service(home, config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine)


def test_what_a_dead_daemon_left_running_is_taken_up_again(home: Home) -> None:
    with serving(home, engine_for=never_ending) as service:
        drop(home, "a.csv", 3)
        until(service, lambda: count(home, "running") == 2)
        # As kill -9 leaves it: no goodbye in the catalogue, half a file, and a whole file no row knows.
        copy = sqlite3.connect(home.root / "copy.db")
        source = sqlite3.connect(home.catalog)
        source.backup(copy)
        copy.close()
        source.close()
    for name in ("catalog.db", "catalog.db-wal", "catalog.db-shm"):
        (home.root / name).unlink(missing_ok=True)
    (home.root / "copy.db").rename(home.catalog)
    batch = home.outputs / "a"
    batch.mkdir()
    (batch / ".0001.wav.part").write_bytes(b"half")
    name = str(rows(home, "SELECT name FROM jobs WHERE status = 'running' ORDER BY id LIMIT 1")[0][0])
    (batch / f"{name}.wav").write_bytes(b"whole, but on no record")
    with serving(home) as service:
        assert not (batch / f"{name}.wav").exists() or count(home, "succeeded")
        until(service, lambda: count(home, "succeeded") == 3)
    assert rows(home, "SELECT count(*) FROM attempts WHERE status = 'interrupted'") == [(2,)]
    assert len(takes(home)) == 3
    assert not [p for p in home.outputs.rglob("*") if ".part" in p.name]


def test_control_files_are_applied_also_those_dropped_while_the_daemon_was_down(home: Home) -> None:
    with serving(home, engine_for=never_ending) as service:
        drop(home, "a.csv", 4)
        until(service, lambda: count(home, "running") == 2)
        control.drop(home.control, Control(action="pause", target="a"), str(ULID()))
        until(service, lambda: rows(home, "SELECT paused FROM batches") == [(1,)])
        control.drop(home.control, Control(action="cancel", target="a"), str(ULID()))
        until(service, lambda: count(home, "cancelled") == 4)
    control.drop(home.control, Control(action="retry", target="a"), str(ULID()))
    control.drop(home.control, Control(action="resume", target="a"), str(ULID()))
    with serving(home) as service:
        until(service, lambda: count(home, "succeeded") == 4)
    assert control.pending(home.control) == []


def test_a_rating_reaches_the_take(home: Home) -> None:
    with serving(home) as service:
        drop(home, "a.csv", 1)
        until(service, lambda: count(home, "succeeded") == 1)
        control.drop(home.control, Control(action="rate", target="1", stars=4, note="warm"), str(ULID()))
        until(service, lambda: rows(home, "SELECT stars, note FROM ratings") == [(4, "warm")])


def test_a_control_file_that_makes_no_sense_is_recorded_and_removed(home: Home) -> None:
    with serving(home) as service:
        control.drop(home.control, Control(action="cancel", target="no-such-batch"), str(ULID()))
        (home.control / f"{ULID()!s}.json").write_text("{")
        until(service, lambda: not control.pending(home.control))
    assert rows(home, "SELECT count(*) FROM events WHERE kind = 'control refused'") == [(2,)]


class Broken(FakeEngine):
    """Its worker's thread dies at the first poll with a clip in flight."""

    def poll(self, timeout_s: float):  # type: ignore[no-untyped-def]
        if self._flights:
            raise RuntimeError("a bug")
        return super().poll(timeout_s)


def test_a_dead_worker_thread_is_replaced_and_its_jobs_given_back(home: Home) -> None:
    hired: list[FakeEngine] = []

    def first_is_broken(device: str) -> FakeEngine:
        engine = Broken(device, slots=2) if not hired else quick_engine(device)
        hired.append(engine)
        return engine

    with serving(home, engine_for=first_is_broken) as service:
        drop(home, "a.csv", 3)
        until(service, lambda: count(home, "succeeded") == 3)
    assert len(hired) == 2 and hired[0].closed
    message = rows(home, "SELECT message FROM events WHERE kind = 'worker replaced'")
    assert message == [("worker cpu ended: RuntimeError: a bug",)]


def test_a_dead_inbox_thread_is_replaced(home: Home) -> None:
    with serving(home) as service:
        intake = service.inbox._intake
        intake.scan = lambda: 1 / 0  # type: ignore[method-assign]
        until(service, lambda: not service.inbox.alive)
        del intake.scan
        drop(home, "a.csv", 1)
        until(service, lambda: count(home, "succeeded") == 1)
    assert rows(home, "SELECT count(*) FROM events WHERE kind = 'inbox restarted'")[0] >= (1,)


def test_a_changed_threshold_judges_old_takes_anew_without_running_anything(home: Home) -> None:
    with serving(home) as service:
        drop(home, "a.csv", 3)
        until(service, lambda: count(home, "succeeded") == 3)
    assert rows(home, "SELECT DISTINCT verdict FROM outputs") == [("passed",)]
    strict = config().model_copy(
        update={"quality": QualityConfig.model_validate({"music": {"loudness_min_lufs": -1.0}})}
    )
    with serving(home, settings=strict) as service:
        until(service, lambda: rows(home, "SELECT DISTINCT verdict FROM outputs") == [("failed",)])
    assert rows(home, "SELECT count(*) FROM attempts") == [(3,)]
    assert rows(home, "SELECT n_flagged FROM batches") == [(3,)]


def test_run_once_judges_all_old_takes_by_a_changed_threshold(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def service(settings: Config) -> Service:
        return Service(home, settings, devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine)

    drop(home, "a.csv", 8)
    service(config()).run(once=True)
    monkeypatch.setattr("soundmill.service.daemon.REJUDGE_CHUNK", 1)
    strict = config().model_copy(
        update={"quality": QualityConfig.model_validate({"music": {"loudness_min_lufs": -1.0}})}
    )
    service(strict).run(once=True)
    assert rows(home, "SELECT verdict, count(*) FROM outputs GROUP BY verdict") == [("failed", 8)]


def test_run_once_ends_when_everything_is_worked_off(home: Home) -> None:
    drop(home, "a.csv", 3)
    drop(home, "bad.csv", 1, column="nothing")
    service = Service(home, config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine)
    ended = service.run(once=True)
    assert (ended.accepted, ended.rejected, ended.failed, ended.ok) == (1, 1, 0, False)
    assert count(home, "succeeded") == 3


def test_run_once_waits_for_retries_and_counts_only_what_failed_for_good(home: Home) -> None:
    def fails_once(request: GenerationRequest) -> FailureKind | None:
        return FailureKind.IO if request.attempt == 1 else None

    drop(home, "a.csv", 2)
    service = Service(
        home,
        config(backoff_max_s=0.2),
        devices=["cpu"],
        with_site=False,
        with_reports=False,
        engine_for=lambda device: FakeEngine(device, failure=fails_once, wait=lambda s: time.sleep(0.01)),
    )
    assert service.run(once=True).ok
    assert rows(home, "SELECT DISTINCT attempt FROM jobs") == [(2,)]


def test_an_empty_home_is_worked_off_at_once(home: Home) -> None:
    assert (
        Service(home, config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine)
        .run(once=True)
        .ok
    )


def test_no_thread_outlives_the_service(home: Home) -> None:
    before = set(threading.enumerate())
    with serving(home):
        pass
    assert set(threading.enumerate()) <= before


def test_an_unreadable_settings_file_names_every_key_that_is_wrong(tmp_path: Path) -> None:
    from soundmill.config import load
    from soundmill.errors import ConfigError

    home = Home(tmp_path)
    home.config_file.write_text("default_duration: long\ninbox: {settle: 1}\n")
    with pytest.raises(ConfigError, match=r"default_duration.*inbox\.settle"):
        load(home)
    home.config_file.write_text("a: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load(home)
    home.config_file.unlink()
    assert load(home) == Config()
