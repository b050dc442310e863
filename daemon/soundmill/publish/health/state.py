"""How the daemon is, as the site asks: its life, what holds it up, and what an operator looks at beside."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from soundmill.publish.health import pulse
from soundmill.publish.health.pulse import Life
from soundmill.words import count, iso, number, size

FRESH_S = 0.5  # every open page asks; they share an answer
MOST_TROUBLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`troubles`, `storage` and `upkeep` are rows of the views of these names, `alerts` those of alert_posts."""

    life: Life
    troubles: tuple[dict[str, Any], ...]
    storage: tuple[dict[str, Any], ...]
    alerts: tuple[dict[str, Any], ...]
    upkeep: dict[str, Any]

    @classmethod
    def of(
        cls,
        life: Life,
        troubles: Sequence[dict[str, Any]],
        storage: Sequence[dict[str, Any]],
        alerts: Sequence[dict[str, Any]],
        upkeep: dict[str, Any],
    ) -> Health:
        """With the troubles that are known to last: of a daemon that is gone there are none, and one that cannot write
        the catalogue tells them in its file."""
        if life.state in ("stopped", "ended"):
            troubles = []
        elif life.state == "unrecorded":
            troubles = [
                {"part": t["part"], "message": t["message"], "began_at": iso(t["since"])} for t in life.troubles
            ]
        return cls(life=life, troubles=tuple(troubles), storage=tuple(storage), alerts=tuple(alerts), upkeep=upkeep)

    @property
    def lines(self) -> list[str]:
        """What an operator reads beside the totals."""
        lines = []
        for place in self.storage:
            line = f"{size(place['free_bytes'])} of {size(place['size_bytes'])} free for the {place['place']}"
            if place["days_left"] is not None:
                line += f", about {number(round(place['days_left'], 1))} days at the rate of the last day"
            lines.append(line)
        if self.upkeep["reports_owed"]:
            lines.append(f"{count(self.upkeep['reports_owed'], 'report')} to be made")
        if self.upkeep["workers_dead"]:
            lines.append(f"{count(self.upkeep['workers_dead'], 'worker')} dead")
        return lines + [
            f"alerts by {post['target']}: {post['waiting']} to be sent, {post['failed']} given up"
            for post in self.alerts
            if post["waiting"] or post["failed"]
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            **self.life.as_json(),
            "troubles": list(self.troubles),
            "storage": list(self.storage),
            "alerts": list(self.alerts),
            **{name: self.upkeep[name] for name in ("reports_owed", "workers_dead")},
        }


_ASKED: WeakKeyDictionary[Any, tuple[float, asyncio.Task[Health]]] = WeakKeyDictionary()


async def health(database: Any) -> Health:
    """Of the home that a catalogue of Datasette's is in; asked of the catalogue in one of its threads."""
    at, task = _ASKED.get(database, (0.0, None))
    if task is None or time.monotonic() - at > FRESH_S or task.get_loop() is not asyncio.get_running_loop():
        looking = database.execute_fn(lambda connection: look(connection, Path(database.path)))
        task = asyncio.ensure_future(looking)
        _ASKED[database] = time.monotonic(), task
    return await asyncio.shield(task)


def look(connection: sqlite3.Connection, catalog: Path) -> Health:
    """Raises sqlite3.Error."""
    beats = rows(connection, "SELECT * FROM heartbeat")
    life = pulse.life(
        pulse.unpacked(beats[0] if beats else None),
        pulse.read(pulse.beside(catalog)),
        now=time.time(),
        steady_s=time.monotonic(),
    )
    troubles = rows(connection, f"SELECT * FROM troubles ORDER BY began_at LIMIT {MOST_TROUBLES}")
    storage, upkeep = rows(connection, "SELECT * FROM storage"), rows(connection, "SELECT * FROM upkeep")
    alerts = rows(connection, "SELECT * FROM alert_posts")
    return Health.of(life, troubles, storage, alerts, upkeep[0])


def rows(connection: sqlite3.Connection, sql: str) -> list[dict[str, Any]]:
    """What a question answers, whatever the connection makes of rows."""
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
