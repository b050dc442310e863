"""What is done to the machine: each step is said before it is done, and with `dry` only said."""

from __future__ import annotations

import difflib
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from soundmill.disk import write_whole
from soundmill.errors import SoundmillError


class Steps:
    """`say` prints a line."""

    def __init__(self, say: Callable[[str], None], *, dry: bool) -> None:
        self.say = say
        self.dry = dry

    def do(self, what: str, step: Callable[[], object]) -> None:
        self.say(f"- {what}")
        if not self.dry:
            step()

    def run(self, *command: str, user: str | None = None, otherwise: str | None = None) -> None:
        """A command of the system, as another `user` or as this one. Raises SoundmillError where it fails, unless
        there is something to say `otherwise`, if only nothing."""
        self.say(f"- {'' if user is None else f'as {user}: '}{shlex.join(command)}")
        if self.dry:
            return
        try:
            done = run(*command, user=user)
        except OSError as error:
            raise SoundmillError(f"{command[0]} cannot be run: {error.strerror}; install it and try again") from error
        if done.returncode == 0:
            return
        said = " ".join(done.stderr.split() or done.stdout.split())
        if otherwise is None:
            raise SoundmillError(f"{shlex.join(command)} failed: {said}")
        if otherwise:
            self.say(f"  that did not work ({said}): {otherwise}")

    def write(self, path: Path, text: str) -> None:
        """Put a file in place; how it differs from what is there is shown with `dry`. Raises OSError."""
        before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
        if before == text:
            self.say(f"- {path}: is as it should be")
            return
        self.say(f"- {'write' if before is None else 'write anew'} {path}")
        if self.dry:
            changes = difflib.unified_diff((before or "").splitlines(), text.splitlines(), lineterm="", n=0)
            for line in text.splitlines() if before is None else list(changes)[2:]:
                self.say(f"    {line}")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())
        path.chmod(0o644)


def run(*command: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    """A command of the system, that asks nobody anything; as another `user` from / and with nothing of this process's.
    Raises OSError."""
    if user is None:
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        user=user, group=user, extra_groups=[], umask=0o027, cwd="/", env={"PATH": os.defpath},
    )  # fmt: skip
