"""A listening test for people who see nothing else of the site: its page, its questions, its sounds.

The token in the address is all that they have, and no cookie comes with it: so a page elsewhere can do nothing in their
name. Of a take, nothing is told but its sound.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from pathlib import Path
from typing import Any

from datasette.utils.asgi import NotFound, Response
from itsdangerous import BadSignature

from soundmill.publish import datasettes
from soundmill.publish.asking import keys, leaving, trust
from soundmill.publish.asking.requests import Refused, answer, json_object
from soundmill.publish.asking.wishes import refusing
from soundmill.publish.compare.chosen import gains_db
from soundmill.publish.compare.sessions import Sessions
from soundmill.publish.compare.sounds import CONTENT_TYPE, Sounds
from soundmill.publish.compare.studies import Study, opened
from soundmill.publish.pages import LIVE
from soundmill.publish.reads import Row, ask
from soundmill.publish.review.page import module_urls
from soundmill.publish.served import served_by
from soundmill.publish.stream import Receive

SESSIONS, SOUNDS = "sessions", "sounds"
NAMESPACE = "soundmill-listener"
MOST_BYTES = 10_000
LONGEST_NAME = 60  # characters
ALONE = {**LIVE, "referrer-policy": "no-referrer", "x-robots-tag": "noindex"}
OVER = "this listening test is over, or the link is not whole"
SAID = "SELECT * FROM comparisons_list WHERE study = :study ORDER BY comparison_id LIMIT 100000"
TAKES = """
SELECT output_id, audio, loudness_lufs FROM takes WHERE output_id IN (SELECT value FROM json_each(:ids))
ORDER BY output_id
"""


async def listen_page(datasette: Any, request: Any) -> Response:
    study, _ = _study(datasette, request.url_vars["token"])
    assets = served_by(datasette).assets
    template = datasettes.templates(datasette).get_template("soundmill_listen.html")
    path = datasette.urls.path
    html = await template.render_async(
        {
            "study": study,
            "styles": [
                path(f"/-/soundmill/static/{n}?{assets[n].digest}")
                for n in ("soundmill.css", "review.css", "compare.css")
            ],
            "modules": module_urls(datasette),
            "data": {
                "token": study.token if study else "",
                "ask": path("/-/soundmill/listening"),
                "sounds": path("/-/soundmill/listen/"),
            },
        }
    )
    return Response.html(html, status=200 if study else 404, headers=ALONE)


@refusing
async def listening_route(datasette: Any, request: Any, receive: Receive) -> Response:
    """`{"token", "name"}` joins; `{"token", "listener"}` asks for a question, with `question` and `answer` after having
    answered that one."""
    if request.method != "POST":
        raise Refused(405, "only POST")
    hosts = ((datasette.plugin_config("soundmill") or {}).get("hosts") or "").lower().split()
    if trust.is_foreign(request.headers, hosts):
        raise Refused(403, "this came from another site")
    content = await json_object(request, receive, MOST_BYTES)
    study, home = _study(datasette, content.get("token"))
    if study is None or home is None:
        raise Refused(404, OVER)
    if "name" in content:
        return answer({"listener": _joined(datasette, study, content["name"])}, 201)
    who = _who(datasette, study, content.get("listener"))
    sessions = sessions_of(datasette)
    database = datasette.databases[served_by(datasette).catalog]
    refused = "question" in content and not await _answered(sessions, study, home, who, content, database)
    said = sessions.said(study, await ask(database, SAID, {"study": study.name}))
    found = await asyncio.to_thread(sessions.ask, study, who, said)
    if found is None:
        return answer({"done": study.questions, "of": study.questions, "question": None, "gone": refused})
    name, question, done = found
    return answer({"done": done, "of": study.questions, "question": name, "sounds": question.sounds, "gone": refused})


async def sound_route(datasette: Any, request: Any) -> Response:
    study, _ = _study(datasette, request.url_vars["token"])
    sound = sessions_of(datasette).sounds.get(request.url_vars["sound"])
    served = served_by(datasette)
    if study is None or sound is None or sound.study_id != study.id or served.outputs is None:
        raise NotFound("No such sound")
    takes = await ask(datasette.databases[served.catalog], TAKES, {"ids": json.dumps(study.takes)})
    gains = gains_db([take["loudness_lufs"] for take in takes])
    of_one: list[tuple[Row, float]] = [
        (take, gain) for take, gain in zip(takes, gains, strict=True) if take["output_id"] == sound.take
    ]
    kept = served.parts.setdefault(SOUNDS, Sounds())
    try:
        ((take, gain),) = of_one
        data = await asyncio.to_thread(kept.get, served.outputs, take["audio"], gain, spoiled=sound.spoiled)
    except (OSError, ValueError, RuntimeError):  # soundfile's own error is a RuntimeError
        raise NotFound("The file of this take is not there any more") from None
    return Response(data, headers={"cache-control": "private, no-store"}, content_type=CONTENT_TYPE)


def sessions_of(datasette: Any) -> Sessions:
    parts = served_by(datasette).parts
    if SESSIONS not in parts:
        parts[SESSIONS] = Sessions(lot=random.SystemRandom())
    found: Sessions = parts[SESSIONS]
    return found


def _study(datasette: Any, token: object) -> tuple[Study | None, Path | None]:
    served = served_by(datasette)
    if served.home is None or served.catalog is None or not isinstance(token, str):
        return None, None
    return opened(keys.folder_of(served.home), token), served.home


def _joined(datasette: Any, study: Study, name: object) -> str:
    """A listener's name, signed, with something that tells them from others of that name."""
    text = " ".join(name.split()) if isinstance(name, str) else ""
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        raise Refused(400, f"a name has 1 to {LONGEST_NAME} characters")
    return str(datasette.sign({"study": study.id, "who": f"{text} ({study.id}-{secrets.token_hex(3)})"}, NAMESPACE))


def _who(datasette: Any, study: Study, listener: object) -> str:
    try:
        found = datasette.unsign(listener if isinstance(listener, str) else "", NAMESPACE)
    except BadSignature:
        found = None
    if not isinstance(found, dict) or found.get("study") != study.id:
        raise Refused(401, "nobody knows you here: give your name")
    return str(found["who"])


async def _answered(
    sessions: Sessions, study: Study, home: Path, who: str, content: dict[str, Any], database: Any
) -> bool:
    """Leave an answer for the daemon; False where nobody is asked that any more. Raises Refused."""
    name = str(content["question"])
    question = sessions.take(name, study, who)
    if question is None:
        return False
    files = {row["output_id"]: row["audio"] for row in await ask(database, TAKES, {"ids": json.dumps(study.takes)})}
    said = {
        "answer": content.get("answer"),
        "blind": True,
        "attention": question.attention,
        "expected": question.expected,
        "study": study.name,
    }
    try:
        wish = {"action": "compare", "target": files.get(question.first), "second": files.get(question.second), **said}
        (ulid,) = await asyncio.to_thread(leaving.leave, home, [leaving.wish(wish, who)])
    except leaving.InvalidControl as error:
        sessions.put_back(name, question)
        raise Refused(400, str(error)) from None
    except (leaving.Busy, OSError) as error:
        sessions.put_back(name, question)
        raise Refused(503, f"the answer cannot be kept just now: {error}") from None
    about = {"first_output_id": question.first, "second_output_id": question.second}
    sessions.wait(ulid, {**said, **about, "who": who, "ulid": ulid})
    return True
