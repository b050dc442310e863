"""A process for each question: what one does to itself, another never sees."""

from __future__ import annotations

import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
MEMORY_BYTES = 6 << 30  # of addresses: a list that grows for ever ends as MemoryError
SURVIVED, KILLED, HUNG, ELSEWHERE = "survived", "killed", "hung", "elsewhere"
CANNOT = 4  # the exit status of who cannot say


def answers(
    questions: Iterable[T], ask: Callable[[T], bool], allowed_s: Callable[[T], float], *, processes: int
) -> Iterator[tuple[T, str]]:
    """`ask`, in a process of its own, whether all is well with each; with `allowed_s` of processor time, and of the
    clock six times that and a minute."""
    running: dict[int, tuple[T, int, float, Path]] = {}
    waiting = iter(questions)
    more = True
    try:
        while more or running:
            while more and len(running) < processes:
                try:
                    question = next(waiting)
                except StopIteration:
                    more = False
                    break
                limit = allowed_s(question)
                place = Path(tempfile.mkdtemp(prefix="mutation-"))
                pid = os.fork()
                if pid == 0:
                    _child(question, ask, limit, place)
                running[os.pidfd_open(pid)] = (question, pid, time.monotonic() + 6 * limit + 60, place)
            ready = select.select(list(running), [], [], 1.0)[0]
            for fd in list(running):
                question, pid, deadline, place = running[fd]
                late = time.monotonic() > deadline
                if fd not in ready and not late:
                    continue
                _end(pid)  # and with it what it has started
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                os.close(fd)
                del running[fd]
                shutil.rmtree(place, ignore_errors=True)
                hung = late or code in (-signal.SIGXCPU, -signal.SIGKILL)
                yield question, HUNG if hung else {0: SURVIVED, CANNOT: ELSEWHERE}.get(code, KILLED)
    finally:
        for fd, (_, pid, _, place) in running.items():
            _end(pid)
            os.waitpid(pid, 0)
            os.close(fd)
            shutil.rmtree(place, ignore_errors=True)


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _child(question: T, ask: Callable[[T], bool], limit_s: float, place: Path) -> None:
    try:
        os.setpgid(0, 0)
        spent = sum(os.times()[:2])
        resource.setrlimit(resource.RLIMIT_CPU, (int(spent + limit_s) + 1, int(spent + limit_s) + 3))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        os.environ["TMPDIR"] = os.environ["PYTEST_DEBUG_TEMPROOT"] = str(place)
        tempfile.tempdir = str(place)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os._exit(0 if ask(question) else 1)
    except BaseException:
        os._exit(2)
    finally:
        sys.exit(3)
