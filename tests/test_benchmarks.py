"""Every benchmark starts by the command that its results name: from the checkout, without a path set by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Of those that import PyTorch, alone.py stands for cpu.py as well, and imports throughput.py.
SCRIPTS = [
    "benchmarks/alone.py", "benchmarks/defects/learn.py", "benchmarks/defects/run.py", "benchmarks/deliver.py",
    "benchmarks/goodness.py",
    "benchmarks/growth.py", "benchmarks/ingest.py", "benchmarks/juries.py", "benchmarks/soundness.py",
    "benchmarks/launches.py", "benchmarks/power.py", "benchmarks/quality.py",
    "benchmarks/report.py", "benchmarks/review.py", "benchmarks/startup.py", "benchmarks/lease/prepare.py",
    "benchmarks/lease/run.py", "training/train.py", "tests/support/music.py",
]  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_says_how_it_is_used(script: str) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True, cwd=ROOT, env=environ, check=False
    )
    assert done.returncode == 0 and "usage:" in done.stdout, done.stderr
