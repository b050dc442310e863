"""What people ask of a catalogue, done as the daemon does it: in one transaction, at the time of its clock."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.connection import transaction

P = ParamSpec("P")
R = TypeVar("R")


def asked(
    catalog: Catalog, wish: Callable[Concatenate[sqlite3.Connection, float, P], R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """What `wish`, a function of catalog/wishes.py or catalog/asking/, comes to."""
    with catalog.connected() as db, transaction(db):
        return wish(db, catalog.clock(), *args, **kwargs)
