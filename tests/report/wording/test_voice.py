"""Numbers in sentences: as short as the interval allows, and never 0 or all where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from soundmill.report.statistics.findings import Response
from soundmill.report.statistics.scale import scale_of
from soundmill.report.wording.voice import Voice
from soundmill.words import one_decimal, percents

VOICE = Voice(scale=scale_of(Response.SCORE, np.array([50.0]), None), confidence=0.95, takes=8, names={})


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (6.2, 16.4, "95 % CI 6 to 16"),
        (-0.81, 1.34, "95 % CI −0.8 to 1.3"),
        (0.004, 2.52, "95 % CI 0.004 to 2.5"),
        (-0.0003, 12.0, "95 % CI −0.0003 to 12"),
        (0.0, 12.0, "95 % CI 0 to 12"),
        (-1e-12, 12.0, "95 % CI 0 to 12"),
    ],
)
def test_an_end_of_an_interval_reads_0_only_where_it_is(low: float, high: float, words: str) -> None:
    assert VOICE.interval(low, high) == words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.62, 0.88, "62 to 88 %"),
        (0.0, 0.004, "0 to 0.4 %"),
        (0.0002, 0.0312, "0.02 to 3 %"),
        (0.9963, 1.0, "99.6 to 100 %"),
        (0.0, 1.0, "0 to 100 %"),
    ],
)
def test_a_share_reads_none_or_all_only_where_it_is(low: float, high: float, words: str) -> None:
    assert percents(low, high) == words


def test_nothing_has_no_sign() -> None:
    assert [one_decimal(value) for value in (-0.04, 0.04, -0.06)] == ["0.0", "0.0", "−0.1"]
