"""What all tests share: the processes' environment, set before anything imports numpy or torch, a real browser, and the
order the modules run in."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from soundmill.engine.process.child import QUIET_WAITING
from support.chromium import FLAGS, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Modules run side by side, and what they compute is small: threads of a BLAS would only spin beside it. The tests of
# what the quality checks find took twice the processor time with them.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
for name, value in (QUIET_WAITING | ONE_THREAD).items():
    os.environ.setdefault(name, value)
if not Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # so the kernels of engine/decoder/programs.py run on the CPU

# A run starts a hundred Python processes. Where the environment keeps no bytecode, as in many containers, each would
# compile Soundmill anew, and each worker every test: 12 s of processor time to collect them instead of 8.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Seven thousand tests and what they import stay to the end. The collector would go through them again and again, first
# while they are made, then at every turn: 2 of 9 s of processor time to collect them, in each worker.
gc.disable()

# From half a minute of processor time down to ten seconds: where modules run side by side, a long one that starts last
# is waited for.
LONGEST_FIRST = (
    "commands/machine/test_installed.py",
    "crashpoints/test_crashpoints.py",
    "publish/desk/test_desk.py",
    "service/test_crash.py",
    "service/test_edge.py",
    "service/test_scoring.py",
    "quality/test_labelled.py",
    "publish/review/test_review.py",
    "test_end_to_end.py",
    "publish/test_accessible.py",
    "service/aside/test_asked.py",
    "engine/test_conformance.py",
    "engine/decoder/test_fused.py",
    "service/test_libreoffice.py",
    "inbox/jobfile/test_sheets.py",
    "quality/test_published.py",
    "service/test_storage.py",
    "report/test_remaking.py",
    "commands/keeping/test_backup.py",
)

# They load transformers' models, three seconds of processor time: once, in one worker.
WITH_TRANSFORMERS = {
    "tests/service/test_scoring.py",
    "tests/engine/scorers/test_scorers.py",
    "tests/engine/audiocraft/test_t5.py",
    "tests/engine/audiocraft/test_tokenizer.py",
}


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors, for a third of the time tests wait for processes; each worker holds torch."""
    return min(4, (os.cpu_count() or 1) + 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        file = item.path.relative_to(Path(__file__).parent).as_posix()
        return LONGEST_FIRST.index(file) if file in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=place)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            one = nodeid.partition("::")[0] in WITH_TRANSFORMERS
            return "with transformers" if one else super()._split_scope(nodeid)

    return Together(config, log)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    binary = chromium()
    from playwright.sync_api import sync_playwright  # the other tests need no browser, and do not load what drives one

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=binary, args=FLAGS)
        yield launched
        launched.close()
