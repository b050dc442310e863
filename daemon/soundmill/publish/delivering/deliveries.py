"""What the button Deliver needs: the profiles there are, what became of what was asked for, and the zip files."""

from __future__ import annotations

import asyncio
from typing import Any

from datasette.utils.asgi import Response

from soundmill.errors import SoundmillError
from soundmill.publish.asking import leaving
from soundmill.publish.asking.permissions import DELIVER
from soundmill.publish.asking.requests import Refused, answer, must_be_allowed
from soundmill.publish.asking.wishes import refusing
from soundmill.publish.reads import ask
from soundmill.publish.served import served_by, visible_catalog
from soundmill.publish.stream import Receive, Send, serve_file, url_path
from soundmill.words import number

FOLDER = "deliveries"  # of the home
ZIP = {".zip": "application/zip"}
MOST = 8  # deliveries that a page shows of one batch or shortlist
ASKED = "SELECT * FROM deliveries WHERE of_what = :of AND target = :target ORDER BY ulid DESC LIMIT :limit"


async def _must_be_one_who_may(datasette: Any, request: Any) -> str:
    """The catalogue's name. Raises Refused."""
    catalog = await visible_catalog(datasette, request)
    if request.actor is None:
        raise Refused(401, "nobody is logged in; for a link: soundmill web --link")
    await must_be_allowed(datasette, request.actor, DELIVER)
    return catalog


@refusing
async def deliveries_route(datasette: Any, request: Any) -> Response:
    """`?of=batch&target=NAME`: the profiles, and what of this was asked for, the latest first."""
    catalog = await _must_be_one_who_may(datasette, request)
    home = served_by(datasette).home
    if home is None:
        raise Refused(503, "beside this catalogue there is no inbox, so nobody can be asked; serve it from its home")
    try:
        profiles = await asyncio.to_thread(leaving.profiles, home)
    except SoundmillError as error:
        raise Refused(503, str(error)) from None
    values = {"of": request.args.get("of") or "", "target": request.args.get("target") or "", "limit": MOST}
    rows = await ask(datasette.databases[catalog], ASKED, values)
    path = datasette.urls.path
    for row in rows:
        row["zip_url"] = path(f"/-/soundmill/deliveries/{url_path(row['zip_file'])}") if row["zip_file"] else None
    told = [{"name": name, "about": _about(each)} for name, each in profiles.items()]
    return answer({"profiles": told, "deliveries": rows})


def _about(profile: Any) -> str:
    """A profile in a line."""
    rate = f"{number(profile.sample_rate / 1000)} kHz"
    bits = [] if profile.format in ("ogg", "opus", "mp3") else [f"{profile.bits} bit"]
    loudness = [f"{number(profile.loudness_lufs)} LUFS".replace("-", "−")] if profile.level != "as_made" else []
    return ", ".join([profile.format.upper(), rate, *bits, *loudness, *(["for sale"] if profile.commercial else [])])


async def zip_route(datasette: Any, request: Any, send: Send, receive: Receive) -> None:
    """A delivery that was packed, for those who may have some made."""
    try:
        await _must_be_one_who_may(datasette, request)
    except Refused as refused:
        await refused.response.asgi_send(send)
        return
    home = served_by(datasette).home
    folder = None if home is None else home / FOLDER
    await serve_file(folder, request.url_vars["path"], request, send, receive, types=ZIP)
