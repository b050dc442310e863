"""Every file in tests/data/bad is refused with exactly the words in expected.json, and harms no other file."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from inbox.conftest import MONTH
from soundmill.errors import InvalidJobFile, Problem
from soundmill.inbox.intake import Intake
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.read import read_jobs

BAD = Path(__file__).parents[2] / "data" / "bad"
EXPECTED: dict[str, list[str]] = json.loads((BAD / "expected.json").read_text(encoding="utf-8"))
GOOD = b"prompt\ncalm piano\n"
LIMIT = 1 << 20


def test_each_bad_file_has_its_expected_words() -> None:
    assert set(EXPECTED) == {path.name for path in BAD.iterdir()} - {"expected.json"}
    assert len(EXPECTED) >= 60


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_bad_file_is_refused_with_every_problem_and_its_mend(
    name: str, tmp_path: Path, rules_with: Callable[..., Rules]
) -> None:
    with pytest.raises(InvalidJobFile) as refused:
        read_jobs((BAD / name).read_bytes(), name, rules_with(tmp_path, max_jobs=1000))
    messages = [
        str(problem).replace(str(tmp_path), "{folder}").replace(str(tmp_path.parent), "{parent}")
        for problem in refused.value.problems
    ]
    assert messages == EXPECTED[name]


def make_folder(path: Path) -> None:
    path.mkdir()


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(path.parent)  # a socket's whole path has room for 108 bytes only
        try:
            server.bind(path.name)
        finally:
            os.chdir(before)


def make_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(LIMIT + 1)


def make_wide_cell(path: Path) -> None:
    path.write_text('prompt\n"' + "la " * 100_000 + '"\n')


ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "folder.csv": (make_folder, "is a folder; put the job files themselves into the inbox"),
    "link.csv": (make_link, "is a link, and links are not followed; put the file itself into the inbox"),
    "pipe.yaml": (make_pipe, "is a pipe, not a file"),
    "socket.yml": (make_socket, "is a socket, not a file"),
    "large.csv": (make_large, "the file is larger than 1 MB; share its rows among several files"),
    "wide-cell.csv": (
        make_wide_cell,
        "a cell has more than 131,072 characters; perhaps a quotation mark that opens on or below this line "
        "is never closed",
    ),
}


@pytest.mark.parametrize("name", sorted(ODD))
def test_what_is_no_plain_small_file_is_rejected_unread_and_kept(name: str, intake: Intake, inbox: Path) -> None:
    make, message = ODD[name]
    make(inbox / name)
    (outcome,) = intake.scan()
    assert [problem.message for problem in outcome.problems] == [message]
    assert os.path.lexists(inbox / "rejected" / MONTH / name)
    assert message in (inbox / "rejected" / MONTH / f"{name}.errors.txt").read_text(encoding="utf-8")


def test_ten_megabytes_in_one_cell_are_refused(tmp_path: Path, rules: Rules) -> None:
    with pytest.raises(InvalidJobFile) as refused:
        read_jobs(b"prompt\n" + b"a" * 10_000_000 + b"\n", "wide.csv", rules)
    assert "a cell has more than 131,072 characters" in str(refused.value)


def test_all_bad_files_at_once_leave_room_for_a_good_one(intake: Intake, inbox: Path) -> None:
    for name in EXPECTED:
        (inbox / name).write_bytes((BAD / name).read_bytes())
    for name, (make, _) in ODD.items():
        make(inbox / name)
    (inbox / "zz-good.csv").write_bytes(GOOD)
    outcomes = {outcome.file_name: outcome for outcome in intake.scan()}
    assert outcomes.pop("zz-good.csv").accepted
    # those that are only too many for the test above are good files under this intake's higher limit
    assert {n for n, o in outcomes.items() if not o.rejected} == {"too-many-jobs.csv", "experiment-too-many.yaml"}
    assert len(outcomes) == len(EXPECTED) + len(ODD)
    assert not list((inbox / ".claimed").iterdir())


def test_the_errors_file_lists_line_field_value_and_mend(intake: Intake, inbox: Path) -> None:
    (inbox / "odd.csv").write_text("prompt,temperature\ncalm piano,hot\n,0,7\n")
    intake.scan()
    text = (inbox / "rejected" / MONTH / "odd.csv.errors.txt").read_text(encoding="utf-8")
    assert "line 2: temperature = hot: must be a number from 0 to 4\n" in text
    assert "line 3: has 3 cells but the header names 2" in text
    assert "odd.csv was rejected: 2 problems. Nothing of it was queued." in text


def test_a_problem_is_shown_shortened() -> None:
    with pytest.raises(InvalidJobFile) as refused:
        raise InvalidJobFile([Problem(message="a"), Problem(message="b")])
    assert str(refused.value) == "2 problems; the first: a"


def test_problems_beyond_two_hundred_are_counted(rules: Rules) -> None:
    data = b"prompt,duration\n" + b"calm piano,long\n" * 1000
    with pytest.raises(InvalidJobFile) as refused:
        read_jobs(data, "long.csv", rules)
    assert len(refused.value.problems) == 201
    assert refused.value.problems[-1].message == "and 800 more problems, not listed here"
