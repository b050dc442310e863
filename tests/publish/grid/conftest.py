"""A home in which the real daemon has made an experiment with a light engine, its site, and a browser of the owner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from support.working_mill import WorkingMill, browser_of_owner, errors_on, working_mill

EXPERIMENT = """
defaults: {model: tiny, duration: 0.5}
experiment:
  factors:
    temperature: [0.8, 1.0, 1.2]
    prompt: [a bell & <b>, a drum]
    cfg_coef: [3, 5]
  replicates: 2
"""
TEMPLATE = """
defaults: {model: tiny, duration: 0.5}
template: "{style} arrangement of {theme}"
variables: {style: [folk, synth], theme: [the sea, a storm]}
"""
TAKES = 3 * 2 * 2 * 2 + 4


@pytest.fixture(scope="package")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkingMill]:
    root = tmp_path_factory.mktemp("grid")
    with working_mill(root, 3) as mill:
        for name, text in (("sweep.yaml", EXPERIMENT), ("styles.yaml", TEMPLATE)):
            part = mill.home.inbox / f".{name}.part"
            part.write_text(text, encoding="utf-8")
            part.rename(mill.home.inbox / name)
        mill.becomes("SELECT count(*) FROM outputs", [(TAKES + 3,)])
        yield mill


@pytest.fixture
def page(browser: Browser, working: WorkingMill) -> Iterator[Page]:
    """The owner's page; nothing may err on its console."""
    with browser_of_owner(browser, working) as context:
        opened = context.new_page()
        errors = errors_on(opened)
        yield opened
        assert errors == []
