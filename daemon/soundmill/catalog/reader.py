"""Reading the catalogue from outside the daemon: commands and reports, while it runs or not.

Answers are plain dicts, mostly rows of the views; a reader never writes and never delays the daemon.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from soundmill.catalog.asking.shortlists import find as find_shortlist
from soundmill.catalog.connection import connect_reader, translated
from soundmill.catalog.experiments import Experiment, family, find_experiment
from soundmill.catalog.keeping.retention import Rules, Stored, needed, plan, stored
from soundmill.catalog.migrations import is_current
from soundmill.catalog.state import get_setting
from soundmill.catalog.wishes import Prospect, prospect, resolve, take_of
from soundmill.errors import CatalogError, CatalogTooNew, InvalidControl

Row = dict[str, object]

# Of a batch by its id, twice: the answers about its takes, and the checks of those who gave them.
COMPARED = """
WITH said AS (
    SELECT c.* FROM comparisons c JOIN outputs f ON f.id = c.first_output_id JOIN outputs s ON s.id = c.second_output_id
    WHERE f.batch_id = ? AND s.batch_id = ? AND NOT c.attention
), heeded AS (
    SELECT c.* FROM comparisons c WHERE c.attention AND c.who IN (SELECT who FROM said)
)
SELECT x.who, f.path AS first, s.path AS second, x.answer, x.attention, x.expected
FROM (SELECT * FROM said UNION ALL SELECT * FROM heeded) x
JOIN outputs f ON f.id = x.first_output_id JOIN outputs s ON s.id = x.second_output_id ORDER BY x.id
"""
JSON_COLUMNS = ("labels", "condition", "versions", "defects", "experiment")


class Reader:
    """A read-only view of a catalogue. Every method raises CatalogError when it cannot be read."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    def open(cls, path: Path) -> Reader:
        """Raises CatalogError when there is no catalogue of this version, CatalogTooNew when a newer one wrote it."""
        if not path.is_file():
            raise CatalogError(f"{path}: no catalogue here yet: run `soundmill init`, or `soundmill run`")
        with translated(path), ExitStack() as opened:
            connection = opened.enter_context(closing(connect_reader(path)))
            try:
                ready = is_current(connection)
            except CatalogTooNew as error:
                raise CatalogTooNew(f"{path}: {error}") from error
            if not ready:
                raise CatalogError(
                    f"{path}: not yet a catalogue of this Soundmill: start `soundmill run` once, which copies an older "
                    "one and brings it up to date"
                )
            opened.pop_all()
        return cls(connection, path)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        with translated(self._path):
            yield self._connection

    def _rows(self, sql: str, *values: object) -> list[Row]:
        with self._db() as db:
            return [dict(row) for row in db.execute(sql, values)]

    def overview(self) -> Row:
        """Totals of the whole catalogue, from the view of that name."""
        return self._rows("SELECT * FROM overview")[0]

    def batches(self, limit: int = 1000) -> list[Row]:
        """Rows of batch_progress, newest first."""
        return self._rows("SELECT * FROM batch_progress ORDER BY batch_id DESC LIMIT ?", limit)

    def batch(self, name: str) -> Row:
        """The batch_progress row of a batch, by name or ulid. Raises InvalidControl when there is none."""
        with self._db() as db:
            found = resolve(db, name)
        if found.job_id is not None:
            raise InvalidControl(f"{found.label}: is a job, not a batch")
        return self._rows("SELECT * FROM batch_progress WHERE batch_id = ?", found.batch_id)[0]

    def find_experiment(self, name: str) -> Experiment:
        """The experiment of a batch and its family. Raises InvalidControl where there is none."""
        with self._db() as db:
            return find_experiment(db, name)

    def family(self, batch: str) -> list[str]:
        """Names of the batches that one experiment is spread over, oldest first: of the batch that began it and
        of all that extend it. Just `batch` where nothing extends it. Raises InvalidControl when there is none."""
        batch_id = self.batch(batch)["batch_id"]
        assert isinstance(batch_id, int)
        with self._db() as db:
            return [str(row["name"]) for row in family(db, batch_id)]

    def prospect(self, target: str) -> Prospect:
        """What a command on a batch or job would meet now. Raises InvalidControl with a suggestion."""
        with self._db() as db:
            return prospect(db, target)

    def find_take(self, target: str) -> str:
        """The file, in the outputs folder, of the take that `target` names, as a rating does.

        Raises InvalidControl with a suggestion.
        """
        with self._db() as db:
            take = take_of(db, target, typed=True)
        return str(self._rows("SELECT path FROM outputs WHERE id = ?", take)[0]["path"])

    def last_event(self) -> int:
        """The number of the latest event; 0 where there is none."""
        return int(str(self._rows("SELECT coalesce(max(id), 0) AS id FROM events")[0]["id"]))

    def events_after(self, event_id: int) -> list[Row]:
        """Up to 1,000 rows of event_log after that one, oldest first."""
        return self._rows("SELECT * FROM event_log WHERE event_id > ? ORDER BY event_id LIMIT 1000", event_id)

    def batch_of_content(self, sha256: str, file_name: str, since: float) -> Row | None:
        """The row of batch_progress of the batch made from this content under this name at or after `since`."""
        rows = self._rows(
            "SELECT * FROM batch_progress WHERE batch_id = "
            "(SELECT max(id) FROM batches WHERE sha256 = ? AND file_name = ? AND created_at >= ?)",
            sha256,
            file_name,
            since,
        )
        return rows[0] if rows else None

    def rejected_since(self, file_name: str, since: float) -> Row | None:
        """The row of rejected_files of a file that came under this name and was rejected at or after `since`."""
        rows = self._rows(
            "SELECT * FROM rejected_files WHERE ulid ="
            " (SELECT max(ulid) FROM rejections WHERE file_name = ? AND rejected_at >= ?)",
            file_name,
            since,
        )
        return rows[0] if rows else None

    def jobs(self, batch: str | None, status: str | None = None, limit: int = 1000) -> list[Row]:
        """Rows of job_list: a batch's in the order of its file, or everybody's, newest first."""
        conditions, values, order = ["1"], [], "job_id DESC"
        if batch is not None:
            conditions.append("batch = ?")
            values.append(self.batch(batch)["batch"])
            order = "position"
        if status is not None:
            conditions.append("status = ?")
            values.append(status)
        where = " AND ".join(conditions)
        return self._rows(f"SELECT * FROM job_list WHERE {where} ORDER BY {order} LIMIT ?", *values, limit)

    def takes(self, batch: str | None, limit: int = 1000) -> list[Row]:
        """Rows of takes: a batch's, or everybody's, newest first."""
        if batch is None:
            return self._rows("SELECT * FROM takes ORDER BY output_id DESC LIMIT ?", limit)
        name = self.batch(batch)["batch"]
        return self._rows("SELECT * FROM takes WHERE batch = ? ORDER BY output_id DESC LIMIT ?", name, limit)

    def deliverable(self, *, batch: str | None = None, output_ids: Iterable[int] = ()) -> list[Row]:
        """Rows of takes with their `peak_before_dbfs`, in the order of their files: a batch's, or those named."""
        which, value = ("t.batch = ?", batch) if batch else ("t.output_id IN (SELECT value FROM json_each(?))", "")
        return self._rows(
            "SELECT t.*, m.peak_before_dbfs FROM takes t LEFT JOIN measurements m ON m.output_id = t.output_id"
            f" WHERE {which} ORDER BY t.batch, t.position, t.job_id, t.attempt",
            value or json.dumps(sorted(output_ids)),
        )

    def takes_shown(self) -> list[Row]:
        """All rows of the view takes, the oldest first: of a copy, which has few."""
        return self._rows("SELECT * FROM takes ORDER BY output_id")

    def peaks(self) -> dict[int, bytes]:
        """What players draw, by output id, of all takes that have it: of a copy, which has few."""
        with self._db() as db:
            return dict(db.execute("SELECT output_id, data FROM take_peaks").fetchall())

    def takes_of_query(self, sql: str) -> list[int]:
        """The output ids that a query of somebody's answers with: in its column `output_id`, or of the files in its
        column `audio`. Raises CatalogError for what is no such query."""
        rows = self._rows(sql)
        if not rows or "output_id" in rows[0]:
            return [row["output_id"] for row in rows if isinstance(row["output_id"], int)]
        if "audio" not in rows[0]:
            raise CatalogError(
                f"the query answers with {', '.join(rows[0])}; it must have a column output_id or audio, as in: "
                "SELECT * FROM takes WHERE score > 80"
            )
        paths = json.dumps([row["audio"] for row in rows])
        found = self._rows("SELECT id FROM outputs WHERE path IN (SELECT value FROM json_each(?))", paths)
        return [int(str(row["id"])) for row in found]

    def fingerprints(self, output_ids: Iterable[int] | None = None) -> list[tuple[int, bytes]]:
        """Takes that have one, each by its output id: all, or those named."""
        which, values = "", []
        if output_ids is not None:
            which, values = " WHERE output_id IN (SELECT value FROM json_each(?))", [json.dumps(sorted(output_ids))]
        with self._db() as db:
            return [tuple(row) for row in db.execute(f"SELECT output_id, data FROM take_fingerprints{which}", values)]

    def without_fingerprint(self) -> list[tuple[int, str]]:
        """Takes from before there were fingerprints whose file is there: output ids and files in the outputs folder."""
        with self._db() as db:
            rows = db.execute(
                "SELECT id, path FROM outputs o WHERE pruned_at IS NULL AND NOT EXISTS"
                " (SELECT 1 FROM take_fingerprints f WHERE f.output_id = o.id)"
            )
            return [tuple(row) for row in rows]

    def job(self, ref: str | int) -> Row:
        """All that is known of one job: its row, and under `attempts` every attempt, oldest first, each with
        its `output` (or None) and that output's `measurements` and `checks`; `output` is the final one.

        `ref` is a job's number or `batch/job`. Raises InvalidControl when there is none.
        """
        with self._db() as db:
            found = resolve(db, ref, typed=isinstance(ref, str))
        if found.job_id is None:
            raise InvalidControl(f"{found.label}: is a batch; name one job of it, as `{found.label}/<job>`")
        job = self._rows(
            "SELECT j.*, b.name AS batch FROM jobs j JOIN batches b ON b.id = j.batch_id WHERE j.id = ?", found.job_id
        )[0]
        attempts = self._rows("SELECT * FROM attempts WHERE job_id = ? ORDER BY number", found.job_id)
        outputs = {
            row["attempt"]: self._output(row)
            for row in self._rows("SELECT * FROM outputs WHERE job_id = ?", found.job_id)
        }
        for attempt in attempts:
            attempt["output"] = outputs.get(attempt["number"])
        final = outputs.get(job["final_attempt"])
        return _parsed(job) | {"attempts": attempts, "output": final}

    def _output(self, row: Row) -> Row:
        measurements = self._rows("SELECT * FROM measurements WHERE output_id = ?", row["id"])
        for one in measurements:
            del one["output_id"]
        checks = self._rows(
            "SELECT name, passed, value, threshold, unit, message FROM checks WHERE output_id = ?", row["id"]
        )
        ratings = self._rows("SELECT * FROM ratings WHERE output_id = ?", row["id"])
        return _parsed(row) | {
            "measurements": measurements[0] if measurements else {},
            "checks": checks,
            "rating": _rating(ratings),
        }

    def attempt_for_rerun(self, ref: str | int) -> Row:
        """What generates a job's final take again: the job's parameters with that attempt's `seed`, `number` and
        `device`, and the `output` it made, to compare with.

        Raises InvalidControl when the job has no final take.
        """
        job = self.job(ref)
        attempts = job.pop("attempts")
        if job["output"] is None or not isinstance(attempts, list):
            raise InvalidControl(f"{job['batch']}/{job['name']}: is {job['status']} and has no final take to run again")
        final = next(attempt for attempt in attempts if attempt["number"] == job["final_attempt"])
        return job | {"seed": final["seed"], "number": final["number"], "device": final["device"]}

    def goes_on_with(self, batch: str) -> list[str]:
        """The earlier batches of the experiment that `batch` goes on with, oldest first; none for one that stands
        alone. Raises InvalidControl when there is no such batch."""
        batch_id = self.batch(batch)["batch_id"]
        assert isinstance(batch_id, int)
        with self._db() as db:
            return [str(row["name"]) for row in family(db, batch_id) if row["id"] < batch_id]

    def goes_on_in(self, batch: str) -> list[str]:
        """The later batches of the same experiment, oldest first. Raises InvalidControl when there is no such batch."""
        batch_id = self.batch(batch)["batch_id"]
        assert isinstance(batch_id, int)
        with self._db() as db:
            return [str(row["name"]) for row in family(db, batch_id) if row["id"] > batch_id]

    def everything_of(self, batch: str) -> Row:
        """All that is known of a batch, as of one moment: its row of `batches` and `extends_name`, and under `jobs`,
        `attempts`, `outputs` and `comparisons` theirs; an output carries its `measurements`, `checks`, `scores` and
        `rating` (or None), and of a comparison both takes are the batch's own. With them come the attention checks of
        whoever made them.

        Times are Unix seconds. Eight queries, however many jobs there are. Raises InvalidControl when there is none.
        """
        batch_id = self.batch(batch)["batch_id"]
        with self._db() as db:
            db.execute("BEGIN")  # one snapshot: the daemon may be writing
        try:
            return self._everything_of(batch_id)
        finally:
            with self._db() as db:
                db.execute("ROLLBACK")

    def _everything_of(self, batch_id: object) -> Row:
        row = self._rows(
            "SELECT b.*, e.name AS extends_name FROM batches b LEFT JOIN batches e ON e.id = b.extends WHERE b.id = ?",
            batch_id,
        )[0]
        outputs = [
            _parsed(one) | {"measurements": {}, "checks": [], "scores": {}, "rating": None}
            for one in self._rows("SELECT * FROM outputs WHERE batch_id = ? ORDER BY job_id, attempt", batch_id)
        ]
        by_id = {one["id"]: one for one in outputs}
        of_batch = "JOIN outputs o ON o.id = x.output_id WHERE o.batch_id = ?"
        for one in self._rows(f"SELECT x.* FROM measurements x {of_batch}", batch_id):
            by_id[one.pop("output_id")]["measurements"] = one
        for one in self._rows(f"SELECT x.* FROM checks x {of_batch} ORDER BY x.output_id, x.name", batch_id):
            _list(by_id[one.pop("output_id")]["checks"]).append(one)
        for one in self._rows(f"SELECT x.* FROM scores x {of_batch} ORDER BY x.scorer", batch_id):
            _mapping(by_id[one["output_id"]]["scores"])[str(one["scorer"])] = one["score"]
        ratings: dict[object, list[Row]] = {}
        for one in self._rows(f"SELECT x.* FROM ratings x {of_batch}", batch_id):
            ratings.setdefault(one["output_id"], []).append(one)
        for output_id, of_one in ratings.items():
            by_id[output_id]["rating"] = _rating(of_one)
        return {
            "batch": _parsed(row),
            "jobs": [
                _parsed(one)
                for one in self._rows("SELECT * FROM jobs WHERE batch_id = ? ORDER BY position, id", batch_id)
            ],
            "attempts": self._rows(
                "SELECT a.* FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE j.batch_id = ?"
                " ORDER BY a.job_id, a.number",
                batch_id,
            ),
            "outputs": outputs,
            "comparisons": self._rows(COMPARED, batch_id, batch_id),
        }

    def to_be_pruned(self, rules: Rules, now: float) -> list[Stored]:
        """The takes that would go by these rules of retention."""
        with self._db() as db:
            takes = plan(lambda after: stored(db, after), rules, needed(db), now)
            return [take for some in takes for take in some]

    def setting(self, key: str) -> str | None:
        """What the daemon noted under this name."""
        with self._db() as db:
            return get_setting(db, key)

    def workers(self) -> list[Row]:
        return self._rows("SELECT * FROM worker_board ORDER BY worker")

    def speeds(self) -> dict[str, float]:
        """Seconds of a device that each model took for a second of audio here, where that was measured."""
        rows = self._rows("SELECT model, real_time_factor FROM model_speed WHERE real_time_factor > 0")
        return {str(row["model"]): float(str(row["real_time_factor"])) for row in rows}

    def running(self) -> list[Row]:
        """What is being generated now, with its progress."""
        return self._rows("SELECT * FROM running_jobs ORDER BY worker, job_id")

    def events(self, limit: int = 100) -> list[Row]:
        """The latest events, newest first."""
        return self._rows("SELECT * FROM event_log ORDER BY event_id DESC LIMIT ?", limit)

    def answer(self, ulid: str) -> Row | None:
        """The row of wish_answers of a wish, once the daemon has answered it."""
        rows = self._rows("SELECT * FROM wish_answers WHERE ulid = ?", ulid)
        return rows[0] if rows else None

    def shortlists(self) -> list[Row]:
        """Rows of shortlist_overview, by name."""
        return self._rows("SELECT * FROM shortlist_overview ORDER BY shortlist")

    def picks(self, shortlist: str | None = None) -> list[Row]:
        """Rows of picks_list of one shortlist, in the order of the files, or of all that are in use. Raises
        InvalidControl with a suggestion."""
        if shortlist is None:
            return self._rows("SELECT * FROM picks_list WHERE archived_at IS NULL")
        with self._db() as db:
            name = find_shortlist(db, shortlist)
        return self._rows("SELECT * FROM picks_list WHERE shortlist = ? ORDER BY batch, position, output_id", name)

    def rows_without_pick(self, batch: str, shortlist: str | None) -> tuple[int, list[Row]]:
        """How many rows the job file of a batch has, and those of them of which no take is on the shortlist, or where
        none is named on any that is in use. Raises InvalidControl when there is no such batch or shortlist."""
        batch_id = self.batch(batch)["batch_id"]
        total = int(str(self._rows("SELECT file_rows FROM batch_picks WHERE batch_id = ?", batch_id)[0]["file_rows"]))
        if shortlist is None:
            return total, self._rows("SELECT * FROM rows_without_pick WHERE batch_id = ? ORDER BY position", batch_id)
        with self._db() as db:
            name = find_shortlist(db, shortlist)
        return total, self._rows(
            "SELECT * FROM file_rows WHERE batch_id = ? AND position NOT IN"
            " (SELECT position FROM picks_list WHERE batch = file_rows.batch AND shortlist = ?) ORDER BY position",
            batch_id,
            name,
        )

    def inbox_notices(self) -> list[Row]:
        """What lies in the inbox without being taken, and accepted files that changed, at the daemon's last look."""
        return self._rows("SELECT * FROM inbox_notices")

    def troubles(self) -> list[Row]:
        """What of the daemon does not work at present, the oldest first."""
        return self._rows("SELECT * FROM troubles ORDER BY began_at")

    def machines(self) -> list[Row]:
        """The machines of the cluster that the daemon sees, by name."""
        return self._rows("SELECT * FROM machines ORDER BY machine")

    def heartbeat(self) -> Row | None:
        """The daemon's last sign of life in the catalogue; there is another in a file beside it."""
        rows = self._rows("SELECT * FROM heartbeat")
        return rows[0] if rows else None

    def storage(self) -> list[Row]:
        """The room on the home's disks, as the daemon measured it last."""
        return self._rows("SELECT * FROM storage")

    def upkeep(self) -> Row:
        """What an operator looks at beside the totals: reports owed, dead workers, troubles, files rejected."""
        return self._rows("SELECT * FROM upkeep")[0]

    def alert_posts(self) -> list[Row]:
        """How many alerts were sent, could not be, and wait, for each way they go."""
        return self._rows("SELECT * FROM alert_posts")

    def rejections(self, limit: int = 100) -> list[Row]:
        """The latest refused files, newest first."""
        return self._rows("SELECT * FROM rejected_files ORDER BY ulid DESC LIMIT ?", limit)


def _parsed(row: Row) -> Row:
    return {
        key: json.loads(value) if key in JSON_COLUMNS and isinstance(value, str) else value
        for key, value in row.items()
    }


def _rating(rows: list[Row]) -> Row | None:
    """What people think of one take, all of them together: their mean stars, and their notes line by line."""
    if not rows:
        return None
    stars = [float(str(row["stars"])) for row in rows if row["stars"] is not None]
    notes = [str(row["note"]) for row in rows if row["note"] is not None]
    mean = round(sum(stars) / len(stars), 2) if stars else None
    return {
        "stars": int(mean) if mean is not None and mean.is_integer() else mean,
        "rejected": any(row.get("rejected") for row in rows),
        "note": "\n".join(notes) or None,
        "people": len(rows),
        "rated_at": max(float(str(row["rated_at"])) for row in rows),
    }


def _list(value: object) -> list[Row]:
    assert isinstance(value, list)
    return value


def _mapping(value: object) -> Row:
    assert isinstance(value, dict)
    return value
