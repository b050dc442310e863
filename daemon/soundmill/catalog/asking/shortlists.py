"""Named lists of the takes that somebody chose."""

from __future__ import annotations

import sqlite3
import unicodedata

from soundmill.catalog.wishes import take_of
from soundmill.errors import InvalidControl
from soundmill.words import closest, composed, did_you_mean, same_name

DEFAULT = "picks"  # the list of picks for which none was named
LONGEST_NAME = 100  # characters


def pick(
    db: sqlite3.Connection, now: float, target: str, shortlist: str, who: str, note: str | None, *, keep_note: bool
) -> None:
    """Put a take on a shortlist, which is made where there is none of that name. A take that is there already stays
    whoever's pick it was; only a note is replaced."""
    take = take_of(db, target)
    found = _find(db, shortlist)
    if found is None:
        create(db, now, shortlist, None, who)
        found = _find(db, shortlist)
    assert found is not None
    if found["archived_at"] is not None:
        raise InvalidControl(f"{found['name']}: this shortlist is archived; take it out of the archive first")
    db.execute(
        "INSERT INTO picks (shortlist_id, output_id, who, note, picked_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (shortlist_id, output_id) DO UPDATE SET note = iif(?, note, excluded.note)",
        (found["id"], take, who, note, now, keep_note),
    )


def unpick(db: sqlite3.Connection, target: str, shortlist: str) -> None:
    """Take a take off a shortlist, if it is there."""
    take = take_of(db, target)
    found = _find(db, shortlist)
    if found is None and same_name(shortlist) != DEFAULT:
        raise InvalidControl(_unknown(db, shortlist))
    if found is not None:
        db.execute("DELETE FROM picks WHERE shortlist_id = ? AND output_id = ?", (found["id"], take))


def create(db: sqlite3.Connection, now: float, name: str, note: str | None, who: str) -> None:
    """Make a shortlist; one that is there already stays as it is, but for a note that is given."""
    found = _find(db, name)
    if found is None:
        db.execute(
            "INSERT INTO shortlists (name, note, created_by, created_at) VALUES (?, ?, ?, ?)",
            (_named(name), note, who, now),
        )
    elif note is not None:
        db.execute("UPDATE shortlists SET note = ? WHERE id = ?", (note, found["id"]))


def rename(db: sqlite3.Connection, name: str, new: str) -> None:
    list_id = _known(db, name)
    wanted = _named(new)
    other = _find(db, wanted)
    if other is not None and other["id"] != list_id:
        raise InvalidControl(f"{wanted}: there is a shortlist {other['name']} already; choose another name")
    db.execute("UPDATE shortlists SET name = ? WHERE id = ?", (wanted, list_id))


def archive(db: sqlite3.Connection, now: float, name: str, *, archived: bool) -> None:
    db.execute(
        "UPDATE shortlists SET archived_at = ? WHERE id = ? AND (archived_at IS NULL) = ?",
        (now if archived else None, _known(db, name), archived),
    )


def delete(db: sqlite3.Connection, name: str) -> None:
    """Remove a shortlist with its picks; the takes stay."""
    list_id = _known(db, name)
    db.execute("DELETE FROM picks WHERE shortlist_id = ?", (list_id,))
    db.execute("DELETE FROM shortlists WHERE id = ?", (list_id,))


def find(db: sqlite3.Connection, name: str) -> str:
    """A shortlist's name as it was given. Raises InvalidControl with a suggestion."""
    _known(db, name)
    found = _find(db, name)
    assert found is not None
    return str(found["name"])


def _known(db: sqlite3.Connection, name: str) -> int:
    found = _find(db, name)
    if found is None:
        raise InvalidControl(_unknown(db, name))
    return int(found["id"])


def _find(db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    # SQLite folds the case of ASCII alone, and people have few lists.
    wanted = same_name(name.strip())
    rows: list[sqlite3.Row] = db.execute("SELECT id, name, archived_at FROM shortlists").fetchall()
    return next((row for row in rows if same_name(row["name"]) == wanted), None)


def _unknown(db: sqlite3.Connection, name: str) -> str:
    names = [str(row["name"]) for row in db.execute("SELECT name FROM shortlists")]
    return f"{name.strip() or 'nothing'}: no such shortlist{did_you_mean(closest(name, names))}"


def _named(name: str) -> str:
    wanted = composed(name.strip())
    if not wanted or len(wanted) > LONGEST_NAME or any(unicodedata.category(letter) == "Cc" for letter in wanted):
        raise InvalidControl(f"a shortlist's name has 1 to {LONGEST_NAME} characters, all on one line")
    return wanted
