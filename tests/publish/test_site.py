"""The site as a process: arguments, waiting, ports, and its end."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from soundmill.errors import CatalogError, SoundmillError
from soundmill.publish import site

from .conftest import Home, close_site, fetch, make_home, open_site


class Time:
    """A clock that moves only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def test_datasette_is_told_to_read_a_changing_file_and_to_listen_only_where_asked() -> None:
    arguments = site.datasette_arguments(Path("/home/catalog.db"), "127.0.0.1", 8001)
    assert arguments[:6] == ["serve", "/home/catalog.db", "--host", "127.0.0.1", "--port", "8001"]
    assert not {"-i", "--immutable", "--crossdb", "--cors", "--root", "--create", "--nolock"} & set(arguments)
    assert arguments[arguments.index("--metadata") + 1] == str(site.METADATA)


def test_datasette_accepts_every_argument(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasette.cli import serve

    arguments = site.datasette_arguments(home.database, "127.0.0.1", 0)
    context = serve.make_context("serve", arguments[1:])
    datasette = serve.callback(**{**context.params, "return_instance": True})
    assert datasette.setting("suggest_facets") is False and datasette.setting("default_page_size") == 50
    assert datasette.crossdb is False and datasette.databases["catalog"].is_mutable
    for name, value in site.environment(Path("/somewhere/outputs"), ["a.example", "b.example"], {}).items():
        monkeypatch.setenv(name, value)
    expected = {"outputs": "/somewhere/outputs", "hosts": "a.example b.example"}
    assert datasette.plugin_config("soundmill") == expected
    context.params["metadata"].close()
    close_site(datasette)


def test_units_are_imported_when_some_are_asked_for() -> None:
    probe = """
import asyncio, sys
from soundmill.publish import site
site.units_later()
from datasette.app import Datasette
before = "datasette.vendored.pint" in sys.modules
told = {"databases": {"made": {"tables": {"t": {"units": {"x": "Hz"}}}}}, "custom_units": ["beat = 0.5 second"]}
datasette = Datasette(metadata=told)
async def ask():
    made = datasette.add_memory_database("made")
    await made.execute_write("create table t (x integer)")
    await made.execute_write("insert into t values (44100)")
    return [(await datasette.client.get(f"/made/t{query}")).text for query in ("", "?x__gt=40kHz", "?x__gt=50kHz")]
shown, more, less = asyncio.run(ask())
print(before, "44.1&nbsp;kHz" in shown, "44.1&nbsp;kHz" in more, "44.1&nbsp;kHz" in less)
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True", "False"]


def test_the_outputs_folder_is_not_told_to_visitors(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(site.OUTPUTS_VARIABLE, str(tmp_path))
    (tmp_path / "b").mkdir()
    (tmp_path / "b/a.wav").write_bytes(b"elsewhere")
    datasette = open_site([home.database])
    assert asyncio.run(datasette.client.get("/-/soundmill/audio/b/a.wav")).content == b"elsewhere"
    assert str(tmp_path) not in asyncio.run(datasette.client.get("/-/metadata.json")).text
    close_site(datasette)


def test_a_missing_catalogue_is_waited_for_and_then_named(tmp_path: Path) -> None:
    time = Time()
    with pytest.raises(CatalogError, match=r"catalog\.db: there is no catalogue yet; `soundmill run` makes"):
        site.wait_for_catalog(tmp_path / "catalog.db", 5.0, clock=time.clock, pause=time.pause)
    assert 5.0 <= time.now < 6.0


@pytest.mark.parametrize(("content", "reason"), [(b"", "not finished"), (b"no database" * 100, "cannot be read")])
def test_what_is_no_catalogue_is_not_served(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(content)
    with pytest.raises(CatalogError, match=reason):
        site.wait_for_catalog(path, 0.0)


def test_a_catalogue_that_comes_late_is_taken(tmp_path: Path) -> None:
    time = Time()

    def pause(seconds: float) -> None:
        time.pause(seconds)
        if time.now > 1 and not (tmp_path / "home").exists():
            make_home(tmp_path / "home").catalog.close()

    site.wait_for_catalog(tmp_path / "home/catalog.db", 5.0, clock=time.clock, pause=pause)
    assert 1.0 < time.now < 2.0


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SoundmillError, match=rf"port {port} .*web\.port in soundmill\.yaml"):
            site.start(tmp_path / "catalog.db", tmp_path, "127.0.0.1", port)


def test_a_free_port_is_free() -> None:
    port = site.free_port("127.0.0.1")
    site.check_port("127.0.0.1", port)
    assert 1024 <= port <= 65535


def test_nobody_home_is_noticed_in_time() -> None:
    time = Time()
    port = site.free_port("127.0.0.1")
    assert not site.wait_until_up("127.0.0.1", port, 1.0, clock=time.clock, pause=time.pause)
    assert 1.0 <= time.now < 1.3


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[site.Site, Path]]:
    """The site as a process, on a home whose path would be taken apart if it were read as a URI."""
    root = tmp_path_factory.mktemp("mill") / "50% off? yes#1"
    made = make_home(root)
    (made.outputs / "b").mkdir()
    (made.outputs / "b/a.wav").write_bytes(b"0123456789")
    log = root / "site.log"
    with log.open("wb") as stream:
        started = site.start(made.database, made.outputs, "127.0.0.1", 0, log=stream)
    assert site.wait_until_up("127.0.0.1", started.port, 20.0), log.read_text()
    yield started, log
    started.stop()
    made.catalog.close()


def test_the_process_serves_pages_and_parts_of_files(running: tuple[site.Site, Path]) -> None:
    started, _ = running
    assert fetch(started, "/-/soundmill")[0] == 200
    status, headers, body = fetch(started, "/-/soundmill/audio/b/a.wav", Range="bytes=2-4")
    assert (status, headers["content-range"], body) == (206, "bytes 2-4/10", b"234")
    status, headers, body = fetch(started, "/-/soundmill/audio/b/a.wav", "HEAD")
    assert (status, headers["content-length"], body) == (200, "10", b"")
    assert fetch(started, "/-/soundmill/audio/b/../../catalog.db.wav")[0] == 404
    assert fetch(started, "/-/soundmill/audio/b/none.wav")[0] == 404
    assert started.running and started.url == f"http://127.0.0.1:{started.port}/"


def test_the_log_has_no_line_per_request(running: tuple[site.Site, Path]) -> None:
    started, log = running
    fetch(started, "/-/soundmill/board.json")
    fetch(started, "/nothing/here")
    assert "board.json" not in log.read_text()
    assert "Uvicorn running" in log.read_text()


def test_it_listens_on_this_machine_alone(running: tuple[site.Site, Path]) -> None:
    started, _ = running
    connections = psutil.Process(started.process.pid).net_connections(kind="inet")
    listening = [entry.laddr for entry in connections if entry.status == psutil.CONN_LISTEN]
    assert listening == [("127.0.0.1", started.port)]


def test_it_stops_when_told(home: Home) -> None:
    started = site.start(home.database, home.outputs, "127.0.0.1", 0, log=None)
    assert site.wait_until_up("127.0.0.1", started.port, 20.0)
    started.stop()
    assert not started.running
    assert not site.wait_until_up("127.0.0.1", started.port, 0.0)


def test_it_ends_with_the_process_that_started_it(home: Home) -> None:
    code = (
        "import sys, time; from pathlib import Path; from soundmill.publish import site\n"
        "started = site.start(Path(sys.argv[1]), Path(sys.argv[2]), '127.0.0.1', 0)\n"
        "site.wait_until_up('127.0.0.1', started.port, 20)\n"
        "print(started.port, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(home.database), str(home.outputs)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    port = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    # The pipe closes once the child, which inherited it, has ended as well.
    assert parent.stdout.read() == ""
    parent.stdout.close()
    assert not site.wait_until_up("127.0.0.1", port, 0.0)


def test_without_a_catalogue_the_process_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(b"")
    assert site.main([str(path), str(tmp_path), "127.0.0.1", "8001", "0"]) == 1
    assert capsys.readouterr().err == (
        f"soundmill: {path}: is not a catalogue, or not finished; `soundmill run` makes the catalogue when it starts\n"
    )


def test_datasettes_plugins_may_be_imported_before_the_rest_of_it() -> None:
    """As programs and other plugins do: ours is loaded while Datasette's app is not there yet."""
    probe = "from datasette.plugins import pm; import soundmill.publish.plugin as ours; print(pm.is_registered(ours))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
