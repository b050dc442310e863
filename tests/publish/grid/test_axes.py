"""What stands on the axes of a grid, and in its cells."""

from __future__ import annotations

from typing import Any

from soundmill.publish.grid.axes import PARTS, cells, factor, factors


def take(score: float | None = 50.0, verdict: str = "passed", stars: float | None = None, **settings: str) -> Any:
    return {"settings": settings, "score": score, "verdict": verdict, "stars": stars}


def test_numbers_stand_by_their_size_and_words_as_they_come() -> None:
    rows = [take(t=t, style=s) for t in ("10", "0.8", "1.2") for s in ("synth", "folk")]
    first, second = factors(rows)
    assert list(first.levels) == ["0.8", "1.2", "10"] and list(second.levels) == ["synth", "folk"]


def test_what_is_the_same_for_all_is_no_axis() -> None:
    assert [each.name for each in factors([take(a="1", b="x"), take(a="1", b="y")])] == ["b"]


def test_a_sampled_range_is_cut_into_parts_that_hold_every_value() -> None:
    values = [str(n / 97) for n in range(98)]
    found = factor("temperature", values)
    assert len(found.levels) == PARTS
    assert {found.level({"temperature": value}) for value in values} == set(found.levels)
    assert (
        found.level({"temperature": "0.0"}) == found.levels[0]
        and found.level({"temperature": "1.0"}) == found.levels[-1]
    )


def test_numbers_that_differ_by_less_than_a_name_says_stay_apart() -> None:
    values = [f"1.000000{n:02}" for n in range(20)]
    assert list(factor("x", values).levels) == values


def test_a_cell_holds_its_takes_in_order_and_their_means() -> None:
    rows = [
        take(80.0, a="1", b="x", c="p"),
        take(60.0, "failed", 4.0, a="1", b="x", c="q"),
        take(None, a="2", b="x", c="p"),
        take(10.0, a="2", c="p"),
    ]
    known = factors([*rows, take(b="y", c="p", a="1")])
    by_name = {each.name: each for each in known}
    found = cells(rows, by_name["a"], by_name["b"], {}, known)
    assert set(found) == {("x", "1"), ("x", "2")}
    assert (found["x", "1"].score, found["x", "1"].flagged, found["x", "1"].stars) == (70.0, 1, 4.0)
    assert found["x", "2"].score is None
    only = cells(rows, by_name["a"], None, {"c": "p"}, known)
    assert [len(cell.takes) for cell in only.values()] == [1, 2]
