"""Takes side by side at the same moment, and the listening tests that are made of them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from datasette.utils.asgi import Response

from soundmill.publish import pages
from soundmill.publish.asking import keys, permissions
from soundmill.publish.asking.requests import Refused, answer, asker, json_object, must_be_allowed
from soundmill.publish.asking.wishes import refusing
from soundmill.publish.compare import studies
from soundmill.publish.compare.chosen import MOST_TAKES, chosen, gains_db
from soundmill.publish.compare.listening import SAID, sessions_of
from soundmill.publish.compare.studies import Study, Unfit
from soundmill.publish.reads import Row, ask
from soundmill.publish.review.page import framing
from soundmill.publish.served import served_by, visible_catalog
from soundmill.publish.stream import Receive, url_path

MOST_SIDES = 6  # takes with a key each
FEWEST_QUESTIONS, MOST_QUESTIONS = 4, 300
QUESTIONS_PER_TAKE, USUAL_QUESTIONS = 3, 40
MOST_BYTES = 20_000
FILES = "SELECT output_id, audio, job, batch FROM takes WHERE output_id IN (SELECT value FROM json_each(:ids))"


async def compare_page(datasette: Any, request: Any) -> Response:
    database = await visible_catalog(datasette, request)
    title, takes = await chosen(datasette.databases[database], request.args)
    sides = takes[:MOST_SIDES]
    gains = gains_db([take["loudness_lufs"] for take in sides])
    frame = framing(datasette, "compare")
    path = datasette.urls.path
    frame["addresses"] |= {"studies": path("/-/soundmill/studies")}
    context = {
        **pages.helpers(datasette, database),
        **frame,
        **_own_style(datasette),
        "title": title,
        "takes": takes,
        "sides": [{**take, "gain_db": gain} for take, gain in zip(sides, gains, strict=True)],
        "questions": max(FEWEST_QUESTIONS, min(USUAL_QUESTIONS, QUESTIONS_PER_TAKE * len(takes))),
        "take_url": lambda take: path(f"/-/soundmill/take/{url_path(take['audio'])}"),
    }
    return await pages.page(datasette, request, "soundmill_compare", context, status=200 if takes else 404)


@refusing
async def studies_route(datasette: Any, request: Any, receive: Receive) -> Response:
    """The tests and how they stand; a POST of `{"name", "takes", "questions"}` makes one, of `{"end": ID}` ends one."""
    if request.method != "POST":
        return await _studies_page(datasette, request)
    actor, home = await asker(datasette, request)
    await must_be_allowed(datasette, actor, permissions.CONTROL)
    content = await json_object(request, receive, MOST_BYTES)
    site = keys.folder_of(home)
    try:
        if "end" in content:
            if not await asyncio.to_thread(studies.end, site, str(content["end"]), time.time()):
                raise Refused(404, "there is no such listening test")
            return answer({"ended": content["end"]})
        database = datasette.databases[served_by(datasette).catalog]
        takes, questions = await _takes_of(database, content.get("takes")), content.get("questions")
        if type(questions) is not int or not FEWEST_QUESTIONS <= questions <= MOST_QUESTIONS:
            raise Refused(400, f"questions must be a whole number from {FEWEST_QUESTIONS} to {MOST_QUESTIONS}")
        made = await asyncio.to_thread(
            studies.make,
            site,
            name=str(content.get("name") or ""),
            takes=takes,
            questions=questions,
            by=permissions.who(actor),
            now=time.time(),
        )
    except Unfit as error:
        raise Refused(400, str(error)) from None
    except OSError as error:
        raise Refused(503, f"the home cannot be written: {error.strerror or error}") from None
    return answer({"id": made.id, "name": made.name, "link": _link(datasette, made)}, 201)


async def _takes_of(database: Any, given: Any) -> list[int]:
    if not isinstance(given, list) or not all(type(each) is int and 0 < each < 2**63 for each in given):
        raise Refused(400, "takes must be numbers of outputs")
    found = [int(row["output_id"]) for row in await ask(database, FILES, {"ids": json.dumps(given)})]
    if not 2 <= len(found) <= MOST_TAKES:
        raise Refused(400, f"a listening test is of 2 to {MOST_TAKES} takes")
    return sorted(found)


async def _studies_page(datasette: Any, request: Any) -> Response:
    database = await visible_catalog(datasette, request)
    home = served_by(datasette).home
    known = [] if home is None else await asyncio.to_thread(studies.all_of, keys.folder_of(home))
    may = home is not None and await permissions.may(datasette, request.actor, permissions.CONTROL)
    source = datasette.databases[database]
    context = {
        **pages.helpers(datasette, database),
        **framing(datasette, "studies"),
        **_own_style(datasette),
        "studies": [await _shown(datasette, source, study) for study in known],
        "may": may,
    }
    context["addresses"] |= {"studies": datasette.urls.path("/-/soundmill/studies")}
    return await pages.page(datasette, request, "soundmill_studies", context)


async def _shown(datasette: Any, source: Any, study: Study) -> Row:
    """A test with its link, and its takes as they stand."""
    said = sessions_of(datasette).said(study, await ask(source, SAID, {"study": study.name}))
    files = {row["output_id"]: row for row in await ask(source, FILES, {"ids": json.dumps(study.takes)})}
    standing = await asyncio.to_thread(_standing, said, study.takes) if said else None
    path = datasette.urls.path
    for row in standing["takes"] if standing else ():
        take = files.get(row["output_id"])
        row["job"] = take["job"] if take else str(row["output_id"])
        row["url"] = path(f"/-/soundmill/take/{url_path(take['audio'])}") if take else None
    return {"study": study, "link": _link(datasette, study), "standing": standing, "answers": len(said)}


def _standing(said: list[Any], takes: tuple[int, ...]) -> Row | None:
    """What listeners prefer, best first, as shares of those who would rather have a take than a middling one."""
    from soundmill.preference import heard, share

    found = heard(said, takes)
    if found is None:
        return None
    standing = found.standing
    rows = [
        {
            "output_id": take,
            "share": share(float(standing.strengths[at])),
            "low": share(float(standing.lows[at])),
            "high": share(float(standing.highs[at])),
            "answers": found.answers[at],
        }
        for at, take in enumerate(found.takes)
    ]
    return {
        "takes": sorted(rows, key=lambda row: -float(row["share"])),
        "winner": found.winner,
        "listeners": len(found.listeners),
        "left_out": found.left_out,
        "total": found.total,
    }


def _link(datasette: Any, study: Study) -> str:
    return str(datasette.urls.path(f"/-/soundmill/listen/{study.token}"))


def _own_style(datasette: Any) -> dict[str, str]:
    asset = served_by(datasette).assets["compare.css"]
    return {"own_style": datasette.urls.path(f"/-/soundmill/static/compare.css?{asset.digest}")}
