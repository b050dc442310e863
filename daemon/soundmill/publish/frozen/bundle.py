"""Modules as one plain script: a page that is opened from a folder may load no module and fetch nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from soundmill.publish.assets import Asset

IMPORTED = re.compile(r'^import (\{[^}]*\}) from "soundmill/(\w+)";\n', re.MULTILINE)
EXPORTED = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)


def script(assets: Mapping[str, Asset], start: str) -> str:
    """What the module `start` needs, each once and before what imports it, each in a scope of its own."""
    order: list[str] = []

    def visit(name: str) -> None:
        for _, imported in IMPORTED.findall(source(name)):
            visit(imported)
        if name not in order:
            order.append(name)

    def source(name: str) -> str:
        return assets[f"{name}.js"].body.decode()

    visit(start)
    parts = ["(() => {\n'use strict';\n"]
    for name in order:
        given = ", ".join(EXPORTED.findall(source(name)))
        inside = EXPORTED.sub("", IMPORTED.sub(r"const \1 = soundmill_\2;\n", source(name)))
        parts.append(f"const soundmill_{name} = (() => {{\n{inside}return {{ {given} }};\n}})();\n")
    return "".join([*parts, "})();\n"])
