"""The whole daemon in a process of its own, with a real engine process that needs no torch.

    python light_daemon.py HOME [--once] [--deadline S] [--settle S] [--patience S]

Prints "ready" once it has started. Prompts steer the backend (tests/support/faulty_backend.py). While there is a link
HOME/fault, which leads to the name of an error (`EIO`), every call to the system for a path in the home, or for a
process, fails with it, but for SQLite's; with `EIO open`, those that open a file alone. A link HOME/date leads to the
seconds by which its date is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
import time
from pathlib import Path

from soundmill.config import Config, InboxConfig, ScheduleConfig, load
from soundmill.engine.process.engine import ProcessEngine
from soundmill.home import Home
from soundmill.service.daemon import Service

CALLS = ("open", "os.scandir", "os.listdir", "os.rename", "os.remove", "os.mkdir", "os.link")


def fail_while_asked(home: Path) -> None:
    fault, inside = home / "fault", f"{home}{os.sep}"

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event == "subprocess.Popen" or (event in CALLS and str(args[0]).startswith(inside)):
            with contextlib.suppress(FileNotFoundError):
                name, *only = str(fault.readlink()).split()
                if not only or event in only:
                    number = getattr(errno, name)
                    raise OSError(number, os.strerror(number), args[0])

    sys.addaudithook(hook)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--deadline", type=float, default=60.0)
    parser.add_argument("--backoff", type=float, default=0.5)
    parser.add_argument("--max-attempts", type=int, default=3)
    parser.add_argument("--settle", type=float, default=0.0)
    parser.add_argument("--patience", type=float, default=60.0)
    chosen = parser.parse_args()
    fail_while_asked(chosen.home)
    config = Config(
        default_model="tiny",
        default_duration=0.5,
        inbox=InboxConfig(settle_s=chosen.settle, patience_s=chosen.patience, scan_interval_s=0.05),
        schedule=ScheduleConfig(
            max_attempts=chosen.max_attempts,
            deadline_s=chosen.deadline,
            deadline_per_audio_s=0.0,
            backoff_max_s=chosen.backoff,
        ),
    )

    def engine(device: str) -> ProcessEngine:
        return ProcessEngine(device, backend_for="support.faulty_backend:open_backend", slots=4, load_deadline_s=30.0)

    def reread() -> Config:
        changed = load(Home(chosen.home))
        return config.model_copy(update={name: getattr(changed, name) for name in changed.model_fields_set})

    def date() -> float:
        try:
            return time.time() + float(str((chosen.home / "date").readlink()))
        except OSError:
            return time.time()

    said = False

    def say_ready() -> None:
        nonlocal said
        if not said:
            said = True
            print("ready", flush=True)

    service = Service(
        Home(chosen.home),
        reread(),
        devices=["cpu"],
        with_site=False,
        with_reports=False,
        engine_for=engine,
        reread=reread,
        clock=date,
        on_tick=say_ready,
    )
    ended = service.run(once=chosen.once)
    return 0 if ended.ok else 1


if __name__ == "__main__":
    sys.exit(main())
