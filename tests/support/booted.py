"""A machine that systemd really runs, inside this one: namespaces of its own over a copy-on-write view of the disk.

Nothing of the real machine is its to write: its root is an overlay whose upper layer is memory, /tmp, /run and /dev are
empty file systems of its own, and it is root of a part of the control groups alone. It has no network but its own
loopback. That this is so is looked at before systemd starts, which clears /tmp.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from support.missing import missing

SYSTEMD = Path("/lib/systemd/systemd")
PYTHON = "/usr/bin/python3"
SOUNDMILL = "/opt/soundmill/.venv/bin/soundmill"
STARTING_S = 60.0
# With namespaces of its own, and gone when this process is.
APART = [
    *("setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child"),
    *("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"),
]

# What the machine has and has not: packages are this environment's, and nothing but systemd's base comes up.
BOOT = """
set -eu
place=$1 outside=$2 packages=$3 checkout=$4 python=$5
[ "$(readlink /proc/self/ns/mnt)" != "$outside" ] || { echo "no mounts of its own" >&2; exit 9; }
mount --make-rprivate /
mount -t tmpfs tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" "$place/root"
cd "$place/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for own in run tmp dev; do mount -t tmpfs tmpfs $own; done
for device in null zero full random urandom tty; do touch dev/$device; mount --bind /dev/$device dev/$device; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs tmpfs dev/shm
rm -rf opt/soundmill etc/systemd/system/*.wants var/lib/soundmill
mkdir -p opt/soundmill/packages opt/soundmill/checkout
mount --bind "$packages" opt/soundmill/packages
mount --bind "$checkout" opt/soundmill/checkout
mkdir tmp/outside
pivot_root . tmp/outside
cd /
umount -l /tmp/outside
rmdir /tmp/outside
[ "$(stat -f -c %T /)" = overlayfs ] && [ "$(stat -f -c %T /tmp)" = tmpfs ] && [ -z "$(ls -A /tmp)" ] ||
    { echo "this is not a machine of its own" >&2; exit 9; }
"$python" -m venv --without-pip /opt/soundmill/.venv
cd /opt/soundmill/.venv
printf '/opt/soundmill/checkout/daemon\\n/opt/soundmill/packages\\n' > "$(echo lib/python3*/site-packages)/here.pth"
printf '#!/opt/soundmill/.venv/bin/python\\nfrom soundmill.cli import main\\nmain()\\n' > bin/soundmill
chmod 755 bin/soundmill
hostname trial
systemd-id128 new > /etc/machine-id
: > /etc/fstab
cd /etc/systemd/system
for unit in udevd udev-trigger networkd resolved timesyncd modules-load sysctl; do
    ln -sf /dev/null systemd-$unit.service
done
printf '[Unit]\\nRequires=basic.target\\nWants=dbus.socket systemd-journald.service\\n' > trial.target
exec env -i container=trial PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
    /lib/systemd/systemd --unit=trial.target --log-target=journal --show-status=no
"""


class Machine:
    """`pid` is its systemd's, as this machine counts."""

    def __init__(self, pid: int) -> None:
        self._enter = ["nsenter", "--target", str(pid), "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--"]

    def run(self, *command: str, user: str = "root", text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command in it, as that user and without a terminal; `text` is what it reads."""
        as_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user != "root" else []
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"USER={user}", "LANG=C.UTF-8"]
        return subprocess.run(
            [*self._enter, *as_user, *clean, *command],
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            timeout=240,
        )

    def do(self, *command: str, user: str = "root", text: str | None = None) -> str:
        """The same, which must succeed; what it prints."""
        done = self.run(*command, user=user, text=text)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def until(self, true: Callable[[], bool], timeout_s: float = 90.0) -> None:
        end = time.monotonic() + timeout_s
        while not true():
            if time.monotonic() > end:
                log = self.run("journalctl", "--no-pager", "--lines", "40", "--output", "cat").stdout
                raise AssertionError(f"it did not happen; the log:\n{log}")
            time.sleep(0.2)


@contextmanager
def machine(place: Path) -> Iterator[Machine]:
    """Boots one, whose disk lies in memory at `place`; skips the test where that cannot be done."""
    groups = _possible()
    group = groups / f"soundmill-trial-{os.getpid()}"
    group.mkdir()
    # Enters the group first: a namespace of control groups begins where its first process is.
    start = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    packages, checkout = sysconfig.get_path("purelib"), str(Path(__file__).resolve().parents[2])
    arguments = [str(place), str(Path("/proc/self/ns/mnt").readlink()), packages, checkout, PYTHON]
    with (place.parent / "boot.log").open("w+") as log:
        outer = subprocess.Popen(
            ["bash", "-c", start, str(group), *APART, "bash", "-c", BOOT, "boot", *arguments],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        inner: list[psutil.Process] = []
        try:
            end = time.monotonic() + STARTING_S
            while True:
                inner = psutil.Process(outer.pid).children() if outer.poll() is None else []
                if inner and inner[0].name() == "systemd":
                    made = Machine(inner[0].pid)
                    if made.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"):
                        break
                log.seek(0)
                assert outer.poll() is None and time.monotonic() < end, log.read()
                time.sleep(0.1)
            yield made
        finally:
            for process in inner:
                with suppress(psutil.NoSuchProcess):
                    process.kill()  # and with the first process of a namespace all others
            outer.wait(20)
            _remove(group)


def _possible() -> Path:
    """Where control groups of the second kind are kept."""
    if os.geteuid() != 0:
        missing("another machine inside this one takes root")
    for program in ("unshare", "nsenter", "setpriv", "pivot_root", "useradd", "dbus-daemon"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    if not SYSTEMD.exists():
        missing("systemd is not installed; .ci/run does that")
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = [PYTHON, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
    if not Path(PYTHON).exists() or subprocess.run(asked, capture_output=True, text=True).stdout.strip() != minor:
        missing(f"the system's own Python is not {minor}")
    found = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines() if " - cgroup2 " in line]
    if not found or not os.access(found[0][4], os.W_OK):
        missing("no control groups of the second kind can be written")
    tried = subprocess.run(
        [*APART, "sh", "-c",
         "mount --make-rprivate / && mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/r && "
         "mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r"],
        capture_output=True, text=True,
    )  # fmt: skip
    if tried.returncode != 0:
        missing(f"namespaces and overlays cannot be made here: {tried.stderr.strip()}")
    return Path(found[0][4])


def _remove(group: Path) -> None:
    end = time.monotonic() + 10
    while group.exists():
        for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            with suppress(OSError):
                folder.rmdir()
        with suppress(OSError):
            group.rmdir()
        assert time.monotonic() < end, f"{group} is still in use"
        time.sleep(0.05)
