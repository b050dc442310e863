"""What a long run leaves behind: its numbers as JSON, with the day and the commit, for docs/reliability.py."""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def stamped(what: str, *, seconds: float, **numbers: Any) -> dict[str, Any]:
    """The result of a run: `what` it was, when, of which commit, `seconds` long; then its numbers."""
    return {
        "what": what,
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "commit": commit(),
        "seconds": round(seconds),
        **numbers,
    }


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
