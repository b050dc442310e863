"""What one running Datasette has of ours, and who may see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from datasette.utils.asgi import NotFound

from soundmill.publish import datasettes
from soundmill.publish.assets import Asset, load_assets


@dataclass(slots=True, kw_only=True)
class Served:
    """Catalogues, the folder of their takes, the files of our pages; `home` is the folder whose daemon may be asked for
    something, if there is one. `parts` holds what a room keeps for as long as the site runs, by the room's name."""

    catalogs: list[str] = field(default_factory=list)
    outputs: Path | None = None
    home: Path | None = None
    assets: dict[str, Asset] = field(default_factory=load_assets)
    parts: dict[str, Any] = field(default_factory=dict)

    @property
    def catalog(self) -> str | None:
        return self.catalogs[0] if self.catalogs else None


_SERVED: WeakKeyDictionary[Any, Served] = WeakKeyDictionary()


def served_by(datasette: Any) -> Served:
    if datasette not in _SERVED:
        _SERVED[datasette] = Served()
    return _SERVED[datasette]


async def visible_catalog(datasette: Any, request: Any) -> str:
    """The catalogue's name, once whoever asks may see it. Raises NotFound, or Datasette's Forbidden."""
    name = served_by(datasette).catalog
    if name is None:
        raise NotFound("No Soundmill catalogue is attached")
    await datasettes.must_be_allowed(datasette, request.actor, "view-database", name)
    return name
