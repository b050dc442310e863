"""What a program writes on a terminal of its own (pty)."""

from __future__ import annotations

import os
import select
import time

PATIENCE_S = 20.0


def seen_on(terminal: int, *, until: bytes | None = None, patience_s: float = PATIENCE_S) -> bytes:
    """All that is written to a pty, read from its other side: to its end, or until these bytes have come. Ends with
    AssertionError when neither happens in time, for a program may write nothing and go on."""
    seen = b""
    end = time.monotonic() + patience_s
    while until is None or until not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"the program neither wrote on nor ended within {patience_s:g} s; so far: {seen!r}"
        try:
            part = os.read(terminal, 4096)
        except OSError:  # nobody has the other side open any more
            break
        if not part:
            break
        seen += part
    return seen
