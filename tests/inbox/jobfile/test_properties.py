"""Whatever people type either becomes jobs or is explained; it never becomes another exception."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.cells import KNOWN
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.naming.safe import batch_name
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.inbox.jobfile.yaml.designs import FullFactorial, OneFactorAtATime
from soundmill.inbox.names import numbered, tidy
from soundmill.jobs import JobSpec
from soundmill.words import same_name

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.text(max_size=40)
SAFE = re.compile(r"[^/\\\x00-\x1f<>:\"|?*]+")


@pytest.fixture(scope="session")
def rules_2000(rules_with: Callable[..., Rules]) -> Rules:
    return rules_with(Path("/nonexistent"), max_jobs=2000)


def read(data: bytes, name: str, rules: Rules) -> list[JobSpec] | None:
    """The jobs, or None if the file was refused with problems that can be shown."""
    try:
        batch = read_jobs(data, name, rules)
    except InvalidJobFile as refused:
        assert refused.problems
        for problem in refused.problems:
            assert str(problem).isprintable()
        return None
    jobs = list(batch.jobs)
    assert len(jobs) == batch.job_count
    return jobs


def assert_names_are_safe_and_unique(jobs: list[JobSpec]) -> None:
    assert len({same_name(job.name) for job in jobs}) == len(jobs)
    for job in jobs:
        assert SAFE.fullmatch(job.name) and job.name.isprintable()
        assert not job.name.startswith((".", "-")) and not job.name.endswith((".", " "))
        assert ".." not in job.name and len(job.name.encode()) <= 220


@quick
@given(
    st.lists(
        st.fixed_dictionaries(dict.fromkeys(("prompt", "id", "duration", "scene", "melody"), texts)),
        max_size=5,
    )
)
def test_any_text_in_any_cell(rules_2000: Rules, rows: list[dict[str, str]]) -> None:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["prompt", "id", "duration", "scene", "melody"])
    writer.writeheader()
    writer.writerows(rows)
    jobs = read(out.getvalue().encode("utf-8", "surrogatepass"), "any.csv", rules_2000)
    if jobs is not None:
        assert_names_are_safe_and_unique(jobs)


@quick
@given(st.lists(st.tuples(texts, st.text(min_size=1, max_size=40), st.integers(1, 4)), min_size=1, max_size=8))
def test_names_are_unique_and_safe_whatever_is_typed(rules_2000: Rules, rows: list[tuple[str, str, int]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("id", "prompt", "count"), *rows])
    jobs = read(out.getvalue().encode("utf-8", "surrogatepass"), "any.csv", rules_2000)
    if jobs is not None:
        assert_names_are_safe_and_unique(jobs)


@quick
@given(
    st.lists(
        st.sampled_from(["a", "A", "a-r2", "a r2", "0001-x", "0002-x-r2", "", "ａ", "ß", "ss"]), min_size=1, max_size=6
    ),
    st.integers(1, 3),
)
def test_names_that_look_alike_never_stand_side_by_side(rules_2000: Rules, ids: list[str], count: int) -> None:
    rows = "".join(f"{name},x,{count}\n" for name in ids)
    jobs = read(f"id,prompt,count\n{rows}".encode(), "any.csv", rules_2000)
    if jobs is not None:
        assert_names_are_safe_and_unique(jobs)


@quick
@given(st.binary(max_size=200), st.sampled_from(["any.csv", "any.tsv", "any.yaml", "any.yml"]))
def test_any_bytes(rules_2000: Rules, data: bytes, name: str) -> None:
    read(data, name, rules_2000)


@quick
@given(st.text(alphabet="prompt,;\t\"' \n-:[]{}&*!<>|%@`#?~\\0123jobs", max_size=120), st.sampled_from(["csv", "yaml"]))
def test_any_punctuation(rules_2000: Rules, text: str, kind: str) -> None:
    read(text.encode(), f"any.{kind}", rules_2000)
    read(b"prompt,duration\n" + text.encode(), "any.csv", rules_2000)
    read(b"jobs:\n- " + text.encode(), "any.yaml", rules_2000)


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
keys = st.sampled_from(["name", "priority", "on_qc_fail", "defaults", "jobs", "template", "variables", "experiment"])
experiments = st.dictionaries(
    st.sampled_from(["factors", "design", "baseline", "replicates", "n", "prompt", "extends"]),
    values | st.dictionaries(st.sampled_from(KNOWN), st.lists(scalars, max_size=3), max_size=3),
)
ranges = st.fixed_dictionaries(
    {"min": scalars, "max": scalars},
    optional={"scale": st.sampled_from(["log", "linear", "wild"]), "step": scalars},
) | st.fixed_dictionaries({"min": st.floats(0, 1), "max": st.floats(1, 4), "scale": st.sampled_from(["log", "linear"])})


@quick
@given(st.dictionaries(keys, values | experiments, max_size=5))
def test_any_structure_under_the_known_keys(rules_2000: Rules, content: dict[str, object]) -> None:
    read(yaml.safe_dump(content).encode("utf-8", "surrogatepass"), "any.yaml", rules_2000)


@quick
@given(
    st.dictionaries(st.sampled_from(["temperature", "top_p", "top_k", "model", "mood"]), ranges, max_size=4),
    st.sampled_from(["sobol", "latin_hypercube", "full_factorial"]),
    scalars | st.integers(1, 20),
)
def test_any_range_in_any_design(rules_2000: Rules, factors: dict[str, object], design: str, n: object) -> None:
    content = {"experiment": {"prompt": "{mood}", "factors": factors, "design": design, "n": n}}
    jobs = read(yaml.safe_dump(content).encode("utf-8", "surrogatepass"), "any.yaml", rules_2000)
    if jobs is not None:
        assert_names_are_safe_and_unique(jobs)


@quick
@given(
    st.dictionaries(st.sampled_from(["prompt", "model", "mood", "top_k"]), st.lists(texts, max_size=3), max_size=4),
    st.integers(1, 3),
)
def test_conditions_have_names_of_their_own_whatever_their_levels(
    rules_2000: Rules, factors: dict[str, list[str]], replicates: int
) -> None:
    quoted = {name: [level.replace("{", "").replace("}", "") for level in levels] for name, levels in factors.items()}
    experiment = {"factors": {"mood": ["a", "b"]} | quoted, "prompt": "{mood} x", "replicates": replicates}
    content = yaml.dump({"experiment": experiment}, default_style='"', Dumper=yaml.SafeDumper)
    jobs = read(content.encode("utf-8", "surrogatepass"), "any.yaml", rules_2000)
    if jobs is not None:
        assert_names_are_safe_and_unique(jobs)


@quick
@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True), min_size=1, max_size=4))
def test_the_one_factor_design_is_part_of_the_full_one_and_as_long_as_it_says(levels: list[list[str]]) -> None:
    design = OneFactorAtATime(levels, tuple(choices[0] for choices in levels))
    conditions = list(design)
    assert len(conditions) == len(set(conditions)) == design.size
    full = FullFactorial(levels)
    assert len(list(full)) == full.size and all(condition in full for condition in conditions)
    assert {condition for condition in full if condition in design} == set(conditions)


@quick
@given(st.text(max_size=300), st.integers(1, 30))
def test_file_names_stay_valid(stem: str, number: int) -> None:
    name = numbered(
        tidy("a" + stem.replace("/", "").replace("\0", "").encode("utf-8", "ignore").decode() + ".csv"), number
    )
    assert name.endswith(".csv") and name.isprintable() and len(name.encode()) < 200
    batch = batch_name(stem, name)
    assert re.fullmatch(r"[^\s/\\.]+", batch) and len(batch.encode()) <= 165
    assert re.match(r"\w", batch) or unicodedata.category(batch[0]) == "So"  # emoji
