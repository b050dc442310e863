"""The whole daemon in a process of its own, with a real engine process that needs no torch.

    python light_daemon.py HOME [--once] [--deadline S] [--settle S] [--patience S]

Prints "ready" once it has started. Prompts steer the backend (tests/support/faulty_backend.py).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from soundmill.config import Config, InboxConfig, ScheduleConfig
from soundmill.engine.process.engine import ProcessEngine
from soundmill.home import Home
from soundmill.service.daemon import Service


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--deadline", type=float, default=60.0)
    parser.add_argument("--max-attempts", type=int, default=3)
    parser.add_argument("--settle", type=float, default=0.0)
    parser.add_argument("--patience", type=float, default=60.0)
    chosen = parser.parse_args()
    config = Config(
        default_model="tiny",
        default_duration=0.5,
        inbox=InboxConfig(settle_s=chosen.settle, patience_s=chosen.patience, scan_interval_s=0.05),
        schedule=ScheduleConfig(
            max_attempts=chosen.max_attempts, deadline_s=chosen.deadline, deadline_per_audio_s=0.0, backoff_max_s=0.5
        ),
    )

    def engine(device: str) -> ProcessEngine:
        return ProcessEngine(device, backend_for="support.faulty_backend:open_backend", slots=4, load_deadline_s=30.0)

    said = False

    def say_ready() -> None:
        nonlocal said
        if not said:
            said = True
            print("ready", flush=True)

    service = Service(
        Home(chosen.home),
        config,
        devices=["cpu"],
        with_site=False,
        with_reports=False,
        engine_for=engine,
        on_tick=say_ready,
    )
    ended = service.run(once=chosen.once)
    return 0 if ended.ok else 1


if __name__ == "__main__":
    sys.exit(main())
