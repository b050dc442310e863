"""The site in Debian's Firefox: no page errs, and none is wider than the window."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.firefox import Firefox, firefox, running

from .conftest import Home
from .test_accessible import DATASETTES, NOT_FOUND, OURS


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    firefox()
    with running(tmp_path_factory.mktemp("reading")) as browser:
        yield browser


@pytest.mark.parametrize("path", [*OURS.values(), *NOT_FOUND, *DATASETTES])
def test_no_page_errs(reader: Firefox, mill: tuple[Home, str], path: str) -> None:
    reader.open(mill[1] + path)
    reader.until("!document.querySelector('.sm-loading')")
    if path not in DATASETTES:
        assert reader.run("return document.documentElement.scrollWidth <= window.innerWidth")
    assert reader.errors() == []
