"""Experiments that go on in later batches: who belongs to whom, and what they have."""

from __future__ import annotations

from typing import Any

import pytest

from soundmill.catalog.experiments import Experiment
from soundmill.catalog.reader import Reader
from soundmill.errors import InvalidControl
from soundmill.jobs import Batch, BatchSpec

PLAN = {"design": "sobol", "factors": {"t": ["1", "2"]}, "n": 4, "controls": {"top_k": 250}}


def ingest(mill: Any, name: str, extends: str | None = None, plan: Any = PLAN, jobs: Any = ()) -> Batch:
    specs = [
        mill.spec(n, name=f"{n}-{t}-{replicate}", condition={"t": t}, replicate=replicate)
        for n, (t, replicate) in enumerate(jobs, 1)
    ]
    spec = BatchSpec(name=name, jobs=specs, job_count=len(specs), kind="experiment", experiment=plan, extends=extends)
    return mill.catalog.ingest(spec, mill.source())


@pytest.fixture
def family(mill: Any) -> Any:
    """a, with b and c that extend it, d that extends c; and e, which stands alone."""
    ingest(mill, "a", jobs=[("1", 1), ("2", 1)])
    ingest(mill, "b", "a", PLAN | {"n": 16}, jobs=[("2", 2), ("3", 1)])
    ingest(mill, "c", "a", PLAN | {"n": 8})
    ingest(mill, "e")
    ingest(mill, "d", "c", jobs=[("1", 2)])
    return mill


def test_a_batch_knows_the_one_it_extends(family: Any) -> None:
    rows = {row["batch"]: row for row in family.rows("SELECT * FROM experiment_family")}
    assert {name: row["family"] for name, row in rows.items()} == {"a": "a", "b": "a", "c": "a", "d": "a", "e": "e"}
    assert {name: row["extends"] for name, row in rows.items()} == {"a": None, "b": "a", "c": "a", "d": "c", "e": None}
    assert family.row("SELECT message FROM events WHERE message LIKE 'd: %'")["message"] == (
        "d: 1 job from themes.yaml, extends c"
    )


def test_a_family_is_the_same_from_each_of_its_batches(family: Any, reader: Reader) -> None:
    for name in "abcd":
        assert reader.family(name) == ["a", "b", "c", "d"]
    assert reader.family("e") == ["e"]
    with pytest.raises(InvalidControl):
        reader.family("x")


def test_all_takes_of_a_family_are_one_query(family: Any) -> None:
    for attempt in family.claim(limit=5):
        family.succeed(attempt)
    takes = family.rows(
        "SELECT batch, condition, replicate FROM takes"
        " WHERE batch IN (SELECT batch FROM experiment_family WHERE family = 'a') ORDER BY output_id"
    )
    assert [(row["batch"], row["condition"], row["replicate"]) for row in takes] == [
        ("a", '{"t":"1"}', 1),
        ("a", '{"t":"2"}', 1),
        ("b", '{"t":"2"}', 2),
        ("b", '{"t":"3"}', 1),
        ("d", '{"t":"1"}', 2),
    ]


def test_an_experiment_is_found_with_the_conditions_of_its_family(family: Any, reader: Reader) -> None:
    found = reader.find_experiment("C")
    assert found == family.catalog.find_experiment("c")
    assert found == Experiment(
        batch="c",
        ulid=family.row("SELECT ulid FROM batches WHERE name = 'a'")["ulid"],
        plan=PLAN | {"n": 8},
        drawn=16,
        conditions=(
            ({"t": "1"}, frozenset({1, 2})),
            ({"t": "2"}, frozenset({1, 2})),
            ({"t": "3"}, frozenset({1})),
        ),
    )


def test_an_unknown_name_gets_a_suggestion_of_an_experiment(mill: Any, reader: Reader) -> None:
    ingest(mill, "which-settings")
    mill.ingest(name="which-setting")
    for wrong in ("which-setings", "Which Settings"):
        with pytest.raises(InvalidControl, match=r"there is no such batch; did you mean which-settings\?"):
            reader.find_experiment(wrong)
    with pytest.raises(InvalidControl, match="`soundmill status` lists the batches"):
        reader.find_experiment("zebra")
    with pytest.raises(InvalidControl, match="has no experiment"):
        reader.find_experiment("which-setting")


def test_one_batchs_family_costs_no_walk_over_all_batches(mill: Any) -> None:
    steps = mill.rows("EXPLAIN QUERY PLAN SELECT family FROM experiment_family WHERE batch = 'a'")
    assert not [step["detail"] for step in steps if step["detail"].startswith(("SCAN b", "SCAN e", "SCAN batches"))]
