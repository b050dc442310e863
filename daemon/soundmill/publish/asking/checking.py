"""Job files checked in a process of their own: it is started when the first file comes, and ends when none has come for
a while. Loop and threads of the site never wait for a large one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

CHECKER = "soundmill.commands.asking.checker"
LONGEST_S = 30.0  # for one file
IDLE_S = 300.0
MOST_WAITING = 8


class Unavailable(Exception):
    """A file cannot be checked now, and why."""


class Checker:
    """One process for one home; safe to share between threads."""

    def __init__(self, home: Path, *, longest_s: float = LONGEST_S, idle_s: float = IDLE_S) -> None:
        self._home = home
        self._longest_s = longest_s
        self._idle_s = idle_s
        self._turn = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._process: subprocess.Popen[bytes] | None = None
        self._idle: threading.Timer | None = None

    def check(self, name: str, content: bytes) -> dict[str, Any]:
        """What `soundmill check --json` says of one file of that name. Raises Unavailable."""
        if not self._waiting.acquire(blocking=False):
            raise Unavailable("too many files are being checked; try again in a moment")
        try:
            with self._turn:
                said = self._ask(name, content)
        finally:
            self._waiting.release()
        if "error" in said:
            raise Unavailable(str(said["error"]))
        return said

    def close(self) -> None:
        """End the process; the next file starts another."""
        with self._turn:
            self._end()

    def _ask(self, name: str, content: bytes) -> dict[str, Any]:
        if self._idle is not None:
            self._idle.cancel()
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        too_long = threading.Timer(self._longest_s, process.kill)
        too_long.start()
        try:
            head = json.dumps({"name": name, "size": len(content)}).encode() + b"\n"
            process.stdin.write(head + content)
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = b""
        finally:
            too_long.cancel()
        if not line.endswith(b"\n"):
            self._end()
            raise Unavailable(f"{name}: takes more to check than there is here; drop it into the inbox and see")
        self._idle = threading.Timer(self._idle_s, self.close)
        self._idle.daemon = True
        self._idle.start()
        found: dict[str, Any] = json.loads(line)
        return found

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            command = [sys.executable, "-m", CHECKER, str(self._home)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if self._idle is not None:
            self._idle.cancel()
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):  # what was to be written has nobody to read it
                    stream.close()
