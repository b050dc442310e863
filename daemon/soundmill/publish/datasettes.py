"""The seam to Datasette: where its versions differ, and its own templates with what a screen reader needs, the language
of a page, a name for every field, and the keyboard's way to what scrolls.

Templates are changed as they are loaded rather than replaced, so that those of every version stay what they are. Those
that somebody has put in their place are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import datasette
from jinja2 import BaseLoader, Environment

FOLDER = Path(datasette.__file__).parent / "templates"
CONFIGURED = ("databases", "plugins", "permissions", "allow", "allow_sql")
ROWS = "_table.html"  # of two thousand rows of 50 columns a third would be blanks before tags
INDENT = re.compile(r"\s*\n\s*")
NAMED = (
    ("<html>", '<html lang="en">'),
    ('<select name="_filter_column', '<select aria-label="Column" name="_filter_column'),
    ('<select name="_filter_op', '<select aria-label="How to compare" name="_filter_op'),
    ('<input type="text" name="_filter_value', '<input aria-label="Value" type="text" name="_filter_value'),
    ('<select name="_sort"', '<select aria-label="Sort by" name="_sort"'),
    ('<div class="table-wrapper">', '<div class="table-wrapper" tabindex="0" role="region" aria-label="Rows">'),
    (".check-result-no-opinion {\n    color: #aaa;", ".check-result-no-opinion {\n    color: inherit;"),
    ('<textarea name="allow"', '<textarea aria-label="Allow block" name="allow"'),
    ('<textarea name="actor"', '<textarea aria-label="Actor" name="actor"'),
    ('<input type="text" name="message"', '<input aria-label="Message" type="text" name="message"'),
    ('<select name="message_type"', '<select aria-label="Kind of message" name="message_type"'),
    ('<textarea id="sql-editor" name="sql">', '<textarea id="sql-editor" name="sql" aria-label="SQL">'),
    ('}}em"{% endif %}', '}}em" aria-label="SQL"{% endif %}'),  # the same field with SQL in it
    (  # of a catalogue, whose tables are all hidden, what most begin with
        "{% if tables %}select * from",
        "{% if tables and tables[0].hidden and 'takes' in views|map(attribute='name')|list %}"
        "select * from takes order by output_id desc limit 20{% elif tables %}select * from",
    ),
    # Of 1.0: a schema that scrolls, and a list in a list that stood between its entries.
    ('<pre style="background-color: #f5f5f5;', '<pre tabindex="0" style="background-color: #f5f5f5;'),
    ('{{ database.name }}</strong></li>\n    <ul', '{{ database.name }}</strong>\n    <ul'),
    ("    </ul>\n  {% endfor %}\n</ul>", "    </ul></li>\n  {% endfor %}\n</ul>"),
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
            if template.endswith(ROWS):
                source = INDENT.sub("\n", source)
        return source, filename, uptodate

    def list_templates(self) -> list[str]:
        return self._loader.list_templates()


# -- what Datasette 0.65 and the 1.0 alphas do each in its own way -----------------------------------


def templates(datasette: Any) -> Environment:
    environment: Environment = (
        datasette.jinja_env if hasattr(datasette, "jinja_env") else datasette.get_jinja_environment()
    )
    return environment


async def may(datasette: Any, actor: Mapping[str, Any] | None, action: str, database: str | None = None) -> bool:
    """Whether somebody may do something, or see a database. What Datasette itself knows it allows to all unless told
    otherwise, and what is ours to none."""
    if hasattr(datasette, "permission_allowed"):
        default = not action.startswith("soundmill-")
        return bool(await datasette.permission_allowed(actor, action, database, default=default))
    return bool(await datasette.allowed(action=action, resource=_resource(database, None), actor=actor))


async def must_be_allowed(
    datasette: Any, actor: Mapping[str, Any] | None, action: str, database: str | None = None, query: str | None = None
) -> None:
    """Raises Datasette's Forbidden unless somebody may do that with a database or one of its queries."""
    if hasattr(datasette, "ensure_permissions"):
        above: list[Any] = [] if database is None else [("view-database", database), "view-instance"]
        named = action if database is None else (action, database if query is None else (database, query))
        await datasette.ensure_permissions(actor, [named, *(each for each in above if each != named)])
    else:
        await datasette.ensure_permission(action=action, resource=_resource(database, query), actor=actor)


def _resource(database: str | None, query: str | None) -> Any:
    if database is None:
        return None
    from datasette.resources import DatabaseResource, QueryResource

    return DatabaseResource(database=database) if query is None else QueryResource(database=database, query=query)


async def canned_query(
    datasette: Any, database: str, name: str, actor: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """A query of the metadata as `sql`, `params` and `title`; None where there is none of that name."""
    if hasattr(datasette, "get_canned_query"):
        found: Mapping[str, Any] | None = await datasette.get_canned_query(database, name, actor)
        return found
    query = await datasette.get_query(database, name)
    return query and {"sql": query.sql, "params": list(query.parameters), "title": query.title}


def settings_from(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What tells Datasette of queries, plugins and how tables are shown: from 1.0 on these are configuration, and
    what is said of them is metadata."""
    from datasette.app import Datasette  # loads plugins, this one too: not while one is loaded

    if not hasattr(Datasette, "get_instance_metadata"):
        return {"metadata": metadata}
    return {"metadata": metadata, "config": {key: metadata[key] for key in CONFIGURED if key in metadata}}
