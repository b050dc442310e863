"""What is shown of the files that are not taken, and what is said of them once."""

from __future__ import annotations

import json
from typing import Any

from soundmill.inbox.notices import MOST_SHOWN, SETTING, Notice, Notices

HELD = Notice(kind="held", file_name="b.csv", message="is held")
LATE = Notice(kind="not here yet", file_name="a.csv", message="is not taken yet")


def shown(ledger: Any) -> list[dict[str, str]]:
    return json.loads(ledger.settings["inbox notices"])  # type: ignore[no-any-return]


def test_what_lasts_is_said_once_and_what_passes_is_only_shown(ledger: Any) -> None:
    notices = Notices(ledger)
    assert SETTING == "inbox notices"
    notices.post([])
    assert ledger.settings == {}
    for _ in range(2):
        notices.post([LATE, HELD])
        assert ledger.events == [("file held", "b.csv: is held")]
    assert shown(ledger) == [
        {"kind": "held", "file": "b.csv", "message": "is held"},
        {"kind": "not here yet", "file": "a.csv", "message": "is not taken yet"},
    ]
    notices.post([HELD])
    assert [one["file"] for one in shown(ledger)] == ["b.csv"]
    notices.post([])
    assert shown(ledger) == []
    notices.post([HELD])
    assert ledger.events == [("file held", "b.csv: is held")] * 2


def test_a_restart_says_nothing_twice_and_forgets_what_was_only_not_seen_again_yet(ledger: Any) -> None:
    Notices(ledger).post([HELD])
    again = Notices(ledger)
    again.post([])  # it has not rested long enough to be spoken of
    again.post([HELD])
    assert ledger.events == [("file held", "b.csv: is held")]


def test_what_could_not_be_said_is_still_due(ledger: Any) -> None:
    notices = Notices(ledger)
    event, ledger.event = ledger.event, None
    try:
        notices.post([HELD])
    except TypeError:
        ledger.event = event
    notices.post([HELD])
    assert ledger.events == [("file held", "b.csv: is held")] and len(shown(ledger)) == 1


def test_of_too_many_so_many_are_shown_the_lasting_ones_first(ledger: Any) -> None:
    many = [Notice(kind="not here yet", file_name=f"{n:04}.csv", message="x") for n in range(1150)]
    Notices(ledger).post([*many, HELD])
    found = shown(ledger)
    assert len(found) == MOST_SHOWN + 1 == 101
    assert [one["file"] for one in found[:3]] == ["b.csv", "0000.csv", "0001.csv"]
    assert found[-1] == {"kind": "not a job file", "file": "", "message": "and 1,051 more files that are not taken"}
    Notices(ledger).post(many[:MOST_SHOWN])
    assert len(shown(ledger)) == MOST_SHOWN
