"""A catalogue of an earlier release opens, is brought up to date and tells the same.

tests/data/catalogue-d948915.db.gz was made by the code of d948915 in an empty home: `soundmill run` on job files for
the model tiny (a list in four formats, a template with on_qc_fail: retry and keep_best, one with quarantine, a full
factorial and a batch that extends it, a model that is not to be had, a batch cancelled while it ran), three times
`soundmill rate`, scores of a scorer by Catalog.record_scores; then VACUUM. The summaries beside it are the
summary.json that the same code's `soundmill report` wrote of it, where no audio lay in the outputs folder.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import time
from pathlib import Path

import pytest

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.migrations import STEPS
from soundmill.catalog.reader import Reader
from soundmill.commands.report import make_report
from soundmill.config import Config
from soundmill.home import Home
from soundmill.service import wiring

DATA = Path(__file__).parent / "data"
BATCHES = {"list": 5, "missing": 2, "moods": 8, "strict": 2, "factors": 8, "factors-continued": 10, "dropped": 3}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    home.catalog.write_bytes(gzip.decompress((DATA / "catalogue-d948915.db.gz").read_bytes()))
    return home


def opened(home: Home) -> None:
    Catalog.open(home.catalog, clock=time.time).close()


def schema(path: Path) -> dict[str, str]:
    db = sqlite3.connect(path)
    try:
        return {name: " ".join(sql.split()) for name, sql in db.execute("SELECT name, sql FROM sqlite_master") if sql}
    finally:
        db.close()


def test_it_gets_the_schema_of_a_new_one(home: Home, tmp_path: Path) -> None:
    opened(home)
    Catalog.open(tmp_path / "new.db", clock=time.time).close()
    old, new = schema(home.catalog), schema(tmp_path / "new.db")
    assert old == new
    db = sqlite3.connect(home.catalog)
    assert {row[0] for row in db.execute("SELECT name FROM _sqlite_migrations")} == {step.__name__ for step in STEPS}
    db.close()


def test_every_batch_job_take_rating_and_score_is_there(home: Home) -> None:
    opened(home)
    with Reader.open(home.catalog) as reader:
        assert {row["batch"]: row["job_count"] for row in reader.batches()} == BATCHES
        assert reader.overview() | {"audio_hours": 0, "workers": 0} == {
            "batches": 7, "jobs": 38, "queued": 0, "running": 0, "succeeded": 34, "failed": 1, "cancelled": 3,
            "flagged": 4, "outputs": 42, "audio_hours": 0, "workers": 0,
        }  # fmt: skip
        takes = reader.takes(None)
        assert sum(bool(take["quarantined"]) for take in takes) == 8
        assert {take["audio"]: take["stars"] for take in takes if take["stars"]} == {
            "list/calm.wav": 5,
            "list/chase-r2.mp3": 4,
            "factors/0001-temperature-0.5_cfg_coef-1.wav": 2,
        }
        assert sum("clap" in json.loads(str(take["scores"])) for take in takes) == 12
        assert reader.family("factors") == ["factors", "factors-continued"]
        assert len(reader.find_experiment("factors").conditions) == 6
        for take in takes:
            job = reader.attempt_for_rerun(f"{take['batch']}/{take['job']}")
            assert job["duration"] == take["duration"] and job["cfg_coef"] == take["cfg_coef"]


def test_its_batches_name_their_labels_and_their_files_are_not_watched(home: Home) -> None:
    """A problem on record has no place: its number is a line's, or a row's of a sheet that was not recorded."""
    db = sqlite3.connect(home.catalog)
    written = {
        name: {
            label
            for (labels,) in db.execute("SELECT labels FROM jobs WHERE batch_id = ?", (batch,))
            for label in json.loads(labels)
        }
        for batch, name in db.execute("SELECT id, name FROM batches")
    }
    problems = '[{"line":3,"field":"duration","value":"-1","message":"must be positive"}]'
    db.execute("INSERT INTO rejections VALUES ('01R', 'bad.csv', NULL, 1, ?, 1.0)", (problems,))
    db.commit()
    db.close()
    catalog = Catalog.open(home.catalog, clock=time.time)
    assert catalog.kept_files(100) == []
    catalog.close()
    with Reader.open(home.catalog) as reader:
        assert any(written.values())
        assert {row["batch"]: set(json.loads(str(row["labels"]))) for row in reader.batches()} == written
        assert reader.rejections()[0]["problems"] == "line 3: duration = -1: must be positive"


def test_its_takes_are_not_judged_again_by_limits_that_did_not_change(home: Home) -> None:
    config = Config()
    judge, rulesets = wiring.judge_with(config), wiring.rulesets_of(config)
    catalog = Catalog.open(home.catalog, clock=time.time)
    try:
        assert catalog.rejudge(judge, rulesets, 1000) == 0
        owed = {owed.name for owed in catalog.unreported()}
        assert owed == {"moods", "factors-continued"}  # as before: the scores came after their reports
        assert not catalog.undecided()
    finally:
        catalog.close()


@pytest.mark.parametrize("batch", ["list", "moods", "missing", "factors-continued"])
def test_its_reports_say_what_they_said(home: Home, batch: str) -> None:
    opened(home)
    (home.outputs / batch).mkdir()
    make_report(home, batch, lambda _: None)
    then = json.loads((DATA / "summaries-d948915" / f"{batch}.json").read_text())
    now = json.loads((home.outputs / batch / "summary.json").read_text())
    with sqlite3.connect(home.catalog) as db:
        too_quiet = "SELECT count(*) FROM takes WHERE batch = ? AND is_final AND loudness_short_lu > 1"
        quiet = db.execute(too_quiet, (batch,)).fetchone()[0]
    assert now["quality"].pop("too_quiet") == quiet  # was not said then
    assert now.pop("listeners") == []
    assert rounded(less_sure(now)) == rounded(less_sure(then))


# How sure an analysis is has been judged in another way since: docs/statistics.md, "The error of an effect".
HOW_SURE = {"low", "high", "paired_low", "paired_high", "p_value", "p_adjusted", "at_most", "sentence", "sentences"}


def less_sure(summary: object) -> object:
    """Without what an analysis says of how sure it is."""
    if isinstance(summary, dict):
        return {key: less_sure(value) for key, value in summary.items() if key not in HOW_SURE}
    return [less_sure(each) for each in summary] if isinstance(summary, list) else summary


def rounded(value: object) -> object:
    """Other builds of numpy and scipy add in another order."""
    match value:
        case float():
            return float(f"{value:.9g}")
        case dict():
            return {key: rounded(one) for key, one in value.items()}
        case list():
            return [rounded(one) for one in value]
    return value
