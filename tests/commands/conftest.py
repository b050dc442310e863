from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from service.conftest import config, drop, quick_engine
from soundmill.cli import main
from soundmill.home import Home
from soundmill.service.daemon import Service
from support.catalogues import put_empty

Command = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def soundmill(home: Home) -> Iterator[Command]:
    """Runs a command on the test's home, and hands back its exit code and output."""
    runner = CliRunner()

    def run(*words: str) -> Result:
        result = runner.invoke(main, ["--home", str(home.root), *words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    yield run


@pytest.fixture
def worked_home(home: Home) -> Home:
    """A home with one finished batch of three takes and one rejected file."""
    home.create()
    put_empty(home.catalog)
    drop(home, "songs.csv", 3)
    drop(home, "bad.csv", 1, column="promt")
    Service(home, config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine).run(
        once=True
    )
    return home


def parsed(result: Result) -> Any:
    return json.loads(result.stdout)
