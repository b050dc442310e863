"""What a rerun asks the engine for, and what it says of the difference."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from soundmill.commands.rerun import Comparison, Row, request_of
from soundmill.config import Config

ROW: Row = {
    "id": 7,
    "number": 2,
    "batch": "songs",
    "name": "calm",
    "prompt": "calm piano",
    "duration": 4.0,
    "temperature": 1.0,
    "top_k": 250,
    "top_p": 0.0,
    "cfg_coef": 3.0,
    "seed": 5,
    "melody": None,
    "continue_from": None,
    "output": {"format": "wav", "normalization": "peak", "normalization_target": -1.0},
}


def test_a_take_is_faded_again_as_its_file_says_and_not_as_the_settings_say_now() -> None:
    settings = Config.model_validate({"audio": {"fade_ms": 25}})
    assert request_of(ROW, settings, {"fade_s": "0.0073"}).fade_s == 0.0073
    assert request_of(ROW, settings, {"prompt": "calm piano"}).fade_s == 0.0


def test_of_a_pruned_take_the_row_says_the_fade_and_the_hash_whether_it_is_the_same() -> None:
    settings = Config.model_validate({"audio": {"fade_ms": 25}})
    recorded = {**ROW, "output": {**ROW["output"], "fade_s": 0.0}}  # type: ignore[dict-item]
    assert request_of(recorded, settings, None).fade_s == 0.0
    assert request_of(ROW, settings, None).fade_s == 0.025
    same, other = (
        Comparison(job="a/b", identical=hit, same_file=hit, largest_difference=None, changed={}, pruned=True)
        for hit in (True, False)
    )
    assert str(same) == "a/b: identical"
    assert str(other).startswith("a/b: made again, but not the same file, and the pruned one cannot be compared")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, "device, versions and weights are the same"),
        ({"weights": ("1a2b", "3c4d")}, "the weights differ: made with 1a2b, now 3c4d"),
        (
            {"torch": ("2.10", "2.11"), "weights": ("1a2b", "3c4d")},
            "the weights differ: made with 1a2b, now 3c4d; since then changed: torch was 2.10 and is 2.11",
        ),
        (
            {"device": ("", "cpu"), "torch": ("2.10", "")},
            "since then changed: device was unknown and is cpu, torch was 2.10 and is unknown",
        ),
        ({"weights": ("", "3c4d")}, "the row does not say which weights made it; now they are 3c4d"),
        ({"weights": ("1a2b", "")}, "the weights differ: made with 1a2b, now unknown"),
    ],
)
def test_the_reasons_for_a_difference_are_named_weights_first(changed: Mapping[str, tuple[str, str]], why: str) -> None:
    differs = Comparison(job="songs/calm", identical=False, same_file=False, largest_difference=0.25, changed=changed)
    assert str(differs) == f"songs/calm: samples differ by up to 0.25 of full scale; {why}"
