"""What a test does when the machine lacks something that it needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test, with what is missing as the reason; where CI is set, fail it: a run that must show that everything
    passes may not pass because half of it was not there."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def needs_attributes(path: Path) -> None:
    """Skips where the file system of an existing file keeps no extended attributes."""
    try:
        os.setxattr(path, "user.any", b"1")
    except OSError:
        missing("this file system keeps no extended attributes")
