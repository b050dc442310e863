"""What all tests share: the engine processes' environment, set before anything imports torch, a real browser, and the
order the modules run in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from soundmill.engine.process.child import QUIET_WAITING

for name, value in QUIET_WAITING.items():
    os.environ.setdefault(name, value)

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio",
]  # fmt: skip

# Half a minute of work each: where modules run side by side, a long one that starts last is waited for.
LONGEST_FIRST = (
    "quality/test_labelled.py",
    "engine/test_conformance.py",
    "test_end_to_end.py",
    "quality/test_published.py",
    "service/test_crash.py",
    "service/test_scoring.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        file = item.path.relative_to(Path(__file__).parent).as_posix()
        return LONGEST_FIRST.index(file) if file in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=place)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    binary = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        reason = "no chromium on the PATH, and CHROMIUM names none"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=binary, args=FLAGS)
        yield launched
        launched.close()
