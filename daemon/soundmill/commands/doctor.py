"""`soundmill doctor` and `models`: what this machine has, what is missing, and the mend, in plain words."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from soundmill import plugins
from soundmill.commands import terminal as show
from soundmill.config import AUTO, Config, load
from soundmill.engine.devices import describe
from soundmill.engine.models import ModelSpec, known, resolve
from soundmill.engine.scorers.registry import scorers
from soundmill.errors import ConfigError, SoundmillError, UnknownModel, UsageError
from soundmill.home import Home, daemon_running
from soundmill.quality.registry import all_checks
from soundmill.schedule.places import serves
from soundmill.service import wiring

Level = Literal["ok", "note", "problem"]
MARKS: dict[Level, str] = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}
MODELS = {
    "short": "name", "name": "Hugging Face id", "parameters_m": "M parameters", "gpu_gb": "GPU GB",
    "download_gb": "download GB", "licence": "licence", "here": "here",
}  # fmt: skip
NEEDED = ("audiocraft", "torch", "torchaudio", "datasette", "sqlite-utils", "watchdog", "soundfile")


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    about: str
    finding: str
    mend: str = ""


def doctor(home: Home, *, as_json: bool) -> None:
    """Print the findings; raises SoundmillError when one is a problem."""
    findings = list(examine(home, load(home)))
    if as_json:
        show.print_json([asdict(finding) for finding in findings])
    else:
        for found in findings:
            print(f"{MARKS[found.level]}  {found.about}: {found.finding}")
            if found.mend:
                print(f"         -> {found.mend}")
    if any(found.level == "problem" for found in findings):
        raise SoundmillError("something needed is missing")


def models(*, as_json: bool) -> None:
    """Print the models known by name, and which of them are here."""
    rows = [
        {**asdict(spec), "family": spec.family.name, "here": not spec.is_hub or weights_cached(spec)}
        for spec in known()
    ]
    show.table(rows, MODELS, "", as_json=as_json)


def pull_model(name: str, say: Callable[[str], None]) -> None:
    """Download a model's weights. Raises EngineError."""
    from soundmill.engine.audiocraft.loading import pull

    spec = resolve(name)
    say(f"{spec.name}: licence of the weights: {spec.licence}")
    say(f"{spec.name}: {pull(spec, report=None if show.is_terminal() else say)}")


def pull_everywhere(home: Home, name: str, say: Callable[[str], None]) -> None:
    """Download a model's weights, and send them to every machine of the cluster that makes its clips and lacks them.

    Raises EngineError, ConfigError, UsageError, and SoundmillError where a machine could not be reached.
    """
    from soundmill.engine.audiocraft.loading import repositories
    from soundmill.engine.remote.access import environment

    config = load(home)
    address = config.cluster.address
    if address in (None, "local"):
        raise UsageError(f"{home.config_file}: names no cluster of other machines (cluster: {{address: HOST:PORT}})")
    if find_spec("ray") is None:
        raise UsageError(f"Ray is not installed for {sys.executable}: pip install 'soundmill[ray]'")
    pull_model(name, say)
    spec, places = resolve(name), wiring.places_of(config)
    found = repositories(spec)
    if not found:
        raise UsageError(f"{name}: is built in, or a folder that each machine must have by itself")
    os.environ |= environment(address, home.cluster_token)  # before Ray is imported, which reads it then
    from soundmill.engine.remote.pushing import push

    push(address, found, say, lambda machine: serves(places, f"{machine}/", spec.name))


def verify_model(name: str, *, as_json: bool) -> None:
    """Load a model's weights and print whether they are whole; raises SoundmillError when they are not."""
    from soundmill.engine.audiocraft.loading import verify

    report = verify(resolve(name))
    if as_json:
        show.print_json(asdict(report))
    else:
        print(report)
    if not report.ok:
        raise SoundmillError(f"{name}: not whole; fetch it again: soundmill models pull {name}")


def examine(home: Home, config: Config) -> Iterator[Finding]:
    yield from _python()
    yield from _plugins()
    yield from _devices(config)
    yield from _model(config)
    yield from _scorers(config)
    yield from _storage(home)
    yield from _home(home)
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


def _plugins() -> Iterator[Finding]:
    all_checks(), known(), scorers()  # asks the plugins, and so finds out which of them are wrong
    for name in plugins.names():
        yield Finding("ok", "plugin", name)
    for name, reason in plugins.broken().items():
        yield Finding("problem", "plugin", f"{name} is left out: {reason}", "update or uninstall its package")


def _devices(config: Config) -> Iterator[Finding]:
    if (address := config.cluster.address) is not None:
        if find_spec("ray") is None:
            yield Finding("problem", "cluster", f"{address}: Ray is not installed", "pip install 'soundmill[ray]'")
        else:
            yield Finding("ok", "cluster", f"{address}; its machines: soundmill cluster status")
    try:
        wiring.places_of(config)
    except ConfigError as error:
        yield Finding("problem", "cluster", str(error), "name one of soundmill models list")
    for device in wiring.devices_of(config):
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
    if not spec.is_hub or weights_cached(spec):
        yield Finding("ok", "default model", f"{spec.name}: its weights are here")
    else:
        yield Finding(
            "note",
            "default model",
            f"{spec.name}: its weights are not downloaded yet; the first job fetches them",
            f"soundmill models pull {spec.name}, or default_model: tiny",
        )


def _scorers(config: Config) -> Iterator[Finding]:
    if config.scoring.scorers == (AUTO,):
        found = " and ".join(config.scoring.chosen)
        if found:
            yield Finding("ok", "scorers", f"auto: takes are scored by {found}")
        else:
            yield Finding("note", "scorers", "auto: none is on this machine", "docs/scoring.md says how they are had")


def weights_cached(spec: ModelSpec) -> bool:
    """True when the Hugging Face cache holds this model's language model and codec."""
    folder = hub_cache() / f"models--{spec.name.replace('/', '--')}" / "snapshots"
    return any(folder.glob("*/state_dict.bin"))


def hub_cache() -> Path:
    """Where the Hugging Face client keeps what it fetched."""
    hub = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub"
    return Path(hub).expanduser().absolute()


def free_gb_at(folder: Path) -> tuple[Path, float]:
    """The folder, or the nearest above it that is there, and the free space there in 10⁹ bytes."""
    place = next(p for p in (folder, *folder.parents) if p.exists())
    return place, shutil.disk_usage(place).free / 1e9


def _storage(home: Home) -> Iterator[Finding]:
    place, free_gb = free_gb_at(home.root)
    # A 30 s stereo clip as WAV at 32 kHz is 3.8 MB.
    text = f"{free_gb:.1f} GB free at {place}: room for about {free_gb * 1000 / 3.8:,.0f} half-minute stereo WAV clips"
    if free_gb < 1:
        yield Finding("problem", "disk", text, "make room, or move the home with --home")
    else:
        yield Finding("ok", "disk", text)
    if not os.access(place, os.W_OK):
        yield Finding("problem", "home", f"{place} cannot be written", "choose another home, or mend its permissions")


def _home(home: Home) -> Iterator[Finding]:
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
