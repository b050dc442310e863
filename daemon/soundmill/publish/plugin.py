"""Soundmill's plugin for Datasette: each hook says what is shown where, and leaves the work to its module.

Databases without Soundmill's views are left exactly as they are, and a Datasette that has no other is left as it is
altogether: its pages, its templates, its permissions. Which ones have them is found out once, at start; `outputs`
comes from the plugin's configuration, or is the folder beside the catalogue.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from datasette import hookspecs
from datasette.utils.asgi import NotFound, Response
from jinja2 import ChoiceLoader, PackageLoader
from markupsafe import Markup
from pluggy import HookimplMarker

from soundmill.publish import cells, datasettes, limits, pages, reads
from soundmill.publish.asking import permissions
from soundmill.publish.asking.routes import ROUTES as ASKING
from soundmill.publish.compare.routes import ROUTES as COMPARE
from soundmill.publish.delivering.routes import ROUTES as DELIVERING
from soundmill.publish.desk.routes import ROUTES as DESK
from soundmill.publish.grid.routes import ROUTES as GRID
from soundmill.publish.guard import ASKED_BY_POST, App, Guard, without_prefix
from soundmill.publish.health import answers
from soundmill.publish.review.routes import ROUTES as REVIEW
from soundmill.publish.served import frozen_at, served_by, visible_catalog
from soundmill.publish.sharing.answers import shared
from soundmill.publish.sharing.questions import remember
from soundmill.publish.sharing.rules import remember_rules
from soundmill.publish.sharing.version import Version
from soundmill.publish.stream import REPORT_POLICY, REPORT_TYPES, Receive, Send, serve_file
from soundmill.publish.yielding import RestingTemplate, after_a_rest

HERE = HookimplMarker("datasette")
TEMPLATES = ("templates", "review", "desk", "compare", "delivering", "grid")
View = Callable[..., Awaitable[Response | None]]
Hook = TypeVar("Hook", bound=Callable[..., Any])


def hookimpl(function: Hook) -> Hook:
    """Mark what answers a hook; one that only another version of Datasette has, this one does not hear of."""
    if hasattr(hookspecs, function.__name__):
        HERE(function)
    return function


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
        for name in served.catalogs:
            remember(datasette.databases[name], Version(Path(datasette.databases[name].path)))
        if served.catalogs:
            remember_rules(datasette)

    return find_catalogs


@hookimpl
def prepare_connection(conn: sqlite3.Connection, database: str, datasette: Any) -> None:
    served = datasette.databases.get(database)
    if served is not None and served.path and reads.holds_catalog(conn):  # no other connection is asked anything
        limits.bound(conn)


@hookimpl
def asgi_wrapper(datasette: Any) -> Callable[[App], App]:
    """Guard the sites that Soundmill starts, which always say by what names they go; others stay as they are."""
    hosts = (datasette.plugin_config("soundmill") or {}).get("hosts")
    frozen = frozen_at(datasette) is not None
    if hosts is None and not frozen:
        return lambda app: app
    return lambda app: Guard(
        app,
        (hosts or "").split(),
        lambda: served_by(datasette).catalogs,
        prefix=datasette.setting("base_url"),
        frozen=frozen,
    )


@hookimpl
def skip_csrf(datasette: Any, scope: dict[str, Any]) -> bool:
    """Datasette's own token stands in forms; these requests carry one of ours (asking/trust.py)."""
    path = without_prefix(scope["path"], datasette.setting("base_url"))
    return bool(served_by(datasette).catalogs) and path in ASKED_BY_POST


@hookimpl
def permission_allowed(datasette: Any, actor: Any, action: str) -> bool | None:
    return permissions.decide(datasette, actor, action)


@hookimpl
def register_actions(datasette: Any) -> list[Any]:
    return permissions.actions() if _has_catalog(datasette) else []


@hookimpl
def prepare_jinja2_environment(env: Any, datasette: Any) -> None:
    if not _has_catalog(datasette):
        return
    # The loader last, so that nobody's own templates of the same names are hidden.
    env.template_class = RestingTemplate
    env.loader = ChoiceLoader(
        [
            *(datasettes.NamingLoader(loader) for loader in env.loader.loaders),
            *(PackageLoader("soundmill.publish", folder) for folder in TEMPLATES),
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
def extra_css_urls(database: str | None, datasette: Any) -> list[str]:
    return _asset_urls("soundmill.css", database, datasette)


@hookimpl
def extra_js_urls(database: str | None, datasette: Any) -> list[str]:
    names = ("soundmill.js", "daemon.js")
    return [url for name in names for url in _asset_urls(name, database, datasette)]


@hookimpl
def extra_template_vars(datasette: Any, request: Any) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def of_the_daemon() -> dict[str, Any]:
        catalog = served_by(datasette).catalog
        if catalog is None or request is None:
            return {}
        if (at := frozen_at(datasette)) is not None:
            return {"frozen_at": at}
        allowed = await datasettes.may(datasette, request.actor, "view-database", catalog)
        return await answers.banner(datasette, catalog) if allowed else {}

    return of_the_daemon


def _asset_urls(name: str, database: str | None, datasette: Any) -> list[str]:
    served = served_by(datasette)
    # Of no database are the pages of both, and those that log in and out: Datasette's own colours are faint for some.
    ours = database in served.catalogs if database else bool(served.catalogs)
    return [f"/-/soundmill/static/{name}?{served.assets[name].digest}"] if ours else []


@hookimpl
def menu_links(datasette: Any) -> list[dict[str, str]]:
    served = served_by(datasette)
    if served.catalog is None:
        return []
    path = datasette.urls.path
    front = [{"href": path("/"), "label": "Home"}] if _front_is_ours(datasette) else []
    asking = [
        {"href": path("/-/soundmill/compose"), "label": "New batch"},
        {"href": path("/-/soundmill/studies"), "label": "Listening tests"},
    ]
    return [
        *front,
        {"href": path("/-/soundmill"), "label": "Board"},
        {"href": path(f"/{served.catalog}/takes"), "label": "All takes"},
        {"href": path("/-/soundmill/review"), "label": "Review"},
        {"href": path("/-/soundmill/batches"), "label": "Batches"},
        {"href": path("/-/soundmill/picks"), "label": "Picks"},
        *([] if frozen_at(datasette) else asking),
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
def register_routes(datasette: Any) -> list[tuple[str, View]]:
    # Asked before Datasette's own, which keeps /.json; and only where there is a catalogue to have a front page of.
    front = [(r"/$", front_route)] if _has_catalog(datasette) else []
    return [*front, *ROUTES]


def _has_catalog(datasette: Any) -> bool:
    """The same as `startup` finds out, which comes after the routes and the templates are made."""
    return any(map(_is_catalog, datasette.databases.values()))


def _is_catalog(database: Any) -> bool:
    if not database.path:
        return False
    how = "mode=ro" if database.is_mutable else "immutable=1"  # as Datasette itself opens it
    lock = "&nolock=1" if getattr(database.ds, "nolock", False) else ""
    try:
        with closing(sqlite3.connect(f"{Path(database.path).absolute().as_uri()}?{how}{lock}", uri=True)) as db:
            return reads.holds_catalog(db)
    except sqlite3.Error:
        return False


async def front_route(datasette: Any, request: Any) -> Response:
    """The catalogue's front page where that is all there is to see, else Datasette's list of databases."""
    if not _front_is_ours(datasette):
        from datasette.views.index import IndexView  # brings Datasette's app, which loads plugins, this one too

        request.scope["url_route"]["kwargs"]["format"] = None  # what its own route says of an address without .json
        return await IndexView(datasette).dispatch_request(request)
    await datasettes.must_be_allowed(datasette, request.actor, "view-instance")
    return await our_front(datasette, request)


@shared
async def our_front(datasette: Any, request: Any) -> Response:
    return await pages.front_page(datasette, await visible_catalog(datasette, request), request)


def _front_is_ours(datasette: Any) -> bool:
    """Whether one catalogue is all that is served, and nobody brought an index.html of their own."""
    catalog = served_by(datasette).catalog
    if catalog is None or [name for name in datasette.databases if name != "_internal"] != [catalog]:
        return False
    found = datasettes.templates(datasette)
    index, theirs = (found.get_template(name) for name in ("index.html", "default:index.html"))
    return bool(index.filename == theirs.filename)


@shared
async def board_route(datasette: Any, request: Any) -> Response:
    return await pages.board_page(datasette, await visible_catalog(datasette, request), request)


@shared
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


ROUTES: list[tuple[str, View]] = [
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
    *DELIVERING,
    *GRID,
]
