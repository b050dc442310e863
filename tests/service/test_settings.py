"""SIGHUP: the settings are read again, and nothing ends."""

from __future__ import annotations

import signal
import time

import pytest

from service.conftest import config, drop, never_ending, quick_engine, serving, until
from service.test_crash import daemon, rows, wait_until
from service.test_edge import done, events, troubles
from soundmill.config import Config, EngineConfig
from soundmill.home import Home
from support.fake_engine import FakeEngine


def test_sighup_reads_the_settings_again_and_ends_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = home.root / "hold"
    hold.touch()
    monkeypatch.setenv("HOLD", str(hold))
    with daemon(home) as process:
        (home.inbox / "a.csv").write_text("prompt\nheld clip\n")
        wait_until(lambda: rows(home, "SELECT status FROM jobs") == [("running",)])

        home.config_file.write_text("audio: {format: flac}\n")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: events(home, "settings read") == ["changed: audio"])
        drop(home, "flac.csv", 1)
        wait_until(done(home, "flac"))

        home.config_file.write_text("audio: {format: tape}\nspeed: 3\n")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "settings" in troubles(home))
        [said] = events(home, "settings refused")
        assert "audio.format" in said and "speed" in said and "those before stay" in said
        drop(home, "still.csv", 1)
        wait_until(done(home, "still"))
        assert rows(home, "SELECT DISTINCT format FROM jobs WHERE batch_id > 1") == [("flac",)]

        home.config_file.write_text("quality: {music: {loudness_min_lufs: -1.0}}\n")
        for _ in range(20):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        wait_until(lambda: rows(home, "SELECT DISTINCT verdict FROM outputs") == [("failed",)])
        wait_until(lambda: troubles(home) == {})
        hold.unlink()
        wait_until(done(home, "a"))
        assert process.poll() is None
    assert rows(home, "SELECT max(number) FROM attempts") == [(1,)]


def test_other_devices_are_worked_once_what_is_in_flight_is_finished(home: Home) -> None:
    wanted: list[Config] = [config()]
    engines: list[FakeEngine] = []

    def engine_for(device: str) -> FakeEngine:
        engines.append(quick_engine(device) if engines else never_ending(device))
        return engines[-1]

    with serving(home, engine_for=engine_for, reread=lambda: wanted[0]) as service:
        drop(home, "a.csv", 2)
        until(service, lambda: len(engines[0].submitted) == 2)
        wanted[0] = config().model_copy(update={"engine": EngineConfig(devices=("cuda:0", "cpu"), slots=3)})
        service._signals._on_signal(signal.SIGHUP, None)
        until(service, lambda: [engine._device for engine in engines] == ["cpu", "cuda:0"])
        drop(home, "b.csv", 4)
        until(service, lambda: rows(home, "SELECT n_succeeded FROM batches WHERE name = 'b'") == [(4,)])
        assert not engines[0].closed  # it has two clips to finish
        engines[0]._polls_per_clip = 1
        until(service, lambda: rows(home, "SELECT n_succeeded FROM batches") == [(2,), (4,)])
        until(service, lambda: engines[0].closed and engines[-1]._device == "cpu")
        wanted[0] = config().model_copy(update={"engine": EngineConfig(devices=("cpu",))})
        service._signals._on_signal(signal.SIGHUP, None)
        until(service, lambda: [post.device for post in service._pool.posts] == ["cpu"])
        drop(home, "c.csv", 1)
        until(service, lambda: rows(home, "SELECT n_succeeded FROM batches WHERE name = 'c'") == [(1,)])
    assert rows(home, "SELECT max(number) FROM attempts") == [(1,)]


def test_devices_that_are_not_there_are_refused(home: Home) -> None:
    gone = config().model_copy(update={"engine": EngineConfig(devices=("gpu-that-is-not",))})
    with serving(home, reread=lambda: gone) as service:
        service._signals._on_signal(signal.SIGHUP, None)
        until(service, lambda: bool(events(home, "settings refused")))
        drop(home, "a.csv", 1)
        until(service, lambda: done(home, "a")())
        assert service.config.engine.devices == "auto"
