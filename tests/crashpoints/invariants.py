"""What must be true of a home, looked at from outside: after every death, and in the end.

Each sentence begins with the promise that is broken, one of support/results.py's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from crashpoints import world
from crashpoints.diary import Diary
from crashpoints.light_report import is_sealed
from crashpoints.world import World
from soundmill.home import Home

REPORT_FILES = {"README.md", "summary.json", "report.html"}
COUNTS = ("queued", "running", "succeeded", "failed", "cancelled")


def _of(promise: str, found: Iterable[str]) -> Iterator[str]:
    return (f"{promise}: {each}" for each in found)


def half_files(home: Home) -> Iterator[str]:
    """At any moment: nothing is half there under its own name, and a rejected file has its reasons."""
    return _of("nothing half", _half_files(home))


def _half_files(home: Home) -> Iterator[str]:
    for path in sorted(home.outputs.rglob("*")):
        name = path.relative_to(home.outputs).as_posix()
        if path.suffix == ".wav":
            with contextlib.suppress(FileNotFoundError):
                if not is_whole_wav(path):
                    yield f"{name} is half an audio file"
                if not path.with_name(f"{path.name}.json").exists():
                    yield f"{name} has no sidecar"
        elif path.name.endswith(".wav.json"):
            try:
                json.loads(path.read_bytes())
            except ValueError:
                yield f"{name} is half a sidecar"
        elif (path.name in REPORT_FILES or path.suffix == ".svg") and not is_sealed(path.read_bytes()):
            yield f"{name} is half a file of a report"
    for path in sorted((home.inbox / "rejected").rglob("*")):
        if path.suffix == ".part" or not path.is_file():
            continue
        if path.name.endswith(".errors.txt"):
            if not path.read_text(encoding="utf-8").rpartition("\nclaim ")[2].strip():
                yield f"rejected/{path.name} is half a list of problems"
        elif not path.with_name(f"{path.name}.errors.txt").exists():
            yield f"rejected/{path.name} has no list of problems beside it"
    for path in sorted(home.control.glob("*.json")):
        try:
            json.loads(path.read_bytes())
        except ValueError:
            yield f".control/{path.name} is half a control file"


def is_whole_wav(path: Path) -> bool:
    """As its first bytes announce it: `RIFF`, the length of all that follows, `WAVE`."""
    content = path.read_bytes()
    return (
        content[:4] == b"RIFF" and content[8:12] == b"WAVE" and struct.unpack("<I", content[4:8])[0] + 8 == len(content)
    )


def in_the_end(home: Home, there: World, seed: int, diary: Diary) -> Iterator[str]:
    """When all is worked off."""
    db = sqlite3.connect(f"file:{home.catalog}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    with contextlib.closing(db):
        yield from half_files(home)
        yield from _of("ingested once", _files(db, home, there, seed))
        yield from _of("finished once", chain(_jobs(db, there), _work(db, diary)))
        lost = chain(_catalogue(db), _takes(db, home, diary), _counts(db), _wishes(db, home, there))
        yield from _of("nothing lost", chain(lost, _reports(db, home) if there.reports else ()))


def _catalogue(db: sqlite3.Connection) -> Iterator[str]:
    if (found := db.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
        yield f"the catalogue is damaged: {found}"
    for row in db.execute("PRAGMA foreign_key_check"):
        yield f"the catalogue refers to what is not there: {tuple(row)}"


def _files(db: sqlite3.Connection, home: Home, there: World, seed: int) -> Iterator[str]:
    """Every dropped file was ingested once, or refused with a reason."""
    dropped = Counter(_sum(text) for text in world.files_of(seed).values())
    if there.prepared:
        dropped += Counter(_sum(text) for text in (*world.MADE_BEFORE.values(), *world.SUBMITTED.values()))
    late = world.FILES["slow-writer.csv"]
    filed = Counter[str]()
    for name in ("accepted", "rejected"):
        for path in (home.inbox / name).rglob("*"):
            if path.is_file() and not path.name.endswith(".errors.txt"):
                content = path.read_text(encoding="utf-8")
                filed[_sum(late if content == late + world.LATE_ROW else content)] += 1
    if filed != dropped:
        missing, spare = ((one - other).total() for one, other in ((dropped, filed), (filed, dropped)))
        yield f"of the files dropped {missing} are missing, and {spare} are too many"
    left = [path.name for path in home.inbox.iterdir() if path.is_file() and path.name.endswith((".csv", ".yaml"))]
    left += [path.name for path in (home.inbox / ".claimed").iterdir()]
    if left:
        yield f"left in the inbox: {', '.join(left)}"
    folder = home.inbox / "accepted"  # with a folder for each month
    files = [path for path in folder.rglob("*") if path.is_file()]
    accepted = {path.relative_to(folder).as_posix(): _sum(path.read_text(encoding="utf-8")) for path in files}
    known = {row["kept_as"]: row["sha256"] for row in db.execute("SELECT kept_as, sha256 FROM batches")}
    if accepted != known:
        yield f"accepted/ has {sorted(accepted)}, the catalogue batches of {sorted(known)}, or their contents differ"
    batches = [row["name"] for row in db.execute("SELECT name FROM batches")]
    if len(batches) != len(accepted):
        yield f"{len(batches)} batches of {len(accepted)} accepted files"
    files = [path for path in (home.inbox / "rejected").rglob("*") if path.is_file()]
    rejected = {path.name for path in files if not path.name.endswith(".errors.txt")}
    refused = {row["file_name"] for row in db.execute("SELECT file_name FROM rejections")}
    if len(rejected) != 2 or not rejected & {"themes.csv", world.TWIN} or "broken.csv" not in rejected:
        yield f"rejected/ has {sorted(rejected)}"
    if refused != rejected:
        yield f"the catalogue tells of rejected {sorted(refused)}, the folder has {sorted(rejected)}"


def _jobs(db: sqlite3.Connection, there: World) -> Iterator[str]:
    """Every job has ended, as its prompt says, once."""
    for row in db.execute(
        "SELECT j.id, j.prompt, j.status, j.attempt, b.name AS batch FROM jobs j JOIN batches b ON b.id = j.batch_id"
    ):
        prompt, job = row["prompt"], f"{row['batch']}: {row['prompt']}"
        expected = "succeeded"
        if prompt.startswith("refused for") or (there.by_process and prompt.startswith(("refused", "oom"))):
            expected = "failed"  # the engine of support/faulty_backend.py refuses each time
        elif prompt.startswith("late"):
            expected = "cancelled" if there.somebody_cancels else "succeeded"
        elif row["batch"] == "stop" or (prompt.startswith("endless") and not there.by_process):
            expected = "cancelled"
        elif prompt.startswith("refused once") and row["batch"] != "old" and not there.by_process:
            expected = row["status"] if row["status"] in ("failed", "succeeded") else "failed or succeeded"
        if row["status"] != expected:
            yield f"{job}: {row['status']} instead of {expected}"
        attempts = db.execute(
            "SELECT number, status FROM attempts WHERE job_id = ? ORDER BY number", (row["id"],)
        ).fetchall()
        if [attempt["number"] for attempt in attempts] != list(range(1, row["attempt"] + 1)):
            yield f"{job}: attempts {[attempt['number'] for attempt in attempts]}, and the job says {row['attempt']}"
        ends = Counter(attempt["status"] for attempt in attempts)
        takes = db.execute("SELECT count(*) FROM outputs WHERE job_id = ?", (row["id"],)).fetchone()[0]
        if ends["succeeded"] != takes:
            yield f"{job}: {ends['succeeded']} attempts succeeded, and there are {takes} takes"
        most = 3 if prompt.startswith("silence") else 1
        if takes > (most if expected == "succeeded" else 0):
            yield f"{job}: {takes} takes of a job that {expected}"
        if ends["running"]:
            yield f"{job}: an attempt still runs"
    told = Counter(
        str(row[0])
        for row in db.execute("SELECT job_id FROM events WHERE kind = 'job failed' AND message LIKE '%for good%'")
    )
    if told and max(told.values()) > 1:
        yield "a job failed twice"


def _work(db: sqlite3.Connection, diary: Diary) -> Iterator[str]:
    """What an engine was asked for was on record before, and asked for once."""
    known = {
        (row["job_id"], row["number"]): row["seed"] for row in db.execute("SELECT job_id, number, seed FROM attempts")
    }
    asked = Counter((note["job"], note["attempt"]) for note in diary.notes("work"))
    for note in diary.notes("work"):
        if known.get((note["job"], note["attempt"])) != note["seed"]:
            yield f"job {note['job']}: attempt {note['attempt']} was made and is not on record"
    for (job, attempt), times in asked.items():
        if times > 1:
            yield f"job {job}: attempt {attempt} was made {times} times"


def _takes(db: sqlite3.Connection, home: Home, diary: Diary) -> Iterator[str]:
    """Every take has its file, with its sum, and its sidecar; there is no file that no row knows."""
    taken = {note["path"] for note in diary.notes("taken")}
    rows = db.execute("SELECT path, sha256, size_bytes, attempt, kept, quarantined FROM outputs").fetchall()
    for row in rows:
        path = home.outputs / row["path"]
        if row["path"] in taken:
            continue
        if not path.is_file():
            yield f"{row['path']}: its file is missing"
            continue
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != row["sha256"] or len(content) != row["size_bytes"]:
            yield f"{row['path']}: its file is another one"
        sidecar = path.with_name(f"{path.name}.json")
        if not sidecar.is_file() or json.loads(sidecar.read_bytes())["attempt"] != row["attempt"]:
            yield f"{row['path']}: its sidecar is missing, or another take's"
        if row["kept"] == 0 and "/set_aside/" not in row["path"]:
            yield f"{row['path']}: was not chosen and lies with those that were"
        if (row["quarantined"] == 1) is not ("/quarantine/" in row["path"]):
            yield f"{row['path']}: quarantined is {row['quarantined']}"
    audio = {path.relative_to(home.outputs).as_posix() for path in home.outputs.rglob("*.wav")}
    if strays := audio - {row["path"] for row in rows}:
        yield f"files that no row knows: {sorted(strays)}"
    details = {path.relative_to(home.outputs).as_posix() for path in home.outputs.rglob("*.wav.json")}
    if alone := details - {f"{row['path']}.json" for row in rows}:
        yield f"sidecars of no take: {sorted(alone)}"
    if parts := [
        str(path.relative_to(home.root)) for path in home.root.rglob("*.part") if not _is_a_persons(home, path)
    ]:
        yield f"half-written files: {parts}"
    if (
        moving := db.execute("SELECT count(*) FROM moves").fetchone()[0]
        + db.execute("SELECT count(*) FROM selections_due").fetchone()[0]
    ):
        yield f"{moving} choices or moves are left"
    chosen = db.execute("SELECT sum(kept), count(*) FROM outputs WHERE kept IS NOT NULL").fetchone()
    if tuple(chosen) != (1, 3):
        yield f"kept {chosen[0]} of {chosen[1]} takes instead of 1 of 3"


def _counts(db: sqlite3.Connection) -> Iterator[str]:
    for batch in db.execute("SELECT * FROM batches"):
        jobs = Counter(row[0] for row in db.execute("SELECT status FROM jobs WHERE batch_id = ?", (batch["id"],)))
        if any(batch[f"n_{status}"] != jobs[status] for status in COUNTS) or batch["job_count"] != sum(jobs.values()):
            yield f"{batch['name']}: its counts are {[batch[f'n_{s}'] for s in COUNTS]}, its jobs {dict(jobs)}"
        takes, audio_s = db.execute(
            "SELECT count(*), coalesce(sum(duration_s), 0) FROM outputs WHERE batch_id = ?", (batch["id"],)
        ).fetchone()
        if batch["n_outputs"] != takes or abs(batch["audio_s"] - audio_s) > 1e-6:
            yield f"{batch['name']}: counts {batch['n_outputs']} takes and has {takes}"
        flagged = db.execute(
            "SELECT count(*) FROM jobs j JOIN outputs o ON o.job_id = j.id AND o.attempt = j.final_attempt"
            " WHERE j.batch_id = ? AND o.verdict = 'failed'",
            (batch["id"],),
        ).fetchone()[0]
        if batch["n_flagged"] != flagged:
            yield f"{batch['name']}: {batch['n_flagged']} flagged, and {flagged} takes did not pass"
        if batch["finished_at"] is None:
            yield f"{batch['name']}: has not ended"
    scored = db.execute("SELECT count(*) FROM scores WHERE scorer = 'clap'").fetchone()[0]
    takes = db.execute("SELECT count(*) FROM outputs").fetchone()[0]
    if scored != takes:
        yield f"{scored} of {takes} takes were heard by the scorer"
    if workers := [row["name"] for row in db.execute("SELECT name FROM workers WHERE status <> 'stopped'")]:
        yield f"workers are not marked as stopped: {workers}"


def _wishes(db: sqlite3.Connection, home: Home, there: World) -> Iterator[str]:
    """Every wish was done once."""
    if left := [path.name for path in home.control.glob("*.json")]:
        yield f"wishes are left: {left}"
    if not there.prepared:
        return
    changed = {
        kind: sum(
            int(row[0].rpartition(": ")[2].split()[0])
            for row in db.execute("SELECT message FROM events WHERE kind = ? AND message LIKE ?", (kind, target))
        )
        for kind, target in (("retried", "old:%"), ("resumed", "held:%"), ("cancelled", "stop:%"))
    }
    if changed != {"retried": 2, "resumed": 2, "cancelled": 2}:
        yield f"jobs that wishes changed: {changed}"
    stars = [tuple(row) for row in db.execute("SELECT stars FROM ratings")]
    if stars != [(4,)]:
        yield f"ratings: {stars}"


def _reports(db: sqlite3.Connection, home: Home) -> Iterator[str]:
    """Every batch has the report of what became of it."""
    for batch in db.execute("SELECT id, name, reported_at, changed_at FROM batches"):
        folder = home.outputs / batch["name"]
        if batch["reported_at"] is None:
            yield f"{batch['name']}: its report is owed"
            continue
        if batch["reported_at"] < (batch["changed_at"] or 0.0):
            continue  # a life without end would make it anew; `run --once` leaves it owed
        if missing := [name for name in sorted(REPORT_FILES) if not (folder / name).is_file()]:
            yield f"{batch['name']}: its report lacks {missing}"
            continue
        told = json.loads((folder / "summary.json").read_text(encoding="utf-8").splitlines()[0])
        rows = db.execute("SELECT path, verdict, kept FROM outputs WHERE batch_id = ? ORDER BY id", (batch["id"],))
        if told != [list(row) for row in rows]:
            yield f"{batch['name']}: its report tells what was"


def _is_a_persons(home: Home, part: Path) -> bool:
    """Left by a command that was killed, where another may be at work: the daemon does not touch it."""
    return part.parent in (home.inbox, home.control)


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
