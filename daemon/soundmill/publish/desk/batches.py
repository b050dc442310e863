"""All batches, however many there are: found by their names, told apart by what became of them, and put away."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from datasette.utils.asgi import Response

from soundmill.publish import pages
from soundmill.publish.desk import common
from soundmill.publish.reads import Row, ask
from soundmill.publish.served import visible_catalog
from soundmill.publish.sharing.answers import shared

PAGE_SIZE = 50
STATES = {
    "unfinished": ("unfinished", "archived_at IS NULL AND finished_at IS NULL"),
    "finished": ("finished", "archived_at IS NULL AND finished_at IS NOT NULL"),
    "failures": ("with failures", "archived_at IS NULL AND n_failed > 0"),
    "cancelled": ("with cancelled jobs", "archived_at IS NULL AND n_cancelled > 0"),
    "archived": ("archived", "archived_at IS NOT NULL"),
}
COLUMNS = """
batch, status, done, job_count, percent, n_queued, n_running, n_succeeded, n_failed, n_cancelled, flagged, outputs,
file_name, created_at, archived_at, batch_id
"""


@shared
async def batches_page(datasette: Any, request: Any) -> Response:
    database = await visible_catalog(datasette, request)
    args = request.args
    state = args.get("state") if args.get("state") in STATES else ""
    words, before = (args.get("q") or "").strip(), args.get("before") or ""
    sql, values = question(
        state, words, int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    )
    rows = await ask(datasette.databases[database], sql, values)
    page = rows[:PAGE_SIZE]
    asked = {"state": state, "q": words}
    context = {
        **common.frame(datasette, database, "batches"),
        "batches": page,
        "state": state,
        "words": words,
        "states": [(key, label) for key, (label, _) in STATES.items()],
        "link": lambda **changes: "?" + urlencode({k: v for k, v in (asked | changes).items() if v}),
        "next": page[-1]["batch_id"] if len(rows) > PAGE_SIZE else None,
        "sql": _by_hand(state),
    }
    if args.get("live") == "1":
        return await common.parts(datasette, context, {"batches": "soundmill_batches_rows"})
    return await pages.page(datasette, request, "soundmill_batches", context)


def question(state: str, words: str, before: int | None) -> tuple[str, dict[str, Any]]:
    """What finds a page of batches, newest first, and one more where there is more."""
    where = [STATES[state][1] if state else "archived_at IS NULL"]
    values: dict[str, Any] = {"limit": PAGE_SIZE + 1}
    for number, word in enumerate(words.split()[:10]):
        where.append(f"(batch LIKE :w{number} ESCAPE '\\' OR file_name LIKE :w{number} ESCAPE '\\')")
        values[f"w{number}"] = f"%{_literal(word)}%"
    if before is not None:
        where.append("batch_id < :before")
        values["before"] = before
    return (
        f"SELECT {COLUMNS} FROM batch_progress WHERE {' AND '.join(where)} ORDER BY batch_id DESC LIMIT :limit",
        values,
    )


def _by_hand(state: str) -> str:
    where = STATES[state][1] if state else "archived_at IS NULL"
    return f"SELECT * FROM batch_progress WHERE {where} ORDER BY batch_id DESC LIMIT 100"


def _literal(word: str) -> str:
    for sign in "\\%_":
        word = word.replace(sign, f"\\{sign}")
    return word


MOST_FILES = 100
REJECTED = """
SELECT file_name, problem_count, problem_list, rejected_at, ulid FROM rejected_files
WHERE :before = '' OR ulid < :before ORDER BY ulid DESC LIMIT :limit
"""


@shared
async def files_page(datasette: Any, request: Any) -> Response:
    """The job files that were refused, each with all its problems, and what lies in the inbox and is left alone."""
    database = await visible_catalog(datasette, request)
    source = datasette.databases[database]
    before = request.args.get("before") or ""
    rows = await ask(source, REJECTED, {"before": before, "limit": MOST_FILES + 1})
    page = rows[:MOST_FILES]
    context = {
        **common.frame(datasette, database, "desk"),
        "rejected": [_with_problems(row) for row in page],
        "ignored": [] if before else await ask(source, "SELECT kind, file, message FROM inbox_notices LIMIT 500"),
        "next": page[-1]["ulid"] if len(rows) > MOST_FILES else None,
    }
    return await pages.page(datasette, request, "soundmill_files", context)


MOST_PROBLEMS = 50


def _with_problems(row: Row) -> Row:
    """The first of a file's problems as data."""
    problems = json.loads(str(row["problem_list"]))
    return {**row, "problems": problems[:MOST_PROBLEMS], "unsaid": max(0, len(problems) - MOST_PROBLEMS)}
