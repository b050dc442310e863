from __future__ import annotations

import pytest

from soundmill.schedule.places import serves

PLACES = {"large": ("ws1", "rack1-*"), "small": ("local",)}


@pytest.mark.parametrize(
    ("device", "model", "does"),
    [
        ("ws1/cuda:0", "large", True),
        ("rack1-07/cuda:3", "large", True),
        ("ws2/cuda:0", "large", False),
        ("ws11/cuda:0", "large", False),
        ("cuda:0", "large", False),
        ("cuda:0", "small", True),
        ("ws1/cuda:0", "small", False),
        ("ws2/cpu:0", "tiny", True),
        ("cpu", "tiny", True),
    ],
)
def test_a_model_is_made_where_it_has_a_place_and_everywhere_without_one(device: str, model: str, does: bool) -> None:
    assert serves(PLACES, device, model) is does


def test_without_places_all_engines_make_all_models() -> None:
    assert serves({}, "cpu", "tiny")
