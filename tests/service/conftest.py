from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from soundmill.config import Config, InboxConfig, ScheduleConfig
from soundmill.home import Home
from soundmill.service.daemon import Service
from support.catalogues import put_empty
from support.fake_engine import FakeEngine

EngineFor = Callable[[str], FakeEngine]


def quick_engine(device: str) -> FakeEngine:
    return FakeEngine(device, slots=2, polls_per_clip=2, wait=lambda s: time.sleep(min(s, 0.01)))


def never_ending(device: str) -> FakeEngine:
    return FakeEngine(device, slots=2, polls_per_clip=10**9, wait=lambda s: time.sleep(0.01))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    put_empty(home.catalog)
    return home


def config(**schedule: float) -> Config:
    return Config(
        default_model="tiny",
        default_duration=0.5,
        inbox=InboxConfig(settle_s=0.0, scan_interval_s=0.05),
        schedule=ScheduleConfig(**schedule),  # type: ignore[arg-type]
    )


@contextmanager
def serving(
    home: Home,
    *,
    engine_for: EngineFor = quick_engine,
    settings: Config | None = None,
    devices: tuple[str, ...] = ("cpu",),
    reread: Callable[[], Config] | None = None,
) -> Iterator[Service]:
    """A started service; the test ticks it."""
    service = Service(
        home,
        settings or config(),
        devices=devices,
        with_site=False,
        with_reports=False,
        engine_for=engine_for,
        reread=reread,
    )
    try:
        yield service
    finally:
        service.stop(0.0)


def until(service: Service, true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not happen"
        service.tick()
        time.sleep(0.01)


def drop(home: Home, name: str, prompts: int, column: str = "prompt") -> None:
    part = home.inbox / f".{name}.part"
    part.write_text(f"{column}\n" + "".join(f"clip number {n} of {name}\n" for n in range(prompts)))
    part.rename(home.inbox / name)
