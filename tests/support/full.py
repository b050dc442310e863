"""How much the tests that count over many look at: everything where .ci/run says so, elsewhere a part of it with the
same assertions, for a person waits."""

from __future__ import annotations

import os

FULL = os.environ.get("SOUNDMILL_TESTS") == "full"


def many(full: int, part: int) -> int:
    """`full` of them with SOUNDMILL_TESTS=full, else `part`."""
    return full if FULL else part
