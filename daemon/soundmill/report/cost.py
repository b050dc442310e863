"""Report: what takes cost of their device's time, and how long the batch itself was at work.

A take's own time from start to end says where it stood in the queue: how many others ran beside it, and what else the
machine had to do. Its share of the device's time does so too, if less. What its settings cost is the work they ask for,
the rows computed in all its steps, at the average pace of these takes: for each model, their time over their rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from soundmill.report.record import AttemptRecord, Found


def device_times(takes: Iterable[Found]) -> dict[tuple[int, int], float]:
    """Job's id and attempt to seconds of the device's time, of the takes that have their work recorded."""
    known = [
        (job, take, take.row_steps, take.device_s)
        for job, take in takes
        if take.row_steps and take.device_s is not None
    ]
    rows: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for job, _, row_steps, device_s in known:
        rows[job.model] = rows.get(job.model, 0) + row_steps
        seconds[job.model] = seconds.get(job.model, 0.0) + device_s
    return {
        (job.id, take.attempt): row_steps * seconds[job.model] / rows[job.model] for job, take, row_steps, _ in known
    }


def processing_s(attempts: Sequence[AttemptRecord]) -> float:
    """Seconds in which at least one of these attempts, as far as they have ended, was running."""
    total, until = 0.0, float("-inf")
    for start, end in sorted((one.started_at, one.finished_at) for one in attempts if one.finished_at is not None):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
