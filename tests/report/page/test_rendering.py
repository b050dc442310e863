"""How names and findings stand on the page."""

from __future__ import annotations

import numpy as np
import pytest

from soundmill.report.analysis import analyse
from soundmill.report.page.rendering import breakable
from soundmill.report.statistics.findings import Response, clearest_first
from support.experiments import FACTORS, by_level, full_factorial, takes_of

WHOLE = '_<wbr><span class="sm-whole">{}</span>'


@pytest.mark.parametrize(
    ("name", "first", "settings"),
    [
        ("0003-slow-drone_temperature-1.0_cfg_coef-2-r2", "0003-slow-drone", ["temperature-1.0", "cfg_coef-2-r2"]),
        ("my_own_name", "my_own_name", []),
        ("<b>_top_k-50", "&lt;b&gt;", ["top_k-50"]),
    ],
)
def test_a_name_breaks_between_its_settings_and_not_within_one(name: str, first: str, settings: list[str]) -> None:
    assert breakable(name) == first + "".join(WHOLE.format(setting) for setting in settings)


def test_a_setting_too_long_for_a_line_may_be_broken() -> None:
    long = f"model-{'x' * 40}"
    assert breakable(f"a_{long}") == f"a_<wbr>{long}"


def test_what_matters_is_said_before_what_was_not_shown_to() -> None:
    effect = by_level("top_k", {"50": 0.0, "250": 15.0, "1000": 30.0})
    takes = takes_of(full_factorial(), 4, np.random.default_rng(5), effect)
    analysis = analyse(takes, confidence=0.95, seeds_shared=True, response=Response.SCORE)
    assert [one.name for one in analysis.factors] == sorted(FACTORS)
    assert clearest_first(analysis.factors)[0].name == "top_k"
    assert analysis.sentences[1].startswith("top_k 1000 beats ")
