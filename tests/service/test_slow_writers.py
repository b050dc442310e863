"""Writers that people's machines have, against a running daemon."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.conftest import config, quick_engine, serving, until
from service.test_crash import DAEMON, TESTS
from service.test_service import rows
from soundmill.config import Config, InboxConfig
from soundmill.home import Home
from soundmill.service.daemon import Service
from support.missing import missing

WRITERS = """
import os, sys, time
inbox, stall_s = sys.argv[1], float(sys.argv[2])
twenty = ("prompt,duration\\n" + "".join(f"upload {n} of harp and rain,0.5\\n" for n in range(1, 21))).encode()
one = b"prompt,duration\\n%s harp,0.5\\n"
part = twenty.index(b"upload 8") + 13
stalled = open(f"{inbox}/stalled.csv", "wb", buffering=0)
stalled.write(twenty[:part])
late = open(f"{inbox}/late.csv", "wb", buffering=0)
open(f"{inbox}/browser.csv", "wb").close()
download = open(f"{inbox}/browser.csv.part", "wb", buffering=0)
download.write(one % b"browser")
sized = open(f"{inbox}/sized.csv", "wb", buffering=0)
sized.truncate(len(one % b"sized"))
time.sleep(stall_s)
stalled.write(twenty[part:])
late.write(one % b"late")
os.rename(f"{inbox}/browser.csv.part", f"{inbox}/browser.csv")
sized.write(one % b"sized")
"""


def patient(settle_s: float, patience_s: float) -> Config:
    inbox = InboxConfig(settle_s=settle_s, patience_s=patience_s, scan_interval_s=0.05)
    return config().model_copy(update={"inbox": inbox})


def refuse(*_: object) -> None:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


@pytest.mark.parametrize("leases", ["granted", "of a share", "refused, and no events"])
def test_slow_writers_lose_no_row(home: Home, leases: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if leases == "of a share":
        monkeypatch.setattr("soundmill.inbox.whole.on_a_share", lambda device: True)
    elif leases != "granted":
        monkeypatch.setattr("soundmill.inbox.whole.fcntl.fcntl", refuse)
        monkeypatch.setattr("soundmill.inbox.watch.Observer.schedule", refuse)
    with serving(home, settings=patient(0.1, 5.0)) as service:
        with subprocess.Popen([sys.executable, "-c", WRITERS, str(home.inbox), "1.5"]) as writers:
            while writers.poll() is None:
                service.tick()
                time.sleep(0.01)
            assert rows(home, "SELECT count(*) FROM batches") == [(0,)]
        until(service, lambda: rows(home, "SELECT count(*) FROM jobs WHERE status = 'succeeded'") == [(23,)])
    found = dict(rows(home, "SELECT name, job_count FROM batches"))
    assert found == {"stalled": 20, "late": 1, "browser": 1, "sized": 1}
    assert list((home.inbox / "rejected").iterdir()) == []


# Whole at every look, and nobody seen to have it open: only the longer wait of a share tells.
ROW_BY_ROW = """
import sys, time
with open(f"{sys.argv[1]}/rows.csv", "wb", buffering=0) as file:
    file.write(b"prompt\\none harp\\n")
    time.sleep(1.2)
    file.write(b"another harp\\n")
"""
SHARE = """
set -eu
home=$1 behind=$2 python=$3 daemon=$4 writers=$5
bindfs -o nonempty "$behind" "$home/inbox"
"$python" - "$home/inbox" "$behind" <<'PROBE'
import sys, time
from pathlib import Path
from soundmill.inbox.watch import Watcher
seen = []
watcher = Watcher(Path(sys.argv[1]), lambda: seen.append(1))
watcher.start()
(Path(sys.argv[2]) / ".note").write_text("x")
time.sleep(0.5)
assert watcher.alive and not seen, "this mount has events"
watcher.stop()
PROBE
exec 3< <("$python" "$daemon" "$home" --settle 0.6 --patience 5)
running=$!
read -r ready <&3
[ "$ready" = ready ]
"$python" -c "$writers" "$behind" 1.5
for _ in $(seq 400); do
    [ "$(find "$home/inbox/accepted" "$home/inbox/rejected" -name "*.csv" | wc -l)" = 5 ] && break
    sleep 0.1
done
kill -INT $running
wait $running || true
umount "$home/inbox"
"""


def test_slow_writers_behind_a_mount_that_has_no_events_lose_no_row(home: Home, tmp_path: Path) -> None:
    """A folder mounted through user space, as sshfs and the file sharing of virtual machines do: who writes at the
    other side is neither reported nor seen to have a file open, and a lease is granted all the same."""
    if not shutil.which("bindfs"):
        missing("bindfs is not installed; .ci/run does that")
    behind = tmp_path / "behind"
    behind.mkdir()
    words = [home.root, behind, sys.executable, DAEMON, ROW_BY_ROW + WRITERS]
    namespace = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    done = subprocess.run(
        ["unshare", *namespace, "--mount", "bash", "-c", SHARE, "test", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])},
    )
    assert done.returncode == 0, done.stderr
    found = dict(rows(home, "SELECT name, job_count FROM batches"))
    assert found == {"stalled": 20, "late": 1, "browser": 1, "sized": 1, "rows": 2}
    assert list((behind / "rejected").iterdir()) == []


def once(home: Home, settings: Config) -> Service:
    return Service(home, settings, devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine)


def test_run_once_waits_for_a_file_that_is_still_being_written(home: Home) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITERS, str(home.inbox), "1.5"]):
        while not (home.inbox / "sized.csv").exists():
            time.sleep(0.01)
        ended = once(home, patient(0.1, 5.0)).run(once=True)
    assert (ended.accepted, ended.rejected) == (4, 0)
    assert rows(home, "SELECT sum(job_count) FROM batches") == [(23,)]


def test_run_once_waits_for_an_empty_file_no_longer_than_its_patience(home: Home) -> None:
    (home.inbox / "empty.csv").write_text("")
    began = time.monotonic()
    ended = once(home, patient(0.1, 1.0)).run(once=True)
    assert ended.rejected == 1
    assert 1.0 <= time.monotonic() - began < 15.0
    (errors,) = (home.inbox / "rejected").glob("*/empty.csv.errors.txt")
    assert "empty" in errors.read_text()
