"""A home that is worked on by the real daemon with a light engine, its site, and a browser of the owner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from support.working_mill import WorkingMill, browser_of_owner, errors_on, working_mill

TAKES = 4


@pytest.fixture(scope="package")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkingMill]:
    with working_mill(tmp_path_factory.mktemp("delivering"), TAKES) as mill:
        yield mill


@pytest.fixture
def page(browser: Browser, working: WorkingMill) -> Iterator[Page]:
    """The owner's page; nothing may err on its console."""
    with browser_of_owner(browser, working) as context:
        opened = context.new_page()
        errors = errors_on(opened)
        yield opened
        assert errors == []
