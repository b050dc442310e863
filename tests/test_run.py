"""The test run itself: it is green only where everything was there, and a test loads no more than it needs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.missing import missing

TESTS = Path(__file__).resolve().parent
PROBE = """
import sys, pytest
assert pytest.main(["-q", "-p", "no:cacheprovider", "tests/test_systemd.py", "-k", "own_user"]) == 0
print([name for name in ("playwright", "torch", "numpy") if name in sys.modules])
"""


def test_what_is_missing_skips_a_test_and_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no chromium"):
        missing("no chromium")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no chromium"):
        missing("no chromium")


def test_only_a_missing_gpu_skips_a_test_in_ci_too() -> None:
    """Whatever else a machine may lack goes through support/missing.py."""
    words = ("pytest." + "skip(", "pytest.mark." + "skip", "importor" + "skip(")
    skipping = {
        path.relative_to(TESTS).as_posix()
        for path in TESTS.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in words)
    }
    assert skipping <= {"support/missing.py", "engine/decoder/test_on_gpu.py"}


def test_no_module_that_a_test_may_import_loads_transformers() -> None:
    """Three seconds, which every worker would spend on collecting; a function that needs it imports it."""
    at_the_top = re.compile(r"^(from|import) transformers\b", re.MULTILINE)
    paths = [path for folder in ("tests", "training", "daemon") for path in (TESTS.parent / folder).rglob("*.py")]
    assert [path for path in paths if at_the_top.search(path.read_text(encoding="utf-8"))] == []


def test_a_test_without_a_browser_loads_none() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=TESTS.parent, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"
