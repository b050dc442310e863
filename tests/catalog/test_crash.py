"""Everything or nothing: every write is broken off at every point in turn, as SQLite's own tests do."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soundmill.catalog import wishes
from soundmill.errors import CatalogError, StorageUnavailable
from soundmill.jobs import BatchSpec, FailureKind
from support.asking import asked


class OneBreak:
    """A progress handler that interrupts SQLite once, after `steps` of its virtual machine."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.fired = False

    def __call__(self) -> int:
        self.left -= 1
        if self.left <= 0 and not self.fired:
            self.fired = True
            return 1
        return 0


def broken_off_everywhere(mill: Any, write: Callable[[], object], stride: int) -> int:
    """Interrupt `write` after 1, 1+stride, 1+2*stride … machine steps until it gets through; how often it broke."""
    connection: sqlite3.Connection = mill.catalog._connection
    before = mill.content()
    breaks, steps = 0, 1
    while True:
        handler = OneBreak(steps)

        def spare_the_commit(statement: str, handler: OneBreak = handler) -> None:
            if statement == "COMMIT":  # its end may raise when all is done; a denied one is tested below
                handler.fired = True

        connection.set_trace_callback(spare_the_commit)
        connection.set_progress_handler(handler, 1)
        try:
            write()
        except CatalogError as error:
            assert "interrupted" in str(error)
            assert mill.content() == before
            breaks += 1
        else:
            return breaks
        finally:
            connection.set_progress_handler(None, 0)
            connection.set_trace_callback(None)
        steps += stride


def test_an_ingest_broken_off_anywhere_leaves_nothing(mill: Any) -> None:
    mill.ingest(1, name="earlier")
    spec = BatchSpec(name="a", jobs=[mill.spec(n, labels={"scene": "x"}) for n in (1, 2)], job_count=2)
    source = mill.source()
    assert broken_off_everywhere(mill, lambda: mill.catalog.ingest(spec, source), stride=19) > 20
    assert len(mill.rows("SELECT * FROM jobs")) == 3
    assert mill.counters_are_true()


def test_a_claim_broken_off_anywhere_takes_nothing(mill: Any) -> None:
    mill.ingest(3)
    assert broken_off_everywhere(mill, lambda: mill.claim(limit=2), stride=11) > 20
    assert len(mill.rows("SELECT * FROM attempts")) == 2
    assert mill.counters_are_true()


@pytest.mark.parametrize("retry", [False, True])
def test_a_finish_broken_off_anywhere_writes_nothing(mill: Any, retry: bool) -> None:
    mill.ingest(1)
    (attempt,) = mill.claim()
    assert broken_off_everywhere(mill, lambda: mill.succeed(attempt, passed=False, retry=retry), stride=17) > 20
    assert len(mill.rows("SELECT * FROM takes")) == 1
    assert mill.counters_are_true()


@pytest.mark.parametrize(
    "write",
    [
        lambda mill, attempt: mill.fail(attempt),
        lambda mill, attempt: mill.fail(attempt, retry_in=5),
        lambda mill, attempt: mill.catalog.release([attempt], "stopping"),
        lambda mill, attempt: mill.catalog.recover(),
        lambda mill, attempt: asked(mill.catalog, wishes.cancel, "themes"),
    ],
    ids=["fail", "fail-and-retry", "release", "recover", "cancel"],
)
def test_any_other_end_broken_off_anywhere_writes_nothing(mill: Any, write: Any) -> None:
    mill.ingest(2)
    (attempt,) = mill.claim()
    assert broken_off_everywhere(mill, lambda: write(mill, attempt), stride=7) > 20
    assert mill.counters_are_true()


def test_a_choice_broken_off_anywhere_chooses_nothing(mill: Any) -> None:
    mill.ingest([mill.spec(1, name=f"t{n}", replicate=n, keep_best=1) for n in (1, 2)])
    for attempt in mill.claim(limit=2):
        mill.succeed(attempt, score=50.0 + attempt.job.replicate)
    assert broken_off_everywhere(mill, lambda: mill.catalog.choose(10), stride=11) > 20
    assert [row["kept"] for row in mill.rows("SELECT kept FROM takes ORDER BY job_id")] == [0, 1]


def test_scores_broken_off_anywhere_are_not_kept_in_part(mill: Any) -> None:
    mill.ingest(2)
    for attempt in mill.claim(limit=2):
        mill.succeed(attempt)
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    scores = {2: {"clap": 0.5}, 1: {"clap": 0.4}}
    assert broken_off_everywhere(mill, lambda: mill.catalog.record_scores("clap", scores), stride=7) > 10
    assert mill.catalog.unscored("clap", 10) == []


@pytest.mark.parametrize("moment", ["statement", "commit"])
def test_a_statement_that_raises_undoes_those_before_it(mill: Any, moment: str) -> None:
    mill.ingest(2)
    connection: sqlite3.Connection = mill.catalog._connection
    before = mill.content()

    def deny(action: int, first: str | None, second: str | None, *_: object) -> int:
        hit = (
            (action == sqlite3.SQLITE_INSERT and first == "attempts")
            if moment == "statement"
            else (action == sqlite3.SQLITE_TRANSACTION and first == "COMMIT")
        )
        return sqlite3.SQLITE_DENY if hit else sqlite3.SQLITE_OK

    connection.set_authorizer(deny)
    try:
        with pytest.raises(CatalogError):
            mill.claim(limit=2)
    finally:
        connection.set_authorizer(None)
    assert mill.content() == before
    assert len(mill.claim(limit=2)) == 2


def test_a_full_disk_is_the_disks_fault_and_passes(mill: Any) -> None:
    mill.ingest(1)
    connection: sqlite3.Connection = mill.catalog._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    before = mill.content()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageUnavailable, match=r"catalog\.db: .*full.*make room"):
        mill.ingest(500, name="big")
    assert mill.content() == before
    connection.execute("PRAGMA max_page_count = 1000000")
    assert mill.ingest(500, name="big").job_count == 500


def test_a_read_only_catalogue_is_the_disks_fault(mill: Any) -> None:
    mill.ingest(1)
    mill.catalog._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageUnavailable, match="read-only"):
        mill.claim()


def test_another_writer_is_named_as_the_trouble(mill: Any) -> None:
    mill.ingest(1)
    other = sqlite3.connect(mill.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    mill.catalog._connection.execute("PRAGMA busy_timeout = 1")
    try:
        with pytest.raises(CatalogError, match="another process is writing"):
            mill.claim()
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert len(mill.claim()) == 1


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from soundmill.catalog.catalog import Catalog
    from soundmill.jobs import BatchSpec, JobSpec, Parameters, Source

    catalog = Catalog.open(Path(sys.argv[1]), clock=lambda: 1.0)
    parameters = Parameters(duration=4.0, temperature=1.0, top_k=250, top_p=0.0, cfg_coef=3.0)

    def jobs(last):
        for n in range(1, 3000):
            if n == last:
                os.kill(os.getpid(), signal.SIGKILL)
            yield JobSpec(position=n, name=f"j{n}", prompt="x" * 500, model="tiny", parameters=parameters, seed=n)

    def ingest(name, last):
        source = Source(ulid=name, file_name=name, sha256=name, size_bytes=1)
        catalog.ingest(BatchSpec(name=name, jobs=jobs(last), job_count=2999), source)

    ingest("whole", 0)
    catalog.claim(worker="w0", device="cpu", model="tiny", limit=2, engine_idle=True)
    ingest("half", 2900)
"""


def test_a_daemon_killed_during_an_ingest_leaves_the_other_work_whole(make_mill: Any, tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(path)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    mill = make_mill(path)
    assert [row["name"] for row in mill.rows("SELECT name FROM batches")] == ["whole"]
    assert mill.row("PRAGMA integrity_check") == {"integrity_check": "ok"}
    assert [attempt.job.id for attempt in mill.catalog.recover()] == [1, 2]
    assert mill.counters_are_true()
    assert [attempt.number for attempt in mill.claim(limit=2)] == [2, 2]
    assert mill.fail(mill.claim()[0], kind=FailureKind.INTERNAL)
