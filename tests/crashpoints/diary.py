"""What a life writes down outside of its home, line by line, so that a kill loses none of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Diary:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, kind: str, **what: Any) -> None:
        os.write(self._file, (json.dumps({"kind": kind, **what}) + "\n").encode())

    def notes(self, kind: str) -> list[dict[str, Any]]:
        lines = self._path.read_text(encoding="utf-8").splitlines()
        return [note for note in map(json.loads, lines) if note["kind"] == kind]

    def close(self) -> None:
        os.close(self._file)
