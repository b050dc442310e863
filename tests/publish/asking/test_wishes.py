"""Wishes from the browser: who may leave which, what is refused, and their answers."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from .conftest import ANN, BO, CY, OWNER, Room

TAKE = "forest/clip-001.wav"
RATE = {"wishes": [{"action": "rate", "target": TAKE, "stars": 4}]}
CANCEL = {"wishes": [{"action": "cancel", "target": "forest"}]}
WISHES = "/-/soundmill/wishes"


def answers(room: Room, ulids: list[str]) -> list[tuple[str, str | None]]:
    status, found, _ = room.ask(f"{WISHES}?ids={','.join(ulids)}")
    assert status == 200 and list(found["answers"]) == ulids
    return [(found["answers"][each]["state"], found["answers"][each]["reason"]) for each in ulids]


def test_what_somebody_asks_for_is_asked_then_done_or_refused_with_the_reason(room: Room) -> None:
    wishes = [
        {"action": "rate", "target": TAKE, "stars": 4, "note": "warm"},
        {"action": "rate", "target": TAKE, "stars": 5},
        {"action": "pick", "target": TAKE, "shortlist": "Bosse ÄÖ"},
        {"action": "reject", "target": "forest/none.wav"},
    ]
    status, found, headers = room.ask(WISHES, {"wishes": wishes}, **room.as_(ANN))
    assert status == 202 and headers["cache-control"] == "private, no-store"
    assert answers(room, found["asked"]) == [("asked", None)] * 4
    assert len(list(room.control.iterdir())) == 1
    before = time.time()
    room.work_off()
    told = answers(room, found["asked"])
    assert told[:3] == [("done", None)] * 3 and told[3][0] == "refused" and "no such file" in str(told[3][1])
    at = room.ask(f"{WISHES}?ids={found['asked'][0]}")[1]["answers"][found["asked"][0]]["answered_at"]
    assert isinstance(at, float) and at < before
    rows = room.ask("/catalog/ratings_list.json?_shape=array")[1]
    assert [(row["who"], row["stars"], row["note"]) for row in rows] == [("ann", 5, "warm")]
    picks = room.ask("/catalog/picks_list.json?_shape=array")[1]
    assert [(row["shortlist"], row["audio"], row["who"]) for row in picks] == [("Bosse ÄÖ", TAKE, "ann")]


def test_raters_are_told_apart_whatever_they_say_of_themselves(room: Room) -> None:
    for actor, stars in ((ANN, 2), (BO, 4)):
        wish = {"action": "rate", "target": "forest/clip-002.wav", "stars": stars, "who": "cy", "ulid": "x"}
        assert room.ask(WISHES, {"wishes": [wish]}, **room.as_(actor))[0] == 202
    room.work_off()
    (take,) = room.ask("/catalog/takes.json?_shape=array&audio=forest/clip-002.wav")[1]
    assert take["stars"] == 3.0
    rows = room.ask("/catalog/ratings_list.json?_shape=array&audio=forest/clip-002.wav")[1]
    assert {row["who"]: row["stars"] for row in rows} == {"ann": 2, "bo": 4}


def test_who_somebody_is_and_may_do(room: Room) -> None:
    nobody = room.ask("/-/soundmill/me")[1]
    assert nobody["actor"] is None and not any(nobody["may"].values()) and isinstance(nobody["token"], str)
    all_of_it = {"rate": True, "submit": True, "control": True, "deliver": True}
    owner = room.ask("/-/soundmill/me", Cookie=room.cookie(OWNER))[1]
    assert owner["actor"] == {"id": "owner", "name": "owner"} and owner["may"] == all_of_it
    ann = room.ask("/-/soundmill/me", Cookie=room.cookie({"id": "ann", "name": "Ann Ä"}))[1]
    assert ann["actor"] == {"id": "ann", "name": "Ann Ä"}
    assert ann["may"] == dict.fromkeys(all_of_it, False) | {"rate": True}


CHANGES: dict[str, tuple[dict[str, str | None], int]] = {
    "nobody": ({"Cookie": None}, 401),
    "a cookie that somebody made": ({"Cookie": "ds_actor=eyJhIjp7ImlkIjoib3duZXIifX0.xxxx"}, 401),
    "no token": ({"x-soundmill-token": None}, 403),
    "a token that somebody made": ({"x-soundmill-token": "x"}, 403),
    "another origin": ({"Origin": "http://evil.example"}, 403),
    "another port of this machine": ({"Origin": "http://127.0.0.1:1"}, 403),
    "a page in a sandbox": ({"Origin": "null"}, 403),
    "a file": ({"Origin": "file://"}, 403),
    "no origin": ({"Origin": None}, 403),
    "another site": ({"Origin": None, "Sec-Fetch-Site": "cross-site"}, 403),
    "another host of this site": ({"Sec-Fetch-Site": "same-site"}, 403),
    "an address that was typed": ({"Sec-Fetch-Site": "none", "Origin": None}, 403),
    "another name": ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
    "a password of the browser's own": ({"x-soundmill-token": None, "Authorization": "Basic eDp5"}, 403),
    "a bearer nobody knows": ({"Cookie": None, "x-soundmill-token": None, "Authorization": "Bearer x"}, 401),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_request_that_was_not_meant_leaves_nothing(room: Room, how: str) -> None:
    changes, status = CHANGES[how]
    for path in (WISHES, "/-/soundmill/check?name=a.csv", "/-/soundmill/submit?name=a.csv"):
        assert room.ask(path, RATE, **(room.as_(OWNER) | changes))[0] == status
    assert not list(room.control.iterdir()) and not list(room.control.parent.glob("*.csv"))


@pytest.mark.parametrize("origin", [None, "own"])
def test_a_browser_that_says_same_origin_is_believed(room: Room, origin: str | None) -> None:
    headers = room.as_(OWNER, Origin=origin and room.origin) | {"Sec-Fetch-Site": "same-origin"}
    assert room.ask(WISHES, RATE, **headers)[0] == 202


def test_a_token_is_good_for_its_person_alone(room: Room) -> None:
    mixed = room.as_(ANN) | {"Cookie": room.cookie(OWNER)}
    assert room.ask(WISHES, RATE, **mixed)[0] == 403


@pytest.mark.parametrize(
    ("actor", "wishes", "status"),
    [(ANN, RATE, 202), (CY, RATE, 403), (ANN, CANCEL, 403), (OWNER, CANCEL, 202),
     (ANN, {"wishes": [*RATE["wishes"], *CANCEL["wishes"]]}, 403)],
)  # fmt: skip
def test_each_may_do_what_is_permitted_by_name_and_nothing_of_a_mixture(
    room: Room, actor: dict[str, Any], wishes: object, status: int
) -> None:
    found = room.ask(WISHES, wishes, **room.as_(actor))
    assert found[0] == status and bool(room.left()) is (status == 202)
    if status == 403:
        assert "is not allowed to" in found[1]["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "is not JSON"), (b"[" * 100_000, "is not JSON"), ([], "wishes must be a list"),
        ({"wishes": []}, "1 to 500"), ({"wishes": [{}] * 501}, "1 to 500"), ({"wishes": "x"}, "1 to 500"),
        ({"wishes": [3]}, "makes no sense"), ({"wishes": [RATE["wishes"][0], {"action": "x"}]}, "makes no sense"),
        ({"wishes": [{"action": "rate", "target": TAKE, "stars": 9}]}, "makes no sense"),
        ({"wishes": [{"action": "fingerprint", "target": TAKE, "fingerprint": "AQID"}]}, "makes no sense"),
        ({"wishes": [{"action": "note", "target": TAKE, "note": "\ud800"}]}, "makes no sense"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_whole(room: Room, body: object, said: str) -> None:
    status, found, _ = room.ask(WISHES, body, **room.as_(OWNER))
    assert status == 400 and said in found["error"] and not room.left()
    if said == "makes no sense":
        assert found["problems"][-1]["message"] and isinstance(found["problems"][-1]["wish"], int)


def test_more_than_is_read_is_refused_before_it_has_come(room: Room) -> None:
    assert room.ask(WISHES, b"x" * 4_000_001, **room.as_(OWNER))[0] == 413


@pytest.mark.parametrize("ids", ["", "x", "01JC0000000000000000000001," * 501, "01JC' OR 1"])
def test_answers_are_asked_for_by_ulids(room: Room, ids: str) -> None:
    assert room.ask(f"{WISHES}?ids={ids.replace(' ', '%20')}")[0] == 400


@pytest.mark.parametrize("path", [WISHES, "/-/soundmill/check", "/-/soundmill/submit"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_answered_in_a_line(room: Room, path: str, method: str) -> None:
    assert room.ask(path, b"{}", method=method, **room.as_(OWNER))[0] == 405


@pytest.mark.parametrize("path", ["me", "arrivals?file=x", "events", "enter?token=x", "board.json"])
def test_what_is_only_read_takes_no_post(room: Room, path: str) -> None:
    assert room.ask(f"/-/soundmill/{path}", b"{}", **room.as_(OWNER))[0] == 405


def test_where_too_much_waits_no_more_is_taken(room: Room) -> None:
    for number in range(2000):
        (room.control / f"{number}.txt").touch()
    status, found, _ = room.ask(WISHES, RATE, **room.as_(OWNER))
    assert status == 503 and "is it running?" in found["error"]


def test_a_hundred_marks_of_one_request_are_one_file_and_in_order(room: Room) -> None:
    wishes = [{"action": "rate", "target": TAKE, "stars": 1 + n % 5} for n in range(100)]
    status, found, _ = room.ask(WISHES, {"wishes": wishes}, **room.as_(BO))
    assert status == 202 and found["asked"] == sorted(set(found["asked"])) and len(found["asked"]) == 100
    assert [wish["stars"] for wish in room.left()] == [wish["stars"] for wish in wishes]
    assert {wish["who"] for wish in room.left()} == {"bo"} and len(list(room.control.iterdir())) == 1


def test_nothing_of_the_home_is_told(room: Room) -> None:
    for path in ("/-/metadata.json", "/-/soundmill/me", "/-/plugins.json", "/-/config.json"):
        assert str(room.home.root) not in json.dumps(room.ask(path)[1])
