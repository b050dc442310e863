"""`soundmill cluster slurm`: the batch file for which SLURM gives machines, that Ray ties and the daemon feeds.

Ray's own `ray symmetric-run` would do in one line, but ends every Ray process of the user on its machines, those of
other jobs too. Here each machine takes part by `soundmill cluster head` or `join`, which end their own.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soundmill.commands.cluster.node import own_token
from soundmill.config import load
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home

NOTICE_S = 120  # before the time is up: clips are finished or given back until then

SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=soundmill
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task={cpus}
{options}#SBATCH --time={time}
#SBATCH --output={output}
#SBATCH --signal=B:TERM@{notice_s}
# Made by `soundmill cluster slurm`. The home must be where every machine sees it, and its soundmill.yaml must say
# cluster: {{address: auto}}
set -euo pipefail

export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH={token}
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" hostname --all-ip-addresses | awk '{{print $1; exit}}')
export RAY_ADDRESS="$address:{port}"

mill=
trap 'kill -TERM "$mill" 2>/dev/null || true' TERM
srun {step} --nodes=1 --ntasks=1 --nodelist="$head" {soundmill} cluster head "$RAY_ADDRESS" {counts} &
machines=($!)
{others}{soundmill} run{once} --no-web &
mill=$!
status=0
# A TERM ends the first wait; the daemon then stops as systemd would have it, and what is not done is queued again.
wait "$mill" || wait "$mill" || status=$?
kill -TERM "${{machines[@]}}" 2>/dev/null || true
wait "${{machines[@]}}" || true
exit "$status"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    nodes: int
    gpus: int  # a node
    cpus: int  # a node
    time: str
    partition: str | None = None
    account: str | None = None
    port: int = 6379
    once: bool = True


def script(home: Home, wanted: Wanted, *, python: str = sys.executable) -> str:
    """The batch file."""
    step = f"--overlap --cpus-per-task={wanted.cpus}" + (f" --gpus-per-node={wanted.gpus}" if wanted.gpus else "")
    soundmill = f"{shlex.quote(python)} -m soundmill --home {shlex.quote(str(home.root))}"
    counts = f"--cpus {wanted.cpus} --gpus {wanted.gpus}"
    rest = wanted.nodes - 1
    others = (
        f'srun {step} --nodes={rest} --ntasks={rest} --ntasks-per-node=1 --exclude="$head" \\\n'
        f'    {soundmill} cluster join "$RAY_ADDRESS" {counts} &\nmachines+=($!)\n'
    )
    named = [("partition", wanted.partition), ("account", wanted.account), ("gpus-per-node", wanted.gpus or None)]
    return SCRIPT.format(
        nodes=wanted.nodes,
        cpus=wanted.cpus,
        options="".join(f"#SBATCH --{name}={value}\n" for name, value in named if value is not None),
        time=wanted.time,
        output=home.root / "slurm-%j.log",
        notice_s=NOTICE_S,
        token=shlex.quote(str(home.cluster_token)),
        port=wanted.port,
        step=step,
        soundmill=soundmill,
        counts=counts,
        others=others if rest else "",
        once=" --once" if wanted.once else "",
    )


def slurm(home: Home, wanted: Wanted, *, file: Path | None, submit: bool, say: Callable[[str], object]) -> None:
    """Write the file and, with `submit`, hand it to sbatch. Raises UsageError, SoundmillError."""
    if load(home).cluster.address != "auto":
        raise UsageError(f"{home.config_file}: a daemon under SLURM finds its machines with cluster: {{address: auto}}")
    own_token(home)
    target = file or home.root / "soundmill.sbatch"
    target.write_text(script(home, wanted), encoding="utf-8")
    say(f"written: {target}")
    if not submit:
        say(f"submitted by: sbatch {shlex.quote(str(target))}")
        return
    if shutil.which("sbatch") is None:
        raise SoundmillError("there is no sbatch here; run this where SLURM's commands are")
    done = subprocess.run(["sbatch", str(target)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SoundmillError(f"sbatch: {' '.join(done.stderr.split())}")
    say(done.stdout.strip())
