"""A disk that is really full and a folder that is really read-only: small file systems of the test's own.

They are mounted in a mount namespace, which Linux lets an ordinary user make; where it does not, the test says so.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from service.test_crash import DAEMON, daemon, environment, rows, run_to_the_end, wait_until
from soundmill.home import Home
from support.missing import missing

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]

# The number that a query of the catalogue in $home gives; 0 while it cannot be asked.
SQLITE = """
sqlite() { "$python" -c '
import sqlite3, sys
try:
    print(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute(sys.argv[2]).fetchone()[0])
except sqlite3.Error:
    print(0)' "$home/catalog.db" "$1"; }
"""

SCRIPT = (
    SQLITE
    + """
set -eu
home=$1 trouble=$2 python=$3 daemon=$4
count() { sqlite "SELECT count(*) FROM events WHERE kind = 'storage $1'"; }
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
)


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


UNMOUNTED = (
    SQLITE
    + """
set -eu
home=$1 python=$2 daemon=$3
wait_for() {
    for _ in $(seq 200); do [ "$(sqlite "$1")" = "$2" ] && return; sleep 0.1; done
    echo "not $2: $1" >&2; exit 9
}
unavailable="SELECT count(*) FROM events WHERE kind = 'storage unavailable'"
succeeded="SELECT count(*) FROM jobs WHERE status = 'succeeded'"
mkdir "$home/disk"
mount --bind "$home/disk" "$home/outputs"
printf 'prompt\nfirst\n' > "$home/inbox/a.csv"
"$python" "$daemon" "$home" --once > /dev/null
umount "$home/outputs"
if [ "$4" = "no folder" ]; then rmdir "$home/outputs"; fi
printf 'prompt\nsecond\n' > "$home/inbox/b.csv"
"$python" "$daemon" "$home" > /dev/null & trap "kill -9 $!" EXIT
wait_for "$unavailable" 1
wait_for "SELECT count(*) FROM batches" 2
sleep 1
[ "$(sqlite "SELECT count(*) FROM attempts")" = 1 ] || { echo "claimed without its disk" >&2; exit 8; }
[ -z "$(ls -A "$home/outputs" 2> /dev/null)" ] || { echo "wrote under the mount point" >&2; exit 7; }
mkdir -p "$home/outputs"
mount --bind "$home/disk" "$home/outputs"
wait_for "$succeeded" 2
umount "$home/outputs"
wait_for "$unavailable" 2
printf 'prompt\nthird\n' > "$home/inbox/c.csv"
wait_for "SELECT count(*) FROM batches" 3
sleep 1
[ -z "$(ls -A "$home/outputs")" ] || { echo "wrote under the mount point" >&2; exit 6; }
mount --bind "$home/disk" "$home/outputs"
wait_for "$succeeded" 3
ls "$home"/disk/*/*.wav | wc -l
"""
)


@pytest.mark.parametrize("left", ["an empty folder", "no folder"])
def test_a_disk_that_is_not_mounted_is_waited_for_and_nothing_is_written_in_its_place(home: Home, left: str) -> None:
    if not namespaces_work():
        missing("this system lets no mount namespace be made")
    done = subprocess.run(
        [*NAMESPACE, "bash", "-c", UNMOUNTED, "test", str(home.root), sys.executable, str(DAEMON), left],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "3"
    assert rows(home, "SELECT max(number) FROM attempts") == [(1,)]
    assert "mount its disk" in str(rows(home, "SELECT message FROM events WHERE kind = 'storage unavailable'")[0][0])


def test_a_home_that_was_in_use_before_there_were_markers_is_marked(home: Home) -> None:
    (home.inbox / "a.csv").write_text("prompt\none clip\n")
    assert run_to_the_end(home) == 0
    home.marker.unlink()
    db = sqlite3.connect(home.catalog)
    with db:
        db.execute("DELETE FROM settings WHERE key = 'outputs marked'")
    db.close()
    assert run_to_the_end(home) == 0
    assert home.marker.is_file()


def test_a_new_folder_is_taken_once_somebody_marks_it(home: Home) -> None:
    (home.inbox / "a.csv").write_text("prompt\none clip\n")
    assert run_to_the_end(home) == 0
    shutil.rmtree(home.outputs)
    (home.inbox / "b.csv").write_text("prompt\nanother clip\n")
    with daemon(home):
        wait_until(lambda: bool(rows(home, "SELECT 1 FROM troubles WHERE part = 'storage'")))
        home.outputs.mkdir()
        home.marker.touch()
        wait_until(lambda: rows(home, "SELECT status FROM jobs WHERE batch_id = 2") == [("succeeded",)])
