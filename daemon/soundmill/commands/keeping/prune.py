"""`soundmill prune`: have the daemon let go what retention lets go, or say what that would be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

from ulid import ULID

from soundmill.catalog.keeping.retention import Rules, Stored
from soundmill.catalog.reader import Reader
from soundmill.commands import terminal as show
from soundmill.config import load
from soundmill.errors import ConfigError, UsageError
from soundmill.home import Home, daemon_running, must_be_set_up
from soundmill.inbox.control import Control, drop
from soundmill.service import wiring
from soundmill.words import count, size

MOST_BATCHES = 20  # are named


def prune(home: Home, *, dry_run: bool, as_json: bool, say: Callable[[str], None]) -> None:
    """Leave word for the daemon to prune by the retention of soundmill.yaml; with `dry_run`, say what would go.

    Raises UsageError where retention is off, ConfigError where the daemon goes by another one.
    """
    must_be_set_up(home)
    rules = wiring.retention_of(load(home))
    if not rules.any:
        raise UsageError(f"retention is off: set after_d, failed_after_d … under retention: in {home.config_file}")
    with Reader.open(home.catalog) as reader:
        going = reader.to_be_pruned(rules, time.time())
        if not dry_run and daemon_running(home):
            _must_be_the_daemons(rules, reader.setting("retention"), home)
    if as_json:
        show.print_json({"takes": len(going), "bytes": _bytes(going), "files": [asdict(take) for take in going]})
    else:
        for line in _said(going):
            say(line)
    if dry_run or not going:
        return
    drop(home.control, Control(action="prune", target="retention"), str(ULID()))
    if not as_json:
        later = "" if daemon_running(home) else "; no daemon is running, it will be done at the next start"
        say(f"handed to the daemon{later}")


def _must_be_the_daemons(rules: Rules, noted: str | None, home: Home) -> None:
    if noted is not None and json.loads(noted) != asdict(rules):
        raise ConfigError(
            f"{home.config_file}: the daemon goes by another retention: have it read the file "
            "(systemctl reload soundmill, or SIGHUP), then prune"
        )


def _said(going: list[Stored]) -> Iterator[str]:
    if not going:
        yield "No take is due."
        return
    batches: dict[str, list[Stored]] = {}
    for take in going:
        batches.setdefault(take.batch, []).append(take)
    for batch, takes in list(batches.items())[:MOST_BATCHES]:
        kinds = {"failed a check": sum(t.failed for t in takes), "set aside": sum(t.set_aside for t in takes)}
        what = "".join(f", {number:,} {kind}" for kind, number in kinds.items() if number)
        yield f"{batch}: {count(len(takes), 'take')}{what}, {size(_bytes(takes))}"
    if len(batches) > MOST_BATCHES:
        yield f"… and as much of others: {len(batches):,} batches"
    yield f"{count(len(going), 'take')} in all, {size(_bytes(going))} of audio; their rows stay"


def _bytes(takes: list[Stored]) -> int:
    return sum(take.size_bytes for take in takes)
