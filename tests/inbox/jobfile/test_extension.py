"""`extends`: whatever order an experiment grows in, it ends up as if it had been asked for at once. Real catalogue."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundmill.catalog.catalog import Catalog
from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import BatchSpec, FailureKind, JobSpec, Source, derive_seed
from support.catalogues import put_empty

FACTORS = {"temperature": ["0.7", "1.0", "1.3"], "mood": ["calm", "tense", "wild"]}
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

Clip = tuple[tuple[tuple[str, str], ...], int, int]  # condition, replicate, seed


@dataclass
class Mill:
    """A catalogue, and files that are read against it."""

    catalog: Catalog
    rules: Callable[..., Rules]
    ulids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def read(self, experiment: dict[str, Any], ulid: str = "01H", **changes: Any) -> BatchSpec:
        content = {"defaults": {"prompt": "{mood} piano"}, "experiment": experiment} | changes
        rules = self.rules(Path("/nonexistent"), ulid, find_experiment=self.catalog.find_experiment)
        return read_jobs(yaml.safe_dump(content, sort_keys=False).encode(), "file.yaml", rules)

    def submit(self, experiment: dict[str, Any], name: str, **changes: Any) -> list[JobSpec]:
        """The jobs of a file that is accepted as batch `name`."""
        ulid = f"01H{next(self.ulids):023}"
        spec = self.read(experiment, ulid, name=name, **changes)
        batch = self.catalog.ingest(spec, Source(ulid=ulid, file_name="file.yaml", sha256=ulid, size_bytes=1))
        assert batch.name == name and batch.job_count == spec.job_count
        return list(spec.jobs)

    def refused(self, experiment: dict[str, Any], **changes: Any) -> str:
        with pytest.raises(InvalidJobFile) as refused:
            self.read(experiment, **changes)
        return "\n".join(map(str, refused.value.problems))


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory, rules_with: Callable[..., Rules]) -> Iterator[Mill]:
    catalog = Catalog.open(tmp_path_factory.mktemp("catalog") / "catalog.db", clock=lambda: 1000.0)
    yield Mill(catalog, rules_with)
    catalog.close()


@pytest.fixture
def fresh(tmp_path: Path, rules_with: Callable[..., Rules]) -> Iterator[Mill]:
    catalog = Catalog.open(put_empty(tmp_path / "catalog.db"), clock=lambda: 1000.0)
    yield Mill(catalog, rules_with)
    catalog.close()


def clips(*jobs: Sequence[JobSpec]) -> list[Clip]:
    return [(tuple(sorted(job.condition.items())), job.replicate, job.seed) for several in jobs for job in several]


def full(replicates: int, *, extends: str | None = None, **factors: list[str]) -> dict[str, Any]:
    more = {} if extends is None else {"extends": extends}
    return {"factors": FACTORS | factors, "replicates": replicates, **more}


def test_more_replicates_continue_the_numbers_with_the_first_batchs_seeds(fresh: Mill) -> None:
    first = fresh.submit(full(2), "a")
    more = fresh.submit(full(4, extends="a"), "b")
    assert len(first) == len(more) == 18
    assert {job.replicate for job in more} == {3, 4}
    assert {job.seed for job in more} == {derive_seed(f"01H{1:023}", "replicate", r) for r in (3, 4)}
    assert {job.name.partition("-r")[2] for job in more} == {"3", "4"}


def test_more_levels_run_the_new_conditions_only(fresh: Mill) -> None:
    first = fresh.submit(full(2), "a")
    more = fresh.submit(full(2, extends="a", mood=["calm", "sad", "tense", "wild"]), "b")
    assert {job.condition["mood"] for job in more} == {"sad"} and len(more) == 6
    assert {job.seed for job in more} == {job.seed for job in first}


def test_a_level_that_means_the_same_is_the_same_level(fresh: Mill) -> None:
    fresh.submit(full(1), "a")
    more = fresh.submit(full(2, extends="a", temperature=["1", "0.70", "1.3"]), "b")
    assert {job.condition["temperature"] for job in more} == {"0.7", "1.0", "1.3"}
    assert len(more) == 9


def test_what_any_batch_of_the_family_has_is_not_run_again(fresh: Mill) -> None:
    fresh.submit(full(1), "a")
    fresh.submit(full(3, extends="a"), "b")
    assert {job.replicate for job in fresh.submit(full(4, extends="a"), "c")} == {4}
    assert {job.replicate for job in fresh.submit(full(5, extends="b"), "d")} == {5}
    assert "has all of it already (9 conditions, 5 replicates each)" in fresh.refused(full(5, extends="c"))


def test_failed_jobs_are_there_and_left_to_retry(fresh: Mill) -> None:
    fresh.submit(full(1), "a")
    for attempt in fresh.catalog.claim(worker="w", device="cpu", model="tiny", limit=9, engine_idle=True):
        fresh.catalog.fail(attempt, FailureKind.INTERNAL, "broke", retry_at=None, counts=True, suspect=False)
    assert "jobs of it that failed are taken up again by: soundmill retry a" in fresh.refused(full(1, extends="a"))
    assert {job.replicate for job in fresh.submit(full(2, extends="a"), "b")} == {2}


def test_one_factor_at_a_time_keeps_its_baseline_when_levels_are_put_before_it(fresh: Mill) -> None:
    design = {"design": "one_factor_at_a_time"}
    fresh.submit(full(1) | design, "a")
    more = fresh.submit(full(1, extends="a", temperature=["0.5", "0.7", "1.0", "1.3"]) | design, "b")
    assert [dict(job.condition) for job in more] == [{"temperature": "0.5", "mood": "calm"}]


def test_a_full_factorial_completes_one_factor_at_a_time(fresh: Mill) -> None:
    first = fresh.submit(full(2) | {"design": "one_factor_at_a_time"}, "a")
    more = fresh.submit(full(2, extends="a"), "b")
    assert (len(first), len(more)) == (10, 8)


def test_other_controls_are_refused_and_so_are_changed_defaults_of_the_home(fresh: Mill) -> None:
    fresh.submit(full(1), "a", defaults={"prompt": "{mood} piano", "top_k": 50})
    said = fresh.refused(full(2, extends="a"))
    assert "top_k: is 250 here but was 50 in batch a" in said
    assert "prompt: is {mood} song here but was {mood} piano in batch a" in fresh.refused(
        full(2, extends="a"), defaults={"prompt": "{mood} song", "top_k": 50}
    )


def test_a_control_that_is_given_only_once_is_told_so(fresh: Mill) -> None:
    fresh.submit(full(1), "a", defaults={"prompt": "{mood} piano", "melody": ""})
    fresh.submit(full(1), "b", defaults={"prompt": "{mood} piano", "seed": 7})
    kept = "; an experiment keeps its controls: set it as it was, or leave extends out"
    said = fresh.refused(full(2, extends="a"), defaults={"prompt": "{mood} piano", "seed": 7})
    assert f"seed: is 7 here but was not given in batch a{kept}" in said
    said = fresh.refused(full(2, extends="b"), defaults={"prompt": "{mood} piano"})
    assert f"seed: is not given here but was 7 in batch b{kept}" in said


def test_a_given_seed_counts_on(fresh: Mill) -> None:
    defaults = {"prompt": "{mood} piano", "seed": 7}
    fresh.submit(full(2), "a", defaults=defaults)
    more = fresh.submit(full(3, extends="a"), "b", defaults=defaults)
    assert {(job.replicate, job.seed) for job in more} == {(3, 9)}


def test_a_batch_without_an_experiment_cannot_be_extended(fresh: Mill) -> None:
    spec = read_jobs(b"prompt\nx\n", "list.csv", fresh.rules(Path()))
    fresh.catalog.ingest(spec, Source(ulid="01L", file_name="list.csv", sha256="l", size_bytes=1))
    assert "extends = list: has no experiment that could be extended" in fresh.refused(full(1, extends="list"))


def test_only_what_is_missing_counts_against_the_limit(fresh: Mill) -> None:
    fresh.submit(full(8), "a")
    rules = fresh.rules(Path(), max_jobs=10, find_experiment=fresh.catalog.find_experiment)
    content = {"defaults": {"prompt": "{mood} piano"}, "experiment": full(9, extends="a")}
    assert read_jobs(yaml.safe_dump(content).encode(), "b.yaml", rules).job_count == 9


def sobol(n: int, replicates: int, *, extends: str | None = None, design: str = "sobol") -> dict[str, Any]:
    more = {} if extends is None else {"extends": extends}
    factors = {"temperature": {"min": 0.5, "max": 1.5}, "mood": FACTORS["mood"]}
    return {"design": design, "n": n, "factors": factors, "replicates": replicates, **more}


def test_a_latin_hypercube_gets_another_block_of_strata(fresh: Mill) -> None:
    fresh.submit(sobol(6, 1, design="latin_hypercube"), "a")
    more = fresh.submit(sobol(12, 1, extends="a", design="latin_hypercube"), "b")
    strata = [int((job.parameters.temperature - 0.5) * 6 - 1e-9) for job in more]
    assert sorted(strata) == list(range(6))
    third = fresh.submit(sobol(18, 1, extends="b", design="latin_hypercube"), "c")
    assert not {job.condition["temperature"] for job in third} & {job.condition["temperature"] for job in more}


def test_a_sampled_design_gets_replicates_of_the_points_it_has(fresh: Mill) -> None:
    first = fresh.submit(sobol(4, 1), "a")
    more = fresh.submit(sobol(4, 3, extends="a"), "b")
    assert {job.replicate for job in more} == {2, 3}
    assert {tuple(job.condition.items()) for job in more} == {tuple(job.condition.items()) for job in first}


some = st.lists(st.sampled_from(FACTORS["temperature"]), min_size=1, unique=True)
moods = st.lists(st.sampled_from(FACTORS["mood"]), min_size=1, unique=True)
designs = st.sampled_from(["full_factorial", "one_factor_at_a_time"])


@quick
@given(some, moods, st.integers(1, 3), st.permutations(["temperature", "mood"]), st.data(), designs)
def test_in_two_steps_is_the_same_as_at_once_in_any_order(
    mill: Mill, temperature: list[str], mood: list[str], replicates: int, order: list[str], data: Any, design: str
) -> None:
    number = next(mill.ulids)
    plan = {"design": design, "baseline": {"temperature": temperature[0], "mood": mood[0]}}
    first = mill.submit(full(replicates, temperature=temperature, mood=mood) | plan, f"two-{number}")
    levels = {name: data.draw(st.permutations(FACTORS[name])) for name in order}
    whole = {"factors": levels, "replicates": 3} | plan
    together = clips(list(mill.read(whole, ulid=f"01H{number + 1:023}").jobs))
    missing = len(together) - len(first)
    second: list[JobSpec] = []
    if missing:
        second = mill.submit(whole | {"extends": f"two-{number}"}, f"two-{number}-more")
    else:
        assert "has all of it" in mill.refused(whole | {"extends": f"two-{number}"})
    assert sorted(clips(first, second)) == sorted(together)
    assert len(set(together)) == len(together)


@quick
@given(st.integers(1, 20), st.integers(0, 20), st.integers(1, 2), st.integers(0, 1))
def test_a_sobol_design_in_two_steps_is_the_same_as_at_once(
    mill: Mill, n: int, more_points: int, replicates: int, more_replicates: int
) -> None:
    number = next(mill.ulids)
    first = mill.submit(sobol(n, replicates), f"sobol-{number}")
    final = (n + more_points, replicates + more_replicates)
    together = clips(list(mill.read(sobol(*final), ulid=f"01H{number + 1:023}").jobs))
    second: list[JobSpec] = []
    if more_points or more_replicates:
        second = mill.submit(sobol(*final, extends=f"sobol-{number}"), f"sobol-{number}-more")
    assert sorted(clips(first, second)) == sorted(together)
