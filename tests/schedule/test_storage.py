from __future__ import annotations

import pytest

from soundmill.errors import StorageUnavailable
from soundmill.schedule.storage import StorageGate


class Place:
    """An outputs folder that is full for as long as it says why."""

    def __init__(self) -> None:
        self.full: str | None = None
        self.probes = 0
        self.told: list[tuple[str, str]] = []

    def probe(self) -> None:
        self.probes += 1
        if self.full:
            raise StorageUnavailable(self.full)

    def gate(self) -> StorageGate:
        return StorageGate(self.probe, lambda kind, message: self.told.append((kind, message)))


@pytest.fixture
def place() -> Place:
    return Place()


def test_an_open_gate_looks_at_nothing(place: Place) -> None:
    gate = place.gate()
    assert gate.is_open(0.0) and gate.is_open(100.0) and place.probes == 0


def test_who_could_not_file_closes_it_only_where_there_is_no_room(place: Place) -> None:
    gate = place.gate()
    assert not gate.close(0.0) and gate.is_open(0.0) and place.told == []
    place.full = "outputs: full"
    assert gate.close(0.0) and gate.close(0.0)
    assert place.told == [("storage unavailable", "outputs: full")]  # once
    place.full = None
    assert not gate.close(1.0)
    assert not gate.is_open(1.0)  # whoever asks next after the wait opens it


def test_it_looks_again_every_five_seconds_and_opens_once_there_is_room(place: Place) -> None:
    gate = place.gate()
    place.full = "outputs: full"
    gate.close(100.0)
    for now, probes in ((100.0, 1), (104.9, 1), (105.0, 2), (106.0, 2), (109.9, 2), (110.0, 3), (110.1, 3)):
        assert not gate.is_open(now)
        assert place.probes == probes
    place.full = None
    assert not gate.is_open(114.9)
    assert gate.is_open(115.0) and gate.is_open(115.0) and place.probes == 4
    opened = ("storage available", "the outputs folder takes files again; claiming goes on")
    assert place.told == [("storage unavailable", "outputs: full"), opened]
    place.full = "outputs: full again"
    assert gate.close(120.0) and not gate.is_open(121.0)
    assert place.told[2:] == [("storage unavailable", "outputs: full again")]
