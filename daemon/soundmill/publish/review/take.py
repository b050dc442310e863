"""A take's own page: everything of a job, what came of each attempt, and where in the clip something was found."""

from __future__ import annotations

import shlex
import urllib.parse
from typing import Any

from datasette.utils.asgi import Response

from soundmill.publish import pages
from soundmill.publish.reads import Ask, Row, visit
from soundmill.publish.review import questions
from soundmill.publish.review.page import framing
from soundmill.publish.served import visible_catalog
from soundmill.publish.sharing.answers import shared
from soundmill.publish.stream import url_path
from soundmill.words import composed, count, number, percent

JOB_OF_FILE = "SELECT job_id, output_id FROM takes WHERE audio = :path"
JOB_OF_NAME = "SELECT job_id, NULL AS output_id FROM job_list WHERE batch = :batch AND job IN (:job, :stem)"
JOB = "SELECT * FROM job_list WHERE job_id = :job"
ATTEMPTS = """
SELECT attempt, status, audio, verdict, score, is_final, seed, worker, device, error, started_at, finished_at
FROM attempt_list WHERE job_id = :job ORDER BY attempt LIMIT 100
"""
TAKES = "SELECT output_id, is_final FROM takes WHERE job_id = :job ORDER BY is_final DESC, output_id DESC LIMIT 100"
NEIGHBOUR = """
SELECT batch, job, audio FROM job_list WHERE batch = :batch AND (position, job_id) {sign} (:position, :job)
ORDER BY position {way}, job_id {way} LIMIT 1
"""
RATINGS = """
SELECT who, stars, rejected, note, rated_at FROM ratings_list WHERE output_id = :take ORDER BY rated_at DESC LIMIT 50
"""
GOODNESS = """
SELECT source, goodness, answers FROM goodness_by_source WHERE output_id = :take ORDER BY rank, source LIMIT 20
"""


def said(row: Row) -> str:
    """What one source says of a take, on its own scale."""
    match row["source"]:
        case "listeners":
            return f"preferred in {percent(row['goodness'])} of {count(row['answers'], 'answer')} of listeners"
        case "stars":
            return f"{number(round(row['goodness'], 2))} of 5 stars ({count(row['answers'], 'rating')})"
        case "prompt":
            return f"{percent(row['goodness'])} of what its prompt's words ask for is heard"
        case "gain":
            return f"its prompt makes it likelier by {number(round(row['goodness'], 3))} nats a token"
        case scorer:
            return f"{number(round(row['goodness'], 2))} by {scorer}"


@shared
async def take_page(datasette: Any, request: Any) -> Response:
    """By the file of a take, `<batch>/<file>`, or by `<batch>/<job>`, which a job without a take has too."""
    database = await visible_catalog(datasette, request)
    source = datasette.databases[database]
    path = composed(urllib.parse.unquote(request.url_vars["path"]))
    told = await visit(source, lambda ask: _told(ask, path))
    if told is None:
        return await pages.not_there(datasette, request, "No such take", f"There is no take and no job {path}")
    job, number = told["job"], told.pop("number")
    name = f"{job['batch']}/{job['job']}"
    context = {
        **pages.helpers(datasette, database),
        **framing(datasette, "take"),
        **told,
        "take": _first(await questions.details(source, [number], "")) if number else None,
        "rerun": f"soundmill rerun {shlex.quote(name)}",
        "take_url": lambda row: datasette.urls.path(f"/-/soundmill/take/{url_path(row['audio'] or _named(row))}"),
        "url_path": url_path,
    }
    return await pages.page(datasette, request, "soundmill_take", context)


def _told(ask: Ask, path: str) -> dict[str, Any] | None:
    """The job with its attempts, its neighbours in the file, and the number of the take that is meant and what people
    said of it: the one in that file, or the job's final or else its latest one."""
    batch, _, name = path.partition("/")
    name = name.rpartition("/")[2]
    named = {"batch": batch, "job": name, "stem": name.rpartition(".")[0] or name}
    row = _first(ask(JOB_OF_FILE, {"path": path})) or _first(ask(JOB_OF_NAME, named))
    job = _first(ask(JOB, {"job": row["job_id"]})) if row else None
    if row is None or job is None:
        return None
    takes = ask(TAKES, {"job": job["job_id"]})
    number = row["output_id"] or (takes[0]["output_id"] if takes else None)
    own = {"batch": job["batch"], "position": job["position"], "job": job["job_id"]}
    return {
        "job": job,
        "number": number,
        "attempts": ask(ATTEMPTS, {"job": job["job_id"]}),
        "goodness": [said(row) for row in ask(GOODNESS, {"take": number})] if number else [],
        "ratings": ask(RATINGS, {"take": number}) if number else [],
        "before": _first(ask(NEIGHBOUR.format(sign="<", way="DESC"), own)),
        "after": _first(ask(NEIGHBOUR.format(sign=">", way="ASC"), own)),
    }


def _named(row: Row) -> str:
    return f"{row['batch']}/{row['job']}"


def _first(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None
