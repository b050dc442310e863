from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soundmill.catalog.catalog import Catalog
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import Source
from support.catalogues import put_empty

EXAMPLES = Path(__file__).parents[3] / "inbox_examples"
JOBS = {
    "built-in-effects.csv": 6,
    "simple-list.csv": 5,
    "labels-and-parameters.csv": 10,
    "spreadsheet.xlsx": 6,
    "sound-effects.csv": 14,
    "themes.yaml": 300,
    "template.yaml": 12,
    "factorial.yaml": 30,
    "one-factor-at-a-time.yaml": 35,
    "sobol.yaml": 8,
    "more-replicates.yaml": 34,
}


@pytest.fixture
def rules(tmp_path: Path, rules_with: Callable[..., Rules]) -> Iterator[Rules]:
    """The rules of a home in which factorial.yaml has been accepted."""
    catalog = Catalog.open(put_empty(tmp_path / "catalog.db"), clock=lambda: 0.0)
    spec = read_jobs((EXAMPLES / "factorial.yaml").read_bytes(), "factorial.yaml", rules_with(tmp_path))
    catalog.ingest(spec, Source(ulid="01F", file_name="factorial.yaml", sha256="f", size_bytes=1))
    yield rules_with(tmp_path, find_experiment=catalog.find_experiment)
    catalog.close()


def test_every_example_has_its_expected_count() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == set(JOBS)


@pytest.mark.parametrize("name", JOBS)
def test_an_example_is_accepted_with_as_many_jobs_as_it_says(name: str, rules: Rules) -> None:
    batch = read_jobs((EXAMPLES / name).read_bytes(), name, rules)
    jobs = list(batch.jobs)
    assert batch.job_count == len(jobs) == JOBS[name]
    assert len({job.name for job in jobs}) == len(jobs)


def test_the_themes_are_fifty_in_three_styles_and_two_intensities(rules: Rules) -> None:
    jobs = list(read_jobs((EXAMPLES / "themes.yaml").read_bytes(), "themes.yaml", rules).jobs)
    assert {name: len({job.labels[name] for job in jobs}) for name in ("theme", "style", "intensity")} == {
        "theme": 50,
        "style": 3,
        "intensity": 2,
    }
    assert len({job.prompt for job in jobs}) == 300


def test_the_one_factor_example_changes_one_factor_at_a_time(rules: Rules) -> None:
    jobs = list(read_jobs((EXAMPLES / "one-factor-at-a-time.yaml").read_bytes(), "one.yaml", rules).jobs)
    base = jobs[0].condition
    changed = Counter(sum(job.condition[name] != base[name] for name in base) for job in jobs)
    assert changed == {0: 5, 1: 30}


def test_only_the_sound_effects_ask_for_a_model(rules: Rules) -> None:
    named = {"sound-effects.csv": "facebook/audiogen-medium", "built-in-effects.csv": "tiny-effects"}
    for name in JOBS:
        models = {job.model for job in read_jobs((EXAMPLES / name).read_bytes(), name, rules).jobs}
        assert models == {named.get(name, "tiny")}
