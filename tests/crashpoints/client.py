"""Servers to run plans on, from a test or a long run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from crashpoints.plan import Plan, Result

TESTS = Path(__file__).resolve().parents[1]
MEMORY = Path("/dev/shm")  # where nothing waits for a disk; what a disk loses is power.py's


class Crashes:
    """One server; plans run on it one after another."""

    def __enter__(self) -> Self:
        where = MEMORY if os.access(MEMORY, os.W_OK) else None
        self._folder = tempfile.TemporaryDirectory(prefix="crashpoints-", dir=where)
        path = os.pathsep.join([str(TESTS), *(entry for entry in sys.path if entry)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crashpoints.server", self._folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )
        return self

    def run(self, plan: Plan) -> Result:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(plan.to_json() + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the server ended at {plan.to_json()}"
        return Result.from_json(line)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()
