"""Best of n: which takes of a group are kept, and where each take is to lie because of it.

A group is the jobs of one position of a batch that ask for `keep_best`. Once all of them have ended, the best n of
their final takes that nobody rejected are kept and the others set aside. The catalogue decides first, in one
transaction, and notes the files to move; catalog/shelf/moves.py moves them. A choice stands until a job of the group is
taken up again, a take of it is rejected or, where stars count, rated: thresholds that change later do not move files
that somebody may use.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from soundmill.catalog.outputs import SCORER, batches_of
from soundmill.catalog.reports import changed
from soundmill.catalog.rows import add_event
from soundmill.catalog.state import get_setting, set_setting
from soundmill.jobs import ALIKE_POINTS, Job, Judgement, Verdict

STARS = "stars"  # rank by what people said
LISTENERS = "listeners"  # rank by which of two takes they would rather have
BY_PEOPLE = (STARS, LISTENERS)
MEASURED = ("prompt", "gain")  # rank by sources of goodness that are measured, as the view goodness_by_source has them
UNRATED = 3  # stars: better than a take somebody disliked, worse than one somebody liked
SET_ASIDE = "set_aside"

CANDIDATES = """
SELECT o.id, o.path, o.kept, o.quarantined, o.verdict, j.keep_best, o.attempt, o.batch_id,
       (SELECT avg(stars) FROM ratings WHERE output_id = o.id) AS stars,
       EXISTS (SELECT 1 FROM ratings WHERE output_id = o.id AND rejected) AS rejected,
       s.output_id IS NOT NULL OR :measured AS scored,
       CASE :scorer WHEN 'prompt' THEN g.prompt_agreement
            WHEN 'gain' THEN g.token_log_probability - g.token_log_probability_unprompted ELSE s.score END AS score,
       m.output_id IS NOT NULL AS moving
FROM jobs j
JOIN outputs o ON o.job_id = j.id AND o.attempt = j.final_attempt
LEFT JOIN scores s ON s.output_id = o.id AND s.scorer = :scorer
LEFT JOIN measurements g ON g.output_id = o.id
LEFT JOIN moves m ON m.output_id = o.id
WHERE j.batch_id = :batch AND j.position = :position AND j.keep_best IS NOT NULL AND o.pruned_at IS NULL
ORDER BY j.position, j.replicate, j.id
"""


COMPARED = """
SELECT who, first_output_id, second_output_id, answer, attention, expected FROM comparisons
WHERE NOT attention AND first_output_id IN (SELECT value FROM json_each(:ids))
    AND second_output_id IN (SELECT value FROM json_each(:ids))
UNION ALL
SELECT who, first_output_id, second_output_id, answer, attention, expected FROM comparisons
WHERE attention AND who IN (
    SELECT who FROM comparisons WHERE first_output_id IN (SELECT value FROM json_each(:ids)))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A take on its way: from `path` to `target` while `leftover` is None; then `path` is the new place and
    `leftover` the former one, to be cleared. All relative to the outputs folder."""

    output_id: int
    path: str
    target: str
    leftover: str | None
    attempt: int


def use_ranking(db: sqlite3.Connection, rank_by: str) -> None:
    """From now on rank by `rank_by`: a scorer's name, stars or listeners. When that is new, the choices not made yet
    are made by it, and with stars also those among takes that somebody has rated, with listeners those among takes
    that somebody has compared; others stand. Takes that do not count for their jobs say nothing of this: nobody ever
    chooses among them."""
    if get_setting(db, "rank_by") == rank_by:
        return
    db.execute(
        "INSERT OR IGNORE INTO selections_due (batch_id, position)"
        " SELECT DISTINCT j.batch_id, j.position FROM jobs j"
        " JOIN outputs o ON o.job_id = j.id AND o.attempt = j.final_attempt"
        " WHERE j.keep_best IS NOT NULL AND (o.kept IS NULL OR (? = 'stars' AND"
        " EXISTS (SELECT 1 FROM ratings r WHERE r.output_id = o.id)) OR (? = 'listeners' AND"
        " EXISTS (SELECT 1 FROM comparisons c WHERE o.id IN (c.first_output_id, c.second_output_id))))",
        (rank_by, rank_by),
    )
    set_setting(db, "rank_by", rank_by)


def note_rating(db: sqlite3.Connection, output_id: int, *, only_rated: bool) -> None:
    """The group of a take that was just rated or compared may have to be chosen among anew; of one that was rejected,
    or is no longer, whatever decides: then it is not `only_rated`."""
    db.execute(
        "INSERT INTO selections_due (batch_id, position, only_rated)"
        " SELECT j.batch_id, j.position, ? FROM outputs o JOIN jobs j ON j.id = o.job_id"
        " WHERE o.id = ? AND j.keep_best IS NOT NULL"
        " ON CONFLICT DO UPDATE SET only_rated = min(only_rated, excluded.only_rated)",
        (int(only_rated), output_id),
    )


def choose(db: sqlite3.Connection, now: float, limit: int) -> int:
    """Choose among up to `limit` groups that are due; how many there were.

    A group that is not ready (a job runs again, or the score it is ranked by is not there yet) comes back by itself
    when that changes: the triggers that put it in line see to it.
    """
    rank_by = get_setting(db, "rank_by") or SCORER
    groups = db.execute("SELECT batch_id, position, only_rated FROM selections_due LIMIT ?", (limit,)).fetchall()
    for group in groups:
        where = (group["batch_id"], group["position"])
        if not (group["only_rated"] and rank_by not in BY_PEOPLE) and not _choose(db, now, *where, rank_by):
            continue
        db.execute("DELETE FROM selections_due WHERE batch_id = ? AND position = ?", where)
    return len(groups)


def _choose(db: sqlite3.Connection, now: float, batch_id: int, position: int, rank_by: str) -> bool:
    """Choose in one group; False when its takes are still on their way from the last choice."""
    unfinished = db.execute(
        "SELECT 1 FROM jobs WHERE batch_id = ? AND position = ? AND status IN ('queued', 'running') LIMIT 1",
        (batch_id, position),
    ).fetchone()
    scorer = SCORER if rank_by in BY_PEOPLE else rank_by
    asked = {"scorer": scorer, "measured": scorer in MEASURED, "batch": batch_id, "position": position}
    takes = db.execute(CANDIDATES, asked).fetchall()
    if unfinished or not takes or not all(take["scored"] for take in takes):
        return True
    if any(take["moving"] for take in takes):
        return False
    wanted = [take for take in takes if not take["rejected"]]
    strengths = _strengths(db, [take["id"] for take in takes]) if rank_by == LISTENERS else None
    ranking = ranked(wanted, by_stars=rank_by == STARS, strengths=strengths, whole=scorer == SCORER)
    best = ranking[: takes[0]["keep_best"]]
    kept = {take["id"] for take in best}
    different = 0
    for take in takes:
        keep = int(take["id"] in kept)
        if keep != take["kept"]:
            different += 1
            db.execute("UPDATE outputs SET kept = ? WHERE id = ?", (keep, take["id"]))
        target = place_of(take["path"], kept=bool(keep))
        if target != take["path"]:
            order_move(db, take["id"], batch_id, target)
    if different:
        changed(db, now, [batch_id])
        told = scorer != SCORER or _told_apart(ranking, len(best), by_people=bool(strengths) or rank_by == STARS)
        _log(db, now, batch_id, position, takes, kept, told)
    return True


def ranked(
    takes: Sequence[sqlite3.Row], *, by_stars: bool, strengths: Mapping[int, float] | None, whole: bool
) -> list[sqlite3.Row]:
    """The takes from best to worst. Those that passed come before those that did not, then the score decides, in
    `whole` points where its decimals mean nothing, then the order of the file. With `by_stars` what a person said comes
    first of all, or with `strengths`, by the take's number, what listeners preferred: somebody who has listened
    outranks the checks."""

    def key(take: sqlite3.Row) -> tuple[float, bool, float]:
        stars = (UNRATED if take["stars"] is None else take["stars"]) if by_stars else 0
        if strengths:
            stars = round(strengths[take["id"]], 9)
        score = float("-inf") if take["score"] is None else take["score"]
        points = round(score / ALIKE_POINTS) if whole and take["score"] is not None else score
        return -stars, take["verdict"] != Verdict.PASSED.value, -points

    return sorted(takes, key=key)  # sorting keeps the file's order among equals


def _told_apart(ranking: Sequence[sqlite3.Row], kept: int, *, by_people: bool) -> bool:
    """Whether anything but the file's order puts the last take that is kept before the first one that is not."""
    if by_people or not 0 < kept < len(ranking):
        return True
    last, first = ranking[kept - 1], ranking[kept]
    if last["verdict"] != first["verdict"] or last["score"] is None or first["score"] is None:
        return True
    return bool(last["score"] - first["score"] >= ALIKE_POINTS)


def _strengths(db: sqlite3.Connection, ids: Sequence[int]) -> dict[int, float] | None:
    """How strong listeners find each of these takes; None where nobody has compared them."""
    rows = db.execute(COMPARED, {"ids": json.dumps(ids)}).fetchall()
    if not rows:
        return None
    from soundmill.preference import heard  # numpy, which a mill that does not ask listeners does without

    found = heard(rows, ids)
    return None if found is None else dict(zip(found.takes, found.standing.strengths.tolist(), strict=True))


def place_of(path: str, *, kept: bool) -> str:
    """Where a take belongs that lies at `path`. A quarantined one stays where it is, chosen or not."""
    batch, *folders, name = PurePosixPath(path).parts
    if folders not in ([], [SET_ASIDE]):
        return path
    return f"{batch}/{name}" if kept else f"{batch}/{SET_ASIDE}/{name}"


def better_take(db: sqlite3.Connection, job_id: int, judgement: Judgement) -> int | None:
    """The number of the attempt whose take is the best of a job's so far, if it is better than one so judged."""
    row = db.execute(
        "SELECT attempt FROM outputs WHERE job_id = :job AND pruned_at IS NULL AND"
        " (verdict = 'passed', coalesce(score, 0)) > (:verdict = 'passed', :score)"
        " AND NOT EXISTS (SELECT 1 FROM ratings WHERE output_id = outputs.id AND rejected)"
        " ORDER BY verdict = 'passed' DESC, score DESC, attempt LIMIT 1",
        {"job": job_id, "verdict": judgement.verdict.value, "score": judgement.score},
    ).fetchone()
    return None if row is None else int(row["attempt"])


def take_out_of_quarantine(db: sqlite3.Connection, job: Job, attempt: int) -> None:
    """Of all the takes of a job, this earlier one is the best: it goes to where the job's take belongs."""
    row = db.execute("SELECT id, format FROM outputs WHERE job_id = ? AND attempt = ?", (job.id, attempt)).fetchone()
    db.execute("UPDATE outputs SET quarantined = 0 WHERE id = ?", (row["id"],))
    order_move(db, row["id"], job.batch_id, f"{job.batch_name}/{job.name}.{row['format']}")


def order_move(db: sqlite3.Connection, output_id: int, batch_id: int, target: str) -> None:
    db.execute("INSERT INTO moves (output_id, batch_id, target) VALUES (?, ?, ?)", (output_id, batch_id, target))


def pending_moves(db: sqlite3.Connection, limit: int) -> list[Move]:
    rows = db.execute(
        "SELECT m.output_id, o.path, m.target, m.leftover, o.attempt"
        " FROM moves m JOIN outputs o ON o.id = m.output_id ORDER BY m.output_id LIMIT ?",
        (limit,),
    )
    return [Move(**row) for row in rows]


def arrived(db: sqlite3.Connection, now: float, moves: Sequence[tuple[Move, str]]) -> None:
    """These takes lie at their new places, named beside them, and still at the former ones."""
    for move, place in moves:
        db.execute("UPDATE moves SET leftover = ? WHERE output_id = ?", (move.path, move.output_id))
        db.execute("UPDATE outputs SET path = ? WHERE id = ?", (place, move.output_id))
    changed(db, now, batches_of(db, (move.output_id for move, _ in moves)))


def settled(db: sqlite3.Connection, moves: Sequence[Move]) -> None:
    """The former places of these takes are cleared."""
    db.executemany("DELETE FROM moves WHERE output_id = ?", ((move.output_id,) for move in moves))


def gone(db: sqlite3.Connection, now: float, move: Move) -> None:
    """The file of a take that was to be moved is not there: somebody has taken it away."""
    db.execute("DELETE FROM moves WHERE output_id = ?", (move.output_id,))
    add_event(db, now, "take missing", f"{move.path}: is not there any more, so it was not moved to {move.target}")


def undecided(db: sqlite3.Connection) -> bool:
    """Whether a choice or a move is still to be made."""
    row = db.execute("SELECT EXISTS (SELECT 1 FROM selections_due) OR EXISTS (SELECT 1 FROM moves)").fetchone()
    return bool(row[0])


def _log(
    db: sqlite3.Connection,
    now: float,
    batch_id: int,
    position: int,
    takes: Sequence[sqlite3.Row],
    kept: set[int],
    told_apart: bool,
) -> None:
    failed = sum(take["id"] in kept and take["verdict"] != Verdict.PASSED.value for take in takes)
    name = db.execute("SELECT name FROM batches WHERE id = ?", (batch_id,)).fetchone()[0]
    message = f"{name}: row {position}: {len(kept)} of {len(takes)} takes kept"
    if failed:
        message += f", {failed} of them although a check failed: no better take came"
    if not told_apart:
        message += "; the checks cannot tell them from the others: listen"
    add_event(db, now, "takes chosen", message, batch_id=batch_id)
