"""What is an alert: which events are told to whom did not ask, and in what form."""

from __future__ import annotations

import json
import socket
from collections.abc import Collection
from pathlib import Path
from typing import Any

from soundmill.catalog.rows import Event
from soundmill.words import iso

FORM = 1  # counted up when a receiver has to be changed
KINDS = {
    "storage unavailable": "storage_closed",
    "storage available": "storage_opened",
    "worker replaced": "worker_died",
    "node gone": "machine_gone",
    "file rejected": "file_rejected",
    "report failed": "report_failed",
    "daemon died": "daemon_died",
    "trouble": "trouble",
    "trouble over": "trouble_over",
}
OWN = "alerts "  # troubles of alerts themselves begin so, and are not told by alerts
TOLD_OTHERWISE = ("storage:",)  # troubles whose end is an event of its own

Alert = dict[str, Any]


def alert_of(event: Event, wanted: Collection[str]) -> Alert | None:
    """The alert that an event is; None where nobody wants to hear of it."""
    kind = KINDS.get(event.kind)
    if event.kind == "batch finished" and event.counts is not None:
        failed = event.counts["failed"] > 0 and "batch_failed" in wanted
        kind = "batch_failed" if failed else "batch_finished"
    if kind is None or kind not in wanted:
        return None
    subject = event.batch or event.worker or ""
    if kind == "machine_gone":
        subject = event.message.partition(" ")[0]
    if kind in ("trouble", "trouble_over"):
        subject = event.message.partition(":")[0]
        if event.message.startswith(OWN) or (kind == "trouble_over" and event.message.startswith(TOLD_OTHERWISE)):
            return None
    return alert(
        kind,
        f"{event.kind}: {event.message}",
        cause=f"{kind} {subject}".strip(),
        at=event.at,
        event_id=event.id or None,
        batch=None if event.batch is None else {"name": event.batch, **(event.counts or {})},
        worker=event.worker,
    )


def alert(kind: str, message: str, *, cause: str, at: float, **about: object) -> Alert:
    return {"kind": kind, "message": message, "cause": cause, "at": iso(at)} | about


def body_of(alert: Alert, home: Path) -> bytes:
    """What a receiver gets. `text` is there for chats, which show a field of that name."""
    others = int(alert.get("others", 0))
    more = f" (and {others} more of the kind)" if others else ""
    host = socket.gethostname()
    told = {name: value for name, value in alert.items() if name != "cause" and value is not None}
    text = f"Soundmill on {host}: {alert['message']}{more}"
    form = {"form": FORM, "text": text, "host": host, "home": str(home), "others": others}
    return json.dumps(form | told, ensure_ascii=False).encode("utf-8", "replace")
