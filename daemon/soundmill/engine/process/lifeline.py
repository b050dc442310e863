"""The engine room, lifeline: what makes an engine process end when the daemon does, however the daemon ends."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading


def tie_to(lifeline: int) -> None:
    """End this process as soon as the other end of the pipe `lifeline` is closed, whatever it computes then.

    On Linux the kernel sends SIGKILL (F_SETSIG): no thread of ours has to get its turn. PR_SET_PDEATHSIG would
    fire when the thread that started us ends, which may happen long before the daemon does.
    """

    def watch() -> None:
        os.read(lifeline, 1)  # nothing is ever written: this returns when the parent is gone
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
    if sys.platform == "linux":
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
