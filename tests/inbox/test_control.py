from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from soundmill.errors import InvalidControl
from soundmill.inbox.control import Control, drop, pending


def test_what_is_dropped_comes_back_in_the_order_of_its_ulids(tmp_path: Path) -> None:
    rate = Control(action="rate", target="themes/boss", stars=4, note="warm, but short")
    pause = Control(action="pause", target="themes")
    later = drop(tmp_path / ".control", rate, "01HB")
    earlier = drop(tmp_path / ".control", pause, "01HA")
    assert pending(tmp_path / ".control") == [(earlier, pause), (later, rate)]
    assert sorted(path.name for path in (tmp_path / ".control").iterdir()) == ["01HA.json", "01HB.json"]


def test_no_folder_means_nothing_waits(tmp_path: Path) -> None:
    assert pending(tmp_path / "missing") == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is larger than 65,536 bytes"),
        (b"[" * 60_000, "is not JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"action": "explode", "target": "x"}', "action must be one of cancel, pause, resume, retry, rate"),
        (b'{"action": ["cancel"], "target": "x"}', "action must be one of"),
        (b'{"action": "cancel"}', "target must name a batch or a job"),
        (b'{"action": "cancel", "target": " "}', "target must name a batch or a job"),
        (b'{"action": "rate", "target": "x"}', "stars must be a whole number from 1 to 5"),
        (b'{"action": "rate", "target": "x", "stars": true}', "stars must be a whole number from 1 to 5"),
        (b'{"action": "rate", "target": "x", "stars": 6}', "stars must be a whole number from 1 to 5"),
        (b'{"action": "pause", "target": "x", "stars": 3}', "stars belong to the action rate alone"),
        (b'{"action": "pause", "target": "x", "note": 3}', "note must be a text"),
    ],
)
def test_a_bad_control_file_comes_as_its_error_and_stops_no_other(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "01HA.json").write_bytes(content)
    good = Control(action="resume", target="themes")
    path = drop(tmp_path, good, "01HB")
    (_, error), other = pending(tmp_path)
    assert isinstance(error, InvalidControl)
    assert str(error).startswith("01HA.json: ") and said in str(error)
    assert other == (path, good)


def test_links_pipes_and_folders_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"action": "cancel", "target": "x"}))
    folder = tmp_path / ".control"
    (folder / "c.json").mkdir(parents=True)
    (folder / "a.json").symlink_to(secret)
    os.mkfifo(folder / "b.json")
    assert [type(found) for _, found in pending(folder)] == [InvalidControl] * 3


def test_a_half_written_control_file_is_not_seen(tmp_path: Path) -> None:
    (tmp_path / ".01HA.json.part").write_text("{")
    assert pending(tmp_path) == []


def test_a_control_that_makes_no_sense_is_not_dropped(tmp_path: Path) -> None:
    with pytest.raises(InvalidControl):
        drop(tmp_path / ".control", Control(action="rate", target="x"), "01HA")
    assert not (tmp_path / ".control").exists()
