"""What the inbox says of what has arrived and is not taken, word for word, and when it takes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from soundmill.inbox import bystanders
from soundmill.inbox.arrivals import GIVEN_UP, MOST_RIPE, QUIET_S, UNFINISHED_S, WHOLE, Arrivals, mark_as_whole
from soundmill.inbox.jobfile.recognize import JOB_SUFFIXES
from soundmill.inbox.notices import Notice
from soundmill.inbox.whole import Writers
from support.missing import needs_attributes

ROW = "it has a last row that stops early"


@pytest.fixture
def arrivals(inbox: Path, clock: Any) -> Arrivals:
    inbox.mkdir()
    return Arrivals(inbox, clock, settle_s=1.0, patience_s=60.0, command="soundmill --home x")


@pytest.mark.parametrize(
    ("content", "held", "why", "wait", "s"),
    [
        ("", False, "it is empty", "1 min", 60),
        ("\0\0", False, "it is full of zeros", "1 min", 60),
        ("prompt,duration\na", False, ROW, "1 min", 60),
        ("prompt,duration\na,2", False, "it has a last line without an end", "5 s", 5),
        ("prompt,duration\na,2\n", True, "a program has it open for writing", "1 min", 60),
        ("prompt,duration\na", True, f"{ROW} and a program has it open for writing", "5 min", 300),
    ],
)
def test_why_a_file_is_not_taken_yet(
    content: str, held: bool, why: str, wait: str, s: float, arrivals: Arrivals, inbox: Path, clock: Any
) -> None:
    (inbox / "a.csv").write_text(content)
    with ExitStack() as stack:
        if held:
            stack.enter_context((inbox / "a.csv").open("a"))
        assert arrivals.look() == [] and arrivals.notices == [] and arrivals.waiting == 1
        clock.now += 1
        assert arrivals.look() == [] and arrivals.waiting == 1
        message = f"is not taken yet: {why}; it is taken as it is once nothing has changed for {wait}"
        assert arrivals.notices == [Notice(kind="not here yet", file_name="a.csv", message=message)]
        clock.now += s - 1.1
        assert arrivals.look() == [] and arrivals.notices != []
        clock.now += 0.1
        assert arrivals.look() == [inbox / "a.csv"] and arrivals.notices == [] and arrivals.waiting == 0
    ripe = arrivals.taken("a.csv")
    assert ripe is not None and ripe.writers is (Writers.SOMEBODY if held else Writers.NOBODY)
    assert arrivals.taken("a.csv") is None


def test_a_pause_that_nothing_explains_is_waited_for_thrice(arrivals: Arrivals, inbox: Path, clock: Any) -> None:
    path = inbox / "a.csv"
    path.write_text("prompt\na\n")
    arrivals.look()
    clock.now += 4
    path.write_text("prompt\na\nb\n")
    arrivals.look()
    clock.now += 2
    assert arrivals.look() == []
    message = "is not taken yet: it paused while it was written; it is taken as it is once nothing has changed for 12 s"
    assert [notice.message for notice in arrivals.notices] == [message]
    clock.now += 10
    assert arrivals.look() == [path]


def test_another_file_in_its_place_has_not_paused(arrivals: Arrivals, inbox: Path, clock: Any) -> None:
    for number in range(2):
        (inbox / "new").write_text(f"prompt\na{number}\n")
        (inbox / "new").rename(inbox / "a.csv")
        assert arrivals.look() == []
        clock.now += 4 - 3 * number
    assert arrivals.look() == [inbox / "a.csv"]


def test_a_file_that_never_rests_is_given_up_on(arrivals: Arrivals, inbox: Path, clock: Any) -> None:
    path = inbox / "a.csv"
    for at, waiting in ((0, 1), (GIVEN_UP * 60 - 1, 1), (GIVEN_UP * 60, 0)):
        clock.now = 1000.0 + at
        path.write_text("prompt\n" + "a\n" * int(at))
        assert arrivals.look() == [] and arrivals.waiting == waiting
    message = "has been written to for a long time and is still being changed; it is taken once it rests"
    assert arrivals.notices == [Notice(kind="not here yet", file_name="a.csv", message=message)]


def test_before_the_first_look_nothing_waits(arrivals: Arrivals) -> None:
    assert (arrivals.waiting, arrivals.notices) == (0, [])
    assert arrivals.taken("a.csv") is None


def test_other_numbers_hold_from_the_next_look_on(arrivals: Arrivals, inbox: Path, clock: Any) -> None:
    (inbox / "a.csv").write_text("")
    arrivals.look()
    clock.now += 2
    assert arrivals.look() == []
    arrivals.use(settle_s=0.5, patience_s=2.0)
    assert arrivals.look() == [inbox / "a.csv"]


def test_so_many_are_taken_at_one_look(arrivals: Arrivals, inbox: Path, clock: Any) -> None:
    arrivals.use(settle_s=0.0, patience_s=0.0)
    for number in range(MOST_RIPE + 1):
        os.close(os.open(inbox / f"{number}.csv", os.O_CREAT))
    assert len(arrivals.look()) == MOST_RIPE == 2000
    assert arrivals.taken("none") is None


def test_what_is_said_to_be_whole_is_whole_while_it_is_as_it_was(arrivals: Arrivals, inbox: Path, clock: Any) -> None:
    path = inbox / "a.csv"
    path.write_text("")
    needs_attributes(path)
    mark_as_whole(path)
    assert WHOLE == "user.soundmill.whole"
    assert os.getxattr(path, WHOLE) == f"0 {path.stat().st_mtime_ns}".encode()
    arrivals.look()
    clock.now += 1
    assert arrivals.look() == [path]


def test_a_copy_is_held_and_asked_about(arrivals: Arrivals, inbox: Path, clock: Any) -> None:
    for name in ("x.csv", "x (1).csv", "x (2).again.csv", "y (1).csv", "y.rest.csv"):
        (inbox / name).write_text("prompt\na\n")
    (inbox / "z (1).csv").mkdir()
    (inbox / "z.csv").symlink_to("x.csv")
    arrivals.look()
    assert arrivals.notices == []
    clock.now += 1
    taken = {path.name for path in arrivals.look()}
    assert taken == {"x.csv", "x (2).again.csv", "y (1).csv", "y.rest.csv", "z (1).csv", "z.csv"}
    copy = inbox / "x (1).csv"
    message = (
        "looks like a copy of x.csv that a sync program, a browser or a file manager made, and is held: which one is "
        f"meant? To run this one too: soundmill --home x submit --again '{copy}'; if not: rm '{copy}'"
    )
    assert arrivals.notices == [Notice(kind="held", file_name="x (1).csv", message=message)]


NO_JOB_FILE = "is not a job file: "
UNFINISHED = "is a download or a copy that was never finished; get it again, or delete it"
ENDINGS = "job files end in .csv, .tsv, .xlsx, .ods, .yaml, .yml"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.json", NO_JOB_FILE + "write it as YAML, or as a CSV file"),
        ("a.JSONL", NO_JOB_FILE + "write it as a CSV file"),
        ("a.txt", NO_JOB_FILE + "name it .csv if it is a table, .yaml if it is YAML"),
        ("a.zip", NO_JOB_FILE + "unpack it and put the job files into the inbox"),
        ("a.gz", NO_JOB_FILE + "unpack it and put the job files into the inbox"),
        ("a.7z", NO_JOB_FILE + "unpack it and put the job files into the inbox"),
        ("a.md", NO_JOB_FILE + ENDINGS),
        ("a", NO_JOB_FILE + ENDINGS),
        *((f"a{end}", f"{NO_JOB_FILE}{ENDINGS}; save its table as CSV (UTF-8)")
          for end in (".xls", ".xlsm", ".numbers", ".docx", ".odt", ".gsheet")),
        ("a.csv.txt", "has .txt after its ending; rename it: mv /in/a.csv.txt /in/a.csv"),
        ("a b.YAML.TXT", "has .txt after its ending; rename it: mv '/in/a b.YAML.TXT' '/in/a b.YAML'"),
        *((f"a.csv{end}", UNFINISHED) for end in (".part", ".tmp", ".crdownload", ".download", ".PARTIAL")),
        *((f"a.csv{end}", UNFINISHED) for end in (".filepart", ".opdownload", "~", ".swp")),
    ],
)  # fmt: skip
def test_what_is_said_of_a_file_that_is_no_job_file(name: str, said: str) -> None:
    assert bystanders.about_file(Path("/in") / name, JOB_SUFFIXES) == said


@pytest.mark.parametrize(
    "name", [".x", "~$a.xlsx", "Thumbs.db", "desktop.ini", "Icon\r"]
    + [f"a{end}" for end in (".wav", ".FLAC", ".ogg", ".mp3", ".opus", ".m4a", ".aif", ".aiff")],
)  # fmt: skip
def test_what_may_lie_there_without_a_word(name: str) -> None:
    assert bystanders.is_expected(name) and not bystanders.is_expected(f"a{name}x")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "is a folder; put the job files themselves into the inbox"),
        (("a.wav", ".x", "b.MP3"), None),
        (("a.wav", "notes"), "is a folder; put the job files themselves into the inbox"),
        ((".x",), "is a folder; put the job files themselves into the inbox"),
        (("a.csv",), "is a folder with 1 job file in it, which nobody reads there; put them into the inbox themselves"),
        (
            ("a.CSV", "b.yaml", "c.wav"),
            "is a folder with 2 job files in it, which nobody reads there; put them into the inbox themselves",
        ),
    ],
)
def test_what_is_said_of_a_folder(names: tuple[str, ...], said: str | None, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_text("")
    assert bystanders.about_folder(tmp_path, JOB_SUFFIXES) == said
    if not names:
        assert bystanders.about_folder(tmp_path / "gone", JOB_SUFFIXES) == said


def test_what_is_no_job_file_is_spoken_of_when_it_has_lain_for_a_while(
    arrivals: Arrivals, inbox: Path, clock: Any
) -> None:
    for name in ("a.md", "b.part", "c.wav", ".d", "accepted", "rejected"):
        (inbox / name).write_text("")
    (inbox / "e").mkdir()
    (inbox / "f").mkdir()
    (inbox / "f" / "x.wav").write_text("")
    said: list[tuple[float, list[str]]] = []
    for wait in (0, QUIET_S - 0.1, 0.1, UNFINISHED_S - QUIET_S - 0.1, 0.1):
        clock.now += wait
        assert arrivals.look() == []
        said.append((wait, sorted(notice.file_name for notice in arrivals.notices)))
    assert [names for _, names in said] == [[], [], ["a.md", "e"], ["a.md", "e"], ["a.md", "b.part", "e"]]
    assert {notice.kind for notice in arrivals.notices} == {"not a job file"}


def test_what_is_back_is_new_again(arrivals: Arrivals, inbox: Path, clock: Any) -> None:
    path = inbox / "a.csv"
    path.write_text("prompt\na\n")
    arrivals.look()
    clock.now += 1
    assert arrivals.look() == [path]
    arrivals.still_there(path)
    assert arrivals.waiting == 1
    assert arrivals.look() == []
    clock.now += 1
    assert arrivals.look() == [path]


def test_an_inbox_that_is_gone_is_said(arrivals: Arrivals, inbox: Path, new_ulid: Callable[[], str]) -> None:
    inbox.rmdir()
    with pytest.raises(FileNotFoundError):
        arrivals.look()
