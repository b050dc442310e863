"""The published copy that opens from a folder: a page, its takes as a script, no server and nothing fetched."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from soundmill import __version__
from soundmill.jobs import OF_THE_CLIP, Parameters
from soundmill.publish.assets import load_assets
from soundmill.publish.frozen.bundle import script
from soundmill.words import listed, number

PEAKS_A_FILE = 100
TOLD = ("output_id", "batch", "job", "prompt", "model", "duration_s", "verdict", "score", "stars", "picks",
    "failed_checks",
)  # fmt: skip


def write(
    into: Path, rows: Sequence[Mapping[str, Any]], peaks: Mapping[int, bytes], audio: str, title: str, made_at: str
) -> None:
    """`rows` are those of the view takes, `audio` the folder of their files in `into`."""
    (into / "site").mkdir()
    (into / "data").mkdir()
    assets = load_assets()
    for name in ("soundmill.css", "review.css"):
        (into / "site" / name).write_bytes(assets[name].body)
    (into / "site" / "player.js").write_text(script(assets, "frozen"), encoding="utf-8")
    places = dict[int, str]()
    numbers = [row["output_id"] for row in rows if row["output_id"] in peaks]
    for start in range(0, len(numbers), PEAKS_A_FILE):
        some = numbers[start : start + PEAKS_A_FILE]
        name = f"data/peaks-{start // PEAKS_A_FILE + 1}.js"
        drawn = {each: b64encode(peaks[each]).decode() for each in some}
        (into / name).write_text(f"SOUNDMILL_PEAKS({_json(drawn)});\n", encoding="utf-8")
        places |= dict.fromkeys(some, name)
    takes = [_told(row, audio) for row in rows]
    data = {"title": title, "takes": takes, "peaks_at": places}
    (into / "data" / "takes.js").write_text(f"window.SOUNDMILL = {_json(data)};\n", encoding="utf-8")
    licences = sorted({str(row["licence"]) for row in rows if row["licence"]})
    page = Environment(autoescape=True, loader=PackageLoader("soundmill.publish", "frozen"))
    text = page.get_template("soundmill_static.html").render(
        title=title,
        made_at=made_at,
        version=__version__,
        licences=f"Licence of the models' weights: {listed(licences)}." if licences else "",
    )
    (into / "index.html").write_text(text, encoding="utf-8")


def _told(row: Mapping[str, Any], audio: str) -> dict[str, Any]:
    """What the page knows of a take."""
    sampling = [each.name for each in fields(Parameters) if each.name not in OF_THE_CLIP]
    settings = ", ".join(f"{name} {number(float(row[name]))}" for name in sampling)
    return {
        **{name: row[name] for name in TOLD},
        "audio": f"{audio}/{row['audio']}",
        "facts": f"{row['model']}, {settings}, seed {row['seed']}, {row['licence']}",
        **{name: json.loads(row[name] or otherwise) for name, otherwise in (("labels", "{}"), ("condition", "{}"))},
        "defects": json.loads(row["defects"] or "[]"),
    }


def _json(data: object) -> str:
    """JSON that is JavaScript too, and ends no script element."""
    return json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
