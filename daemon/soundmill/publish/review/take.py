"""A take's own page: everything of a job, what came of each attempt, and where in the clip something was found."""

from __future__ import annotations

import shlex
import urllib.parse
from typing import Any

from datasette.utils.asgi import Response

from soundmill.publish.pages import LIVE, helpers
from soundmill.publish.reads import Row, ask
from soundmill.publish.review import questions
from soundmill.publish.review.page import framing
from soundmill.publish.served import visible_catalog
from soundmill.publish.stream import url_path
from soundmill.words import composed

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


async def take_page(datasette: Any, request: Any) -> Response:
    """By the file of a take, `<batch>/<file>`, or by `<batch>/<job>`, which a job without a take has too."""
    database = await visible_catalog(datasette, request)
    source = datasette.databases[database]
    path = composed(urllib.parse.unquote(request.url_vars["path"]))
    found = await _find(source, path)
    if found is None:
        context = {"title": "No such take", "status": 404, "error": f"There is no take and no job {path}"}
        html = await datasette.render_template("error.html", context, request=request, view_name="soundmill")
        return Response.html(html, status=404, headers=LIVE)
    job, take = found
    attempts = await ask(source, ATTEMPTS, {"job": job["job_id"]})
    name = f"{job['batch']}/{job['job']}"
    own = {"batch": job["batch"], "position": job["position"], "job": job["job_id"]}
    context = {
        **helpers(datasette, database),
        **framing(datasette, "take"),
        "job": job,
        "take": take,
        "attempts": attempts,
        "ratings": await ask(source, RATINGS, {"take": take["output_id"]}) if take else [],
        "before": _first(await ask(source, NEIGHBOUR.format(sign="<", way="DESC"), own)),
        "after": _first(await ask(source, NEIGHBOUR.format(sign=">", way="ASC"), own)),
        "rerun": f"soundmill rerun {shlex.quote(name)}",
        "take_url": lambda row: datasette.urls.path(f"/-/soundmill/take/{url_path(row['audio'] or _named(row))}"),
        "url_path": url_path,
    }
    html = await datasette.render_template("soundmill_take.html", context, request=request, view_name="soundmill")
    return Response.html(html, headers=LIVE)


async def _find(source: Any, path: str) -> tuple[Row, Row | None] | None:
    """The job, and the take that is meant: the one in that file, or the job's final or else its latest one."""
    batch, _, name = path.partition("/")
    name = name.rpartition("/")[2]
    named = {"batch": batch, "job": name, "stem": name.rpartition(".")[0] or name}
    row = _first(await ask(source, JOB_OF_FILE, {"path": path})) or _first(await ask(source, JOB_OF_NAME, named))
    if row is None:
        return None
    job = _first(await ask(source, JOB, {"job": row["job_id"]}))
    takes = await ask(source, TAKES, {"job": row["job_id"]})
    number = row["output_id"] or (takes[0]["output_id"] if takes else None)
    shown = await questions.details(source, [number], "") if number else []
    return (job, _first(shown)) if job else None


def _named(row: Row) -> str:
    return f"{row['batch']}/{row['job']}"


def _first(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None
