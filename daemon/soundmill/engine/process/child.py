"""The engine room, child: one engine or scoring process as the daemon holds it, from start to burial.

Imports no torch. A child is started with `python -m soundmill.engine.process.host`, say, in a process group of its own,
so Ctrl-C at the terminal reaches the daemon alone, and is tied to the daemon by a lifeline: a pipe whose other end
only the daemon has, so that the kernel ends the child with its parent (lifeline.py).
"""

from __future__ import annotations

import logging
import os
import pickle
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import IO, Generic, TypeVar, cast

from soundmill.engine.devices import pin
from soundmill.engine.process.wire import Stop, pack, unpack
from soundmill.errors import EngineNotStarted
from soundmill.faults import passing

log = logging.getLogger("soundmill.engine")

# Half a message that does not go on for this long means a stopped or hung process, not a slow one:
# its threads read and write beside the computation.
PIPE_PATIENCE_S = 20
STOP_PATIENCE_S = 3.0
TERMINATE_PATIENCE_S = 1.0
LAST_WORDS_AGE_S = 10.0  # what was printed longer before the end has nothing to do with it
LAST_WORDS_LENGTH = 400  # characters
_CHUNKS_AT_ONCE = 32  # holds a full pipe; a process that prints without end is read between its messages
# A crash report's line that says what happened, and those that do not.
_VERDICT = re.compile(r"[\w.]*(Error|Exception)\b|Fatal Python error|terminate called")
_FRAMES = (" ", "Traceback", "Thread 0x", "Current thread", "Extension modules")
# OpenMP's threads spin while they wait. Where anything else wants the cores, a clip then costs many times its work:
# 43 s of processor time instead of 1.5 s for eight two-second clips of `tiny`, measured at a load of 4 on two cores.
QUIET_WAITING = {"OMP_WAIT_POLICY": "passive"}


Command = TypeVar("Command")  # what the process is told
Message = TypeVar("Message")  # what it says


class Gone(Exception):
    """The process has ended, or its pipe is no longer usable."""


class Child(Generic[Command, Message]):
    """One process. Not thread-safe."""

    def __init__(
        self, module: str, device: str, arguments: Sequence[str], *, name: str, environment: Mapping[str, str]
    ) -> None:
        """Start `module` with the device as it is called in there, the arguments, and the numbers of the two pipes.

        `name` is what the log and an obituary call the process, `environment` what it gets beside ours. Raises
        EngineNotStarted when the system cannot start a process, EngineError for a hidden device.
        """
        self._device = device
        self._name = name
        pinned, inside = pin(device, os.environ)
        path = os.pathsep.join(entry or os.curdir for entry in sys.path)
        try:
            passing("engine.start")
            ours, theirs = socket.socketpair()
            watched, self._lifeline = os.pipe()
        except OSError as error:
            raise EngineNotStarted(f"no pipes for {name} ({error}); close some files") from error
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, inside, *arguments, str(theirs.fileno()), str(watched)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                pass_fds=(theirs.fileno(), watched),
                env={**QUIET_WAITING, **os.environ, **pinned, **environment, "PYTHONPATH": path},
                process_group=0,
            )
        except OSError as error:
            ours.close()
            os.close(self._lifeline)
            raise EngineNotStarted(f"{name} cannot be started ({error})") from error
        finally:
            theirs.close()
            os.close(watched)
        patience = struct.pack("ll", PIPE_PATIENCE_S, 0)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        self._conn: Connection = Connection(ours.detach())
        self._output = cast("IO[bytes]", self._process.stdout)
        os.set_blocking(self._output.fileno(), False)
        self._output_open = True
        self._line = b""
        self._lines: deque[tuple[float, str]] = deque(maxlen=200)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, command: Command | Stop) -> None:
        """Raises Gone when the process is not there to read it."""
        try:
            passing("engine.send")
            self._conn.send_bytes(pack(command))
        except OSError as error:
            raise Gone from error

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, None when none came in time. Raises Gone at the end of the process."""
        until = time.monotonic() + timeout_s
        while True:
            sources: list[Connection | int] = [self._conn]
            if self._output_open:
                sources.append(self._output.fileno())
            ready = wait(sources, max(0.0, until - time.monotonic()))
            if self._output_open and self._output.fileno() in ready:
                self._read_output()
            if self._conn in ready:
                return self._read_message()
            if time.monotonic() >= until:
                return None

    def _read_message(self) -> Message:
        try:
            return cast("Message", unpack(self._conn.recv_bytes()))
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise Gone from error

    def bury(self, killed_because: str | None = None) -> tuple[list[Message], str]:
        """Make sure the process has ended; what it had still sent, and what became of it in one line.

        With a reason it is killed; without one it is taken to be ending by itself.
        """
        if killed_because is None:
            try:
                self._process.wait(TERMINATE_PATIENCE_S)
            except subprocess.TimeoutExpired:
                killed_because = "it no longer answered"
        self._kill()
        left: list[Message] = []
        with suppress(Gone, OSError):
            while self._conn.poll(0):
                left.append(self._read_message())
        self._read_output()
        self._close_pipes()
        return left, self._obituary(killed_because)

    def stop(self) -> None:
        """Ask it to end, then see to it."""
        with suppress(Gone):
            self.send(Stop())
            until = time.monotonic() + STOP_PATIENCE_S
            while (left_s := until - time.monotonic()) > 0:
                self.receive(left_s)  # a child that cannot get rid of its last clip would not end
        try:
            self._process.wait(TERMINATE_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(TERMINATE_PATIENCE_S)
        self._kill()
        self._close_pipes()

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            passing("engine.kill")
            os.killpg(self._process.pid, signal.SIGKILL)  # also what the backend may have started
        self._process.wait()

    def _close_pipes(self) -> None:
        self._conn.close()
        self._output.close()
        os.close(self._lifeline)

    def _read_output(self) -> None:
        """Take in what the process printed: each line goes to the log, the last ones are kept."""
        for _ in range(_CHUNKS_AT_ONCE):
            data = self._output.read(1 << 16) if self._output_open else None
            if data is None:
                return
            self._output_open = bool(data)
            *lines, self._line = (self._line + data).split(b"\n")
            for line in lines if data else [*lines, self._line]:
                # A progress bar overwrites its line; only its last state is worth a log entry.
                text = line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace").rstrip()
                if text:
                    self._lines.append((time.monotonic(), text[:LAST_WORDS_LENGTH]))
                    log.info("%s: %s", self._device, text)
            self._line = self._line[-4096:]

    def _obituary(self, killed_because: str | None) -> str:
        name, code = self._name, self._process.returncode
        if killed_because is not None:
            return f"{name} was killed: {killed_because}"
        if code < 0:
            often = " (often the kernel's out-of-memory killer)" if -code == signal.SIGKILL else ""
            end = f"{name} was killed by signal {-code}{often or f' ({_signal_name(-code)})'}"
        else:
            end = f"{name} ended with exit code {code}"
        since = time.monotonic() - LAST_WORDS_AGE_S
        words = last_words([line for printed_at, line in self._lines if printed_at >= since])
        return f"{end}: {words}" if words else end


def last_words(lines: Sequence[str]) -> str:
    """The line that says what happened: the last error's first, or else the last one; "" when there is none."""
    telling = [" ".join(line.split()) for line in lines if not line.startswith(_FRAMES)]
    errors = [line for line in telling if _VERDICT.match(line)]
    return (errors or telling or [""])[-1]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unnamed"
