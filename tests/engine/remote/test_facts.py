"""What a machine must have to take part."""

from __future__ import annotations

import pytest

from soundmill.engine.remote.facts import facts, no_facts, refusal

HERE = {"soundmill": "0.2.0", "python": "3.12"}


def test_a_machine_like_the_daemons_may_work() -> None:
    assert refusal("ws2", facts(), facts()) is None


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        ({"soundmill": "0.1.0", "python": "3.12"}, "ws2: has Soundmill 0.1.0, the daemon 0.2.0; there: pip install"),
        ({"soundmill": "0.2.0", "python": "3.11"}, "ws2: runs Python 3.11, the daemon 3.12; start Ray there from"),
        ({}, "ws2: has Soundmill none"),
    ],
)
def test_a_difference_is_refused_in_one_sentence_with_the_mend(there: dict[str, str], sentence: str) -> None:
    said = refusal("ws2", there, HERE)
    assert said is not None and said.startswith(sentence) and "\n" not in said


def test_a_machine_without_soundmill_is_told_apart_from_one_that_does_not_answer() -> None:
    assert "not installed" in no_facts("ws2", "ModuleNotFoundError: No module named 'soundmill'", HERE)
    assert "soundmill[ray]==0.2.0" in no_facts("ws2", "No module named 'soundmill'", HERE)
    assert "does not answer" in no_facts("ws2", "nothing in 60 s", HERE)
