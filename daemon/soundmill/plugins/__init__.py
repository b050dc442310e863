"""The ground, plugins: an installed package adds models, scorers and quality checks here, without a fork.

A package names its module under the entry point group `soundmill` and marks functions in it with `hookimpl`; hooks.py
says which there are. docs/plugins.md is the how-to. Plugins are loaded when the first registry is read, in every
process that reads one: the daemon, an engine's, a command's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from typing import Any

import pluggy

from soundmill.plugins import hooks
from soundmill.plugins.hooks import GROUP, hookimpl

__all__ = ["broken", "hookimpl", "leave_out", "manager", "names", "registered"]

_log = logging.getLogger(__name__)


@cache
def manager() -> pluggy.PluginManager:
    """The plugins of this process, those of installed packages loaded.

    One that cannot be loaded is left out, logged once, and listed by `broken`: a wrong package stops no daemon.
    """
    found = pluggy.PluginManager(GROUP)
    found.add_hookspecs(hooks)
    for entry in metadata.entry_points(group=GROUP):
        try:
            found.register(entry.load(), name=entry.name)
            found.check_pending()
        except Exception as error:  # it is somebody else's code
            _leave_out(found, entry.name, error)
    return found


@cache
def broken() -> dict[str, str]:
    """Name of each plugin that was left out, and why."""
    return {}


def names() -> list[str]:
    """The plugins that were loaded."""
    return sorted(name for name, plugin in manager().list_name_plugin() if plugin is not None)


def registered(hook: str) -> Iterator[tuple[str, Any]]:
    """(plugin's name, what it registers) for each thing that plugins answer to a hook of hooks.py.

    A plugin whose answer raises is left out from then on.
    """
    for implementation in getattr(manager().hook, hook).get_hookimpls():
        try:
            answer = list(implementation.function())
        except Exception as error:  # it is somebody else's code
            _leave_out(manager(), implementation.plugin_name, error)
            continue
        for each in answer:
            yield implementation.plugin_name, each


def leave_out(name: str, error: Exception) -> None:
    """Do without a plugin that is wrong, and say so once."""
    _leave_out(manager(), name, error)


def _leave_out(found: pluggy.PluginManager, name: str, error: Exception) -> None:
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    broken()[name] = reason
    _log.warning("plugin %s is left out: %s", name, reason)
    if found.has_plugin(name):
        found.unregister(name=name)
