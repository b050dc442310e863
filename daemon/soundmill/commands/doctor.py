"""`soundmill doctor`: what this machine has, what is missing, and the mend, in plain words."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from soundmill.config import Config
from soundmill.engine.devices import describe, find_devices
from soundmill.engine.models import ModelSpec, resolve
from soundmill.errors import UnknownModel
from soundmill.home import Home

Level = Literal["ok", "note", "problem"]
NEEDED = ("audiocraft", "torch", "torchaudio", "datasette", "sqlite-utils", "watchdog", "soundfile")


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    about: str
    finding: str
    mend: str = ""


def examine(home: Home, config: Config, daemon_running: Callable[[Home], bool]) -> Iterator[Finding]:
    yield from _python()
    yield from _devices(config)
    yield from _model(config)
    yield from _storage(home)
    yield from _home(home, daemon_running)
    yield _sqlite()
    yield from _watching()
    yield Finding("ok", "ffmpeg", "not needed: WAV, FLAC, OGG and MP3 are written without it")


def _python() -> Iterator[Finding]:
    yield Finding("ok", "python", sys.version.split()[0])
    for name in NEEDED:
        try:
            yield Finding("ok", name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding("problem", name, "not installed", "pip install --no-deps -r requirements.lock")


def _devices(config: Config) -> Iterator[Finding]:
    for device in find_devices(config.engine.devices):
        if device == "cpu":
            yield Finding(
                "note", "device", f"no GPU in use: {describe(device)}", "an NVIDIA GPU makes full-size models practical"
            )
        else:
            yield Finding("ok", "device", f"{device}: {describe(device)}")


def _model(config: Config) -> Iterator[Finding]:
    try:
        spec = resolve(config.default_model)
    except UnknownModel as error:
        yield Finding("problem", "default model", str(error), "set default_model in soundmill.yaml")
        return
    if spec.is_built_in or Path(spec.name).is_absolute() or weights_cached(spec):
        yield Finding("ok", "default model", f"{spec.name}: its weights are here")
    else:
        yield Finding(
            "note",
            "default model",
            f"{spec.name}: its weights are not downloaded yet; the first job fetches them",
            f"soundmill models pull {spec.name}, or default_model: tiny",
        )


def weights_cached(spec: ModelSpec) -> bool:
    """True when the Hugging Face cache holds this model's language model and codec."""
    hub = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub"
    folder = Path(hub).expanduser() / f"models--{spec.name.replace('/', '--')}" / "snapshots"
    return any(folder.glob("*/state_dict.bin"))


def _storage(home: Home) -> Iterator[Finding]:
    place = next(p for p in (home.root, *home.root.parents) if p.exists())
    free_gb = shutil.disk_usage(place).free / 1e9
    # A 30 s stereo clip as WAV at 32 kHz is 3.8 MB.
    text = f"{free_gb:.1f} GB free at {place}: room for about {free_gb * 1000 / 3.8:,.0f} half-minute stereo WAV clips"
    if free_gb < 1:
        yield Finding("problem", "disk", text, "make room, or move the home with --home")
    else:
        yield Finding("ok", "disk", text)
    if not os.access(place, os.W_OK):
        yield Finding("problem", "home", f"{place} cannot be written", "choose another home, or mend its permissions")


def _home(home: Home, daemon_running: Callable[[Home], bool]) -> Iterator[Finding]:
    if not home.inbox.is_dir():
        yield Finding("note", "home", f"{home.root} is not set up yet", "soundmill init")
    elif daemon_running(home):
        yield Finding("ok", "daemon", f"running on {home.root}")
    else:
        yield Finding("note", "daemon", f"none is running on {home.root}", "soundmill run")


def _sqlite() -> Finding:
    found = f"SQLite {sqlite3.sqlite_version}"
    with sqlite3.connect(":memory:") as db:
        options = {row[0] for row in db.execute("PRAGMA compile_options")}
    db.close()
    if "ENABLE_FTS5" not in options:
        return Finding("problem", "sqlite", f"{found} without FTS5", "use a Python whose SQLite has full-text search")
    if sqlite3.sqlite_version_info < (3, 35):
        return Finding("problem", "sqlite", f"{found} is too old", "3.35 or newer is needed")
    return Finding("ok", "sqlite", f"{found}, with full-text search; the daemon is its only writer")


def _watching() -> Iterator[Finding]:
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    if limit.exists() and int(limit.read_text()) < 16:
        yield Finding(
            "note",
            "inotify",
            f"only {limit.read_text().strip()} instances allowed; new files are then found by the scan alone",
            "sysctl fs.inotify.max_user_instances=128",
        )
