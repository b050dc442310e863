"""A disk that is really full and a folder that is really read-only: small file systems of the test's own.

They are mounted in a mount namespace, which Linux lets an ordinary user make; where it does not, the test says so.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.test_crash import DAEMON, environment, rows
from soundmill.home import Home
from support.missing import missing

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]

SCRIPT = """
set -eu
home=$1 trouble=$2 python=$3 daemon=$4
count() { sqlite "SELECT count(*) FROM events WHERE kind = 'storage $1'"; }
sqlite() { "$python" -c '
import sqlite3, sys
try:
    print(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute(sys.argv[2]).fetchone()[0])
except sqlite3.Error:
    print(0)' "$home/catalog.db" "$1"; }
wait_for() {
    for _ in $(seq 200); do [ "$(count "$1")" = 1 ] && return; sleep 0.1; done
    echo "no storage $1" >&2; exit 9
}
mount -t tmpfs -o size=100m tmpfs "$home/outputs"
case $trouble in
    full) head -c 60000000 /dev/zero > "$home/outputs/filler" ;;
    read-only) mount -o remount,ro "$home/outputs" ;;
esac
"$python" "$daemon" "$home" --once > /dev/null &
wait_for unavailable
[ "$(sqlite "SELECT count(*) FROM attempts")" = 0 ] || { echo "claimed on a full disk" >&2; exit 8; }
case $trouble in
    full) rm "$home/outputs/filler" ;;
    read-only) mount -o remount,rw "$home/outputs" ;;
esac
wait $!
ls "$home"/outputs/*/*.wav | wc -l
"""


def namespaces_work() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode == 0


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_claiming_waits_while_the_outputs_folder_takes_nothing_and_no_job_is_lost(home: Home, trouble: str) -> None:
    if not namespaces_work():
        missing("this system lets no mount namespace be made")
    (home.inbox / "a.csv").write_text("prompt\none clip\nanother clip\n")
    done = subprocess.run(
        [*NAMESPACE, "bash", "-c", SCRIPT, "test", str(home.root), trouble, sys.executable, str(DAEMON)],
        capture_output=True,
        text=True,
        timeout=90,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2"
    assert rows(home, "SELECT status, count(*) FROM jobs GROUP BY status") == [("succeeded", 2)]
    assert rows(home, "SELECT max(number) FROM attempts") == [(1,)]
    [(message,)] = rows(home, "SELECT message FROM events WHERE kind = 'storage unavailable'")
    assert str(Path(home.outputs).name) in str(message)
