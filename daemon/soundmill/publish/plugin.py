"""Soundmill's plugin for Datasette: each hook says what is shown where, and leaves the work to its module.

Databases without Soundmill's views are left exactly as they are. Which ones have them is found out once, at
start; `outputs` comes from the plugin's configuration, or is the folder beside the catalogue.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from datasette.utils.asgi import NotFound, Response
from datasette.views.index import IndexView
from jinja2 import ChoiceLoader, PackageLoader
from markupsafe import Markup
from pluggy import HookimplMarker

from soundmill.publish import cells, datasettes, limits, pages, reads
from soundmill.publish.asking import permissions
from soundmill.publish.asking.routes import ROUTES as ASKING
from soundmill.publish.compare.routes import ROUTES as COMPARE
from soundmill.publish.desk.routes import ROUTES as DESK
from soundmill.publish.guard import ASKED_BY_POST, App, Guard, without_prefix
from soundmill.publish.health import answers
from soundmill.publish.review.routes import ROUTES as REVIEW
from soundmill.publish.served import served_by, visible_catalog
from soundmill.publish.stream import REPORT_POLICY, REPORT_TYPES, Receive, Send, serve_file
from soundmill.publish.yielding import RestingTemplate, after_a_rest

hookimpl = HookimplMarker("datasette")
View = Callable[..., Awaitable[Response | None]]


@hookimpl
def startup(datasette: Any) -> Callable[[], Awaitable[None]]:
    async def find_catalogs() -> None:
        served = served_by(datasette)
        served.catalogs = [
            name
            for name, database in datasette.databases.items()
            if database.path and await database.execute_fn(reads.holds_catalog)
        ]
        configured = (datasette.plugin_config("soundmill") or {}).get("outputs")
        if configured:
            served.outputs = Path(configured)
        elif served.catalog:
            served.outputs = Path(datasette.databases[served.catalog].path).absolute().parent / "outputs"
        if served.catalog:
            home = Path(datasette.databases[served.catalog].path).absolute().parent
            served.home = home if (home / "inbox").is_dir() else None

    return find_catalogs


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    if reads.holds_catalog(conn):
        limits.bound(conn)


@hookimpl
def asgi_wrapper(datasette: Any) -> Callable[[App], App]:
    """Guard the sites that Soundmill starts, which always say by what names they go; others stay as they are."""
    hosts = (datasette.plugin_config("soundmill") or {}).get("hosts")
    if hosts is None:
        return lambda app: app
    return lambda app: Guard(
        app, hosts.split(), lambda: served_by(datasette).catalogs, prefix=datasette.setting("base_url")
    )


@hookimpl
def skip_csrf(datasette: Any, scope: dict[str, Any]) -> bool:
    """Datasette's own token stands in forms; these requests carry one of ours (asking/trust.py)."""
    return without_prefix(scope["path"], datasette.setting("base_url")) in ASKED_BY_POST


@hookimpl
def permission_allowed(datasette: Any, actor: Any, action: str) -> bool | None:
    return permissions.decide(datasette, actor, action)


@hookimpl
def register_actions() -> list[Any]:
    return permissions.actions()


@hookimpl
def prepare_jinja2_environment(env: Any) -> None:
    # The loader last, so that nobody's own templates of the same names are hidden.
    env.template_class = RestingTemplate
    env.loader = ChoiceLoader(
        [
            *(datasettes.NamingLoader(loader) for loader in env.loader.loaders),
            *(PackageLoader("soundmill.publish", folder) for folder in ("templates", "review", "desk", "compare")),
        ]
    )


@hookimpl
def render_cell(
    row: Any, value: object, column: str, database: str, datasette: Any
) -> Markup | Awaitable[Markup | None] | None:
    if database not in served_by(datasette).catalogs:
        return None
    fields = dict(row) if column == "job" else {}
    return after_a_rest(cells.cell(column, value, fields, database, datasette.urls.path))


@hookimpl
def extra_css_urls(database: str | None, view_name: str, datasette: Any) -> list[str]:
    return _asset_urls("soundmill.css", database, view_name, datasette)


@hookimpl
def extra_js_urls(database: str | None, view_name: str, datasette: Any) -> list[str]:
    names = ("soundmill.js", "daemon.js")
    return [url for name in names for url in _asset_urls(name, database, view_name, datasette)]


@hookimpl
def extra_template_vars(datasette: Any, request: Any) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def of_the_daemon() -> dict[str, Any]:
        catalog = served_by(datasette).catalog
        if catalog is None or request is None:
            return {}
        allowed = await datasettes.may(datasette, request.actor, "view-database", catalog)
        return await answers.banner(datasette, catalog) if allowed else {}

    return of_the_daemon


def _asset_urls(name: str, database: str | None, view_name: str, datasette: Any) -> list[str]:
    served = served_by(datasette)
    ours = database in served.catalogs if database else bool(served.catalogs) and view_name in ("index", "soundmill")
    return [f"/-/soundmill/static/{name}?{served.assets[name].digest}"] if ours else []


@hookimpl
def menu_links(datasette: Any) -> list[dict[str, str]]:
    served = served_by(datasette)
    if served.catalog is None:
        return []
    path = datasette.urls.path
    front = [{"href": path("/"), "label": "Home"}] if _front_is_ours(datasette) else []
    return [
        *front,
        {"href": path("/-/soundmill"), "label": "Board"},
        {"href": path(f"/{served.catalog}/takes"), "label": "All takes"},
        {"href": path("/-/soundmill/review"), "label": "Review"},
        {"href": path("/-/soundmill/batches"), "label": "Batches"},
        {"href": path("/-/soundmill/picks"), "label": "Picks"},
        {"href": path("/-/soundmill/compose"), "label": "New batch"},
        {"href": path("/-/soundmill/studies"), "label": "Listening tests"},
        {"href": path(f"/{served.catalog}"), "label": "Queries and tables"},
    ]


@hookimpl
def table_actions(database: str, table: str, request: Any, datasette: Any) -> list[dict[str, str]]:
    if database not in served_by(datasette).catalogs or table not in ("takes", "job_list"):
        return []
    asked = {"batch": request.args.get("batch"), "search": request.args.get("_search")}
    query = urlencode({key: value for key, value in asked.items() if value})
    return [{"href": datasette.urls.path(f"/-/soundmill/review?{query}"), "label": "Review these takes"}]


@hookimpl
def register_routes() -> list[tuple[str, View]]:
    return [
        (r"/$", front_route),  # asked before Datasette's own, which keeps /.json
        (r"/-/soundmill/?$", board_route),
        (r"/-/soundmill/board\.json$", board_json_route),
        (r"/-/soundmill/audio/(?P<path>.+)$", audio_route),
        (r"/-/soundmill/report/(?P<path>.+)$", report_route),
        (r"/-/soundmill/healthz$", health_route),
        (r"/-/soundmill/daemon\.json$", daemon_route),
        (r"/-/soundmill/metrics$", metrics_route),
        (r"/-/soundmill/static/(?P<name>[^/]+)$", static_route),
        *ASKING,
        *REVIEW,
        *DESK,
        *COMPARE,
    ]


async def front_route(datasette: Any, request: Any) -> Response:
    """The catalogue's front page where that is all there is to see, else Datasette's list of databases."""
    if not _front_is_ours(datasette):
        request.scope["url_route"]["kwargs"]["format"] = None  # what its own route says of an address without .json
        return await IndexView(datasette).dispatch_request(request)
    await datasettes.must_be_allowed(datasette, request.actor, "view-instance")
    return await pages.front_page(datasette, await visible_catalog(datasette, request), request)


def _front_is_ours(datasette: Any) -> bool:
    """Whether one catalogue is all that is served, and nobody brought an index.html of their own."""
    catalog = served_by(datasette).catalog
    if catalog is None or [name for name in datasette.databases if name != "_internal"] != [catalog]:
        return False
    found = datasettes.templates(datasette)
    index, theirs = (found.get_template(name) for name in ("index.html", "default:index.html"))
    return bool(index.filename == theirs.filename)


async def board_route(datasette: Any, request: Any) -> Response:
    return await pages.board_page(datasette, await visible_catalog(datasette, request), request)


async def board_json_route(datasette: Any, request: Any) -> Response:
    return await pages.board_json(datasette, await visible_catalog(datasette, request))


async def audio_route(datasette: Any, request: Any, send: Send, receive: Receive) -> None:
    await visible_catalog(datasette, request)
    await serve_file(served_by(datasette).outputs, request.url_vars["path"], request, send, receive)


async def report_route(datasette: Any, request: Any, send: Send, receive: Receive) -> None:
    """A batch's folder as its report sees it, so that report.html's relative links lead to pictures and takes."""
    await visible_catalog(datasette, request)
    path = request.url_vars["path"]
    await serve_file(
        served_by(datasette).outputs, path, request, send, receive, types=REPORT_TYPES, policy=REPORT_POLICY
    )


async def health_route(datasette: Any, request: Any) -> Response:
    of_daemon = request.args.get("daemon") not in (None, "", "0")
    return await answers.healthz(datasette, served_by(datasette).catalog, of_daemon=of_daemon)


async def daemon_route(datasette: Any, request: Any) -> Response:
    return await answers.daemon(datasette, await visible_catalog(datasette, request))


async def metrics_route(datasette: Any, request: Any) -> Response:
    return await answers.metrics(datasette, await visible_catalog(datasette, request))


async def static_route(datasette: Any, request: Any) -> Response:
    asset = served_by(datasette).assets.get(request.url_vars["name"])
    if asset is None:
        raise NotFound("No such file")
    fresh = request.query_string == asset.digest
    headers = {"cache-control": "public, max-age=31536000, immutable" if fresh else "no-cache"}
    return Response(asset.body, headers=headers, content_type=asset.content_type)
