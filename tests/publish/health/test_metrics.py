"""The figures for Prometheus."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from publish.conftest import Get, Home, close_site, get, home, make_home, open_site  # noqa: F401  # fixtures
from publish.conftest import job as a_job

LABELS = {"status", "model", "verdict", "worker", "place", "part", "target", "outcome", "version"}


def figures(text: str) -> dict[tuple[str, str], float]:
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            found[sample.name, ",".join(value for _, value in sorted(sample.labels.items()))] = sample.value
            assert set(sample.labels) <= LABELS
    return found


def test_the_figures_are_those_of_the_catalogue(get: Get) -> None:  # noqa: F811
    answer = get("/-/soundmill/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = figures(answer.text)
    for name, labels, value in (
        ("soundmill_jobs", "queued", 27), ("soundmill_jobs", "running", 4), ("soundmill_jobs", "failed", 1),
        ("soundmill_queue_jobs", "tiny", 27), ("soundmill_takes", "failed", 2), ("soundmill_batches", "", 4),
        ("soundmill_worker_clips", "gpu-0", 4), ("soundmill_worker_slots", "gpu-1", 4),
        ("soundmill_worker_up", "gpu-0", 1), ("soundmill_worker_restarts_total", "gpu-0", 0),
        ("soundmill_inbox_files_rejected_total", "", 1), ("soundmill_storage_free_bytes", "outputs", 4e9),
        ("soundmill_storage_days_left", "outputs", 4.0), ("soundmill_storage_open", "", 1),
        ("soundmill_trouble", "inbox", 1), ("soundmill_daemon_up", "", 0),
        ("soundmill_alerts_total", "sent,webhook", 3), ("soundmill_alerts_total", "failed,webhook", 1),
        ("soundmill_alerts_waiting", "webhook", 0),
    ):  # fmt: skip
        assert found[name, labels] == value, (name, labels)
    assert found["soundmill_heartbeat_age_seconds", ""] > 1e6
    assert found["soundmill_attempts_total", ""] == found["soundmill_outputs_total", "tiny"] + 6


def test_a_catalogue_with_nothing_in_it_has_figures(tmp_path: Path) -> None:
    made = make_home(tmp_path / "home")
    datasette = open_site([made.database])
    found = figures(asyncio.run(datasette.client.get("/-/soundmill/metrics")).text)
    assert found["soundmill_jobs", "queued"] == 0 and found["soundmill_daemon_up", ""] == 0
    assert ("soundmill_heartbeat_age_seconds", "") not in found
    made.catalog.close()
    close_site(datasette)


def test_a_thousand_models_are_not_a_thousand_labels(tmp_path: Path) -> None:
    made: Home = make_home(tmp_path / "home")
    made.ingest("many", [a_job(n, "owls", model=f'/models/"{n}"\n') for n in range(1, 301)])
    datasette = open_site([made.database])
    found = figures(asyncio.run(datasette.client.get("/-/soundmill/metrics")).text)
    assert sum(name == "soundmill_queue_jobs" for name, _ in found) == 50
    made.catalog.close()
    close_site(datasette)


def test_whoever_may_not_see_the_catalogue_sees_no_figures(home: Home) -> None:  # noqa: F811
    datasette = open_site([home.database], metadata={"databases": {"catalog": {"allow": {"id": "root"}}}})
    for path in ("/-/soundmill/metrics", "/-/soundmill/daemon.json"):
        assert asyncio.run(datasette.client.get(path)).status_code == 403
    close_site(datasette)


def test_the_daemon_and_the_commands_do_without_the_library() -> None:
    probe = (
        "import sys, soundmill.cli, soundmill.service.daemon, soundmill.commands.look, soundmill.publish.site\n"
        "print([m for m in sys.modules if m.startswith(('prometheus_client', 'datasette'))])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
