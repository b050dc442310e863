"""Looking at the catalogue, while a daemon writes it or not: `soundmill status`, `jobs` and `web`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from soundmill.catalog.reader import Reader
from soundmill.commands import terminal as show
from soundmill.home import Home, daemon_running, find_home
from soundmill.publish.health import pulse
from soundmill.publish.health.state import Health

SITE_PATIENCE_S = 60.0  # how long the site waits for a daemon to make the catalogue
TOLD_EVERY_S = 1.0  # of which systemd lets some sixty pass without (WatchdogSec of soundmill-web.service)
COUNTS = ("queued", "running", "succeeded", "failed", "flagged")
BATCHES = {
    "batch": "batch", "status": "status", "done": "done", "job_count": "of", "n_failed": "failed",
    "flagged": "flagged", "jobs_per_hour": "per hour",
}  # fmt: skip
WORKERS = {
    "worker": "worker", "status": "status", "model": "model", "running": "clips", "slots": "slots", "error": "error",
}  # fmt: skip
MACHINES = {
    "machine": "machine", "state": "state", "gpus": "GPUs", "cpus": "CPUs", "engines": "engines", "running": "clips",
    "address": "address", "why": "why",
}  # fmt: skip
JOBS = {
    "batch": "batch", "job": "job", "status": "status", "model": "model", "seed": "seed", "attempts": "attempts",
    "prompt": "prompt", "audio": "audio", "error": "error",
}  # fmt: skip


def catalogue(home: str | Path | None = None) -> Reader:
    """The catalogue of a home folder, to read: batches, jobs and takes as plain dicts. Close it, or use `with`.

    `home`: as the command's --home; None is $SOUNDMILL_HOME or ~/soundmill. Raises CatalogError where there is no
    catalogue yet.
    """
    return Reader.open(find_home(None if home is None else str(home)).catalog)


def status(home: Home, *, as_json: bool) -> None:
    """Print what waits, runs and is done."""
    with Reader.open(home.catalog) as reader:
        overview, batches, workers = reader.overview(), reader.batches(limit=20), reader.workers()
        notices, running = reader.inbox_notices(), daemon_running(home)
        machines = reader.machines() if running else []
        health = health_of(home, reader, gone=not running)
    if as_json:
        found = {"daemon_running": running, "overview": overview, "batches": batches, "workers": workers}
        found |= {"machines": machines}
        told = health.as_json()
        show.print_json(found | {"inbox": notices, "troubles": told.pop("troubles"), "daemon": told})
        return
    print(f"daemon: {'running' if running else 'not running'} on {home.root}")
    if health.life.message is not None and health.life.state not in ("stopped", "unknown"):
        print(f"daemon: {health.life.message}")
    print(", ".join(f"{overview[key]} {key}" for key in COUNTS))
    for trouble in health.troubles:
        since = f" (since {trouble['began_at']})" if trouble["began_at"] else ""
        print(f"trouble: {trouble['part']}: {trouble['message']}{since}")
    for notice in notices:
        print(f"inbox: {notice['kind']}: {notice['file']} {notice['message']}")
    for line in health.lines:
        print(line)
    print()
    show.table([row for row in batches if row["archived_at"] is None], BATCHES, "No batch yet.")
    print()
    if machines:
        show.table(machines, MACHINES, "")
        print()
    show.table(workers, WORKERS, "No worker yet.")


def machines(home: Home, *, as_json: bool) -> None:
    """Print the machines of the cluster that the daemon sees."""
    with Reader.open(home.catalog) as reader:
        rows = reader.machines() if daemon_running(home) else []
    show.table(rows, MACHINES, "No machine: the daemon does not run, or sees none.", as_json=as_json)


def health_of(home: Home, reader: Reader, *, gone: bool) -> Health:
    """How the daemon is, as the site tells it."""
    row, file = pulse.unpacked(reader.heartbeat()), pulse.read(pulse.beside(home.catalog))
    life = pulse.life(row, file, now=time.time(), steady_s=time.monotonic(), gone=gone)
    return Health.of(life, reader.troubles(), reader.storage(), reader.alert_posts(), reader.upkeep())


def watch(home: Home) -> None:
    """Draw the progress of what is unfinished, until interrupted."""
    with (
        Reader.open(home.catalog) as reader,
        contextlib.suppress(KeyboardInterrupt),
        contextlib.closing(show.BatchBars(time.monotonic)) as bars,
    ):
        while True:
            bars.update(reader.batches(limit=50))
            time.sleep(0.5)


def jobs(home: Home, batch: str | None, wanted: str | None, limit: int, *, as_json: bool) -> None:
    """Print jobs, of one batch or of all, in one status or in any."""
    with Reader.open(home.catalog) as reader:
        rows = reader.jobs(batch, status=wanted, limit=limit)
    show.table(rows, JOBS, "No such jobs.", as_json=as_json, names=2)


def web(home: Home, port: int | None, say: Callable[[str], object]) -> None:
    """Serve the site until interrupted, on `port` or else that of soundmill.yaml; 0 takes a free one."""
    from soundmill.commands.asking.link import offer
    from soundmill.config import load
    from soundmill.publish.site import free_port, is_healthy, serve, url_of
    from soundmill.schedule.loop import LoopThread
    from soundmill.service import systemd

    def tell() -> None:
        """That the site answers, as a visitor would find out; where that stays away systemd starts another."""
        with contextlib.suppress(OSError):
            if is_healthy(settings.host, chosen):
                systemd.tell("READY=1\nWATCHDOG=1")
        pulse.pause(TOLD_EVERY_S)

    settings = load(home).web
    if home.catalog.is_file():
        Reader.open(home.catalog).close()  # raises where the pages could not read it
    chosen = (settings.port if port is None else port) or free_port(settings.host)
    url = url_of(settings.host, chosen, settings.base_url)
    say(f"site: {url} (Ctrl-C ends it)")
    offer(home, url, say)
    pulse = LoopThread("pulse", tell, clock=time.monotonic)
    if systemd.listens():
        pulse.start()
    serve(
        home.catalog,
        home.outputs,
        settings.host,
        chosen,
        hosts=settings.hosts,
        wait_s=SITE_PATIENCE_S,
        base_url=settings.base_url,
    )
