"""The log: text on a terminal, and in systemd's journal one line an event, with its priority and its pairs."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.conftest import drop
from soundmill import logs
from soundmill.home import Home

PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


def record(level: int, message: str, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("soundmill.part", level, "file", 1, message, (), None)
    made.__dict__.update(more)
    return made


@pytest.mark.parametrize(
    ("level", "priority"), [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3)]
)
def test_a_line_of_the_journal_begins_with_its_priority(level: int, priority: int) -> None:
    line = logs.JournalFormatter().format(record(level, "hello there"))
    assert line == f'<{priority}>text="hello there" logger=soundmill.part'


def test_an_event_is_its_pairs_without_those_that_are_none() -> None:
    fields = {"event": "batch finished", "text": 'a "b"', "batch": "a", "worker": None, "n": 3}
    line = logs.JournalFormatter().format(record(logging.INFO, "not this", fields=fields))
    assert line == '<6>event="batch finished" text="a \\"b\\"" batch=a n=3'


@pytest.mark.parametrize("text", ["one\n<0>two", "bell \x07 and \x1b[31mred", "tab\tline\u2028end\r", "\\", ""])
@pytest.mark.parametrize("formatter", [logs.JournalFormatter(), logs.PlainFormatter(logs.PLAIN)])
def test_whatever_a_message_holds_it_stays_one_line_that_steers_nothing(
    formatter: logging.Formatter, text: str
) -> None:
    line = formatter.format(record(logging.WARNING, text, fields={"event": text}))
    assert len(line.splitlines()) == 1 and line.isprintable()
    if isinstance(formatter, logs.JournalFormatter):
        assert line.startswith("<4>event=") and PAIR.fullmatch(line[3:])


def test_a_traceback_is_one_line_of_the_journal() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        made = record(logging.ERROR, "this should not happen", exc_info=sys.exc_info())
    line = logs.JournalFormatter().format(made)
    assert line.startswith("<3>") and len(line.splitlines()) == 1 and "ValueError: two\\nlines" in line


def test_standard_error_is_the_journals_only_where_systemd_has_connected_it(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w") as journal, (tmp_path / "b").open("w") as other:
        status = os.fstat(journal.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert logs.leads_to_journal(environ, journal.fileno())
        assert not logs.leads_to_journal(environ, other.fileno())  # as with 2>file in the unit
        assert not logs.leads_to_journal({}, journal.fileno())
        assert not logs.leads_to_journal(environ, 987)


def run_once(home: Home, journal: Path, *, connected: bool) -> tuple[str, str]:
    with journal.open("w") as stream:
        status = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"} if connected else {}
        command = [sys.executable, "-m", "soundmill", "--home", str(home.root), "run", "--once"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stream, text=True, env=os.environ | environ)
    return done.stdout, journal.read_text()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    made.config_file.write_text("default_model: tiny\ninbox: {settle_s: 0}\nengine: {devices: [cpu]}\n")
    drop(made, "bad.csv", 1, column="promt")
    return made


def test_a_daemon_under_systemd_writes_each_event_as_one_line(home: Home, tmp_path: Path) -> None:
    out, log = run_once(home, tmp_path / "journal", connected=True)
    *lines, last = log.splitlines()
    assert out == "", "nothing is said beside the log"
    assert last.startswith("soundmill: files were rejected")  # the command's own last word
    assert all(re.match(r"<[0-7]>(\w+=)", line) for line in lines), log
    pairs = [dict(PAIR.findall(line[3:])) for line in lines]
    events = [each["event"].strip('"') for each in pairs if "event" in each]
    assert events.count("file rejected") == 1 and events.count("daemon started") == 1
    assert events[-1] == "daemon stopped"
    (rejected,) = [line for line in lines if 'event="file rejected"' in line]
    assert rejected.startswith("<4>") and "bad.csv" in rejected and "did you mean prompt?" in rejected


def test_on_a_terminal_only_what_somebody_should_look_at_is_logged(home: Home, tmp_path: Path) -> None:
    out, log = run_once(home, tmp_path / "log", connected=False)
    assert out.startswith("soundmill 0")
    assert re.search(r"^\S+ \S+ WARNING soundmill\.events: file rejected: bad\.csv", log, re.MULTILINE)
    assert "daemon started" not in log
