"""Figures of the mill in Prometheus' text format. Every label is of a bounded set: nobody's batch or prompt is one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from soundmill import __version__
from soundmill.publish.health.state import Health, look, rows

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
MOST_MODELS = 50
MOST_WORKERS = 256
MOST_PARTS = 40

Values = Iterable[tuple[tuple[str, ...], Any]]


def exposition(connection: sqlite3.Connection, catalog: Path) -> bytes:
    """Of the home that a catalogue is in. Raises sqlite3.Error."""
    registry = CollectorRegistry()
    registry.register(_Now(list(_families(connection, catalog))))
    return generate_latest(registry)


class _Now:
    """What a registry asks, with what was read just now."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _families(connection: sqlite3.Connection, catalog: Path) -> Iterator[Metric]:
    health = look(connection, catalog)
    yield _gauge("soundmill_build_info", "The version that serves this", ["version"], [((__version__,), 1)])
    yield from _of_daemon(health)
    (total,) = rows(connection, "SELECT * FROM overview")
    statuses = [((status,), total[status]) for status in STATUSES]
    yield _gauge("soundmill_jobs", "Jobs, by status", ["status"], statuses)
    queued = rows(connection, f"SELECT model, queued FROM queue_totals ORDER BY queued DESC LIMIT {MOST_MODELS}")
    yield _gauge("soundmill_queue_jobs", "Jobs that wait, by model", ["model"], _by("model", "queued", queued))
    verdicts = [(("passed",), total["succeeded"] - total["flagged"]), (("failed",), total["flagged"])]
    yield _gauge("soundmill_takes", "Takes that count, by verdict of the quality checks", ["verdict"], verdicts)
    yield _gauge("soundmill_batches", "Batches on record", [], [((), total["batches"])])
    yield _counter("soundmill_attempts", "Tries at jobs", [], [((), health.upkeep["attempts"])])
    yield from _of_models(rows(connection, f"SELECT * FROM model_speed ORDER BY outputs DESC LIMIT {MOST_MODELS}"))
    workers = rows(connection, f"SELECT * FROM worker_board ORDER BY worker LIMIT {MOST_WORKERS}")
    yield from _of_workers(workers, may_live=health.life.state not in ("ended", "stopped"))
    machines = rows(connection, f"SELECT * FROM machines ORDER BY machine LIMIT {MOST_WORKERS}")
    up = [((str(row["machine"]),), int(row["state"] == "working")) for row in machines]
    yield _gauge("soundmill_machine_up", "1 while a machine of the cluster takes work", ["machine"], up)
    yield _gauge("soundmill_machine_engines", "Engines there", ["machine"], _by("machine", "engines", machines))
    yield _gauge("soundmill_reports_owed", "Reports to be made", [], [((), health.upkeep["reports_owed"])])
    rejected = [((), health.upkeep["files_rejected"])]
    yield _counter("soundmill_inbox_files_rejected", "Job files that were refused", [], rejected)
    yield from _of_storage(health)
    yield from _of_alerts(health)


def _of_daemon(health: Health) -> Iterator[Metric]:
    yield _gauge("soundmill_daemon_up", "1 while the daemon does its work", [], [((), int(health.life.ok))])
    if health.life.silent_s is not None:
        age = [((), round(health.life.silent_s, 3))]
        yield _gauge("soundmill_heartbeat_age_seconds", "Since the daemon's last sign of life", [], age)
    parts = [((str(trouble["part"]),), 1) for trouble in health.troubles[:MOST_PARTS]]
    yield _gauge("soundmill_trouble", "1 for each part of the daemon that does not work now", ["part"], parts)


def _of_models(models: list[dict[str, Any]]) -> Iterator[Metric]:
    for name, column, about in (
        ("soundmill_outputs", "outputs", "Takes made, by model"),
        ("soundmill_audio_seconds", "audio_s", "Audio made, by model"),
        ("soundmill_device_seconds", "device_s", "Time of devices that takes have cost, by model"),
    ):
        yield _counter(name, about, ["model"], _by("model", column, models))


def _of_workers(workers: list[dict[str, Any]], *, may_live: bool) -> Iterator[Metric]:
    up = [((str(row["worker"]),), int(may_live and row["status"] not in ("stopped", "dead"))) for row in workers]
    yield _gauge("soundmill_worker_up", "1 while the worker of a device lives", ["worker"], up)
    yield _gauge("soundmill_worker_clips", "Clips in the making", ["worker"], _by("worker", "running", workers))
    yield _gauge("soundmill_worker_slots", "Clips at once, at most", ["worker"], _by("worker", "slots", workers))
    restarts = _by("worker", "restarts", workers)
    yield _counter("soundmill_worker_restarts", "Times that a worker was replaced", ["worker"], restarts)


def _of_storage(health: Health) -> Iterator[Metric]:
    closed = any(trouble["part"] == "storage" for trouble in health.troubles)
    yield _gauge("soundmill_storage_open", "0 while takes cannot be filed", [], [((), int(not closed))])
    places = list(health.storage)
    free = _by("place", "free_bytes", places)
    yield _gauge("soundmill_storage_free_bytes", "Room on the disk", ["place"], free)
    yield _gauge("soundmill_storage_size_bytes", "Size of the disk", ["place"], _by("place", "size_bytes", places))
    left = _by("place", "days_left", [place for place in places if place["days_left"] is not None])
    yield _gauge("soundmill_storage_days_left", "Until the disk is full, at the rate of the last day", ["place"], left)


def _of_alerts(health: Health) -> Iterator[Metric]:
    outcomes = [
        ((str(post["target"]), outcome), post[outcome]) for post in health.alerts for outcome in ("sent", "failed")
    ]
    yield _counter("soundmill_alerts", "Alerts, by what became of them", ["target", "outcome"], outcomes)
    waiting = _by("target", "waiting", list(health.alerts))
    yield _gauge("soundmill_alerts_waiting", "Alerts to be sent", ["target"], waiting)


def _by(label: str, column: str, found: list[dict[str, Any]]) -> Values:
    return [((str(row[label]),), row[column]) for row in found]


def _gauge(name: str, about: str, labels: list[str], values: Values) -> Metric:
    family = GaugeMetricFamily(name, about, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def _counter(name: str, about: str, labels: list[str], values: Values) -> Metric:
    family = CounterMetricFamily(name, about, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family
