"""The system's Chromium: where it is and how the tests start it."""

from __future__ import annotations

import os
import shutil

from support.missing import missing

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio",
)  # fmt: skip


def chromium() -> str:
    """Its binary: the one that CHROMIUM names, or the first on the PATH."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    return found or missing("no chromium on the PATH, and CHROMIUM names none")
