"""Datasette's own pages over a catalogue: every table and view answers, and a screen reader finds its way."""

from __future__ import annotations

import asyncio
import gzip
import re
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from soundmill.catalog.catalog import Catalog

from .conftest import Get, Home, close_site, open_site

OLD = Path(__file__).resolve().parents[1] / "data" / "catalogue-d948915.db.gz"
FIELD = re.compile(r"<(?:select|textarea|input)\b[^>]*>")
SILENT = re.compile(r'type="(hidden|submit|checkbox)"')


def names(path: Path) -> list[str]:
    db = sqlite3.connect(path)
    try:
        found = db.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
        )
        return [str(row[0]) for row in found]
    finally:
        db.close()


def answers(path: Path) -> dict[str, int]:
    """The status of the page of every table and view, and of the page of a row of each table that has one."""
    datasette = open_site([path])

    async def ask() -> dict[str, int]:
        found = {}
        for name in names(path):
            found[name] = (await datasette.client.get(f"/{path.stem}/{name}")).status_code
            rows = (await datasette.client.get(f"/{path.stem}/{name}.json?_size=1&_shape=objects")).json()
            keys = rows.get("primary_keys") or []
            if rows["rows"] and keys and not name.startswith("jobs_fts"):  # SQLite's own, with blobs for keys
                row = ",".join(str(rows["rows"][0][key]).replace(".", "~2E").replace(" ", "+") for key in keys)
                found[f"{name}/{row}"] = (await datasette.client.get(f"/{path.stem}/{name}/{row}")).status_code
        return found

    try:
        return asyncio.run(ask())
    finally:
        close_site(datasette)


def test_every_table_and_view_has_a_page(home: Home) -> None:
    found = answers(home.database)
    assert {"outputs", "attempts", "picks", "takes", "ratings"} <= set(found)
    assert {name: status for name, status in found.items() if status != 200} == {}


def test_so_has_an_old_catalogue_whose_references_named_no_column(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(gzip.decompress(OLD.read_bytes()))
    Catalog.open(path, clock=time.time).close()
    found = answers(path)
    assert any(name.startswith("outputs/") for name in found)
    assert {name: status for name, status in found.items() if status != 200} == {}


@pytest.mark.parametrize(
    "path",
    [
        "/-/databases", "/catalog", "/catalog/takes", "/catalog/takes?batch=forest&score__gt=50", "/catalog/outputs",
        "/catalog/jobs/1", "/catalog/best_takes", "/catalog/best_takes?_hide_sql=0", "/catalog?sql=select+1+where+1=:x",
    ],
)  # fmt: skip
def test_a_page_says_its_language_and_names_its_fields(get: Get, path: str) -> None:
    html = get(path).text
    assert '<html lang="en">' in html
    assert [field for field in FIELD.findall(html) if not _is_named(field, html)] == []


def _is_named(field: str, html: str) -> Any:
    identity = re.search(r'id="([^"]+)"', field)
    labelled = identity and f'<label for="{identity[1]}"' in html
    return SILENT.search(field) or "aria-label" in field or labelled
