"""The engine room, far away: what a node is asked when it joins, and whether it may."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping

from soundmill import __version__
from soundmill.engine.devices import nvidia_names


def facts() -> dict[str, str]:
    """Of the machine that this runs on. What differs between it and the daemon's is `refusal`'s matter."""
    return {
        "soundmill": __version__,
        "python": ".".join(map(str, sys.version_info[:2])),
        "executable": sys.executable,
        "machine": platform.machine(),
        "gpus": ", ".join(nvidia_names()),
    }


def refusal(name: str, there: Mapping[str, str], here: Mapping[str, str]) -> str | None:
    """Why a node may not work, in one sentence with the mend; None where it may."""
    if there.get("soundmill") != here["soundmill"]:
        found = there.get("soundmill") or "none"
        return (
            f"{name}: has Soundmill {found}, the daemon {here['soundmill']}; there: "
            f"pip install 'soundmill[ray]=={here['soundmill']}'"
        )
    if there.get("python") != here["python"]:
        return (
            f"{name}: runs Python {there.get('python')}, the daemon {here['python']}; start Ray there from a virtual "
            f"environment of Python {here['python']}"
        )
    return None


def no_facts(name: str, reason: str, here: Mapping[str, str]) -> str:
    """Why a node that could not even be asked may not work."""
    if "ModuleNotFoundError" in reason or "No module named" in reason:
        return f"{name}: Soundmill is not installed for the Python that runs Ray there; in that: pip install " + (
            f"'soundmill[ray]=={here['soundmill']}'"
        )
    return f"{name}: does not answer what it has installed ({reason})"
