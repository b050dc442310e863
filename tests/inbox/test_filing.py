from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inbox.conftest import MONTH
from soundmill.inbox.filing import UNDATED, month_of
from soundmill.inbox.intake import Intake
from soundmill.inbox.spool import Spool, submit

MAY, JUNE = "01HXWRRY00", "01J0CK3700"  # how the ulids of those months of 2024 begin


def intake_of(inbox: Path, clock: Any, ledger: Any, rules_with: Any, ulid: str) -> Intake:
    spool = Spool(inbox, clock, lambda: ulid, settle_s=0.0, patience_s=0.0, command="soundmill")
    return Intake(spool, ledger, lambda each: rules_with(inbox, each), 1 << 20)


@pytest.fixture
def month(inbox: Path, clock: Any, ledger: Any, rules_with: Any) -> Callable[[str, int], Intake]:
    """The intake of a daemon that claims its next file in that month."""
    return lambda begin, number: intake_of(inbox, clock, ledger, rules_with, f"{begin}{number:016}")


@pytest.mark.parametrize(
    ("ulid", "month"),
    [
        (f"{MAY}{'0' * 16}", "2024-05"),
        (f"{JUNE}{'0' * 16}", "2024-06"),
        (f"{JUNE}{'0' * 16}".lower(), "2024-06"),
        ("0" * 26, "1970-01"),
        ("7" + "Z" * 25, "10889-08"),
        ("Z" * 26, UNDATED),
        ("U" * 26, UNDATED),
    ],
)
def test_the_month_is_that_of_the_claim(ulid: str, month: str) -> None:
    assert month_of(ulid) == month


def test_each_month_has_its_folder_and_a_name_stands_for_one_file_in_all(
    inbox: Path, ledger: Any, month: Callable[[str, int], Intake]
) -> None:
    (inbox / "accepted").mkdir(parents=True)
    (inbox / "accepted" / "list.csv").write_text("prompt\nof a home from before there were months\n")
    for number, begin in enumerate([MAY, MAY, JUNE]):
        (inbox / "list.csv").write_text(f"prompt\nharp {number}\n")
        (outcome,) = month(begin, number).scan()
        assert outcome.accepted
    filed = {path.relative_to(inbox / "accepted").as_posix() for path in (inbox / "accepted").rglob("*.csv")}
    assert filed == {"list.csv", "2024-05/list-2.csv", "2024-05/list-3.csv", "2024-06/list-4.csv"}
    assert [source.kept_as for source in ledger.sources.values()] == [
        "2024-05/list-2.csv",
        "2024-05/list-3.csv",
        "2024-06/list-4.csv",
    ]


def test_refused_files_are_filed_by_month_with_their_reasons(inbox: Path, month: Callable[[str, int], Intake]) -> None:
    for begin in (MAY, JUNE):
        inbox.mkdir(exist_ok=True)
        (inbox / "odd.csv").write_text("promt\nharp\n")
        assert month(begin, 1).scan()[0].rejected
    filed = {path.relative_to(inbox / "rejected").as_posix() for path in (inbox / "rejected").rglob("*.csv*")}
    assert filed == {
        f"{place}{suffix}"
        for place in ("2024-05/odd.csv", "2024-06/odd-2.csv")
        for suffix in ("", ".errors.txt")
    }  # fmt: skip


def test_a_copy_of_an_accepted_file_is_held_whatever_its_month(
    inbox: Path, ledger: Any, month: Callable[[str, int], Intake]
) -> None:
    for place in ("", "2024-05"):
        (inbox / "accepted" / place).mkdir(parents=True, exist_ok=True)
    (inbox / "accepted" / "flat.csv").write_text("prompt\nharp\n")
    (inbox / "accepted" / "2024-05" / "filed.csv").write_text("prompt\ndrums\n")
    for name in ("flat (1).csv", "filed (1).csv", "other (1).csv"):
        (inbox / name).write_text(f"prompt\n{name}\n")
    assert [outcome.file_name for outcome in month(JUNE, 1).scan()] == ["other (1).csv"]


def test_a_claim_that_is_taken_up_in_another_month_goes_where_the_catalogue_says(
    inbox: Path, clock: Any, ledger: Any, rules_with: Any
) -> None:
    (inbox / "accepted").mkdir(parents=True)
    (inbox / "list.csv").write_text("prompt\nharp\n")
    ledger.fail["after ingest"] = OSError("the power went")
    intake_of(inbox, clock, ledger, rules_with, f"{MAY}{'0' * 16}").scan()
    (outcome,) = intake_of(inbox, clock, ledger, rules_with, f"{JUNE}{'0' * 16}").scan()
    assert outcome.accepted
    (source,) = ledger.sources.values()
    assert (inbox / "accepted" / str(source.kept_as)).is_file()
    assert source.kept_as == "2024-05/list.csv"


def test_the_command_that_is_printed_for_a_copy_names_a_file_that_is_there(inbox: Path, intake: Intake) -> None:
    for name in ("list.csv", "twin.csv"):
        (inbox / name).write_text("prompt\nharp\n")
    refused = next(outcome for outcome in intake.scan() if outcome.rejected)
    path = Path(refused.reason.rpartition(" ")[2])
    assert path == inbox / "rejected" / MONTH / "twin.csv"
    assert submit(path, inbox, again=True).name == "twin.again.csv"
