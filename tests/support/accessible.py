"""What axe finds on a page that people with aids cannot use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
GRAVE = ("serious", "critical")


def grave(
    page: Page, schemes: Sequence[Scheme] = SCHEMES, *, preload: bool = True
) -> list[tuple[Scheme, str, list[str]]]:
    """What is serious or critical on the page as it stands, in each scheme of colours: that, the rule, and where.
    Without `preload` axe does not fetch the style sheets itself."""
    found: list[tuple[Scheme, str, list[str]]] = []
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour halfway to another
        # All that is well, node by node, would take longer to bring here than to find.
        options = {"preload": preload, "resultTypes": ["violations"]}
        bad = Axe().run(page, options=options).response["violations"]
        found += [
            (scheme, each["id"], [node["html"][:200] for node in each["nodes"][:4]])
            for each in bad
            if each["impact"] in GRAVE
        ]
    return found
