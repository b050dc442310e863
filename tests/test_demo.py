"""What .ci/run asks of `make demo` (support/demo_seen.py) would miss nothing that is not there."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from service.conftest import config, drop, quick_engine
from soundmill.home import Home
from soundmill.service.daemon import Service
from support.demo_seen import look


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("demo") / "home")
    home.create()
    drop(home, "songs.csv", 5)
    Service(home, config(), devices=["cpu"], with_site=False, with_reports=True, engine_for=quick_engine).run(once=True)
    for path in home.outputs.rglob("*.wav"):
        soundfile.write(path, 0.1 * np.sin(np.arange(8000)), 16_000)
    return home


def test_a_demo_that_is_whole_is_found_whole(home: Home) -> None:
    assert list(look(home, 1, 5)) == []


def test_whatever_is_missing_is_named(home: Home) -> None:
    gone, silent, broken, *_ = sorted((home.outputs / "songs").glob("*.wav"))
    gone.rename(gone.with_name("stray.wav"))
    soundfile.write(silent, np.zeros(8000), 16_000)
    broken.write_bytes(b"no audio")
    (home.outputs / "songs" / "report.html").write_text("half of")
    said = "\n".join(look(home, 2, 6))
    for words in (
        "1 batches ended, not 2: songs",
        "songs: no whole report",
        "5 jobs in the catalogue, not 6",
        f"songs/{gone.name}: in the catalogue, but no file",
        "songs/stray.wav: a file, but not in the catalogue",
        f"{silent.name}: silent",
        f"{broken.name}: no audio",
    ):
        assert words in said
