"""What the metadata allow of each table, looked up once.

Datasette 0.65 copies all its metadata for the permission of every table and view: nine tenths of the time of the page
that lists them. What it was started with stays what it is; where a plugin gives metadata that may be others each time,
it looks for itself.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from datasette.plugins import pm

MOST_KEPT = 500  # tables, also those that are asked for and are not there


def remember_rules(datasette: Any) -> None:
    """Have a Datasette remember, from now on, who may see a table. Of another version than 0.65 nothing is known."""
    look = getattr(datasette, "_table_permission_allows", None)
    if look is None:
        return
    known = lru_cache(MOST_KEPT)(lambda database, table: tuple(look(database, table)))

    def rules(database: str, table: str) -> list[Any]:
        given = getattr(pm.hook, "get_metadata", None)
        return look(database, table) if given and given.get_hookimpls() else list(known(database, table))

    datasette._table_permission_allows = rules
