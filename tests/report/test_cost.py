"""What takes cost of their device's time, and how long a batch was at work."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from publish.conftest import Home, job
from report.conftest import BATCH, jobs_with, report_on
from soundmill.catalog.reader import Reader
from soundmill.jobs import AttemptStatus, FailureKind
from soundmill.report.cost import device_times, processing_s
from soundmill.report.record import AttemptRecord, read_record


def test_takes_that_ask_for_the_same_work_cost_the_same_wherever_they_stood_in_the_queue() -> None:
    """The first ran beside many, the last almost alone on a busy machine; a longer one cost twice as much."""
    shares = [0.07, 0.07, 0.12, 0.30]
    same = [({}, {"row_steps": 300, "device_s": share, "generation_s": 9 * share}) for share in shares]
    record = replace(BATCH, jobs=jobs_with([*same, ({}, {"row_steps": 600, "device_s": 0.14})]))
    *first, last = device_times(record.finals).values()
    assert first == pytest.approx([0.70 / 1800 * 300] * 4) and last == pytest.approx(2 * first[0])
    assert sum([*first, last]) == pytest.approx(0.70)


def test_each_model_has_a_pace_of_its_own_and_what_is_not_recorded_has_no_time() -> None:
    jobs = jobs_with(
        [
            ({"model": "small"}, {"row_steps": 100, "device_s": 1.0}),
            ({"model": "large"}, {"row_steps": 100, "device_s": 5.0}),
            ({"model": "large"}, {"row_steps": None, "device_s": None}),
        ]
    )
    assert device_times(replace(BATCH, jobs=jobs).finals) == {(1, 1): 1.0, (2, 1): 5.0}


def test_what_ran_side_by_side_counts_once_and_a_pause_not_at_all() -> None:
    def attempt(start: float, end: float | None) -> AttemptRecord:
        return AttemptRecord(
            job="a", number=1, worker="cpu", device="cpu", model="tiny", status=AttemptStatus.SUCCEEDED,
            started_at=start, finished_at=end,
        )  # fmt: skip

    assert processing_s([]) == 0.0
    ran = [attempt(108.0, 110.0), attempt(100.0, 104.0), attempt(101.0, 102.0), attempt(103.0, 106.0)]
    assert processing_s([*ran, attempt(105.0, None)]) == 8.0


def test_the_real_time_factor_is_of_the_batch_not_of_takes_that_ran_side_by_side(reported: Home) -> None:
    found = json.loads((reported.outputs / "sweep" / "summary.json").read_text(encoding="utf-8"))
    assert found["timing"]["device_s"] == pytest.approx(8 * 0.2 + 36 / 100)
    assert found["timing"]["processing_s"] < found["timing"]["wall_s"] + 1e-6
    assert found["rates"]["real_time_factor"] == pytest.approx(found["timing"]["processing_s"] / 8)


def test_a_batch_without_a_take_has_no_rate(fresh: Callable[[Path], Home], tmp_path: Path) -> None:
    home = fresh(tmp_path / "home")
    home.ingest("broken", [job(1, "a bell"), job(2, "a drum")])
    for attempt in home.claim(2):
        home.now[0] += 0.15
        home.catalog.fail(
            attempt, FailureKind.BAD_PARAMETER, "no such model", retry_at=None, counts=True, suspect=False
        )
    folder = report_on(home, "broken")
    rates = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["rates"]
    assert (rates["jobs_per_hour"], rates["real_time_factor"]) == (None, None)
    assert "per hour" not in (folder / "report.html").read_text(encoding="utf-8")


def test_a_catalogue_that_no_daemon_of_this_version_has_opened_is_read(reported: Home) -> None:
    with Reader.open(reported.database) as reader:
        rows = reader.everything_of("sweep")
    outputs = rows["outputs"]
    assert isinstance(outputs, list)
    for row in outputs:
        del row["device_s"], row["row_steps"]
    takes = read_record(rows, reported.outputs / "sweep", {}).takes
    assert {(take.device_s, take.row_steps) for _, take in takes} == {(None, None)}
