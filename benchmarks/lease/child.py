"""One part of run.py in a process of its own: imports it, waits to be told how long it may take, and measures.

python benchmarks/lease/child.py PART DEVICE FOLDER RECORDS
"""

from __future__ import annotations

import faulthandler
import importlib
import sys
import time
from pathlib import Path

IMPORTS_S = 55.0


def main() -> None:
    part, device, folder, records = sys.argv[1:]
    faulthandler.dump_traceback_later(IMPORTS_S)
    module = importlib.import_module(f"parts.{part}")
    lease = importlib.import_module("parts.lease").Lease
    faulthandler.cancel_dump_traceback_later()
    Path(records).touch()  # ready
    limit_s = float(sys.stdin.readline())
    # Where it stands when it must stop; the process is ended a moment later.
    faulthandler.dump_traceback_later(limit_s + 0.5)
    module.measure(lease(device=device, until=time.monotonic() + limit_s, folder=Path(folder), records=Path(records)))
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
