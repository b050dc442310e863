"""Alerts: what is told, to whom, how often, and that nobody who is told can hold anything up."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.conftest import config as settings
from service.conftest import drop, home, serving  # noqa: F401  # home is a fixture
from service.test_crash import daemon, rows, run_to_the_end, wait_until
from service.test_edge import troubles
from soundmill.catalog.rows import Event
from soundmill.config import AlertKind, AlertsConfig, Config, load
from soundmill.errors import AlertNotSent, ConfigError
from soundmill.home import Home
from soundmill.service.telling import send
from soundmill.service.telling.alerts import KINDS, alert_of
from soundmill.service.telling.teller import MOST_CAUSES, MOST_WAITING, WAITS_S, Teller

ALL = tuple(AlertKind.__args__)  # type: ignore[attr-defined]


class Receiver:
    """A web server that notes what it is sent, and answers `status`, after `delay_s`."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.delay_s = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.status < 300:
                    outer.got.append(json.loads(body))
                outer.headers.append(dict(self.headers))
                time.sleep(outer.delay_s)
                with suppress(OSError):
                    self.send_response(outer.status)
                    if outer.status == 302:
                        self.send_header("Location", "/elsewhere")
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}/hook/s3cret"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def kinds(self) -> list[str]:
        return [alert["kind"] for alert in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


# -- one alert on its way ---------------------------------------------------------------------


def test_a_post_brings_json_and_the_token(receiver: Receiver) -> None:
    send.post(receiver.address, b'{"kind": "test"}', token="t0ken", timeout_s=5.0)
    assert receiver.got == [{"kind": "test"}]
    assert receiver.headers[0]["Authorization"] == "Bearer t0ken"
    assert receiver.headers[0]["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_any_other_answer_than_yes_is_a_failure(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(AlertNotSent, match=f"the receiver answered {status}"):
        send.post(receiver.address, b"{}", token=None, timeout_s=5.0)
    assert len(receiver.headers) == 1, "a redirection is not followed: it would lose the body"


def test_a_receiver_that_hangs_is_left() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        began = time.monotonic()
        with pytest.raises(AlertNotSent, match="took too long"):
            send.post(f"http://127.0.0.1:{deaf.getsockname()[1]}/", b"{}", token=None, timeout_s=0.3)
        assert time.monotonic() - began < 5.0


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:1/s3cret", "http://[s3cret/", "http://a b/s3cret", "http://s3cret.invalid:port/",
     "ftp://s3cret/", "file:///etc/passwd", "http://h/\ns3cret", "http://ünïcode-s3cret..invalid/", ""],
)  # fmt: skip
def test_what_cannot_be_reached_is_said_without_the_address(address: str) -> None:
    with pytest.raises(AlertNotSent) as caught:
        send.post(address, b"{}", token=None, timeout_s=2.0)
    assert "s3cret" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("token", ["to\nken", "tökén\u2603", "to\r\nX-Evil: 1"])
def test_a_token_that_no_header_takes_is_not_told(receiver: Receiver, token: str) -> None:
    with pytest.raises(AlertNotSent) as caught:
        send.post(receiver.address, b"{}", token=token, timeout_s=2.0)
    assert token[:2] not in str(caught.value).split("alerts.token")[0].split() and not receiver.got


def test_a_program_gets_json_and_no_shell_sees_it(tmp_path: Path) -> None:
    script = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read() + sys.argv[2])"
    argv = (sys.executable, "-c", script, "told.txt", "$(touch evil); *")
    send.run(argv, b'{"kind": "test"}', folder=tmp_path, timeout_s=20.0)
    assert (tmp_path / "told.txt").read_text() == '{"kind": "test"}$(touch evil); *'
    assert not (tmp_path / "evil").exists()


def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    script = 'sleep 600 & echo $! > "$0"; sleep 600'
    with pytest.raises(AlertNotSent, match="took longer than"):
        send.run(("sh", "-c", script, "pid"), b"{}", folder=tmp_path, timeout_s=0.5)
    wait_until(lambda: not psutil.pid_exists(int((tmp_path / "pid").read_text())))


def test_a_program_that_leaves_something_behind_is_not_waited_for(tmp_path: Path) -> None:
    send.run(("sh", "-c", "sleep 600 & exit 0"), b"{}", folder=tmp_path, timeout_s=20.0)


def test_a_program_that_reads_nothing_is_no_failure(tmp_path: Path) -> None:
    send.run(("true",), b"x" * 1_000_000, folder=tmp_path, timeout_s=20.0)


@pytest.mark.parametrize(
    ("argv", "says"),
    [(("sh", "-c", "echo no such room >&2; exit 3"), "sh ended with 3: no such room"),
     (("/no/such/program",), "No such file or directory"), (("sh", "-c", "kill -9 $$"), "ended with -9")],
)  # fmt: skip
def test_a_program_that_fails_is_said_to(tmp_path: Path, argv: tuple[str, ...], says: str) -> None:
    with pytest.raises(AlertNotSent, match=says):
        send.run(argv, b"{}", folder=tmp_path, timeout_s=20.0)


def test_secrets_are_read_where_they_stand_each_time(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    monkeypatch.setenv("HOOK", receiver.address)
    (way,) = send.ways(AlertsConfig(webhook="env:HOOK", token=f"file:{token}"), tmp_path).values()
    way(b"{}")
    token.write_text("second\n")
    way(b"{}")
    assert [each["Authorization"] for each in receiver.headers] == ["Bearer first", "Bearer second"]
    token.unlink()
    with pytest.raises(AlertNotSent, match=r"alerts\.token: .*No such file"):
        way(b"{}")
    monkeypatch.delenv("HOOK")
    with pytest.raises(AlertNotSent, match=r"alerts\.webhook: the daemon's environment has no HOOK"):
        way(b"{}")


# -- soundmill.yaml ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{webhook: 'gopher://s3cret'}", "alerts.webhook"),
        ("{webhook: 'https://'}", "alerts.webhook"),
        ("{webhook: 'https://a/s3cret\\nb'}", "alerts.webhook"),
        ("{token: 's3cret'}", "alerts.token"),
        ("{command: 'mail s3cret'}", "alerts.command"),
        ("{command: ['']}", "alerts.command"),
        ("{on: [batch_finished, s3cret]}", "alerts.on"),
        ("{on: sometimes}", "alerts.on"),
        ("{repeat_s: -1}", "alerts.repeat_s"),
        ("{timeout_s: 0}", "alerts.timeout_s"),
        ("{webhok: 'https://s3cret'}", "alerts.webhok"),
    ],
)
def test_settings_that_make_no_sense_are_refused_without_telling_a_secret(
    home: Home,  # noqa: F811
    text: str,
    field: str,
) -> None:
    home.config_file.write_text(f"alerts: {text.replace(chr(39), chr(34))}\n")
    with pytest.raises(ConfigError) as caught:
        load(home)
    assert field in str(caught.value) and "s3cret" not in str(caught.value)


def test_every_kind_of_alert_comes_of_an_event() -> None:
    assert {*KINDS.values(), "batch_finished", "batch_failed"} == set(ALL)


# -- which, and how often ---------------------------------------------------------------------


class Board:
    """Events in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.settings: dict[str, str] = {}

    def last_event(self) -> int:
        return len(self.events)

    def events_after(self, event_id: int, limit: int) -> list[Event]:
        return self.events[event_id : event_id + limit]

    def get_setting(self, key: str) -> str | None:
        return self.settings.get(key)

    def set_setting(self, key: str, value: str) -> None:
        self.settings[key] = value

    def event(self, kind: str, message: str, **about: Any) -> None:
        self.events.append(Event(id=len(self.events) + 1, at=1.0, kind=kind, message=message, **about))


tellers: list[Told] = []


@pytest.fixture(autouse=True)
def no_teller_stays() -> Iterator[None]:
    yield
    while tellers:
        tellers.pop().teller.stop(5.0)


class Told:
    """A teller whose rounds the test makes, with time that stands still until told."""

    def __init__(self, board: Board, **changes: Any) -> None:
        tellers.append(self)
        self.now = 1_000_000.0
        self.got: list[dict[str, Any]] = []
        self.broken = False
        self.troubles: list[str | None] = []
        values: dict[str, Any] = {
            "home": Path("/home"), "wanted": ALL, "repeat_s": 900.0, "trouble": self.troubles.append,
            "clock": lambda: self.now, "steady": lambda: self.now, "look_every_s": 3600.0,
        }  # fmt: skip
        self.teller = Teller("webhook", self.send, board, **values | changes)
        wait_until(lambda: self.teller._thread.is_alive() and not self.teller._wake.is_set())
        time.sleep(0.05)  # its first round, of nothing

    def send(self, body: bytes) -> None:
        if self.broken:
            raise AlertNotSent("nobody there")
        self.got.append(json.loads(body))

    def after(self, seconds: float = 0.0) -> list[str]:
        """The kinds and messages that are told in a round some time later."""
        self.now += seconds
        before = len(self.got)
        self.teller.step()
        return [f"{each['kind']}: {each['message']}" for each in self.got[before:]]


def test_of_one_cause_there_is_one_alert_in_its_time_and_then_one_that_counts() -> None:
    board = Board()
    told = Told(board)
    for n in range(5):
        board.event("trouble", f"inbox: cannot be read {n}")
    board.event("trouble", "control: cannot be read")
    assert told.after() == [
        "trouble: trouble: inbox: cannot be read 0",
        "trouble: trouble: control: cannot be read",
    ]
    assert told.after(600.0) == []
    assert told.after(301.0) == ["trouble: trouble: inbox: cannot be read 4"]
    assert told.got[-1]["others"] == 3 and "(and 3 more of the kind)" in told.got[-1]["text"]
    assert told.after(10_000.0) == []


def test_a_thousand_refused_files_are_two_alerts() -> None:
    board = Board()
    told = Told(board)
    for n in range(1000):
        board.event("file rejected", f"{n}.csv: 1 problem")
    assert len(told.after()) == 1
    assert told.after(901.0) == ["file_rejected: file rejected: 999.csv: 1 problem"]
    assert told.got[-1]["others"] == 998


def test_a_thousand_batches_are_not_a_thousand_alerts() -> None:
    board = Board()
    told = Told(board)
    counts = {"jobs": 1, "succeeded": 1, "failed": 0, "cancelled": 0, "flagged": 0}
    for n in range(1000):
        board.event("batch finished", f"b{n}: 1 succeeded", batch=f"b{n}", counts=counts)
    assert len(told.after()) == MOST_CAUSES + 1
    assert len(told.after(901.0)) == 1
    assert len(json.loads(board.settings["alerts webhook"])["told"]) == 1


def test_nothing_old_is_told_at_the_start_and_what_came_meanwhile_is() -> None:
    board = Board()
    board.event("trouble", "inbox: long ago")
    first = Told(board)
    assert first.after() == []
    first.teller.stop(5.0)
    board.event("worker replaced", "worker cpu ended", worker="cpu")
    second = Told(board)
    second.after()
    assert [each["kind"] for each in second.got] == ["worker_died"] and second.got[0]["worker"] == "cpu"


def test_what_was_to_be_sent_when_it_died_is_sent_after() -> None:
    """It is on record before it is tried."""
    board = Board()
    first = Told(board)
    first.broken = True
    board.event("storage unavailable", "the disk is full")
    first.after()
    assert first.got == []
    second = Told(board)  # as after a kill: the first never stopped
    second.after()
    assert [each["kind"] for each in second.got] == ["storage_closed"]


def test_a_receiver_that_is_away_is_tried_again_ever_later_and_then_given_up() -> None:
    board = Board()
    told = Told(board)
    told.broken = True
    board.event("daemon died", "long ago")
    told.after()
    for wait_s in WAITS_S:
        assert told.after(wait_s - 0.5) == []
        told.after(1.0)
    assert [event.kind for event in board.events] == ["daemon died", "alert failed"]
    state = json.loads(board.settings["alerts webhook"])
    assert (state["failed"], state["sent"], state["outbox"]) == (1, 0, [])
    assert told.troubles[-1] == "nobody there"
    told.broken = False
    board.event("storage unavailable", "the disk is full")
    assert told.after(WAITS_S[-1] + 1) == ["storage_closed: storage unavailable: the disk is full"]
    assert told.troubles[-1] is None


def test_what_waits_is_bounded() -> None:
    board = Board()
    told = Told(board, repeat_s=0.0)
    told.broken = True
    for n in range(MOST_WAITING + 50):
        board.event("file rejected", f"{n}.csv")
        told.after(0.001)
    assert len(json.loads(board.settings["alerts webhook"])["outbox"]) == MOST_WAITING


def test_only_what_is_wanted_is_told() -> None:
    board = Board()
    told = Told(board, wanted=("batch_failed",))
    counts = {"jobs": 2, "succeeded": 1, "failed": 1, "cancelled": 0, "flagged": 0}
    board.event("trouble", "inbox: cannot be read")
    board.event("batch finished", "good: 2 succeeded", batch="good", counts=counts | {"failed": 0})
    board.event("batch finished", "bad: 1 succeeded, 1 failed", batch="bad", counts=counts)
    assert told.after() == ["batch_failed: batch finished: bad: 1 succeeded, 1 failed"]
    assert told.got[0]["batch"] == {"name": "bad", **counts}


def test_who_wants_to_hear_of_every_end_hears_of_bad_ones_too() -> None:
    counts = {"jobs": 1, "succeeded": 0, "failed": 1, "cancelled": 0, "flagged": 0}
    event = Event(id=1, at=1.0, kind="batch finished", message="bad: 1 failed", batch="bad", counts=counts)
    found = alert_of(event, {"batch_finished"})
    assert found is not None and found["kind"] == "batch_finished"


def test_troubles_of_alerts_are_no_alerts() -> None:
    event = Event(id=1, at=1.0, kind="trouble", message="alerts webhook: the receiver answered 500")
    assert alert_of(event, ALL) is None


def test_what_the_catalogue_did_not_take_is_told_at_once_and_not_again_when_it_does() -> None:
    board = Board()
    told = Told(board)
    told.teller.tell(Event(id=0, at=1.0, kind="trouble", message="heartbeat: the disk is full"))
    wait_until(lambda: told.got != [])
    board.event("trouble", "heartbeat: the disk is full")
    assert told.after() == [] and told.after(901.0) == []
    assert len(told.got) == 1


@pytest.mark.parametrize("moved_s", [-7200.0, 7200.0])
def test_a_date_that_is_set_anew_silences_nothing_for_longer(moved_s: float) -> None:
    board = Board()
    told = Told(board)
    board.event("trouble", "inbox: a")
    told.after()
    told.after(moved_s)
    board.event("trouble", "inbox: b")
    told.after()
    told.after(901.0)
    assert [each["message"] for each in told.got] == ["trouble: inbox: a", "trouble: inbox: b"]


@pytest.mark.parametrize("text", ["", "null", "{", "[]", '{"upto": 3, "news": 1}'])
def test_a_state_that_nobody_can_read_is_begun_anew(text: str) -> None:
    board = Board()
    board.event("trouble", "inbox: old")
    board.settings["alerts webhook"] = text
    assert Told(board).after() == []


# -- the daemon -------------------------------------------------------------------------------


def with_alerts(receiver: Receiver, **more: Any) -> str:
    return "alerts: " + json.dumps({"webhook": receiver.address, **more}) + "\n"


def test_a_batch_that_ends_a_refused_file_and_a_death_are_told(home: Home, receiver: Receiver) -> None:  # noqa: F811
    home.config_file.write_text(with_alerts(receiver))
    with daemon(home) as process:
        drop(home, "good.csv", 2)
        drop(home, "bad.csv", 1, column="promt")
        (home.inbox / "worse.csv").write_text("prompt\nfail permanently\nfine\n")
        wait_until(lambda: len(receiver.got) == 3)
        process.kill()
    told = {alert["kind"]: alert for alert in receiver.got}
    assert told.keys() <= {"batch_finished", "batch_failed", "file_rejected"}
    assert told["batch_finished"]["batch"]["name"] in ("good", "worse") and told["batch_finished"]["form"] == 1
    assert "bad.csv" in told["file_rejected"]["message"]
    receiver.got.clear()
    with daemon(home):
        wait_until(lambda: receiver.kinds() == ["daemon_died"])
        time.sleep(1.5)
    assert receiver.kinds() == ["daemon_died"], "and nothing old"


def test_a_receiver_that_hangs_costs_the_rounds_nothing(home: Home, receiver: Receiver) -> None:  # noqa: F811
    receiver.delay_s = 30.0
    alerts = AlertsConfig(webhook=receiver.address, timeout_s=60.0)
    with serving(home, settings=settings().model_copy(update={"alerts": alerts})) as service:
        drop(home, "a.csv", 1)
        longest, end = 0.0, time.monotonic() + 30.0
        while not receiver.headers or rows(home, "SELECT n_succeeded FROM batches") != [(1,)]:
            assert time.monotonic() < end
            began = time.monotonic()
            service.tick()
            longest = max(longest, time.monotonic() - began)
            time.sleep(0.01)
        for _ in range(20):
            began = time.monotonic()
            service.tick()
            longest = max(longest, time.monotonic() - began)
        assert longest < 5.0
        began = time.monotonic()
    assert time.monotonic() - began < 10.0, "nor the stop"


def test_a_full_disk_of_the_catalogue_is_told_too(home: Home, receiver: Receiver) -> None:  # noqa: F811
    """Nothing can be written into the catalogue, so there is no event to follow."""
    home.config_file.write_text(with_alerts(receiver))
    with daemon(home):
        wait_until(lambda: rows(home, "SELECT 1 FROM heartbeat") == [(1,)])
        other = sqlite3.connect(home.catalog, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            wait_until(lambda: "trouble" in receiver.kinds(), 30.0)
            wait_until(lambda: any("stop whatever else has it open" in told["message"] for told in receiver.got), 30.0)
        finally:
            other.close()


def test_a_run_once_tells_before_it_ends(home: Home, receiver: Receiver) -> None:  # noqa: F811
    home.config_file.write_text(with_alerts(receiver))
    drop(home, "a.csv", 1)
    assert run_to_the_end(home) == 0
    assert receiver.kinds() == ["batch_finished"]


def test_sighup_turns_alerts_on_and_off(home: Home, receiver: Receiver) -> None:  # noqa: F811
    with daemon(home) as process:
        drop(home, "before.csv", 1)
        wait_until(lambda: rows(home, "SELECT n_succeeded FROM batches") == [(1,)])
        home.config_file.write_text(with_alerts(receiver))
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(rows(home, "SELECT 1 FROM events WHERE kind = 'settings read'")) == 1)
        drop(home, "while.csv", 1)
        wait_until(lambda: receiver.kinds() == ["batch_finished"])
        assert receiver.got[0]["batch"]["name"] == "while"
        home.config_file.write_text("")
        process.send_signal(signal.SIGHUP)
        # What is not said in the file stays as it was: the light daemon's own settings have no alerts either.
        wait_until(lambda: len(rows(home, "SELECT 1 FROM events WHERE kind = 'settings read'")) == 2)
        drop(home, "after.csv", 1)
        wait_until(lambda: rows(home, "SELECT count(*) FROM batches WHERE finished_at IS NOT NULL") == [(3,)])
        time.sleep(1.5)
    assert receiver.kinds() == ["batch_finished"]
    assert rows(home, "SELECT * FROM alert_posts") == []


def test_an_address_that_fails_is_a_trouble_without_the_address(home: Home, receiver: Receiver) -> None:  # noqa: F811
    receiver.status = 500
    home.config_file.write_text(with_alerts(receiver))
    with daemon(home):
        drop(home, "a.csv", 1)
        wait_until(lambda: "alerts webhook" in troubles(home))
        assert troubles(home)["alerts webhook"] == "the receiver answered 500"
        receiver.status = 204
        wait_until(lambda: "alerts webhook" not in troubles(home), 40.0)
    assert receiver.kinds() == ["batch_finished"]
    assert not [text for (text,) in rows(home, "SELECT message FROM events") if "s3cret" in str(text)]


# -- the command ------------------------------------------------------------------------------


def alerts_test(home: Home) -> subprocess.CompletedProcess[str]:  # noqa: F811
    command = [sys.executable, "-m", "soundmill", "--home", str(home.root), "alerts", "test"]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TOLD": str(home.root / "told")})


def test_a_test_is_sent_every_way(home: Home, receiver: Receiver) -> None:  # noqa: F811
    home.config_file.write_text(with_alerts(receiver, command=["sh", "-c", 'cat > "$TOLD"']))
    done = alerts_test(home)
    assert done.returncode == 0 and [line.split(":")[0] for line in done.stdout.splitlines()] == ["webhook", "command"]
    assert receiver.kinds() == ["test"]
    told = json.loads((home.root / "told").read_text())
    assert told["kind"] == "test" and told["text"].endswith("this is a test") and told["home"] == str(home.root)


def test_a_test_that_does_not_arrive_fails(home: Home, receiver: Receiver) -> None:  # noqa: F811
    receiver.status = 403
    home.config_file.write_text(with_alerts(receiver, command=["true"]))
    done = alerts_test(home)
    assert done.returncode == 1 and done.stdout.startswith("command: taken after")
    assert done.stderr == "soundmill: webhook: the receiver answered 403\n"


def test_a_test_without_anybody_to_tell_says_what_to_set(home: Home) -> None:  # noqa: F811
    done = alerts_test(home)
    assert done.returncode == 1 and "set alerts.webhook or alerts.command" in done.stderr


def test_settings_without_alerts_start_no_thread(home: Home) -> None:  # noqa: F811
    before = set(threading.enumerate())  # of an earlier test's daemon one may still wait for its receiver
    with serving(home, settings=Config()):
        assert not [each for each in set(threading.enumerate()) - before if each.name.startswith("alerts")]
