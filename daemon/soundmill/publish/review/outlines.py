"""Small pictures of takes for tables that name their files, whatever query they come of."""

from __future__ import annotations

import json
from typing import Any

from datasette.utils.asgi import Response

from soundmill.publish import cells
from soundmill.publish.pages import LIVE
from soundmill.publish.reads import ask
from soundmill.publish.served import visible_catalog

MOST = 24  # in one request
DATA = """
SELECT f.value AS audio, p.data AS data
FROM json_each(:files) f CROSS JOIN takes t ON t.audio = f.value JOIN take_peaks p ON p.output_id = t.output_id
"""


async def outlines_route(datasette: Any, request: Any) -> Response:
    """`?file=BATCH/NAME.wav&file=…`: by file its outline as SVG; those without one are left out."""
    database = await visible_catalog(datasette, request)
    files = request.args.getlist("file")[:MOST]
    rows = await ask(datasette.databases[database], DATA, {"files": json.dumps(files)})
    return Response.json({row["audio"]: cells.outline(bytes(row["data"])) for row in rows}, headers=LIVE)
