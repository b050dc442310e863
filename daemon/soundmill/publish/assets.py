"""The plugin's own style sheets and scripts, held in memory and served under a name that changes with them.

Those of every page are in static/, those of one in its room. soundmill.css begins with the colours of theme.css, which
reports have too.

Datasette mounts the static folder of a plugin that is a package; ours is a module of one, so we do it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    body: bytes
    content_type: str
    digest: str


def load_assets() -> dict[str, Asset]:
    """Every style sheet and script, by name; no two have the same."""
    found = dict[str, Asset]()
    theme = resources.files("soundmill").joinpath("theme.css").read_bytes()
    for folder in resources.files("soundmill.publish").iterdir():
        for file in folder.iterdir() if folder.is_dir() else ():
            suffix = "." + file.name.rpartition(".")[2]
            if suffix not in TYPES:
                continue
            body = (theme + b"\n" if file.name == "soundmill.css" else b"") + file.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:12]
            found[file.name] = Asset(body=body, content_type=TYPES[suffix], digest=digest)
    return found
