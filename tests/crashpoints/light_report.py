"""In the place of `soundmill report`: as few files, written the same way, in a process as light as can be.

    python -S light_report.py HOME BATCH [FAULT]

FAULT is what soundmill.faults reads: it happens in this report alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import sys
from pathlib import Path

from soundmill.faults import fault, listen
from soundmill.report.folder import keep_only, settle, write


def sealed(text: str) -> bytes:
    """The text with its own sum at the end, so that a half file is told from a whole one."""
    return f"{text}\n{hashlib.sha256(text.encode()).hexdigest()}\n".encode()


def is_sealed(content: bytes) -> bool:
    text, _, _ = content.decode(errors="replace").rstrip("\n").rpartition("\n")
    return content == sealed(text)


def main(home: Path, batch: str) -> None:
    with contextlib.closing(sqlite3.connect(f"file:{home / 'catalog.db'}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT o.path, o.verdict, o.kept FROM outputs o JOIN batches b ON b.id = o.batch_id WHERE b.name = ?"
            " ORDER BY o.id",
            (batch,),
        ).fetchall()
    folder = home / "outputs" / batch
    plots = folder / "plots"
    wanted = plots / f"takes-{len(rows)}.svg"
    write(wanted, sealed("<svg/>"))
    write(plots / "former.svg", sealed("<svg/>"))
    keep_only(plots, ".svg", {wanted})
    write(folder / "README.md", sealed(f"# {batch}"))
    write(folder / "summary.json", sealed(json.dumps(rows)))
    write(folder / "report.html", sealed(f"<html>{rows}</html>"))
    settle(folder)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        listen(fault(sys.argv[3]))
    main(Path(sys.argv[1]), sys.argv[2])
