"""A home that is worked on by the real daemon with a light engine, its site, and a browser of the owner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from support.working_mill import WorkingMill, browser_of_owner, errors_on, working_mill

TAKES = 60


@pytest.fixture(scope="package")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkingMill]:
    root = tmp_path_factory.mktemp("desk")
    with working_mill(root, TAKES) as mill:
        yield mill


@pytest.fixture
def owner(browser: Browser, working: WorkingMill) -> Iterator[BrowserContext]:
    with browser_of_owner(browser, working) as context:
        yield context


@pytest.fixture
def page(owner: BrowserContext) -> Iterator[Page]:
    """The owner's page; nothing may err on its console."""
    opened = owner.new_page()
    errors = errors_on(opened)
    yield opened
    assert errors == []
