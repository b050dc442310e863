"""The process that checks job files for the site, so that a large one takes neither its time nor its memory.

`python -m soundmill.commands.asking.checker HOME` answers on its output, a line of JSON for each file that comes on
its input: a line of JSON with `name` and `size`, then so many bytes. It ends when its input does.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from soundmill.commands.check import preview_of
from soundmill.config import load
from soundmill.errors import SoundmillError
from soundmill.home import Home

MEMORY = 4 << 30  # bytes of address space
NICENESS = 10


def answer(home: Home, name: str, content: bytes) -> dict[str, object]:
    """What `soundmill check --json` says of one file, or `error` where nothing can be said."""
    try:
        return preview_of(content, name, home.inbox, load(home), home)
    except SoundmillError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": f"{name}: there is too little memory here to check it; drop it and see"}


def work(home: Home, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the requests end."""
    while line := requests.readline():
        request = json.loads(line)
        said = answer(home, str(request["name"]), requests.read(int(request["size"])))
        answers.write(json.dumps(said, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n")
        answers.flush()


if __name__ == "__main__":
    with suppress(OSError, ValueError):  # as where a sandbox forbids it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with suppress(OSError):
        os.nice(NICENESS)
    work(Home(Path(sys.argv[1])), sys.stdin.buffer, sys.stdout.buffer)
