"""The daemon stays light: what is heavy lives in its engine processes, and commands that leave word load little."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from soundmill.catalog.reader import Reader
from soundmill.home import Home
from support.missing import missing

MOST_RESIDENT_MB = 80
HEAVY = re.compile(r"/(torch|numpy|scipy|transformers)[/.]")


def test_after_a_batch_the_daemon_has_loaded_no_torch_and_is_still_small(tmp_path: Path) -> None:
    """Clips of the real tiny model: what an engine sends back must not bring its libraries along."""
    if not Path("/proc/self/maps").exists():
        missing("no /proc that says what a process has mapped")
    home = Home(tmp_path / "home")
    soundmill = [sys.executable, "-m", "soundmill", "--home", str(home.root)]
    subprocess.run([*soundmill, "init", "--model", "tiny"], check=True, capture_output=True)
    (home.inbox / "a.csv").write_text("prompt,duration\n" + "a calm piano,0.5\n" * 4)
    daemon = subprocess.Popen(
        [*soundmill, "run", "--no-web"], stdout=subprocess.DEVNULL, env=os.environ | {"HF_HUB_OFFLINE": "1"}
    )
    try:
        end = time.monotonic() + 120
        while not finished(home):
            assert daemon.poll() is None and time.monotonic() < end
            time.sleep(0.2)
        maps = Path(f"/proc/{daemon.pid}/maps").read_text()
        status = Path(f"/proc/{daemon.pid}/status").read_text()
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
    assert {line for line in maps.splitlines() if HEAVY.search(line)} == set()
    resident_mb = int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024
    assert resident_mb < MOST_RESIDENT_MB


def finished(home: Home) -> bool:
    if not home.catalog.is_file():
        return False
    try:
        with Reader.open(home.catalog) as reader:
            overview = reader.overview()
    except Exception:  # the daemon is just making it
        return False
    assert overview["failed"] == 0
    return overview["succeeded"] == 4


DAEMON = ("soundmill.service", "soundmill.schedule", "soundmill.publish", "sqlite_utils")


@pytest.mark.parametrize(
    ("command", "unneeded"), [("asking.ask", (*DAEMON, "soundmill.inbox.jobfile")), ("submit", DAEMON)]
)
def test_a_command_that_leaves_word_does_not_load_the_daemon(command: str, unneeded: tuple[str, ...]) -> None:
    probe = (
        f"import sys, soundmill.cli, soundmill.commands.{command}\n"
        f"print([m for m in sys.modules if m.startswith({unneeded!r})])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
