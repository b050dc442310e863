"""Room on the disks, and for how long it lasts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from soundmill.service.telling.room import EVERY_S, Room, rate

GB = 1_000_000_000
HOUR = 3600.0


class Board:
    def __init__(self) -> None:
        self.settings: dict[str, str] = {}

    def get_setting(self, key: str) -> str | None:
        return self.settings.get(key)

    def set_setting(self, key: str, value: str) -> None:
        self.settings[key] = value


class Disk:
    """A room on a disk that fills as the test says."""

    def __init__(self, folder: Path, board: Board | None = None) -> None:
        self.board = board or Board()
        self.now = 1_000_000.0
        self.free = 100 * GB
        self.warnings: list[str | None] = []
        self.room = Room(
            self.board, {"outputs": folder, "catalogue": folder.parent}, self.warnings.append,
            clock=lambda: self.now, steady=lambda: self.now, measure=lambda _: (self.free, 200 * GB),
        )  # fmt: skip

    def after(self, hours: float, used: int = 0) -> dict[str, Any]:
        """What is known after some hours in which so much was used up evenly."""
        steps = max(1, int(hours * 12))
        for _ in range(steps):
            self.now += hours * HOUR / steps
            self.free -= used // steps
            self.room.check()
        places = json.loads(self.board.settings["storage"])["places"]
        assert len(places) == 1, "both are on one disk"
        return dict(places[0])


def test_a_disk_that_fills_lasts_for_what_is_left_at_the_rate_of_the_last_day(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.after(0.01)
    assert "days_left" not in disk.after(0.5, used=GB), "half an hour tells nothing"
    found = disk.after(23.5, used=23 * GB)
    assert found["free_bytes"] == pytest.approx(76 * GB, rel=0.01)
    assert found["per_day_bytes"] == pytest.approx(24 * GB, rel=0.05)
    assert found["days_left"] == pytest.approx(76 / 24, rel=0.05)
    assert disk.warnings[-1] is None
    disk.after(24, used=50 * GB)
    assert str(disk.warnings[-1]).startswith("26.0 GB are free for the outputs, which last 0.5 days at the rate of")
    assert "days_left" not in disk.after(25.0), "it does not fill any more"
    assert disk.warnings[-1] is None


def test_a_daemon_that_starts_anew_goes_on_from_what_was_known(tmp_path: Path) -> None:
    first = Disk(tmp_path)
    first.after(6, used=60 * GB)
    second = Disk(tmp_path, first.board)
    second.now, second.free = first.now + 60.0, first.free
    second.room.check()
    assert json.loads(second.board.settings["storage"])["places"][0]["days_left"] == pytest.approx(0.17, abs=0.02)


@pytest.mark.parametrize("text", ["{", "[]", '{"places": [{}]}', '{"places": 3}', '{"places": [{"samples": 3}]}'])
def test_what_nobody_can_read_is_forgotten(tmp_path: Path, text: str) -> None:
    disk = Disk(tmp_path)
    disk.board.settings["storage"] = text
    assert disk.after(0.01)["free_bytes"] == 100 * GB


def test_a_date_that_is_set_back_makes_nothing_of_the_future(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.after(10, used=10 * GB)
    samples = json.loads(disk.board.settings["storage"])["places"][0]["samples"]
    assert rate([(at, free) for at, free in samples]) is not None
    room = Room(
        disk.board, {"outputs": tmp_path}, disk.warnings.append, clock=lambda: disk.now - 20 * HOUR,
        steady=lambda: disk.now + EVERY_S, measure=lambda _: (disk.free, 200 * GB),
    )  # fmt: skip
    room.check()
    assert "days_left" not in json.loads(disk.board.settings["storage"])["places"][0]


def test_a_disk_that_is_not_mounted_is_left_out(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "gone")
    disk.room.check()
    (place,) = json.loads(disk.board.settings["storage"])["places"]
    assert place["place"] == "catalogue"


def test_it_is_measured_once_a_minute_and_little_is_kept(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.after(72, used=GB)
    assert len(disk.board.settings["storage"]) < 8000
    before = dict(disk.board.settings)
    disk.now += EVERY_S / 2
    disk.room.check()
    assert disk.board.settings == before


def test_no_rate_comes_of_next_to_nothing() -> None:
    assert rate([]) is None
    assert rate([(0.0, GB)]) is None
    assert rate([(0.0, GB), (2 * HOUR, GB - 1000)]) is None
    assert rate([(0.0, GB), (2 * HOUR, 2 * GB)]) is None
    found = rate([(0.0, 3 * GB), (12 * HOUR, 2 * GB)])
    assert found is not None and (found.per_day_bytes, found.days_left) == pytest.approx((2 * GB, 1.0))
