"""Which takes go by the rules of retention, and the steps in which they go.

    1. the catalogue marks takes as pruned and notes that their files are to go  (prune)
    2. the files are removed                                                     (shelf/files.discard)
    3. the catalogue forgets the note                                            (pruned)

Each step may be repeated, so a restart goes on with whatever is noted. The rows stay, with all that was measured.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath

from soundmill.catalog.reports import changed

DAY_S = 86_400.0
YOUNG_S = DAY_S  # size alone takes none as young: nobody may have heard it yet
AT_ONCE = 1000  # takes looked at in one question
FREE = """
    (b.finished_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM moves WHERE output_id = o.id)
        AND NOT EXISTS (SELECT 1 FROM selections_due WHERE batch_id = o.batch_id)
        AND NOT EXISTS (SELECT 1 FROM takes_a_person_touched WHERE output_id = o.id))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Ages in days, size in GB (10^9 bytes) of audio; None: no such rule."""

    after_d: float | None
    failed_after_d: float | None
    set_aside_after_d: float | None
    max_gb: float | None

    @property
    def any(self) -> bool:
        return any(value is not None for value in asdict(self).values())

    def is_due(self, take: Stored, now: float) -> bool:
        """Whether a take is so old that it goes, whatever the size of all."""
        ages = [self.after_d]
        ages += [self.failed_after_d] * take.failed + [self.set_aside_after_d] * take.set_aside
        return any(age is not None and now - take.created_at > age * DAY_S for age in ages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A take whose file is there. `free`: no person touched it, its batch is finished and it is not being moved."""

    id: int
    path: str
    batch: str
    size_bytes: int
    created_at: float
    failed: bool
    set_aside: bool
    free: bool

    @property
    def rank(self) -> int:
        """Of the takes that go for the sake of size, lower ones go first."""
        return 0 if self.set_aside else 1 if self.failed else 2


def stored(db: sqlite3.Connection, after: int) -> list[Stored]:
    """The next takes whose output ids are above `after`, AT_ONCE at most, oldest first."""
    rows = db.execute(
        "SELECT o.id, o.path, b.name AS batch, o.size_bytes, o.created_at, o.verdict = 'failed' AS failed,"
        f" o.kept IS 0 AS set_aside, {FREE} AS free FROM outputs o JOIN batches b ON b.id = o.batch_id"
        " WHERE o.id > ? AND o.pruned_at IS NULL ORDER BY o.id LIMIT ?",
        (after, AT_ONCE),
    )
    return [Stored(**dict(row) | {name: bool(row[name]) for name in ("failed", "set_aside", "free")}) for row in rows]


def needed(db: sqlite3.Connection) -> set[str]:
    """What jobs that are yet to run go on from, or take their melody of: the ends of those paths, for a take among them
    is known by its path in the outputs folder."""
    inputs = db.execute(  # as the partial index jobs_inputs says it
        "SELECT melody, continue_from FROM jobs"
        " WHERE status IN ('queued', 'running') AND (melody IS NOT NULL OR continue_from IS NOT NULL)"
    )
    parts = {PurePath(path).parts for row in inputs for path in row if path is not None}
    return {"/".join(each[at:]) for each in parts for at in range(len(each))}


def plan(
    stored: Callable[[int], Sequence[Stored]], rules: Rules, needed: Collection[str], now: float
) -> Iterator[list[Stored]]:
    """The takes that are to go, by and by, first those that are old and then those that are too many; empty lists in
    between, so that whoever asks can do other things. `stored` and `needed` as the functions of that name."""
    total = 0

    def may_go(take: Stored) -> bool:
        return take.free and take.path not in needed

    for takes in _windows(stored):
        going = [take for take in takes if rules.is_due(take, now) and may_go(take)]
        total += sum(take.size_bytes for take in takes) - sum(take.size_bytes for take in going)
        yield going
    if rules.max_gb is None:
        return
    for rank in range(3):
        for takes in _windows(stored):
            if total <= rules.max_gb * 1e9:
                return
            going = []
            for take in takes:
                old = now - take.created_at > YOUNG_S and not rules.is_due(take, now)
                if total > rules.max_gb * 1e9 and take.rank == rank and old and may_go(take):
                    going.append(take)
                    total -= take.size_bytes
            yield going


def _windows(stored: Callable[[int], Sequence[Stored]]) -> Iterator[Sequence[Stored]]:
    after = 0
    while takes := stored(after):
        yield takes
        after = takes[-1].id


def prune(db: sqlite3.Connection, now: float, output_ids: Sequence[int]) -> set[int]:
    """Mark those of these takes as pruned that may still go; the ids of these. Their files are to be removed."""
    marks = ", ".join("?" * len(output_ids))
    in_use = needed(db)
    going = [
        row
        for row in db.execute(
            "SELECT o.id, o.batch_id, o.path FROM outputs o JOIN batches b ON b.id = o.batch_id"
            f" WHERE o.id IN ({marks}) AND o.pruned_at IS NULL AND {FREE}",
            output_ids,
        )
        if row["path"] not in in_use
    ]
    db.executemany("UPDATE outputs SET pruned_at = ? WHERE id = ?", ((now, row["id"]) for row in going))
    db.executemany("INSERT INTO prunings (output_id) VALUES (?)", ((row["id"],) for row in going))
    changed(db, now, {int(row["batch_id"]) for row in going})
    return {int(row["id"]) for row in going}


def files_to_go(db: sqlite3.Connection, limit: int) -> list[tuple[int, str]]:
    """Output ids and paths of takes that are marked and whose files may still be there."""
    rows = db.execute(
        "SELECT p.output_id, o.path FROM prunings p JOIN outputs o ON o.id = p.output_id LIMIT ?", (limit,)
    )
    return [(int(row["output_id"]), str(row["path"])) for row in rows]


def pruned(db: sqlite3.Connection, output_ids: Sequence[int]) -> None:
    """The files of these takes are gone."""
    db.executemany("DELETE FROM prunings WHERE output_id = ?", ((one,) for one in output_ids))
