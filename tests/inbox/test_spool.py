from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from inbox.conftest import MONTH
from soundmill.disk import NotPlain, TooLarge
from soundmill.errors import InvalidJobFile, Problem, UsageError
from soundmill.inbox.names import asks_again, is_candidate, numbered, rest_of, tidy
from soundmill.inbox.spool import Claimed, Spool, _given_back, _is_free_or_of, explanation, submit


@pytest.fixture
def patient(inbox: Path, clock: Any, new_ulid: Any) -> Spool:
    """A spool that waits a second for a file to rest."""
    return Spool(inbox, clock, new_ulid, settle_s=1.0, patience_s=60.0, command="soundmill")


def test_a_file_still_being_written_is_left_alone(patient: Spool, inbox: Path, clock: Any) -> None:
    path = inbox / "slow.csv"
    path.write_text("prompt\n")
    for row in range(5):
        assert patient.settled() == []
        assert patient.unsettled == 1
        clock.now += 0.9
        with path.open("a") as file:
            file.write(f"piano {row}\n")
    assert patient.settled() == []
    clock.now += 1.0
    assert patient.settled() == [path]
    assert patient.unsettled == 0


def test_a_change_of_the_time_stamp_alone_starts_the_wait_anew(patient: Spool, inbox: Path, clock: Any) -> None:
    path = inbox / "touched.csv"
    path.write_text("prompt\n")
    patient.settled()
    clock.now += 0.9
    os.utime(path, ns=(1, 1))
    patient.settled()
    clock.now += 0.9
    assert patient.settled() == []


def test_files_from_before_the_start_settle_too(inbox: Path, clock: Any, new_ulid: Any) -> None:
    inbox.mkdir()
    (inbox / "early.csv").write_text("prompt\n")
    spool = Spool(inbox, clock, new_ulid, settle_s=1.0, patience_s=60.0, command="soundmill")
    assert spool.settled() == []
    clock.now += 1.0
    assert spool.settled() == [inbox / "early.csv"]


def test_older_files_come_first(spool: Spool, inbox: Path) -> None:
    for age, name in enumerate(["c.csv", "a.csv", "b.csv"]):
        (inbox / name).write_text("prompt\n")
        os.utime(inbox / name, ns=(age, age))
    assert [path.name for path in spool.settled()] == ["c.csv", "a.csv", "b.csv"]


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "b.tsv", "c.yaml", "d.Yml", "e.again.csv"])
def test_job_files_are_known_by_their_suffix(name: str) -> None:
    assert is_candidate(name)


@pytest.mark.parametrize(
    "name", [".a.csv", "a.csv.part", "a.tmp", "a.csv~", "~$a.csv", "notes.txt", "a", "a.csv.errors.txt"]
)
def test_other_files_are_left_alone(name: str, spool: Spool, inbox: Path) -> None:
    (inbox / name).write_text("prompt\npiano\n")
    assert spool.settled() == []
    assert (inbox / name).exists()


def test_a_claim_is_a_rename_under_a_new_ulid(spool: Spool, inbox: Path) -> None:
    (inbox / "a.csv").write_text("prompt\n")
    claimed = spool.claim(inbox / "a.csv")
    assert claimed is not None
    assert claimed.path == inbox / ".claimed" / f"{claimed.ulid}__a.csv"
    assert claimed.path.read_text() == "prompt\n" and not (inbox / "a.csv").exists()
    assert spool.pending() == [claimed]


def test_a_vanished_file_is_claimed_by_nobody(spool: Spool, inbox: Path) -> None:
    assert spool.claim(inbox / "gone.csv") is None


def test_a_name_too_long_or_unprintable_is_tidied_and_keeps_its_suffix(spool: Spool, inbox: Path) -> None:
    for name in ("é" * 120 + ".again.csv", "two\nlines.csv", b"broken\xff.csv".decode(errors="surrogateescape")):
        (inbox / name).write_text("prompt\n")
    claimed = [spool.claim(path) for path in spool.settled()]
    names = sorted(c.file_name for c in claimed if c)
    assert names[:2] == ["broken�.csv", "two_lines.csv"]
    assert names[2].endswith(".again.csv") and len(names[2].encode()) <= 180
    assert all(spool.accept(c).exists() for c in claimed if c)


def test_a_deleted_inbox_is_made_again(spool: Spool, inbox: Path) -> None:
    for name in ("accepted", "rejected", ".claimed"):
        (inbox / name).rmdir()
    inbox.rmdir()
    assert spool.settled() == []
    (inbox / "a.csv").write_text("prompt\n")
    claimed = spool.claim(inbox / "a.csv")
    assert claimed is not None and spool.accept(claimed) == inbox / "accepted" / MONTH / "a.csv"


def test_an_earlier_file_of_the_same_name_is_never_overwritten(spool: Spool, inbox: Path) -> None:
    for text in ("one", "two"):
        (inbox / "a.again.csv").write_text(text)
        claimed = spool.claim(inbox / "a.again.csv")
        assert claimed is not None
        spool.reject(claimed, [Problem(message="odd")])
    rejected = inbox / "rejected" / MONTH
    assert (rejected / "a.again.csv").read_text() == "one"
    assert (rejected / "a-2.again.csv").read_text() == "two"


def test_a_file_exchanged_for_a_link_after_the_claim_is_not_followed(spool: Spool, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("prompt\nsecret\n")
    (inbox / "a.csv").write_text("prompt\n")
    claimed = spool.claim(inbox / "a.csv")
    assert claimed is not None
    claimed.path.unlink()
    claimed.path.symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidJobFile, match="is a link"):
        spool.read(claimed, 1000)


def test_submit_copies_whole_and_never_overwrites(tmp_path: Path, inbox: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("prompt\npiano\n")
    first, second = submit(source, inbox, again=False), submit(source, inbox, again=False)
    third = submit(source, inbox, again=True)
    assert [path.name for path in (first, second, third)] == ["a.csv", "a-2.csv", "a.again.csv"]
    assert {path.read_text() for path in (first, second, third)} == {"prompt\npiano\n"}
    assert sorted(path.name for path in inbox.iterdir()) == ["a-2.csv", "a.again.csv", "a.csv"]
    assert source.exists()


def test_submit_says_again_once_only(tmp_path: Path, inbox: Path) -> None:
    (tmp_path / "a.again.csv").write_text("prompt\n")
    assert submit(tmp_path / "a.again.csv", inbox, again=True).name == "a.again.csv"


@pytest.mark.parametrize("name", ["a.txt", "missing.csv", ".hidden.csv"])
def test_submit_refuses_what_the_inbox_would_not_take(name: str, tmp_path: Path, inbox: Path) -> None:
    if name != "missing.csv":
        (tmp_path / name).write_text("prompt\n")
    with pytest.raises(UsageError):
        submit(tmp_path / name, inbox, again=False)
    assert not inbox.exists() or not list(inbox.iterdir())


def test_numbers_stand_before_the_suffix() -> None:
    assert [numbered("a.b.csv", n) for n in (1, 2)] == ["a.b.csv", "a.b-2.csv"]
    assert numbered("a.again.yaml", 3) == "a-3.again.yaml"
    assert tidy("a.csv") == "a.csv"


LONG = "ö" * 100


@pytest.mark.parametrize(
    ("name", "tidied"),
    [
        ("a\tb\u2028c.csv", "a_b_c.csv"), ("x" * 176 + ".csv", "x" * 176 + ".csv"),
        ("x" * 177 + ".csv", "x" * 176 + ".csv"), (LONG + ".yaml", "ö" * 87 + ".yaml"),
        (LONG + ".again.csv", "ö" * 85 + ".again.csv"), (LONG + ".AGAIN.csv", "ö" * 85 + ".again.csv"),
        ("x" * 176 + ".rest.csv", "x" * 176 + ".rest.csv"), ("x" * 177 + ".rest.csv", "x" * 176 + ".csv"),
    ],
)  # fmt: skip
def test_a_name_is_made_short_enough_to_be_numbered(name: str, tidied: str) -> None:
    assert tidy(name) == tidied
    assert len(numbered(tidied, 1000).encode()) <= 200


@pytest.mark.parametrize(
    ("name", "again", "rest"),
    [
        ("a.csv", False, None), ("a.again.csv", True, None), ("a.AGAIN.yml", True, None),
        ("a.rest.csv", False, "a.csv"),
        ("a.rest-2.csv", False, "a.csv"), ("a.REST.ods", False, "a.ods"), ("a.rest-x.csv", False, None),
        ("again.csv", False, None), (".rest.csv", False, None), ("a.rest.b.csv", False, None),
        ("a\nb.rest.csv", False, "a\nb.csv"),
    ],
)  # fmt: skip
def test_what_a_name_asks_for(name: str, again: bool, rest: str | None) -> None:
    assert (asks_again(name), rest_of(name)) == (again, rest)


def test_what_is_no_plain_file_after_the_claim_is_said(spool: Spool, inbox: Path) -> None:
    device = Claimed(path=Path("/dev/null"), ulid="01H", file_name="a.csv")
    with pytest.raises(InvalidJobFile) as refused:
        spool.read(device, 1)
    (problem,) = refused.value.problems
    assert (problem.message, problem.value, problem.line) == ("is a device, not a file", "a.csv", None)
    (inbox / "large").write_bytes(b"x" * 1025)
    with pytest.raises(InvalidJobFile) as refused:
        spool.read(Claimed(path=inbox / "large", ulid="01H", file_name="a.csv"), 1024)
    assert str(refused.value) == "the file is larger than 0.000976562 MB; share its rows among several files"


def test_the_list_of_problems_says_what_becomes_of_the_file() -> None:
    claimed = Claimed(path=Path("x"), ulid="01H", file_name="a.csv")
    problems = [Problem(message="odd", line=2, field="seed", value="x"), Problem(message="too")]
    assert explanation(claimed, problems) == (
        "a.csv was rejected: 2 problems. Nothing of it was queued.\n\n  line 2: seed = x: odd\n  too\n\n"
        "Mend the file and put it into the inbox again.\nclaim 01H\n"
    )
    assert explanation(claimed, problems[1:]).startswith("a.csv was rejected: one problem. Nothing")


def test_a_folder_that_cannot_be_looked_into_is_its_own_trouble(tmp_path: Path) -> None:
    """No other name would do better; what somebody else put in the place of the list is only in the way."""
    with pytest.raises(OSError, match="name too long"):
        _is_free_or_of(tmp_path / ("x" * 300), "01H")
    assert not _is_free_or_of(tmp_path, "01H") and _is_free_or_of(tmp_path / "none", "01H")
    (tmp_path / "list").write_text("…\nclaim 01H\n")
    assert _is_free_or_of(tmp_path / "list", "01H") and not _is_free_or_of(tmp_path / "list", "01J")


def test_a_file_that_was_being_given_back_is_taken_once(spool: Spool, inbox: Path) -> None:
    """The daemon was killed when the file had its name in the inbox again, and kept its claim, too."""
    (inbox / "a.csv").write_text("prompt\npiano\n")
    (path,) = spool.settled()
    former = spool.claim(path)
    assert former is not None and not spool.is_back(former)
    os.link(former.path, inbox / "a.csv")
    assert spool.is_back(former)
    (path,) = spool.settled()
    again = spool.claim(path)
    assert again is not None
    assert [claimed.ulid for claimed in spool.pending()] == [again.ulid]
    assert again.path.read_text() == "prompt\npiano\n"


@pytest.mark.parametrize(
    ("names", "one"),
    [
        ({"a.csv"}, True),
        ({"a.csv", "a-2.csv"}, True),
        ({"a.csv", "a-99.csv"}, True),
        ({"a.again.csv", "a-2.again.csv"}, True),
        ({"a.csv", "a-100.csv"}, False),
        ({"a.csv", "a-1.csv"}, False),
        ({"a-2.csv", "a-3.csv"}, False),
    ],
)
def test_a_file_is_looked_for_under_the_numbers_that_it_may_have_got(names: set[str], one: bool) -> None:
    assert _given_back(names) is one


def test_two_names_that_people_gave_one_file_are_two_files(spool: Spool, inbox: Path) -> None:
    (inbox / "a.csv").write_text("prompt\npiano\n")
    os.link(inbox / "a.csv", inbox / "b.csv")
    claimed = [spool.claim(path) for path in spool.settled()]
    assert [each.file_name for each in claimed if each is not None] == ["a.csv", "b.csv"]
    assert not any(each is None or spool.is_back(each) for each in claimed)
    assert len(spool.pending()) == 2


def test_half_a_list_of_problems_is_swept_at_the_start(spool: Spool, inbox: Path, clock: Any, new_ulid: Any) -> None:
    (inbox / "rejected" / ".abc.part").write_text("half a list of pro")
    (inbox / ".abc.part").write_text("somebody else's, who is at it")
    Spool(inbox, clock, new_ulid, settle_s=0.0, patience_s=60.0, command="soundmill")
    assert list((inbox / "rejected").iterdir()) == []
    assert (inbox / ".abc.part").exists()


def test_a_file_of_the_inbox_that_is_wanted_again_gets_a_free_name(inbox: Path) -> None:
    inbox.mkdir(exist_ok=True)
    for content in ("one", "two", "three"):
        (inbox / "a.csv").write_text(content)
        submit(inbox / "a.csv", inbox, again=True)
    assert {path.name: path.read_text() for path in inbox.iterdir()} == {
        "a.again.csv": "one", "a-2.again.csv": "two", "a-3.again.csv": "three",
    }  # fmt: skip


def test_on_a_disk_without_links_nothing_is_overwritten_either(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    for content in ("one", "two"):
        (tmp_path / "a.csv").write_text(content)
        submit(tmp_path / "a.csv", inbox)
    assert {path.name: path.read_text() for path in inbox.iterdir()} == {"a.csv": "one", "a-2.csv": "two"}

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", broken)
    with pytest.raises(OSError, match="Input/output error"):
        submit(tmp_path / "a.csv", inbox)
    assert len(list(inbox.iterdir())) == 2


def test_what_is_not_to_be_submitted_is_said(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt\n")
    (tmp_path / ".a.csv").write_text("prompt\n")
    (tmp_path / "c.csv").mkdir()
    endings = ".csv, .tsv, .xlsx, .ods, .yaml, .yml"
    for name, both, said in (
        ("a.csv", True, "--again makes the whole file once more, --rest only what is missing; choose one"),
        ("a.txt", False, f"{tmp_path}/a.txt: not a job file; its name must end in {endings}"),
        ("b.csv", False, f"{tmp_path}/b.csv: there is no such file"),
        ("c.csv", False, f"{tmp_path}/c.csv: there is no such file"),
        (".a.csv", False, f"{tmp_path}/.a.csv: the inbox ignores names that start with a dot; rename it"),
    ):
        with pytest.raises(UsageError) as refused:
            submit(tmp_path / name, inbox, again=both, rest=both)
        assert str(refused.value) == said
    assert not inbox.exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotPlain(errno.EINVAL, "x"), "is not a plain file"),
        (TooLarge(errno.EFBIG, "x"), "the file is larger than 2 MB; share its rows among several files"),
        (PermissionError(errno.EACCES, "x"), "Soundmill may not read this file; change its permissions"),
    ],
)
def test_what_may_not_be_read_is_refused(
    error: OSError, said: str, spool: Spool, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it was exchanged after the look at it; for root there is no file that may not be read."""

    def fails(path: Path, most: int) -> bytes:
        raise error

    (inbox / "a.csv").write_text("prompt\n")
    claimed = spool.claim(inbox / "a.csv")
    assert claimed is not None
    monkeypatch.setattr("soundmill.inbox.spool.read_plain", fails)
    with pytest.raises(InvalidJobFile) as refused:
        spool.read(claimed, 2 << 20)
    assert refused.value.problems == (Problem(message=said),)
