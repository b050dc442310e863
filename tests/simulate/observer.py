"""What the catalogue is seen to do, statement by statement: every change of a job's status, every attempt and take.

Triggers of the writer's own connection tell it; what they tell counts once the transaction is committed. Each commit
is checked against all that was seen before.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from simulate.engine import is_whole
from simulate.world import Violation, World
from soundmill.catalog.claims import GIVEN_UP_AFTER
from soundmill.jobs import GenerationRequest
from soundmill.schedule.retry import PERMANENT

STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
LEGAL = {
    ("queued", "running"), ("running", "queued"), ("running", "succeeded"), ("running", "failed"),
    ("running", "cancelled"), ("queued", "cancelled"),
}  # fmt: skip
TAKEN_UP = {("failed", "queued"), ("cancelled", "queued")}
PAST = {"cancel": "cancelled", "pause": "paused", "resume": "resumed", "retry": "retried"}  # in events
TRIGGERS = """
CREATE TEMP TRIGGER seen_job AFTER UPDATE OF status ON main.jobs WHEN old.status <> new.status BEGIN
    SELECT seen('job', new.id, new.batch_id, old.status, new.status, new.attempt, new.error_kind, new.final_attempt);
END;
CREATE TEMP TRIGGER seen_claim AFTER INSERT ON main.attempts BEGIN
    SELECT seen('claim', new.job_id, new.number); END;
CREATE TEMP TRIGGER seen_end AFTER UPDATE OF status ON main.attempts BEGIN
    SELECT seen('end', new.job_id, new.number, old.status, new.status); END;
CREATE TEMP TRIGGER seen_take AFTER INSERT ON main.outputs BEGIN
    SELECT seen('take', new.id, new.job_id, new.attempt, new.path, new.sha256, new.size_bytes); END;
CREATE TEMP TRIGGER seen_move AFTER UPDATE OF path ON main.outputs BEGIN SELECT seen('move', new.id, new.path); END;
CREATE TEMP TRIGGER seen_gone AFTER DELETE ON main.moves BEGIN
    SELECT seen('settled', old.output_id, old.leftover); END;
CREATE TEMP TRIGGER seen_batch AFTER INSERT ON main.batches BEGIN
    SELECT seen('batch', new.id, new.name, new.file_name, new.ulid, new.kept_as); END;
CREATE TEMP TRIGGER seen_refusal AFTER INSERT ON main.rejections BEGIN
    SELECT seen('refusal', new.ulid, new.file_name); END;
CREATE TEMP TRIGGER seen_event AFTER INSERT ON main.events
    WHEN new.kind IN ('cancelled', 'paused', 'resumed', 'retried') BEGIN
    SELECT seen('wish', new.kind, new.message); END;
CREATE TEMP TRIGGER seen_rating AFTER INSERT ON main.ratings BEGIN
    SELECT seen('note', new.output_id, new.note); END;
CREATE TEMP TRIGGER seen_rerating AFTER UPDATE ON main.ratings BEGIN
    SELECT seen('note', new.output_id, new.note); END;
CREATE TEMP TRIGGER seen_pick AFTER INSERT ON main.picks BEGIN SELECT seen('note', new.output_id, new.note); END;
CREATE TEMP TRIGGER seen_repick AFTER UPDATE ON main.picks BEGIN SELECT seen('note', new.output_id, new.note); END;
CREATE TEMP TRIGGER seen_answer AFTER INSERT ON main.answers BEGIN
    SELECT seen('answer', new.ulid, new.action, new.target, new.state, new.reason); END;
CREATE TEMP TRIGGER seen_pruned AFTER UPDATE OF pruned_at ON main.outputs BEGIN SELECT seen('pruned', new.id); END;
CREATE TEMP TRIGGER seen_removed AFTER DELETE ON main.prunings BEGIN SELECT seen('removed', old.output_id); END;
CREATE TEMP TRIGGER seen_beat AFTER INSERT ON main.settings WHEN new.key = 'heartbeat' BEGIN
    SELECT seen('beat', new.value); END;
CREATE TEMP TRIGGER seen_next_beat AFTER UPDATE ON main.settings WHEN new.key = 'heartbeat' BEGIN
    SELECT seen('beat', new.value); END;
"""
execute = sqlite3.Connection.execute  # which is no step of the daemon's


@dataclass(slots=True)
class Take:
    job_id: int
    attempt: int
    path: str
    sha256: str
    size: int
    pruned: bool = False


class Observer:
    """All that was committed. `max_attempts` is the setting."""

    def __init__(self, world: World, *, max_attempts: int) -> None:
        self._world = world
        self._outputs = f"{world.root}outputs/"
        self._max_attempts = max_attempts
        self._pending: list[tuple[object, ...]] = []
        self.db: sqlite3.Connection | None = None
        self.status: dict[int, str] = {}  # of jobs that have left the queue at some time
        self.attempts: dict[tuple[int, int], str] = {}
        self.submitted: set[tuple[int, int]] = set()
        self.takes: dict[int, Take] = {}  # by id of the output
        self.by_attempt: dict[tuple[int, int], Take] = {}
        self.batches: dict[str, int] = {}  # ids by name
        self.accepted: list[tuple[str, int]] = []  # file name and batch
        self.refused: list[tuple[str, str]] = []
        self.wishes: Counter[tuple[str, str]] = Counter()  # those applied: event and label
        self.answers: dict[str, tuple[str, str | None]] = {}  # to wishes by ulid: state and reason
        self.kept_as: dict[str, str] = {}  # of batches, by name: where their file lies in accepted/
        self.ulids: dict[str, str] = {}  # names of batches
        self.notes: Counter[str] = Counter()
        self.touched: set[int] = set()  # ids of takes that a person has rated or picked
        self.last_beat: str | None = None
        self.counts: dict[int, Counter[str]] = {}  # of each batch's jobs by status
        self.failed: Counter[int] = Counter()  # attempts of a job since it was taken up
        self.ended_in_a_row: Counter[int] = Counter()
        self._names: dict[int, str] = {}
        self.labels: dict[int, dict[int, str]] = {}  # of jobs, by batch and id
        self.batch_of: dict[int, int] = {}
        self.finished = 0
        self._handlers: dict[str, Callable[..., None]] = {
            "job": self._job, "claim": self._claim, "end": self._end, "take": self._take, "move": self._move,
            "settled": lambda *_: None, "batch": self._batch, "refusal": self._refusal, "wish": self._wish,
            "note": self._note, "answer": self._answer, "pruned": self._pruned, "removed": self._removed,
            "beat": self._beat,
        }  # fmt: skip

    def watch(self, db: sqlite3.Connection) -> None:
        """See what this connection writes from now on."""
        self.db = db
        self._pending.clear()
        db.create_function("seen", -1, lambda *what: self._pending.append(what))
        sqlite3.Connection.executescript(db, TRIGGERS)

    def rolled_back(self) -> None:
        self._pending.clear()

    def committed(self) -> None:
        if not self._pending:
            return
        seen, self._pending = self._pending, []
        if not self._world.durable and any(what[0] != "beat" for what in seen):
            raise Violation(f"committed without waiting for the disk: {seen[:3]}")
        self._effects_are_answered(seen)
        self._taken_up = any(what[0] == "wish" and what[1] == "retried" for what in seen)
        self._touched = set[int]()
        # Jobs last: what their new status stands for must be there.
        for what in seen:
            if what[0] != "job":
                self._handlers[str(what[0])](*what[1:])
        for what in seen:
            if what[0] == "job":
                self._job(*what[1:])  # type: ignore[arg-type]
        for batch_id in self._touched:
            self._counts_agree(batch_id)

    # -- what is seen ------------------------------------------------------------------------

    def _job(
        self, job_id: int, batch_id: int, old: str, new: str, attempt: int, kind: str | None, final: int | None
    ) -> None:
        known = self.status.get(job_id, "queued")
        if known != old:
            raise Violation(f"job {job_id} was {known} and is changed as if it were {old}")
        if (old, new) not in LEGAL and not (self._taken_up and (old, new) in TAKEN_UP):
            raise Violation(f"job {job_id} ended {old} and becomes {new}")
        if new == "running" and (job_id, attempt) not in self.attempts:
            raise Violation(f"job {job_id} runs without a row of its attempt {attempt}")
        if new == "succeeded":
            self._succeeded(job_id, attempt, final)
        if new == "failed" and kind not in PERMANENT:
            tries = self.failed[job_id]
            if tries < self._max_attempts and self.ended_in_a_row[job_id] < GIVEN_UP_AFTER:
                raise Violation(f"job {job_id} failed for good ({kind}) after {tries} of {self._max_attempts} attempts")
        if (old, new) in TAKEN_UP:
            self.failed[job_id] = 0
        self.status[job_id] = new
        counts = self.counts[batch_id]
        counts[old] -= 1
        counts[new] += 1
        self.finished += new not in ("queued", "running")
        self.finished -= old not in ("queued", "running")
        self._touched.add(batch_id)

    def _succeeded(self, job_id: int, attempt: int, final: int | None) -> None:
        if (job_id, attempt) not in self.by_attempt:
            raise Violation(f"job {job_id} succeeded without a take of its attempt {attempt}")
        if final is None or (job_id, final) not in self.by_attempt:
            raise Violation(f"job {job_id} succeeded by a take that is not there: {final}")

    def _claim(self, job_id: int, number: int) -> None:
        self.attempts[job_id, number] = "running"

    def _end(self, job_id: int, number: int, old: str, new: str) -> None:
        known = self.attempts[job_id, number]
        if known != "running" or old != "running":
            raise Violation(f"attempt {number} of job {job_id} ended twice: {known}, then {new}")
        self.attempts[job_id, number] = new
        self.ended_in_a_row[job_id] = self.ended_in_a_row[job_id] + 1 if new == "interrupted" else 0
        if new != "failed":
            return
        self.failed[job_id] += 1

    def _take(self, output_id: int, job_id: int, attempt: int, path: str, sha256: str, size: int) -> None:
        if (job_id, attempt) in self.by_attempt:
            raise Violation(f"attempt {attempt} of job {job_id} has two takes")
        if (job_id, attempt) not in self.submitted:
            raise Violation(f"attempt {attempt} of job {job_id} has a take that no engine was asked for")
        take = Take(job_id, attempt, path, sha256, size)
        self.takes[output_id] = self.by_attempt[job_id, attempt] = take
        self.must_be_whole(take)

    def _move(self, output_id: int, path: str) -> None:
        take = self.takes[output_id]
        take.path = path
        self.must_be_whole(take)

    def _pruned(self, output_id: int) -> None:
        take = self.takes[output_id]
        counts = self.counts[self.batch_of[take.job_id]]
        if output_id in self.touched:
            raise Violation(f"{take.path}: a person has rated or picked it, and it is pruned")
        if counts["queued"] or counts["running"]:
            raise Violation(f"{take.path}: is pruned while jobs of its batch wait or run")
        take.pruned = True

    def _removed(self, output_id: int) -> None:
        path = self._outputs + self.takes[output_id].path
        if os.path.lexists(path) or os.path.lexists(path + ".json"):
            raise Violation(f"{path}: is still there, and the catalogue has forgotten that it is to go")

    def _batch(self, batch_id: int, name: str, file_name: str, ulid: str, kept_as: str) -> None:
        self.batches[name] = batch_id
        self.kept_as[name] = kept_as
        self.ulids[ulid] = name
        self._names[batch_id] = name
        self.accepted.append((file_name, batch_id))
        assert self.db is not None
        jobs = execute(self.db, "SELECT id, name FROM jobs WHERE batch_id = ?", (batch_id,)).fetchall()
        self.labels[batch_id] = {job_id: f"{name}/{job}" for job_id, job in jobs}
        self.batch_of.update(dict.fromkeys(self.labels[batch_id], batch_id))
        self.counts[batch_id] = Counter(queued=len(jobs))
        self._touched.add(batch_id)

    def _refusal(self, ulid: str, file_name: str) -> None:
        self.refused.append((file_name, ulid))

    def _wish(self, kind: str, message: str) -> None:
        self.wishes[kind, message.rpartition(":")[0]] += 1

    def _note(self, output_id: int, note: str) -> None:
        self.notes[note] += 1
        self.touched.add(output_id)

    def _answer(self, ulid: str, action: str, target: str, state: str, reason: str | None) -> None:
        if ulid in self.answers:
            raise Violation(f"the wish {ulid} ({action} {target}) is answered twice")
        self.answers[ulid] = state, reason

    def _beat(self, value: str) -> None:
        self.last_beat = json.loads(value)["state"]

    def _effects_are_answered(self, seen: list[tuple[object, ...]]) -> None:
        """What a person asked for is done in the transaction that answers it, and nothing else is."""
        done = Counter((PAST.get(str(w[2])), w[3]) for w in seen if w[0] == "answer" and w[4] == "done")
        done = Counter({wish: times for wish, times in done.items() if wish[0] is not None})
        effects = Counter((w[1], str(w[2]).rpartition(":")[0]) for w in seen if w[0] == "wish")
        if done != effects:
            raise Violation(f"done for wishes: {dict(effects)}, answered as done: {dict(done)}")

    # -- what must be true -------------------------------------------------------------------

    def begins(self, request: GenerationRequest) -> None:
        """An engine is about to work on a clip."""
        if request.key not in self.attempts:
            raise Violation(f"attempt {request.attempt} of job {request.job_id} is worked on before it is on record")
        if request.key in self.submitted:
            raise Violation(f"attempt {request.attempt} of job {request.job_id} is worked on twice")
        self.submitted.add(request.key)

    def report_begins(self, batch: str) -> None:
        """Or a delivery, which knows its batch by its ulid."""
        counts = self.counts[self.batches[self.ulids.get(batch, batch)]]
        if counts["queued"] or counts["running"]:
            raise Violation(f"a report of {batch} is made while jobs of it wait or run")

    def must_be_whole(self, take: Take) -> None:
        if take.pruned:
            return
        path = self._outputs + take.path
        try:
            with open(path, "rb") as file:  # noqa: PTH123  # a hundred thousand times
                data = file.read()
        except OSError as error:
            raise Violation(f"{take.path}: the catalogue has it, and its file cannot be read: {error}") from None
        if len(data) != take.size or hashlib.sha256(data).hexdigest() != take.sha256 or not is_whole(data):
            raise Violation(f"{take.path}: its file is not what the catalogue says")
        if not os.path.lexists(path + ".json"):
            raise Violation(f"{take.path}: has no sidecar")

    def _counts_agree(self, batch_id: int) -> None:
        row = self._one(
            "SELECT n_queued, n_running, n_succeeded, n_failed, n_cancelled, job_count, finished_at FROM batches"
            " WHERE id = ?", batch_id,
        )  # fmt: skip
        counts = self.counts[batch_id]
        if tuple(row[:5]) != tuple(counts[status] for status in STATUSES) or row[5] != counts.total():
            raise Violation(f"batch {self._names[batch_id]} says {tuple(row[:6])}, and its jobs are {dict(counts)}")
        if (row[6] is None) != bool(counts["queued"] or counts["running"]):
            raise Violation(f"batch {self._names[batch_id]}: finished_at is {row[6]}, and its jobs are {dict(counts)}")

    def agrees_with_the_catalogue(self) -> None:
        """All rows, after a start."""
        assert self.db is not None
        for job_id, status in execute(self.db, "SELECT id, status FROM jobs"):
            if self.status.get(job_id, "queued") != status:
                raise Violation(f"job {job_id} was {self.status.get(job_id, 'queued')} before the crash, now {status}")
        takes = dict(execute(self.db, "SELECT id, path FROM outputs").fetchall())
        if takes != {output_id: take.path for output_id, take in self.takes.items()}:
            raise Violation("the catalogue has not the takes that it had before the crash")
        if running := execute(self.db, "SELECT count(*) FROM attempts WHERE status = 'running'").fetchone()[0]:
            raise Violation(f"{running} attempts still run after the start")

    def label(self, job_id: int) -> str:
        return self.labels[self.batch_of[job_id]][job_id]

    def _one(self, sql: str, value: object) -> sqlite3.Row:
        assert self.db is not None
        row: sqlite3.Row = execute(self.db, sql, (value,)).fetchone()
        return row


def statuses(observer: Observer) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for counts in observer.counts.values():
        for status, count in counts.items():
            total[status] += count
    return dict(total)
