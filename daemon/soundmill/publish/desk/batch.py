"""The page of a batch: its takes with their players, and what somebody may ask for them."""

from __future__ import annotations

import contextlib
import json
import urllib.parse
from pathlib import Path
from typing import Any

from datasette.database import QueryInterrupted
from datasette.utils.asgi import Response

from soundmill.publish import pages, reads
from soundmill.publish.desk import common
from soundmill.publish.served import served_by, visible_catalog
from soundmill.publish.sharing.answers import shared
from soundmill.publish.stream import url_word
from soundmill.words import composed

REPORT = "report.html"


def _report_url(datasette: Any, outputs: Path | None, batch: str) -> str | None:
    """Where the batch's report is, once it has been made."""
    if outputs is None or not (outputs / batch / REPORT).is_file():
        return None
    return str(datasette.urls.path(f"/-/soundmill/report/{url_word(batch)}/{REPORT}"))


def _review_url(datasette: Any, wanted: reads.Filter, batch: str) -> str:
    """The review of the takes that this page shows."""
    order = wanted.order if wanted.order in ("best", "worst") else ""
    asked = {"batch": batch, "verdict": wanted.verdict, "filed": wanted.filed, "q": wanted.words, "order": order}
    query = urllib.parse.urlencode({key: value for key, value in asked.items() if value})
    return str(datasette.urls.path(f"/-/soundmill/review?{query}"))


@shared
async def batch_page(datasette: Any, request: Any) -> Response:
    database = await visible_catalog(datasette, request)
    outputs = served_by(datasette).outputs
    name = composed(urllib.parse.unquote(request.url_vars["batch"]))
    source = datasette.databases[database]
    wanted = read_filter(request.args)
    batch, jobs, more, slow, filed = await reads.visit(source, lambda ask: _read(ask, name, wanted))
    if batch is None:
        return await pages.not_there(datasette, request, "No such batch", f"There is no batch named {name}")
    context = {
        **common.frame(datasette, database, "batch"),
        "batch": batch,
        "labels": json.loads(str(batch["labels"])),
        "jobs": jobs,
        "slow": slow,
        "filter": wanted,
        "statuses": [(status, batch[f"n_{status}"]) for status in reads.STATUSES if batch[f"n_{status}"]],
        "filed": filed,
        "orders": [(key, label) for key, (label, _) in reads.ORDERS.items()],
        "link": lambda **changes: _link(wanted, **changes),
        "alike": reads.alike(jobs) if wanted.order in ("best", "worst") else "",
        "more": more,
        "review": _review_url(datasette, wanted, str(batch["batch"])),
        "report": _report_url(datasette, outputs, str(batch["batch"])),
        "licences": sorted({job["take"]["licence"] for job in jobs if job["take"] and job["take"]["licence"]}),
        "told": {"batch": batch["batch"], "page": wanted.page, "more": more},
        "sql": TAKES.format(common.quoted(str(batch["batch"]))),
    }
    if request.args.get("live") == "1":
        return await common.parts(datasette, context, PARTS, more=more)
    return await pages.page(datasette, request, "soundmill_batch", context)


def _read(
    ask: reads.Ask, name: str, wanted: reads.Filter
) -> tuple[reads.Row | None, list[reads.Row], bool, bool, list[tuple[str, int]]]:
    """A batch, one page of its jobs, whether more follow, whether finding them took too long, and how takes were
    filed."""
    batch = reads.batch(ask, name)
    jobs: list[reads.Row] = []
    filed: list[tuple[str, int]] = []
    more = slow = False
    if batch is not None:
        try:
            jobs, more = reads.batch_jobs(ask, batch, wanted)
        except QueryInterrupted:
            slow = True
        with contextlib.suppress(QueryInterrupted):  # then the page does without these chips
            filed = reads.filed_counts(ask, name)
    return batch, jobs, more, slow, filed


PARTS = {"head": "soundmill_batch_head", "tabs": "soundmill_batch_tabs", "cards": "soundmill_batch_cards"}
TAKES = "SELECT * FROM takes WHERE batch = {} AND is_final ORDER BY position LIMIT 200"


def read_filter(args: Any) -> reads.Filter:
    """The filter that a query string asks for; what it does not know it leaves out."""

    def one_of(key: str, allowed: tuple[str, ...], otherwise: str) -> str:
        value = args.get(key) or ""
        return value if value in allowed else otherwise

    page = args.get("page") or ""
    return reads.Filter(
        status=one_of("status", reads.STATUSES, ""),
        verdict=one_of("verdict", ("passed", "failed"), ""),
        filed=one_of("filed", tuple(reads.FILED), ""),
        model=args.get("model") or "",
        words=(args.get("q") or "").strip(),
        order=one_of("order", tuple(reads.ORDERS), "file"),
        page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
    )


def _link(wanted: reads.Filter, **changes: Any) -> str:
    """The query string of this page with something changed; a changed filter starts at its first page."""
    values = {
        "status": wanted.status,
        "verdict": wanted.verdict,
        "filed": wanted.filed,
        "model": wanted.model,
        "q": wanted.words,
        "order": "" if wanted.order == "file" else wanted.order,
        **changes,
    }
    return "?" + urllib.parse.urlencode({key: value for key, value in values.items() if value not in ("", None, 1)})
