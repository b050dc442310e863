"""What Datasette asks on its own pages again and again: counts of all rows, of all values, and how tables are made.

For large catalogues it gives up on these, each time after its time limit and once for each visitor. Here the views
row_totals and value_totals answer for the views they know, an answer stands while the catalogue is what it was, what
took too long is not tried again for a while, and tables are looked at again only when the schema has changed. Which
questions may be asked is decided before, and is none of this module's business.
"""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import Any

from datasette.database import QueryInterrupted

from soundmill.publish.sharing.version import Version

COUNT = re.compile(r"select count\(\*\) from \[?(\w+)\]?")
FACET = re.compile(
    r"select \[?(\w+)\]? as value, count\(\*\) as count from \( select (?:(?! from ).)* from (\w+) \)"
    r" where \[?\1\]? is not null group by \[?\1\]? order by count desc, value limit (\d+)"
)
TOTAL = "SELECT total FROM row_totals WHERE view = :view"
VALUES = """
SELECT value, total AS count FROM value_totals WHERE view = :view AND column_name = :column
ORDER BY count DESC, value LIMIT :limit
"""
COUNTED = (
    "takes", "job_list", "queue", "failures", "attempt_list", "scores_by_scorer", "ratings_list", "labelled_jobs",
    "event_log",
)  # fmt: skip
LISTED = {"takes": ("batch", "model", "kept", "verdict"), "job_list": ("status",)}
# Of a Datasette Database: what it asks of the schema alone.
OF_SCHEMA = (
    "table_names", "view_names", "hidden_table_names", "table_columns", "table_column_details", "primary_keys",
    "fts_table", "foreign_keys_for_table", "get_all_foreign_keys", "label_column_for_table", "get_view_definition",
    "get_table_definition", "table_exists", "view_exists",
)  # fmt: skip
GIVEN_UP_S = 10.0
MOST_KEPT = 500  # answers; a facet has some twenty rows


def remember(database: Any, version: Version, clock: Callable[[], float] = time.monotonic) -> None:
    """Have a database of Datasette's remember, from now on, what is asked of it again."""
    memory = _Memory(database.execute, version, clock)
    database.execute = memory.execute
    for name in OF_SCHEMA:
        if hasattr(database, name):
            setattr(database, name, memory.of_schema(name, getattr(database, name)))


class _Memory:
    def __init__(self, execute: Callable[..., Awaitable[Any]], version: Version, clock: Callable[[], float]) -> None:
        self._execute = execute
        self._version = version
        self._clock = clock
        self._answers: OrderedDict[tuple[str, str], tuple[int | None, Any]] = OrderedDict()
        self._given_up: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._schema: dict[Any, Any] = {}
        self._schema_version: int | None = None

    async def execute(self, sql: str, params: Any = None, truncate: bool = False, **more: Any) -> Any:
        """As Database.execute. Rows that somebody asked for by themselves are cut off (`truncate`) and asked anew."""
        plain = " ".join(sql.split())
        if not truncate and not more and plain.count(" from ") == 1 and " from sqlite_master " in plain:
            return await self._of_schema(("execute", sql, repr(params)), lambda: self._execute(sql, params))
        if truncate or not (more.get("custom_time_limit") or COUNT.match(plain)):
            return await self._execute(sql, params, truncate=truncate, **more)
        known = _known(plain)
        if known is not None and not params:
            return await self._execute(*known)
        return await self._counted(sql, params, more)

    async def _counted(self, sql: str, params: Any, more: dict[str, Any]) -> Any:
        key = sql, json.dumps(params, default=repr)
        version = self._version.data()
        held, answer = self._answers.get(key, (None, None))
        if version is not None and held == version:
            return answer
        if self._clock() < self._given_up.get(key, 0.0):
            raise QueryInterrupted(TimeoutError("took too long a moment ago"), sql, params)
        try:
            answer = await self._execute(sql, params, **more)
        except QueryInterrupted:
            _keep(self._given_up, key, self._clock() + GIVEN_UP_S)
            raise
        _keep(self._answers, key, (version, answer))
        return answer

    def of_schema(self, name: str, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(*arguments: Any) -> Any:
            # Each has a copy: what Datasette does with it is its own affair.
            return deepcopy(await self._of_schema((name, arguments), lambda: ask(*arguments)))

        return asked

    async def _of_schema(self, key: Any, ask: Callable[[], Awaitable[Any]]) -> Any:
        version = self._version.schema()
        if version is None or version != self._schema_version or len(self._schema) > MOST_KEPT:
            self._schema, self._schema_version = {}, version
        if key in self._schema:
            return self._schema[key]
        answer = await ask()
        if version is not None and version == self._schema_version:
            self._schema[key] = answer
        return answer


def _known(sql: str) -> tuple[str, dict[str, Any]] | None:
    """The question that has the same answer and is asked of what the catalogue counts by itself."""
    if (count := COUNT.fullmatch(sql)) and count[1] in COUNTED:
        return TOTAL, {"view": count[1]}
    if (facet := FACET.fullmatch(sql)) and facet[1] in LISTED.get(facet[2], ()):
        return VALUES, {"view": facet[2], "column": facet[1], "limit": int(facet[3])}
    return None


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MOST_KEPT:
        kept.popitem(last=False)
