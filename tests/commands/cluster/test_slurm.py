"""The batch file, run by a real SLURM of one machine: Debian's munge, slurmctld and slurmd."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from soundmill.home import Home
from support.missing import missing
from support.ray_cluster import free_port, need_ray, until

PATIENCE_S = 240.0
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MpiDefault=none
NodeName={host} CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture
def slurm() -> Iterator[dict[str, str]]:
    """The environment in which its commands find it."""
    need_ray()
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
    lacking = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if lacking:
        missing(f"needs {', '.join(lacking)}: apt install munge slurmctld slurmd slurm-client")
    folder = Path(tempfile.mkdtemp(prefix="sms", dir="/tmp"))  # munged minds who may write above its socket
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0], controller=free_port(), node=free_port(), folder=folder,
            user=os.environ.get("USER") or "root", cpus=os.cpu_count(),
        )
    )  # fmt: skip
    environment = {**os.environ, "PATH": path, "SLURM_CONF": str(configuration)}
    started: list[subprocess.Popen[bytes]] = []
    log = (folder / "log").open("ab")
    try:
        for command in (
            [
                "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.sock",
                f"--pid-file={folder}/munge.pid", f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed",
            ],
            ["slurmctld", "-D", "-f", str(configuration)],
            ["slurmd", "-D", "-f", str(configuration)],
        ):  # fmt: skip
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True))
            time.sleep(1.0)
        until(lambda: "idle" in asked(environment, "sinfo", "--noheader", "--format=%t"), 60.0)
        yield environment
        asked(environment, "scancel", "--signal=KILL", "--full", "--state=RUNNING")
    finally:
        log.close()
        for process in reversed(started):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def asked(environment: dict[str, str], *command: str) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


@pytest.mark.timeout(600)
def test_slurm_runs_the_batch_file_that_was_written_until_everything_is_made(
    slurm: dict[str, str], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.config_file.write_text(
        "default_model: tiny\ndefault_duration: 0.5\ninbox: {settle_s: 0.2}\ncluster: {address: auto}\n"
    )
    (home.inbox / "rain.csv").write_text("prompt\nrain\nwind\n")
    short = Path(tempfile.mkdtemp(prefix="smr", dir="/tmp"))
    environment = {
        **{name: value for name, value in slurm.items() if not name.startswith("RAY_")},
        "RAY_TMPDIR": str(short),
        "PYTHONPATH": os.pathsep.join(entry or os.curdir for entry in sys.path),
    }
    try:
        said = subprocess.run(
            [
                sys.executable, "-m", "soundmill", "--home", str(home.root), "cluster", "slurm", "--gpus", "0",
                "--cpus", "1", "--time", "10", "--port", str(free_port()), "--submit",
            ],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Submitted batch job" in said.stdout, said.stdout + said.stderr
        until(lambda: not asked(environment, "squeue", "--noheader").strip(), PATIENCE_S)
        log = "".join(file.read_text() for file in home.root.glob("slurm-*.log"))
        with closing(sqlite3.connect(home.catalog)) as db:
            assert db.execute("SELECT status, count(*) FROM jobs GROUP BY 1").fetchall() == [("succeeded", 2)], log
        assert len(list(home.outputs.rglob("*.wav"))) == 2
    finally:
        shutil.rmtree(short, ignore_errors=True)
