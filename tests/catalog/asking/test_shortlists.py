from __future__ import annotations

from typing import Any

import pytest

from soundmill.catalog import wishes
from soundmill.catalog.asking import comparisons, shortlists
from soundmill.catalog.catalog import Writing
from soundmill.catalog.reader import Reader
from soundmill.catalog.wishes import archive, prioritise
from soundmill.errors import InvalidControl
from support.asking import asked


def write(mill: Any, function: Any, *values: object) -> Any:
    return Writing(function).__get__(mill.catalog, type(mill.catalog))(*values)


def pick(mill: Any, take: str, shortlist: str = "picks", note: str | None = None) -> None:
    asked(mill.catalog, shortlists.pick, take, shortlist, "ann", note, keep_note=note is None)


def names(mill: Any, shortlist: str) -> list[str]:
    with Reader.open(mill.path) as reader:
        return [str(row["audio"]) for row in reader.picks(shortlist)]


@pytest.fixture
def picked(mill: Any) -> Any:
    """Two rows of two takes each."""
    mill.ingest([mill.spec(row, name=f"theme-{row}-r{n}", replicate=n) for row in (1, 2) for n in (1, 2)])
    for attempt in mill.claim(limit=4):
        mill.succeed(attempt)
    return mill


def test_a_take_is_picked_once_however_often_it_is_asked_for(picked: Any) -> None:
    pick(picked, "themes/theme-1-r2.wav", note="for the boss")
    pick(picked, "themes/theme-1-r2")
    pick(picked, "themes/theme-1-r2", "Bosse ÄÖ")
    pick(picked, "themes/theme-2-r1", "bosse äö ")
    assert names(picked, "PICKS") == ["themes/theme-1-r2.wav"]
    assert names(picked, "BOSSE äÖ") == ["themes/theme-1-r2.wav", "themes/theme-2-r1.wav"]
    assert picked.rows("SELECT shortlist, note FROM picks_list WHERE note IS NOT NULL") == [
        {"shortlist": "picks", "note": "for the boss"}
    ]
    assert picked.row("SELECT picks FROM takes WHERE job = 'theme-1-r2'") == {"picks": "picks, Bosse ÄÖ"}


def test_which_rows_have_no_pick_yet(picked: Any) -> None:
    pick(picked, "themes/theme-1-r2", "bosses")
    assert picked.rows("SELECT name, takes FROM rows_without_pick") == [{"name": "theme-2-r1", "takes": 2}]
    assert picked.row("SELECT file_rows, picked FROM batch_picks") == {"file_rows": 2, "picked": 1}
    with Reader.open(picked.path) as reader:
        total, missing = reader.rows_without_pick("themes", "bosses")
        assert (total, [row["name"] for row in missing]) == (2, ["theme-2-r1"])
        with pytest.raises(InvalidControl, match="no such shortlist; did you mean bosses"):
            reader.rows_without_pick("themes", "boses")
    asked(picked.catalog, shortlists.archive, "bosses", archived=True)
    assert len(picked.rows("SELECT * FROM rows_without_pick")) == 2


def test_unpicking_what_is_not_there_is_fine_and_an_unknown_list_is_not(picked: Any) -> None:
    write(picked, shortlists.unpick, "themes/theme-1-r1", "picks")
    pick(picked, "themes/theme-1-r1")
    write(picked, shortlists.unpick, "themes/theme-1-r1", "Picks")
    write(picked, shortlists.unpick, "themes/theme-1-r1", "picks")
    assert names(picked, "picks") == []
    with pytest.raises(InvalidControl, match="pics: no such shortlist; did you mean picks"):
        write(picked, shortlists.unpick, "themes/theme-1-r1", "pics")


def test_a_shortlist_is_renamed_archived_and_deleted_and_the_takes_stay(picked: Any) -> None:
    pick(picked, "themes/theme-1-r1", "bosses")
    asked(picked.catalog, shortlists.create, "quiet", "for caves", "bo")
    asked(picked.catalog, shortlists.create, "QUIET", None, "cy")
    with pytest.raises(InvalidControl, match="there is a shortlist quiet already"):
        write(picked, shortlists.rename, "bosses", "Quiet")
    write(picked, shortlists.rename, "bosses", "Bosses")
    asked(picked.catalog, shortlists.archive, "bosses", archived=True)
    asked(picked.catalog, shortlists.archive, "bosses", archived=True)
    with pytest.raises(InvalidControl, match="is archived"):
        pick(picked, "themes/theme-1-r2", "bosses")
    assert picked.row("SELECT picks FROM takes WHERE job = 'theme-1-r1'") == {"picks": None}
    asked(picked.catalog, shortlists.archive, "bosses", archived=False)
    assert picked.rows("SELECT shortlist, picks, note FROM shortlist_overview ORDER BY shortlist") == [
        {"shortlist": "Bosses", "picks": 1, "note": None},
        {"shortlist": "quiet", "picks": 0, "note": "for caves"},
    ]
    write(picked, shortlists.delete, "bosses")
    assert picked.rows("SELECT * FROM picks_list") == [] and len(picked.rows("SELECT * FROM takes")) == 4


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
def test_a_name_that_cannot_be_read_in_a_list_is_refused(picked: Any, name: str) -> None:
    with pytest.raises(InvalidControl, match="1 to 100 characters"):
        pick(picked, "themes/theme-1-r1", name)


def test_a_comparison_is_about_two_takes_unless_it_looks_whether_somebody_listens(picked: Any) -> None:
    more = {"answer": "second", "blind": True, "study": "boss"}
    first, second = "themes/theme-1-r1", "themes/theme-1-r2.wav"
    asked(picked.catalog, comparisons.compare, "U1", "ann", first=first, second=second, attention=False, **more)
    with pytest.raises(InvalidControl, match="compared with itself"):
        asked(picked.catalog, comparisons.compare, "U2", "ann", first=first, second=first, attention=False, **more)
    asked(picked.catalog, comparisons.compare, "U3", "ann", first=first, second=first, attention=True, **more)
    found = picked.rows("SELECT who, first_audio, preferred, blind, attention, study FROM comparisons_list")
    assert found[0] == {
        "who": "ann",
        "first_audio": "themes/theme-1-r1.wav",
        "preferred": "themes/theme-1-r2.wav",
        "blind": 1,
        "attention": 0,
        "study": "boss",
    }
    assert [row["attention"] for row in found] == [0, 1]


def test_a_batch_is_archived_once_it_has_ended_and_comes_back_when_it_is_taken_up_again(mill: Any) -> None:
    mill.ingest(2)
    with pytest.raises(InvalidControl, match="still at work"):
        asked(mill.catalog, archive, "themes", archived=True)
    asked(mill.catalog, wishes.cancel, "themes")
    asked(mill.catalog, archive, "themes", archived=True)
    asked(mill.catalog, archive, "themes", archived=True)
    assert mill.row("SELECT archived_at IS NOT NULL AS yes FROM batch_progress") == {"yes": 1}
    asked(mill.catalog, wishes.retry, "themes")
    assert mill.row("SELECT archived_at FROM batch_progress") == {"archived_at": None}
    with pytest.raises(InvalidControl, match="is a job"):
        asked(mill.catalog, archive, "themes/job-0001", archived=True)


def test_a_priority_changes_what_is_claimed_next(mill: Any) -> None:
    mill.ingest(3)
    mill.ingest(1, name="urgent")
    asked(mill.catalog, prioritise, "urgent", 5)
    asked(mill.catalog, prioritise, "themes/job-0003", 9)
    names = [attempt.job.name for attempt in mill.claim(limit=3)]
    assert names == ["job-0003", "job-0001", "job-0001"]
    assert mill.row("SELECT priority FROM batches WHERE name = 'urgent'") == {"priority": 5}
    assert mill.counters_are_true()
