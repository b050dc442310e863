"""What a long run leaves behind for the page that docs/reliability.py writes: numbers, with the day and the commit."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from pathlib import Path
from typing import Any

# What is promised, by the words that a violation begins with.
PROMISES = {
    "ingested once": "every dropped file is ingested exactly once, or refused with a reason",
    "finished once": "every job runs at least once and finishes exactly once",
    "nothing half": "no half file is ever visible",
    "nothing lost": "no crash, kill, full disk, change of the date or power cut loses anything",
    "never ends": "nothing but its own stop ends the daemon",
}

ROOT = Path(__file__).resolve().parents[2]


def stamped(what: str, *, seconds: float, **numbers: Any) -> dict[str, Any]:
    """The result of a run: `what` it was, when, of which commit, `seconds` long; then its numbers."""
    return {
        "what": what,
        "date": today(),
        "commit": commit(),
        "seconds": round(seconds),
        **numbers,
    }


def keep(result: dict[str, Any], file: Path | None) -> None:
    """Write a result where it was asked for."""
    if file is not None:
        file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def today() -> str:
    return dt.datetime.now(tz=dt.UTC).date().isoformat()


def commit() -> str:
    """The commit of the code, with + where it was changed since; "unknown" outside of a checkout."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
