"""Safeguards switched off, to see that the harness sees. In the forked process alone."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any

from soundmill.catalog import claims, ingest
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.connection import transaction
from soundmill.jobs import Attempt
from soundmill.schedule.worker import Worker

FENCE = re.compile(r"AND attempt = (\?|:attempt) AND status = 'running'")


def switch_off(safeguard: str) -> None:
    {"fence": _fence, "claim": _claim_before_work, "ulid": _ulid_check, "fsync": _fsync, "part": _part_files}[
        safeguard
    ]()


def _fence() -> None:
    """A finish changes a job whatever has become of it."""

    class Unfenced(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            return super().execute(FENCE.sub(r"AND (attempt = \1 OR 1)", sql), *arguments)

    real = sqlite3.connect
    sqlite3.connect = lambda *a, **k: real(*a, **{**k, "factory": Unfenced})  # type: ignore[assignment,misc]


def _claim_before_work() -> None:
    """The attempt's row is written with its end."""
    held: set[int] = set()

    def claim(self: Catalog, **asked: Any) -> list[Attempt]:
        with self.connected() as db:
            db.execute("BEGIN")
            attempts = claims.claim(db, self.clock(), **asked)
            db.execute("ROLLBACK")
        found = [attempt for attempt in attempts if attempt.job.id not in held]
        held.update(attempt.job.id for attempt in found)
        return found

    def late(finish: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Catalog, attempt: Attempt, *arguments: Any, **options: Any) -> Any:
            held.discard(attempt.job.id)
            with self.connected() as db, transaction(db):
                db.execute(
                    "UPDATE jobs SET status = 'running', attempt = ?, strikes = strikes + 1 WHERE id = ?",
                    (attempt.number, attempt.job.id),
                )
                db.execute(
                    "INSERT INTO attempts (job_id, number, worker, device, model, seed, status, started_at)"
                    " VALUES (?, ?, ?, ?, ?, ?, 'running', ?)",
                    (attempt.job.id, attempt.number, attempt.worker, "cpu", "tiny", attempt.seed, attempt.started_at),
                )
            return finish.__get__(self)(attempt, *arguments, **options)

        return call

    for name in ("succeed", "fail"):
        setattr(Catalog, name, late(vars(Catalog)[name]))
    Catalog.claim = claim  # type: ignore[assignment,method-assign]
    Worker._is_current = lambda self, attempt: True  # type: ignore[method-assign]


def _ulid_check() -> None:
    """What is claimed is ingested, whether the catalogue has it or not."""
    ingest.by_ulid = lambda db, ulid: None
    Catalog.batch_by_ulid = lambda self, ulid: None  # type: ignore[assignment,method-assign]


def _fsync() -> None:
    """Nothing reaches the disk before the power goes; power.py is told."""


def _part_files() -> None:
    """A file is written under its final name."""
    from soundmill.catalog.shelf import files

    def write_part(target: Any, content: bytes, **_: Any) -> Any:
        from soundmill.faults import passing

        with target.open("wb") as file:
            half = len(content) // 2
            file.write(content[:half])
            file.flush()
            passing("shelf.half")
            file.write(content[half:])
        return target

    files.write_part = write_part
