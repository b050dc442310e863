"""The scoring room, weights: where a scorer's model comes from, and what to do when it cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from soundmill.engine.failures import one_line
from soundmill.engine.hub import Hub
from soundmill.errors import ModelUnavailable

Loaded = TypeVar("Loaded")


def obtain(load: Callable[[bool], Loaded], scorer: str, model: str, source: Hub) -> Loaded:
    """What `load(local_files_only)` gives: from a folder, from the cache, or from the hub when it is not there yet.

    Raises ModelUnavailable with the mend.
    """
    if Path(model).is_dir():
        return _read(load, True, scorer, model)
    try:
        return load(True)
    except (OSError, ValueError):  # what the libraries raise for "not in the cache" differs between them
        pass
    try:
        source.require_network(model)
    except ModelUnavailable as error:
        reason = str(error).partition("; ")[0]
        raise ModelUnavailable(
            f"scorer {scorer}: {reason}; run `hf download {model}` when online, set scoring.{scorer}_model to a folder"
            f" that holds it, or take {scorer} out of scoring.scorers"
        ) from error
    return _read(load, False, scorer, model)


def _read(load: Callable[[bool], Loaded], local: bool, scorer: str, model: str) -> Loaded:
    try:
        return load(local)
    except ModelUnavailable:
        raise
    except Exception as error:  # a checkpoint can be wrong in many ways
        raise ModelUnavailable(
            f"scorer {scorer}: {model} cannot be loaded ({one_line(error)}); set scoring.{scorer}_model to one that can"
        ) from error
