"""`soundmill init`: the home's folders and a soundmill.yaml that shows every setting."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from soundmill.config import Config
from soundmill.home import Home

HEADER = """\
# Soundmill's settings. Every key is optional; a line that starts with "# " shows the default.
# The daemon reads this file when it starts, and again on SIGHUP (systemctl reload soundmill).
"""


def create(home: Home, settings: Mapping[str, object]) -> bool:
    """Make the home's folders and, where there is none, its soundmill.yaml with `settings` filled in.

    Returns False when the settings file was there already; it is then left alone.
    """
    home.create()
    if home.config_file.exists():
        return False
    home.config_file.write_text(HEADER + "\n".join(_lines(Config(), settings)) + "\n", encoding="utf-8")
    return True


def _lines(section: BaseModel, settings: Mapping[str, object], indent: str = "") -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        given = settings.get(name)
        if isinstance(value, BaseModel):
            inner = given if isinstance(given, Mapping) else {}
            yield ""
            yield f"{indent}{name}:" if inner else f"{indent}# {name}:"
            yield from _lines(value, inner, indent + "  ")
        elif given is not None:
            yield f"{indent}{name}: {json.dumps(given)}"
        else:
            shown = value if isinstance(value, int | float) else json.dumps(value)
            yield f"{indent}# {name}: {shown}".ljust(42) + f"  # {field.description}"
