"""docs/RELIABILITY.md says what the long runs found, and that one was not made where it was not."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def page() -> Any:
    spec = importlib.util.spec_from_file_location("reliability", DOCS / "reliability.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_results_say(page: Any) -> None:
    assert page.page() == page.PAGE.read_text(encoding="utf-8"), "run: python docs/reliability.py"


def test_no_result_that_is_kept_has_a_violation(page: Any) -> None:
    for path in page.RESULTS.glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["violations"] == [], path.name


def test_a_part_without_a_result_was_not_run(page: Any, tmp_path: Path) -> None:
    page.RESULTS = tmp_path
    assert page.page().count("not run") > 10
    (tmp_path / "fuzz.json").write_text(json.dumps({"inputs": 12_345, "seconds": 3, "violations": ["a", "b"]}))
    assert "| damaged job files | 12,345 | 2 |" in page.page()


def test_a_result_of_the_simulator_is_shown_and_stamped(page: Any, tmp_path: Path) -> None:
    page.RESULTS = tmp_path
    path = tmp_path / "simulator.json"
    numbers = {"jobs": 5000, "runs": 5, "seeds": [1, 5], "starts": 40, "faults": {"killed": 35}, "violations": []}
    path.write_text(json.dumps(numbers | {"wall_s": 2.0}))
    page.stamp(path)
    assert json.loads(path.read_text())["date"] == page.today()
    assert "simulated: killed 35 | 5 | 0 |" in page.page()


def test_violations_are_counted_by_promise_and_fault(page: Any, tmp_path: Path) -> None:
    page.RESULTS = tmp_path
    numbers = {
        "points": 1, "kills": 20, "kills_at_least": 20, "pairs": 0, "power_cuts": 0, "errors": {}, "points_failed": 0,
        "lives": 40, "runs": {"killed": 20}, "wrong": {"killed": {"nothing half": 3}}, "seconds": 1, "violations": [],
    }  # fmt: skip
    (tmp_path / "crashpoints.json").write_text(json.dumps(numbers))
    assert "| no half file is ever visible | killed | 20 | 3 |" in page.page()
    assert "finishes exactly once | killed | 20 | 0 |" in page.page()
