"""A process of low priority that does beside the daemon what would hold it up: a report, a delivery."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from soundmill.faults import passing

LOWEST_PRIORITY = 19
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # the cores are engines'
SAID_BYTES = 2000  # of what a failed process said


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A process at work. `said` holds what it writes to standard error; times are those of the caller's clock."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]
    started_at: float
    due: float

    def ended(self, now: float) -> bool:
        """Whether it has ended, or is late and was made to."""
        if self.process.poll() is not None:
            return True
        if now <= self.due:
            return False
        self.kill()
        return True

    def kill(self) -> None:
        """End the process with those it has started; one that cannot be ended is left to itself."""
        try:
            passing("aside.end")
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except OSError:
            return
        self.process.wait()

    def close(self) -> None:
        self.said.close()

    def trouble(self, now: float) -> str | None:
        """Why an ended one did not do it; None where it did."""
        if self.process.returncode == 0:
            return None
        if now > self.due:
            return f"took longer than {self.due - self.started_at:.0f} s"
        self.said.seek(0)
        lines = self.said.read()[-SAID_BYTES:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def start(command: Sequence[str], now: float, deadline_s: float) -> Aside:
    """Raises OSError."""
    passing("aside.start")
    said = tempfile.TemporaryFile()  # noqa: SIM115  # open for as long as the process runs
    process = subprocess.Popen(
        command,
        env=os.environ | ONE_THREAD,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=said,
        start_new_session=True,  # so that it can be ended with its children, and no Ctrl-C reaches it
    )
    with contextlib.suppress(OSError):  # it has ended already
        os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST_PRIORITY)
    return Aside(process=process, said=said, started_at=now, due=now + deadline_s)
