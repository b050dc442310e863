"""The published site as it is served: everything can be heard and asked, nothing changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page

from soundmill.publish.guard import ASKED_BY_POST

PAGES = ["", "-/soundmill", "-/soundmill/batches", "-/soundmill/batch/forest", "-/soundmill/grid/sweep",
         "-/soundmill/picks", "-/soundmill/files", "-/soundmill/review", "catalog", "catalog/takes",
         "catalog?sql=select+count(*)+from+takes", "-/soundmill/compare?batch=sweep&row=1"]  # fmt: skip

HIDDEN = ("torch", "torchaudio", "audiocraft", "scipy", "soundfile", "soxr", "rich", "matplotlib", "PIL", "watchdog")


def got(url: str, method: str = "GET", data: bytes | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=data), timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("path", PAGES)
def test_its_pages_are_there_say_that_they_are_a_copy_and_weigh_little(page: Page, served: str, path: str) -> None:
    weights: list[int] = []
    page.on("response", lambda answer: weights.append(len(answer.body()) if "events" not in answer.url else 0))
    answer = page.goto(served + path)
    assert answer is not None and answer.status == 200
    page.wait_for_load_state()
    text = page.inner_text("body")
    assert "does not answer" not in text and "soundmill web --link" not in text
    if path.startswith("-/soundmill"):
        assert "A frozen copy of" in text
        assert sum(weights) < 300_000  # Datasette's own pages bring its editor


def test_a_take_plays_and_tells_its_details(page: Page, served: str, copies: Path) -> None:
    page.goto(served + "-/soundmill/review?batch=forest")
    page.wait_for_selector(".sm-review:not(.sm-loading)")
    page.keyboard.press("j")
    page.wait_for_function("document.querySelector('[data-part=now]').textContent > '0:00.2'")
    page.keyboard.press("5")
    assert page.locator("[data-part=login]").is_visible()
    status, body = got(served + "-/soundmill/audio/forest/clip-001.ogg.json")
    assert status == 200 and json.loads(body)["stars"] == 4.5  # of two people
    assert not (copies / "site" / ".site").exists()


@pytest.mark.parametrize("path", sorted(ASKED_BY_POST))
def test_nothing_can_be_asked_for(served: str, path: str) -> None:
    status, body = got(served.rstrip("/") + path, "POST", b"{}")
    assert (status, b"a frozen copy" in body) == (403, True)


@pytest.mark.parametrize("path", ["-/soundmill/enter?token=x", "-/soundmill/compose", "-/soundmill/deliveries.json"])
def test_there_is_no_way_in(served: str, path: str) -> None:
    assert got(served + path)[0] in (401, 403)
    assert got(served + path, "DELETE")[0] == 403


def test_its_requirements_pin_what_its_dockerfile_installs(copies: Path) -> None:
    lines = (copies / "site" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in lines)
    assert any(line.startswith("datasette==") for line in lines)
    text = (copies / "site" / "Dockerfile").read_text(encoding="utf-8")
    assert "COPY requirements.txt" in text and "USER nobody" in text and "soundmill.publish.site" in text


def test_its_code_needs_no_more_than_its_requirements(copies: Path) -> None:
    """What it imports, heavy parts of Soundmill hidden."""
    program = (
        f"import sys\nfor name in {HIDDEN!r}: sys.modules[name] = None\n"
        "import soundmill, soundmill.publish.plugin, soundmill.publish.site, soundmill.config\n"
        "print(soundmill.__file__)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(copies / "site" / "plugin")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, cwd=copies
    )
    assert done.stdout.startswith(str(copies / "site" / "plugin"))
