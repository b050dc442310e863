"""Commands that change something: they leave word for the daemon, the one writer, which does it now or at its start."""

from __future__ import annotations

from collections.abc import Callable

from soundmill.catalog.reader import Reader
from soundmill.home import Home, daemon_running, must_be_set_up
from soundmill.inbox.control import Action, Control, drop
from soundmill.service.daemon import new_ulid


def ask(
    home: Home,
    action: Action,
    named: str,
    find: Callable[[Reader], str],
    *,
    stars: int | None = None,
    note: str | None = None,
) -> str:
    """Ask the daemon to do something to what `find` makes of `named`; returns what there is to say of it.

    Raises UsageError where no home is set up, CatalogError where there is no catalogue yet, and what `find` raises.
    """
    must_be_set_up(home)
    with Reader.open(home.catalog) as reader:
        target = find(reader)
    drop(home.control, Control(action=action, target=target, stars=stars, note=note), new_ulid())
    later = "" if daemon_running(home) else "; no daemon is running, it will be done at the next start"
    return f"{action} {named}: handed to the daemon{later}"
