"""What the templates are handed."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from jinja2 import meta, nodes

from soundmill.report.page.page import Script, Sheet, Style
from soundmill.report.page.rendering import TEMPLATES, environment
from soundmill.report.page.views import Ends, Head, Material, Matters, Takes, Use
from soundmill.report.pictures.drawing import LIGHT

SECTIONS = (Head, Use, Matters, Takes, Ends)
VIEWS = {
    "report.html": (Material, *SECTIONS, Style, Script),
    "README.md": (Material, *SECTIONS),
    "contact-sheet.html": (Material, Sheet, Style),
}


def asked_by(template: str) -> set[str]:
    engine = environment(True)
    source = engine.parse((TEMPLATES / template).read_text(encoding="utf-8"))
    its_own = {name.name for name in source.find_all(nodes.Name) if name.ctx == "store"}
    return meta.find_undeclared_variables(source) - engine.globals.keys() - its_own


@pytest.mark.parametrize("template", VIEWS)
def test_a_template_asks_for_what_its_views_have_and_no_two_views_have_the_same(template: str) -> None:
    names = [field.name for view in VIEWS[template] for field in fields(view)]
    assert len(names) == len(set(names))
    assert asked_by(template) <= set(names)


def test_no_view_has_what_no_template_asks_for() -> None:
    for view in {view for views in VIEWS.values() for view in views} - {Material}:
        wanted = {name for template, views in VIEWS.items() if view in views for name in asked_by(template)}
        assert {field.name for field in fields(view)} <= wanted


def test_every_colour_that_a_page_asks_for_is_in_the_theme() -> None:
    for source in TEMPLATES.glob("*"):
        asked = set(re.findall(r"var\(--sm-([a-z-]+)", source.read_text(encoding="utf-8")))
        assert asked <= LIGHT.keys(), source.name
