"""Datasette over the catalogue: how it is started, waited for and stopped.

The site only reads. It runs in a process of its own, as the user the daemon runs as (SQLite's write-ahead log
needs that even for reading), opens the file for reading while the daemon writes, and ends with the daemon.
"""

from __future__ import annotations

import errno
import http.client
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import IO, Any

import yaml

from soundmill import logs
from soundmill.errors import CatalogError, ConfigError, SoundmillError
from soundmill.publish.asking import keys

METADATA = Path(str(resources.files("soundmill.publish").joinpath("metadata.yaml")))
OUTPUTS_VARIABLE = "SOUNDMILL_OUTPUTS"  # metadata.yaml reads it, so the path stays out of /-/metadata
HOSTS_VARIABLE = "SOUNDMILL_HOSTS"
SECRET_VARIABLE = "DATASETTE_SECRET"  # Datasette's own
OWN_METADATA = "site.yaml"  # in the home: what somebody adds to ours, or puts in its place
ONLY_WITH_PARENT = "--end-with-parent"
BASE_URL = "--base-url="
HEALTH = "/-/soundmill/healthz"
# What a connection fails with for reasons of the one who asks.
OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})

SETTINGS = {
    "default_page_size": "50",
    "max_returned_rows": "2000",
    "sql_time_limit_ms": "2500",
    "num_sql_threads": "4",  # one slow question does not stop the board
    "default_facet_size": "20",
    "facet_time_limit_ms": "100",
    "suggest_facets": "off",  # it would try each of 45 columns on every page
    "allow_download": "off",  # without its write-ahead log the file is not the catalogue
    "default_cache_ttl": "0",  # the catalogue is alive
    "truncate_cells_html": "600",
    "max_csv_mb": "200",
}

Clock = Callable[[], float]
Pause = Callable[[float], None]


def datasette_arguments(catalog: Path, host: str, port: int, base_url: str = "/") -> list[str]:
    """What follows `datasette` on the command line. The outputs folder is not among it: see `environment`."""
    arguments = ["serve", str(catalog), "--host", host, "--port", str(port), "--metadata", str(METADATA)]
    for name, value in {**SETTINGS, "base_url": base_url}.items():
        arguments += ["--setting", name, value]
    return arguments


def metadata(own: Path) -> dict[str, Any]:
    """Our metadata with what the file `own` says, where there is one. Raises ConfigError."""
    ours = yaml.safe_load(METADATA.read_text(encoding="utf-8"))
    try:
        theirs = yaml.safe_load(own.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return dict(ours)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{own}: cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(theirs, dict | None):
        raise ConfigError(f"{own}: must be a mapping, as Datasette's metadata is: permissions: or plugins:, and so on")
    return _merged(ours, theirs or {})


def _merged(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    both = {**ours, **theirs}
    for name, value in ours.items():
        if isinstance(value, dict) and isinstance(theirs.get(name), dict):
            both[name] = _merged(value, theirs[name])
    return both


def environment(outputs: Path, hosts: Sequence[str], inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment in which Datasette finds the audio, and knows the names it is reached by."""
    return {**inherited, OUTPUTS_VARIABLE: str(outputs.absolute()), HOSTS_VARIABLE: " ".join(hosts)}


def serve(
    catalog: Path, outputs: Path, host: str, port: int, *, hosts: Sequence[str], wait_s: float, base_url: str = "/"
) -> None:
    """Run the site in this process until it is told to stop, waiting up to `wait_s` for the catalogue.

    `hosts` and `base_url` as in `start`. Changes this process's folder and environment, so give it one of its own.
    Raises CatalogError when no catalogue comes, SoundmillError when the port cannot be had or site.yaml be read.
    """
    wait_for_catalog(catalog, wait_s)
    check_port(host, port)
    home = catalog.absolute().parent
    merged = metadata(home / OWN_METADATA)
    os.environ.update(environment(outputs, hosts, {}))
    with suppress(OSError):  # a home that cannot be written: nobody stays logged in for longer than the site runs
        os.environ.setdefault(SECRET_VARIABLE, keys.secret(keys.folder_of(home)))
        keys.note_address(keys.folder_of(home), url_of(host, port, base_url))
    # Datasette puts the path into a URI as it is; a bare name has nothing in it that could mean something there.
    os.chdir(home)

    from datasette.cli import serve as command
    from datasette.plugins import pm

    from soundmill.publish import plugin, serving
    from soundmill.publish.datasettes import settings_from

    quieten()
    if not pm.is_registered(plugin):  # run from a source tree, without the entry point
        pm.register(plugin, name="soundmill")
    arguments = datasette_arguments(Path(catalog.name), host, port, base_url)
    context = command.make_context("datasette", arguments[1:])
    told = {name: io.StringIO(json.dumps(said, default=str)) for name, said in settings_from(merged).items()}
    datasette = context.invoke(command, **{**context.params, **told, "return_instance": True})
    serving.run(datasette.app(), host, port)


def quieten() -> None:
    """Keep the log to what somebody should read."""
    from datasette import handle_exception
    from uvicorn.config import LOGGING_CONFIG

    # The board asks every two seconds: a line for each request would bury the daemon's own.
    LOGGING_CONFIG["loggers"]["uvicorn.access"]["handlers"] = []
    LOGGING_CONFIG["formatters"]["default"] = {"()": "soundmill.logs.formatter"}
    # Where rich is installed, Datasette prints pages of local variables for every address it does not know.
    handle_exception.rich = None


def wait_for_catalog(
    catalog: Path, timeout_s: float, *, clock: Clock = time.monotonic, pause: Pause = time.sleep
) -> None:
    """Return once the catalogue is there with its views. Raises CatalogError after `timeout_s`."""
    end = clock() + timeout_s
    while (reason := _unreadable(catalog)) is not None:
        if clock() >= end:
            raise CatalogError(f"{catalog}: {reason}; `soundmill run` makes the catalogue when it starts")
        pause(0.1)


def _unreadable(catalog: Path) -> str | None:
    if not catalog.is_file():
        return "there is no catalogue yet"
    try:
        db = sqlite3.connect(f"{catalog.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
        try:
            views = db.execute("SELECT count(*) FROM sqlite_master WHERE type = 'view' AND name = 'takes'").fetchone()
        finally:
            db.close()
    except sqlite3.Error as error:
        return f"cannot be read ({error})"
    return None if views[0] else "is not a catalogue, or not finished"


def free_port(host: str) -> int:
    """A port of `host` that nothing listens on at the moment."""
    family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][0]
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_port(host: str, port: int) -> None:
    """Raises SoundmillError when the site could not listen there, with the reason."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise SoundmillError(
            f"the site cannot listen on {host} port {port} ({error.strerror or error}): "
            "choose another with web.port in soundmill.yaml; 0 takes a free one"
        ) from error


def wait_until_up(
    host: str, port: int, timeout_s: float, *, clock: Clock = time.monotonic, pause: Pause = time.sleep
) -> bool:
    """True once the site answers and can read the catalogue, False after `timeout_s`."""
    end = clock() + timeout_s
    while not is_healthy(host, port):
        if clock() >= end:
            return False
        pause(0.1)
    return True


def is_healthy(host: str, port: int) -> bool:
    """Whether the site answers and can read the catalogue. Raises OSError where this process cannot ask at all, for
    want of a descriptor, memory, a port or a name server: that says nothing of the site."""
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=2.0)
    try:
        connection.request("GET", HEALTH)
        return connection.getresponse().status == 200
    except http.client.HTTPException:
        return False
    except OSError as error:
        if error.errno in OURS or isinstance(error, socket.gaierror):
            raise
        return False
    finally:
        connection.close()


def _reachable(host: str) -> str:
    """Where a site that listens everywhere can be asked."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def url_of(host: str, port: int, base_url: str = "/") -> str:
    """Where somebody at this machine finds a site."""
    host = _reachable(host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{base_url}"


@dataclass(slots=True, kw_only=True)
class Site:
    """The site as a process of its own. It ends when it is stopped, or when the process that started it ends."""

    process: subprocess.Popen[bytes]
    host: str
    port: int
    base_url: str = "/"

    @property
    def url(self) -> str:
        return url_of(self.host, self.port, self.base_url)

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def stop(self, timeout_s: float = 5.0) -> None:
        """End it; a download in progress may finish for up to `timeout_s`."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(
    catalog: Path,
    outputs: Path,
    host: str,
    port: int,
    *,
    hosts: Sequence[str] = (),
    base_url: str = "/",
    wait_s: float = 60.0,
    log: IO[bytes] | None = None,
) -> Site:
    """Start the site as a process; port 0 takes a free one. Its messages go to `log`, or where ours go.

    `hosts` are names besides this machine's own that it is reached by, as a proxy's; `base_url` is the path below which
    a proxy shows it. The process waits up to `wait_s`
    for the catalogue. Returns at once: `wait_until_up` says when it answers.
    Raises SoundmillError when the port cannot be had.
    """
    chosen = port or free_port(host)
    check_port(host, chosen)
    command = [
        sys.executable,
        "-m",
        "soundmill.publish.site",
        ONLY_WITH_PARENT,
        f"{BASE_URL}{base_url}",
        str(catalog),
        str(outputs),
        host,
        str(chosen),
        str(wait_s),
        *hosts,
    ]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,  # never written to: it closes when this process ends, however it ends
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C in a terminal reaches the daemon, which then stops the site
    )
    return Site(process=process, host=host, port=chosen, base_url=base_url)


def _end_with_parent() -> None:
    def watch() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def main(arguments: list[str]) -> int:
    """`python -m soundmill.publish.site [--end-with-parent] [--base-url=…] CATALOG OUTPUTS HOST PORT WAIT_S HOSTS…`."""
    base_url = "/"
    if arguments[0] == ONLY_WITH_PARENT:
        _end_with_parent()
        arguments = arguments[1:]
    if arguments[0].startswith(BASE_URL):
        base_url, arguments = arguments[0].removeprefix(BASE_URL), arguments[1:]
    logs.set_up(debug=False)
    catalog, outputs, host, port, wait_s, *hosts = arguments
    try:
        serve(Path(catalog), Path(outputs), host, int(port), hosts=hosts, wait_s=float(wait_s), base_url=base_url)
    except SoundmillError as error:
        print(f"soundmill: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
