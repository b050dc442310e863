"""Job files from the browser: checked, dropped, and what became of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from soundmill.errors import Problem
from soundmill.publish.asking.checking import Checker, Unavailable
from support.spreadsheets import xlsx

from .conftest import MOST_MB, OWNER, Room

GOOD = b"prompt,duration\nan owl,2\na fox,3\n"
BAD = b"promt\nan owl\n"
CHECK, SUBMIT = "/-/soundmill/check", "/-/soundmill/submit"


def inbox(room: Room) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in room.control.parent.iterdir() if file.is_file()}


@pytest.fixture(autouse=True)
def emptied(room: Room) -> Iterator[None]:
    yield
    for name in inbox(room):
        (room.control.parent / name).unlink()


@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_is_checked_as_the_command_checks_it_and_nothing_is_left(room: Room, as_json: bool) -> None:
    def check(content: bytes) -> dict[str, object]:
        if as_json:
            body = {"name": "a b.csv", "text": content.decode()}
            status, found, _ = room.ask(CHECK, body, **room.as_(OWNER), Content_Type="application/json")
        else:
            status, found, _ = room.ask(f"{CHECK}?name=a%20b.csv", content, **room.as_(OWNER))
        assert status == 200
        return dict(found)

    good = check(GOOD)
    assert (good["jobs"], good["audio_s"], good["problems"], good["batch"]) == (2, 5.0, [], "a-b")
    (problem,) = check(BAD)["problems"]  # type: ignore[misc]
    assert problem["line"] == 1 and problem["field"] == "promt" and "did you mean prompt" in problem["message"]
    assert inbox(room) == {}


def test_a_workbook_is_checked_and_dropped_as_it_is(room: Room) -> None:
    content = xlsx({"jobs": [["prompt"], ["an owl"]]})
    assert room.ask(f"{CHECK}?name=a.xlsx", content, **room.as_(OWNER))[1]["jobs"] == 1
    assert room.ask(f"{SUBMIT}?name=a.xlsx", content, **room.as_(OWNER))[0] == 202
    assert inbox(room) == {"a.xlsx": content}


def test_a_file_is_dropped_whole_and_one_of_the_same_name_beside_it(room: Room) -> None:
    for _ in range(2):
        status, found, _ = room.ask(f"{SUBMIT}?name=Eule%20%C3%84.csv", GOOD, **room.as_(OWNER))
        assert status == 202 and found["at"] == pytest.approx(time.time(), abs=60)
        assert found["file"] in inbox(room)
    assert sorted(inbox(room).values()) == [GOOD, GOOD]
    assert room.ask(f"{SUBMIT}?name=b.csv&again=1", GOOD, **room.as_(OWNER))[1]["file"] == "b.again.csv"


@pytest.mark.parametrize(
    "name",
    ["", "%20", "../a.csv", "..%2Fa.csv", "%2Fetc%2Fa.csv", "a%2Fb.csv", "a%5Cb.csv", ".a.csv", ".control%2Fx.json",
     "..", "a%00.csv", "a%0A.csv", "a.json", "a.exe", "a", "a" * 300 + ".csv", "%C3%84" * 120 + ".csv"],
)  # fmt: skip
@pytest.mark.parametrize("path", [CHECK, SUBMIT])
def test_a_name_that_leads_elsewhere_is_refused(room: Room, path: str, name: str) -> None:
    before = sorted(file for file in room.home.root.rglob("*") if ".site" not in file.parts)
    status, found, _ = room.ask(f"{path}?name={name}", GOOD, **room.as_(OWNER))
    assert status == 400 and "name" in found["error"]
    assert sorted(file for file in room.home.root.rglob("*") if ".site" not in file.parts) == before


@pytest.mark.parametrize("path", [CHECK, SUBMIT])
def test_what_the_inbox_would_not_take_is_not_read(room: Room, path: str) -> None:
    most = int(MOST_MB * 1024 * 1024)
    fits = b"prompt\n".ljust(most, b"x")
    assert room.ask(f"{path}?name=a.csv", fits + b"x", **room.as_(OWNER))[0] == 413
    text = json.dumps({"name": "a.csv", "text": "ä" * most}, ensure_ascii=True).encode()
    assert room.ask(path, text, **room.as_(OWNER), Content_Type="application/json")[0] == 413
    assert inbox(room) == {}
    assert room.ask(f"{SUBMIT}?name=a.csv", fits, **room.as_(OWNER))[0] == 202


@pytest.mark.parametrize("body", [b"{", b"[]", b"3", b'{"name": "a.csv"}', b'{"name": 3, "text": "x"}', b"[" * 9999])
def test_what_is_no_file_is_refused(room: Room, body: bytes) -> None:
    assert room.ask(SUBMIT, body, **room.as_(OWNER), Content_Type="application/json")[0] == 400


def test_what_became_of_a_file_is_told(room: Room) -> None:
    def arrival(query: str) -> dict[str, object]:
        status, found, _ = room.ask(f"/-/soundmill/arrivals?{query}")
        assert status == 200
        return dict(found)

    assert arrival("file=new.csv")["state"] == "waiting"
    room.home.catalog.record_rejection("01R", "new.csv", None, [Problem(message="no prompt", line=4)])
    rejected = arrival("file=new.csv")
    assert rejected["state"] == "rejected" and rejected["problems"][0]["line"] == 4  # type: ignore[index]
    found = arrival("file=forest.yaml")
    assert (found["state"], found["batch"], found["jobs"]) == ("accepted", "forest", 3)
    assert arrival(f"file=forest.yaml&since={room.home.now[0] + 100}")["state"] == "waiting"
    for wrong in ("", "file=", "file=x&since=x", "file=x&since=nan", "file=x&since=1e300"):
        assert room.ask(f"/-/soundmill/arrivals?{wrong}")[0] == 400


def test_a_home_without_an_inbox_can_be_asked_for_nothing(room: Room, tmp_path: Path) -> None:
    from soundmill.publish import site

    copy = tmp_path / "catalog.db"
    room.home.catalog._connection.execute("VACUUM INTO ?", (str(copy),))
    started = site.start(copy, tmp_path, "127.0.0.1", 0)
    assert site.wait_until_up("127.0.0.1", started.port, 20.0)
    try:
        other = Room(room.home, started)
        assert not any(other.ask("/-/soundmill/me")[1]["may"].values())
        assert other.ask(SUBMIT, GOOD, Origin=other.origin)[0] == 503
        assert other.ask("/-/soundmill/enter?token=x")[0] == 403
    finally:
        started.stop()


# -- the process that checks ------------------------------------------------------------------


def test_a_file_that_takes_too_long_is_given_up_and_the_next_is_checked(room: Room) -> None:
    checker = Checker(room.home.root, longest_s=0.01)
    with pytest.raises(Unavailable, match=r"a\.csv: takes more to check than there is here"):
        checker.check("a.csv", GOOD)
    checker._longest_s = 60.0
    assert checker.check("a.csv", GOOD)["jobs"] == 2
    process = checker._process
    assert process is not None
    process.kill()
    process.wait()
    assert checker.check("a.csv", BAD)["problems"]
    checker.close()


def test_settings_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "soundmill.yaml").write_text("inbox: 3\n")
    checker = Checker(tmp_path)
    with pytest.raises(Unavailable, match=r"soundmill\.yaml"):
        checker.check("a.csv", GOOD)
    checker.close()


def test_it_ends_when_no_file_comes_for_a_while_and_with_the_site(room: Room) -> None:
    checker = Checker(room.home.root, idle_s=0.05)
    checker.check("a.csv", GOOD)
    process = checker._process
    assert process is None or process.wait(20) is not None
    room.ask(f"{CHECK}?name=a.csv", GOOD, **room.as_(OWNER))
    of_the_site = psutil.Process(room.started.process.pid).children()
    assert len(of_the_site) == 1


def test_a_large_file_does_not_hold_up_the_site(room: Room, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "soundmill.yaml").write_text("default_model: tiny\n")
    checker = Checker(tmp_path)
    rows = b"prompt,duration\n" + b"".join(b"owl number %d,2\n" % n for n in range(20_000))
    assert checker.check("a.csv", rows)["jobs"] == 20_000
    checker.close()
