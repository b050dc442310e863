"""Datasette's own templates, with what a screen reader needs: the language of a page, and a name for every field.

They are changed as they are loaded rather than replaced, so that those of every version stay what they are. Templates
that somebody has put in their place are left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import datasette
from jinja2 import BaseLoader, Environment

FOLDER = Path(datasette.__file__).parent / "templates"
NAMED = (
    ("<html>", '<html lang="en">'),
    ('<select name="_filter_column', '<select aria-label="Column" name="_filter_column'),
    ('<select name="_filter_op', '<select aria-label="How to compare" name="_filter_op'),
    ('<input type="text" name="_filter_value', '<input aria-label="Value" type="text" name="_filter_value'),
    ('<select name="_sort"', '<select aria-label="Sort by" name="_sort"'),
    ('<textarea id="sql-editor"', '<textarea aria-label="SQL" id="sql-editor"'),
)  # fmt: skip


class NamingLoader(BaseLoader):
    """What another loader has, Datasette's own with names."""

    def __init__(self, loader: BaseLoader) -> None:
        self._loader = loader

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, filename, uptodate = self._loader.get_source(environment, template)
        if filename is not None and Path(filename).is_relative_to(FOLDER):
            for bare, named in NAMED:
                source = source.replace(bare, named)
        return source, filename, uptodate

    def list_templates(self) -> list[str]:
        return self._loader.list_templates()
