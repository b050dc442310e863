"""The engine room, lifeline: how an engine or scoring process begins and ends, of itself or with the daemon."""

from __future__ import annotations

import faulthandler
import fcntl
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn


def begin(conn: str, lifeline: str, oom_score: str) -> Connection:
    """What such a process does first, with the numbers of its two pipes as child.py hands them over: the pipe to the
    daemon. When memory runs out, the kernel takes the process with the highest score."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for fd in (int(conn), int(lifeline)):
        os.set_inheritable(fd, False)  # a helper process of the backend must not keep them open
    tie_to(int(lifeline))
    faulthandler.enable()
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(oom_score)
    return Connection(int(conn))


def end(status: int) -> NoReturn:
    """What it does last."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the device's libraries may hang or crash in their own clean-up


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
