"""What comes at the daemon from outside, on real processes: it goes on, says it once, and shows it while it lasts."""

from __future__ import annotations

import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.conftest import drop
from service.test_crash import DAEMON, daemon, environment, rows, wait_until
from service.test_storage import NAMESPACE, namespaces_work
from soundmill.home import Home
from support.missing import missing


def done(home: Home, batch: str, count: int = 1) -> Callable[[], bool]:
    sql = f"SELECT n_succeeded FROM batches WHERE name = '{batch}'"
    return lambda: rows(home, sql) == [(count,)]


def troubles(home: Home) -> dict[str, str]:
    return {str(part): str(message) for part, message in rows(home, "SELECT part, message FROM troubles")}


def events(home: Home, kind: str, about: str = "") -> list[str]:
    found = rows(home, f"SELECT message FROM events WHERE kind = '{kind}' AND message LIKE '{about}%' ORDER BY id")
    return [str(row[0]) for row in found]


def status(home: Home) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "soundmill", "--home", str(home.root), "status"], capture_output=True, text=True
    )
    return done.stdout


@pytest.mark.parametrize("error", ["EACCES", "ESTALE", "EIO", "EMFILE"])
def test_an_error_of_the_system_ends_nothing_is_said_once_and_shown_while_it_lasts(home: Home, error: str) -> None:
    fault = home.root / "fault"
    with daemon(home) as process:
        drop(home, "before.csv", 1)
        wait_until(done(home, "before"))
        drop(home, "after.csv", 1)
        fault.symlink_to(error)
        wait_until(lambda: {"inbox", "control"} <= troubles(home).keys())
        time.sleep(1.5)
        assert f"trouble: inbox: {home.inbox}" in status(home)
        assert process.poll() is None
        fault.unlink()
        wait_until(done(home, "after"))
        wait_until(lambda: troubles(home) == {})
    for part in ("inbox", "control"):
        assert len(events(home, "trouble", f"{part}:")) == 1
        assert events(home, "trouble over", f"{part}:") == [f"{part}: works again"]


def test_an_engine_that_the_system_cannot_start_now_is_no_strike(home: Home) -> None:
    (home.root / "fault").symlink_to("EAGAIN subprocess.Popen")
    with daemon(home) as process:
        drop(home, "a.csv", 1)
        wait_until(lambda: "worker cpu" in troubles(home))
        time.sleep(3.0)
        assert process.poll() is None
        (home.root / "fault").unlink()
        wait_until(done(home, "a"))
    assert rows(home, "SELECT max(number), max(strikes) FROM attempts JOIN jobs ON job_id = jobs.id") == [(1, 1)]


def test_without_file_descriptors_left_it_waits_for_some(home: Home) -> None:
    with daemon(home) as process:
        drop(home, "before.csv", 1)
        wait_until(done(home, "before"))
        soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (4, hard))
        drop(home, "after.csv", 2)
        wait_until(lambda: "inbox" in troubles(home))
        time.sleep(1.0)
        assert process.poll() is None
        assert "too many files are open: raise the limit" in troubles(home)["inbox"]
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
        wait_until(done(home, "after", 2))
        wait_until(lambda: troubles(home) == {})
    assert rows(home, "SELECT max(number) FROM attempts") == [(1,)]


def test_a_folder_among_the_control_files_is_refused_once_and_shown_until_it_goes(home: Home) -> None:
    with daemon(home) as process:
        (home.control / "x.json").mkdir()
        (home.control / "y.json").write_text('{"action": "cancel", "target": "nothing"}')
        wait_until(lambda: "control" in troubles(home) and not (home.control / "y.json").exists())
        time.sleep(1.0)
        assert process.poll() is None
        assert "a folder stands where a file should be" in troubles(home)["control"]
        (home.control / "x.json").rmdir()
        wait_until(lambda: troubles(home) == {})
    assert events(home, "control refused", "x.json") == ["x.json: is not a plain file"]
    assert len(events(home, "trouble", "control:")) == 1


def test_an_inbox_replaced_by_a_file_is_waited_for(home: Home) -> None:
    with daemon(home) as process:
        drop(home, "before.csv", 1)
        wait_until(done(home, "before"))
        shutil.rmtree(home.inbox)
        home.inbox.write_text("not a folder")
        wait_until(lambda: "inbox" in troubles(home))
        time.sleep(1.0)
        assert process.poll() is None
        assert "a file stands where a folder should be: move it away" in troubles(home)["inbox"]
        home.inbox.unlink()
        wait_until(home.inbox.is_dir)
        drop(home, "after.csv", 1)
        wait_until(done(home, "after"))
        wait_until(lambda: troubles(home) == {}, 40.0)
    assert len(events(home, "trouble", "inbox:")) == 1


def test_an_inbox_that_is_a_file_at_the_start_is_waited_for(home: Home) -> None:
    shutil.rmtree(home.inbox)
    home.inbox.write_text("not a folder")
    with daemon(home):
        wait_until(lambda: "inbox" in troubles(home))
        home.inbox.unlink()
        wait_until(home.inbox.is_dir)
        drop(home, "a.csv", 1)
        wait_until(done(home, "a"))


WITHOUT_INOTIFY = """
limit() { echo "$1" > /proc/sys/user/max_inotify_instances; }
[ "$1" = "at the start" ] && limit 0
"$2" "$3" "$4" > /dev/null &
trap 'kill -9 $!; exit' TERM
while [ ! -e "$4/none-left" ]; do sleep 0.05; done
limit 0
wait $!
"""


@pytest.mark.parametrize("when", ["at the start", "while it runs"])
def test_without_inotify_instances_files_are_found_later(home: Home, when: str) -> None:
    if not namespaces_work():
        missing("this system lets no namespace be made, in which a limit can be set")
    process = subprocess.Popen(
        [*NAMESPACE, "bash", "-c", WITHOUT_INOTIFY, "test", when, sys.executable, str(DAEMON), str(home.root)],
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(home.catalog.exists)
        if when == "while it runs":
            drop(home, "before.csv", 1)
            wait_until(done(home, "before"))
            (home.root / "none-left").touch()
            time.sleep(0.3)
            home.inbox.rename(home.root / "former")  # another folder wants another watch
            home.inbox.mkdir()
        wait_until(lambda: "inbox watching" in troubles(home))
        drop(home, "after.csv", 1)
        wait_until(done(home, "after"))
        assert "fs.inotify.max_user_instances" in status(home)
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(20)
    assert len(events(home, "trouble", "inbox watching:")) == 1


def test_a_notify_socket_that_goes_is_said_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    address = home.root / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(address))
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        with daemon(home) as process:
            assert heard.recv(100) == b"READY=1"
            heard.close()
            address.unlink()
            wait_until(lambda: "systemd" in troubles(home))
            drop(home, "a.csv", 1)
            wait_until(done(home, "a"))
            assert process.poll() is None
            assert len(events(home, "trouble", "systemd:")) == 1


def test_a_terminal_that_goes_does_not_take_the_daemon_along(home: Home) -> None:
    with daemon(home) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.send_signal(signal.SIGCONT)
        drop(home, "a.csv", 1)
        wait_until(done(home, "a"))
        assert process.poll() is None


def test_the_status_of_a_daemon_that_ended_shows_no_troubles(home: Home) -> None:
    with daemon(home) as process:
        (home.control / "x.json").mkdir()
        wait_until(lambda: "control" in troubles(home))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert troubles(home) == {}
    assert "trouble" not in status(home)


def test_no_trouble_is_in_the_way_of_a_clean_start(home: Home) -> None:
    with daemon(home):
        drop(home, "a.csv", 1)
        wait_until(done(home, "a"))
        assert troubles(home) == {} and events(home, "trouble") == []
    assert Path(home.catalog).exists()


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_date_that_is_set_anew_delays_nothing_and_hurries_nothing(home: Home, seconds: int) -> None:
    with daemon(home, "--backoff", "4") as process:  # and a busy machine may take its time, but no hour
        (home.inbox / "a.csv").write_text("prompt\ncrash\n")
        wait_until(lambda: rows(home, "SELECT not_before FROM jobs WHERE status = 'queued' AND attempt = 1") != [])
        began = time.monotonic()
        (home.root / "date").symlink_to(str(seconds))
        wait_until(lambda: rows(home, "SELECT 1 FROM attempts WHERE number = 2") != [])
        assert 1.0 < time.monotonic() - began < 100.0
        wait_until(lambda: rows(home, "SELECT status FROM jobs") == [("failed",)])
        drop(home, "b.csv", 1)
        wait_until(done(home, "b"), 100.0)
        assert process.poll() is None
    assert events(home, "clock set") == ["1 h back" if seconds < 0 else "1 h forward"]


def test_a_date_that_was_set_back_while_the_daemon_was_down_delays_nothing(home: Home) -> None:
    (home.root / "date").symlink_to("3600")
    (home.inbox / "a.csv").write_text("prompt\ncrash\n")
    with daemon(home) as process:
        wait_until(lambda: rows(home, "SELECT 1 FROM attempts WHERE status = 'failed' AND number = 1") != [])
        process.kill()
        process.wait()
    (home.root / "date").unlink()
    with daemon(home):
        wait_until(lambda: rows(home, "SELECT status FROM jobs") == [("failed",)])
    assert rows(home, "SELECT max(number) FROM attempts") == [(3,)]
