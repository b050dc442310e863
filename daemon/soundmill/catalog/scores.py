"""What other scorers than Soundmill's own say of takes: which takes they have not heard yet, and their scores.

A scorer hears every take once: the new ones first, in the order they were filed, then those from before it was
configured, newest first. So the takes it has heard are always one unbroken run of output numbers, and its two ends
(a setting per scorer) say what is left, however many takes there are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from soundmill.catalog.outputs import batches_of
from soundmill.catalog.reports import changed
from soundmill.catalog.rows import add_event, finite
from soundmill.catalog.state import get_setting, set_setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Unscored:
    """A take that a scorer has not heard. `path` is relative to the outputs folder."""

    output_id: int
    path: str
    prompt: str


def use_scorer(db: sqlite3.Connection, now: float, scorer: str, model: str, names: Sequence[str]) -> None:
    """From now on `scorer` scores with `model`, under `names`. What another model said before is forgotten and
    scored again: the numbers of two models cannot be compared."""
    heard = _heard(db, scorer)
    if heard is not None and heard["model"] == model:
        return
    if heard is not None:
        db.executemany("DELETE FROM scores WHERE scorer = ?", ((name,) for name in names))
        add_event(
            db, now, "scorer changed", f"{scorer}: takes are scored again, by {model} instead of {heard['model']}"
        )
    next_id = int(db.execute("SELECT coalesce(max(id), 0) + 1 FROM outputs").fetchone()[0])
    _set_heard(db, scorer, model, oldest=next_id, newest=next_id - 1)


def unscored(db: sqlite3.Connection, scorer: str, limit: int) -> list[Unscored]:
    """Up to `limit` takes that `scorer` is to hear next; all of them new or all of them old."""
    heard = _heard(db, scorer)
    if heard is None:
        return []
    query = (
        "SELECT o.id, o.path, j.prompt FROM outputs o JOIN jobs j ON j.id = o.job_id"
        " WHERE o.pruned_at IS NULL AND o.id {} LIMIT ?"
    )
    rows = db.execute(query.format("> ? ORDER BY o.id"), (heard["newest"], limit)).fetchall()
    if not rows:
        rows = db.execute(query.format("< ? ORDER BY o.id DESC"), (heard["oldest"], limit)).fetchall()
    return [Unscored(output_id=row["id"], path=row["path"], prompt=row["prompt"]) for row in rows]


def record_scores(
    db: sqlite3.Connection, now: float, scorer: str, scores: Mapping[int, Mapping[str, float | None]]
) -> None:
    """Keep what `scorer` said: by output, its score under each name; None where it has none to give.

    `scores` must be the outputs of one answer of `unscored`, from its first on.
    """
    heard = _heard(db, scorer)
    if heard is None or not scores:
        return
    db.executemany(
        "INSERT INTO scores (output_id, scorer, score, scored_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (output_id, scorer) DO UPDATE SET score = excluded.score, scored_at = excluded.scored_at",
        (
            (output_id, name, finite(score), now)
            for output_id, by_name in scores.items()
            for name, score in by_name.items()
        ),
    )
    changed(db, now, batches_of(db, scores))
    _set_heard(
        db,
        scorer,
        str(heard["model"]),
        oldest=min(int(heard["oldest"]), *scores),
        newest=max(int(heard["newest"]), *scores),
    )


def path_of(db: sqlite3.Connection, output_id: int) -> str:
    """Where a take lies now, relative to the outputs folder."""
    return str(db.execute("SELECT path FROM outputs WHERE id = ?", (output_id,)).fetchone()[0])


def _heard(db: sqlite3.Connection, scorer: str) -> dict[str, int | str] | None:
    found = get_setting(db, f"scorer {scorer}")
    return None if found is None else dict(json.loads(found))


def _set_heard(db: sqlite3.Connection, scorer: str, model: str, *, oldest: int, newest: int) -> None:
    set_setting(db, f"scorer {scorer}", json.dumps({"model": model, "oldest": oldest, "newest": newest}))
