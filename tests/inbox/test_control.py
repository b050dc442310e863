from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from soundmill.errors import InvalidControl
from soundmill.inbox.control import ACTIONS as ACTIONS_THERE_ARE
from soundmill.inbox.control import (
    LOCAL,
    STEERING,
    Control,
    check,
    drop,
    drop_all,
    pending,
    plain,
    read,
    waiting,
)


def test_what_is_dropped_comes_back_in_the_order_of_its_ulids(tmp_path: Path) -> None:
    rate = Control(action="rate", target="themes/boss", stars=4, note="warm, but short")
    pause = Control(action="pause", target="themes")
    later = drop(tmp_path / ".control", rate, "01HB")
    earlier = drop(tmp_path / ".control", pause, "01HA")
    assert pending(tmp_path / ".control") == [(earlier, pause), (later, rate)]
    assert sorted(path.name for path in (tmp_path / ".control").iterdir()) == ["01HA.json", "01HB.json"]


def test_no_folder_means_nothing_waits(tmp_path: Path) -> None:
    assert pending(tmp_path / "missing") == []


ACTIONS = (
    "cancel, pause, resume, retry, rate, prune, priority, archive, unarchive, deliver, reject, unreject, note, pick, "
    "unpick, compare, create_list, rename_list, archive_list, unarchive_list, delete_list, fingerprint"
)
ONE_OF = f"action must be one of {ACTIONS}"
STARS = "stars must be a whole number from 1 to 5, or null to take them back"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is larger than 65,536 bytes"),
        (b"[" * 60_000, "is not JSON"),
        (b"[]", "must be a JSON object with action and target"),
        (b'{"action": "explode", "target": "x"}', ONE_OF),
        (b'{"action": ["cancel"], "target": "x"}', ONE_OF),
        (b'{"action": "cancel"}', "target must name a batch or a job"),
        (b'{"action": "cancel", "target": " "}', "target must name a batch or a job"),
        (b'{"action": "rate", "target": "x"}', STARS),
        (b'{"action": "rate", "target": "x", "stars": true}', STARS),
        (b'{"action": "rate", "target": "x", "stars": 6}', STARS),
        (b'{"action": "pause", "target": "x", "stars": 3}', "stars belong to the action rate alone"),
        (b'{"action": "pause", "target": "x", "note": 3}', "note must be a text of at most 2,000 characters"),
    ],
)
def test_a_bad_control_file_comes_as_its_error_and_stops_no_other(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "01HA.json").write_bytes(content)
    good = Control(action="resume", target="themes")
    path = drop(tmp_path, good, "01HB")
    (_, error), other = pending(tmp_path)
    assert isinstance(error, InvalidControl)
    assert str(error) == f"01HA.json: {said}"
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


ULIDS = [f"01HZ{number:022}" for number in range(1, 1201)]


def test_several_wishes_are_left_in_as_few_files_as_hold_them_and_come_in_their_order(tmp_path: Path) -> None:
    wishes = [(ulid, Control(action="pick", target=f"a/{ulid[-4:]}")) for ulid in ULIDS]
    paths = drop_all(tmp_path / ".control", wishes)
    assert [path.name for path in paths] == [f"{ULIDS[n]}.json" for n in (0, 500, 1000)]
    assert [known for _, several in waiting(tmp_path / ".control") for known in several] == wishes
    assert drop_all(tmp_path / "none", []) == [] and not (tmp_path / "none").exists()

    long = [(ulid, Control(action="note", target="themes/boss", note="ö" * 2000)) for ulid in ULIDS[:40]]
    paths = drop_all(tmp_path / "long", long)
    sizes = [path.stat().st_size for path in paths]
    assert len(paths) == 3 and max(sizes) <= 65_536 < sizes[0] + 4200
    assert [known for _, several in waiting(tmp_path / "long") for known in several] == long


def test_a_file_of_wishes_is_as_large_as_it_may_be_and_no_larger(tmp_path: Path) -> None:
    def sizes(longest: int) -> list[int]:
        notes = [2000] * 31 + [longest]
        wishes = [
            (ulid, Control(action="note", target="a", note="n" * note))
            for ulid, note in zip(ULIDS, notes, strict=False)
        ]
        paths = drop_all(tmp_path / "wanted" / str(longest), wishes)
        return [path.stat().st_size for path in paths]

    each = len(json.dumps({"action": "note", "target": "a", "who": "owner", "note": "", "ulid": ULIDS[0]}))
    room = 65_536 - len(json.dumps({"wishes": []})) - 31 * (each + 2000 + 2) - (each + 2)
    assert 0 < room < 2000
    # The comma and the space behind the last are reckoned too.
    assert sizes(room) == [65_536 - 2] and len(sizes(room + 1)) == 2


def test_one_wish_may_stand_in_a_list(tmp_path: Path) -> None:
    path = tmp_path / f"{ULIDS[0]}.json"
    path.write_text(json.dumps({"wishes": [{"action": "pause", "target": "a"}]}))
    assert read(path) == [(f"{ULIDS[0]}-1", Control(action="pause", target="a", keep_note=True))]


def test_who_says_nothing_is_the_owner_and_means_the_usual_list() -> None:
    wish = check({"action": "pick", "target": "a"})
    assert (wish.who, wish.shortlist) == ("owner", "picks")


def test_of_several_wishes_one_that_makes_no_sense_leaves_none(tmp_path: Path) -> None:
    good, bad = Control(action="pause", target="a"), Control(action="priority", target="a", priority=1001)
    with pytest.raises(InvalidControl, match="from -1000 to 1000"):
        drop_all(tmp_path / ".control", [(ULIDS[0], good), (ULIDS[1], bad)])
    assert not (tmp_path / ".control").exists()


FULL = Control(
    action="compare", target="a/1.wav", who="ann", second="a/2.wav", answer="tie", blind=True, attention=True,
    expected="first", study="spring", keep_note=True,
)  # fmt: skip


@pytest.mark.parametrize(
    "control",
    [
        FULL,
        Control(action="rate", target="a/1", stars=0, keep_note=True),
        Control(action="rate", target="a/1", stars=5, rejected=False, note=None),
        Control(action="rate", target="a/1", stars=1, rejected=True, note="hm"),
        Control(action="note", target="a/1", note=None),
        Control(action="pick", target="a/1", shortlist="Bosses", note="x", who="bo"),
        Control(action="unpick", target="a/1", shortlist="Bosses", keep_note=True),
        Control(action="rename_list", target="Bosses", name="Chefs", keep_note=True),
        Control(action="priority", target="a", priority=-1000, keep_note=True),
        Control(action="priority", target="a", priority=1000, keep_note=True),
        Control(action="prune", target="{}", keep_note=True),
        Control(action="deliver", target="a", of="batch", profile="game", keep_note=True),
        Control(action="deliver", target="a", of="shortlist", profile="p" * 100, zipped=True, rights=True),
        Control(action="fingerprint", target="a/1", fingerprint="A" * 40_000, keep_note=True),
    ],
)
def test_a_wish_is_read_as_it_was_written(control: Control, tmp_path: Path) -> None:
    drop(tmp_path, control, ULIDS[0])
    ((path, [wished]),) = waiting(tmp_path)
    assert wished == (ULIDS[0], control) and path.name == f"{ULIDS[0]}.json"


def test_a_wish_says_only_what_is_not_understood(tmp_path: Path) -> None:
    assert plain(Control(action="pause", target="a", keep_note=True)) == {
        "action": "pause", "target": "a", "who": "owner",
    }  # fmt: skip
    assert plain(Control(action="cancel", target="a")) == {
        "action": "cancel", "target": "a", "who": "owner", "note": None,
    }  # fmt: skip
    assert plain(Control(action="rate", target="a", stars=0)) == {
        "action": "rate", "target": "a", "who": "owner", "stars": None, "note": None,
    }  # fmt: skip


COMPARE = {"action": "compare", "target": "a", "second": "b", "answer": "first"}
DELIVER = {"action": "deliver", "target": "a", "of": "batch", "profile": "game"}
FINGERPRINT = {"action": "fingerprint", "target": "a", "fingerprint": "AAAA"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"action": "note", "target": "a"}, "note must be a text, or null to take it back"),
        ({"action": "rename_list", "target": "a"}, "name must be a text of 1 to 100 characters"),
        ({"action": "rename_list", "target": "a", "name": " "}, "name must be a text of 1 to 100 characters"),
        ({"action": "rename_list", "target": "a", "name": "n" * 101}, "name must be a text of at most 100 characters"),
        (
            {"action": "pick", "target": "a", "shortlist": "n" * 101},
            "shortlist must be a text of at most 100 characters",
        ),
        ({"action": "pause", "target": "a" * 501}, "target must be a text of at most 500 characters"),
        ({"action": "pause", "target": "a", "who": "w" * 101}, "who must be a text of at most 100 characters"),
        ({"action": "pause", "target": "a", "note": "n" * 2001}, "note must be a text of at most 2,000 characters"),
        ({"action": "pause", "target": "a\ud800"}, "target must be a text; this one holds half a letter"),
        ({"action": "priority", "target": "a"}, "priority must be a whole number from -1000 to 1000"),
        ({"action": "priority", "target": "a", "priority": True}, "priority must be a whole number from -1000 to 1000"),
        (
            {"action": "priority", "target": "a", "priority": -1001},
            "priority must be a whole number from -1000 to 1000",
        ),
        ({"action": "priority", "target": "a", "priority": 1001}, "priority must be a whole number from -1000 to 1000"),
        ({"action": "rate", "target": "a", "stars": -1}, STARS),
        ({"action": "rate", "target": "a", "stars": 1, "rejected": 1}, "rejected must be true or false"),
        (COMPARE | {"answer": "third"}, "answer must be one of first, second, tie"),
        (COMPARE | {"expected": "third", "attention": True}, "expected must be one of first, second, tie"),
        (COMPARE | {"expected": "first"}, "expected is of attention checks alone"),
        (COMPARE | {"second": None}, "second must be a text of 1 to 500 characters"),
        (COMPARE | {"second": "b" * 501}, "second must be a text of at most 500 characters"),
        (COMPARE | {"study": "s" * 201}, "study must be a text of at most 200 characters"),
        (COMPARE | {"blind": "yes"}, "blind must be true or false"),
        (COMPARE | {"attention": 0}, "attention must be true or false"),
        (DELIVER | {"of": "list"}, "of must be one of batch, shortlist"),
        (DELIVER | {"profile": " "}, "profile must be a text of 1 to 100 characters"),
        (DELIVER | {"profile": "p" * 101}, "profile must be a text of at most 100 characters"),
        (DELIVER | {"zipped": "yes"}, "zipped must be true or false"),
        (DELIVER | {"rights": 1}, "rights must be true or false"),
        (FINGERPRINT | {"fingerprint": "?"}, "fingerprint must be in base64"),
        (FINGERPRINT | {"fingerprint": ""}, "fingerprint must be a text of 1 to 40,000 characters"),
        (FINGERPRINT | {"fingerprint": "A" * 40_001}, "fingerprint must be a text of at most 40,000 characters"),
    ],
)
def test_what_a_wish_may_not_say(content: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidControl) as refused:
        check(content)
    assert str(refused.value) == said


def test_the_longest_that_a_wish_may_say() -> None:
    longest = check(
        COMPARE | {"target": "a" * 500, "who": "w" * 100, "note": "n" * 2000, "second": "b" * 500, "study": "s" * 200}
    )
    assert (len(longest.target), len(longest.who), len(longest.note or "")) == (500, 100, 2000)
    assert (longest.blind, longest.attention, longest.expected, longest.keep_note) == (False, False, None, False)
    assert check({"action": "pick", "target": "a", "shortlist": "", "who": ""}) == Control(
        action="pick", target="a", keep_note=True
    )
    assert check({"action": "rename_list", "target": "a", "name": "n" * 100}).name == "n" * 100


def test_each_of_several_wishes_is_known_by_its_own_ulid_or_its_place(tmp_path: Path) -> None:
    pause = {"action": "pause", "target": "a"}
    path = tmp_path / f"{ULIDS[0]}.json"
    wishes = [pause | {"ulid": ULIDS[5]}, pause | {"ulid": "05"}, pause | {"ulid": 7}, 5]
    path.write_text(json.dumps({"wishes": wishes}))
    ((_, several),) = waiting(tmp_path)
    assert isinstance(several, list)
    assert [known for known, _ in several] == [ULIDS[5], *(f"{ULIDS[0]}-{n}" for n in (2, 3, 4))]
    assert [isinstance(wish, Control) for _, wish in several] == [True, True, True, False]
    assert str(several[3][1]) == f"{path.name}: must be a JSON object with action and target"
    path.write_text(json.dumps({"wishes": [pause] * 500}))
    assert len(read(path)) == 500
    for wrong in ([], [pause] * 501, {"1": pause}):
        path.write_text(json.dumps({"wishes": wrong}))
        ((known, error),) = read(path)
        assert known == ULIDS[0]
        assert str(error) == f"{path.name}: wishes must be a list of 1 to 500 wishes"


def test_a_file_that_somebody_named_is_known_by_its_name_and_time(tmp_path: Path) -> None:
    path = tmp_path / "stop.json"
    path.write_text('{"action": "pause", "target": "a"}')
    os.utime(path, ns=(7_000, 7_000))
    assert [known for known, _ in read(path)] == ["stop@7000"]
    undecodable = Path(os.fsdecode(bytes(tmp_path) + b"/\xff.json"))
    undecodable.write_text("[]")
    os.utime(undecodable, ns=(8_000, 8_000))
    ((known, error),) = read(undecodable)
    assert known == "\ufffd@8000" and str(error).startswith("\ufffd.json: must be a JSON object")


def test_what_is_no_file_or_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    ((known, error),) = read(tmp_path / "a.json")
    assert known.startswith("a@") and str(error) == "a.json: is not a plain file"
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "gone.json")
    (tmp_path / "b.txt").write_text("{}")
    (tmp_path / "file").write_text("")
    assert [path.name for path, _ in waiting(tmp_path)] == ["a.json"]
    assert waiting(tmp_path / "file") == []


def test_what_steers_the_mill_and_what_only_says_something() -> None:
    assert ", ".join(ACTIONS_THERE_ARE) == ACTIONS
    steering = "cancel, pause, resume, retry, priority, archive, unarchive, prune, deliver"
    assert {*steering.split(", ")} == STEERING and {"fingerprint"} == LOCAL
    for action in ACTIONS_THERE_ARE:
        if action not in ("rate", "note", "rename_list", "priority", "deliver", "compare", "fingerprint"):
            wish = check({"action": action, "target": "a"})
            assert wish == Control(action=wish.action, target="a", keep_note=True) and wish.action == action


def test_a_file_that_may_not_be_read_is_said_and_one_the_disk_does_not_give_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For root, who runs the tests at times, there is no file that may not be read."""
    error = PermissionError(errno.EACCES, "Permission denied")

    def denied(path: Path, most: int) -> bytes:
        assert most == 65_536
        raise error

    monkeypatch.setattr("soundmill.inbox.control.read_plain", denied)
    (tmp_path / "a.json").write_text("{}")
    ((_, refused),) = pending(tmp_path)
    assert isinstance(refused, InvalidControl) and str(refused) == "a.json: cannot be read: Permission denied"
    error = OSError(errno.EIO, "Input/output error")  # type: ignore[assignment]
    assert pending(tmp_path) == [(tmp_path / "a.json", error)] == waiting(tmp_path)
    error = FileNotFoundError(errno.ENOENT, "gone")  # type: ignore[assignment]
    (tmp_path / "b.json").mkdir()
    assert pending(tmp_path) == []
