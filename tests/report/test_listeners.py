"""What the report says of comparisons."""

from __future__ import annotations

from dataclasses import replace

from report.conftest import BATCH, jobs_with
from soundmill.report.listeners import listeners_of
from soundmill.report.record import BatchRecord, Comparison

THREE = replace(BATCH, jobs=jobs_with([({}, {}), ({}, {}), ({}, {})]))


def said(who: str, first: int, second: int, answer: str, expected: str | None = None) -> Comparison:
    return Comparison(
        who=who,
        first=f"clip-{first}.wav",
        second=f"clip-{second}.wav",
        answer=answer,
        attention=expected is not None,
        expected=expected,
    )


def compared(*answers: Comparison) -> BatchRecord:
    return replace(THREE, comparisons=answers)


def test_without_comparisons_there_is_nothing_to_say() -> None:
    assert listeners_of(BATCH) is None
    deaf = [said("bob", 1, 1, "second", "first")] * 3
    assert listeners_of(compared(said("bob", 1, 2, "first"), *deaf)) is None


def test_a_clear_favourite_is_named_with_its_interval() -> None:
    answers = [said("ann", 2, other, "first") for other in (1, 3)] * 15 + [said("bo", 1, 3, "tie")] * 8
    deaf = [said("cy", 1, 1, "tie", "first")] * 3 + [said("cy", 1, 2, "first")] * 50
    found = listeners_of(compared(*answers, *deaf))
    assert found is not None
    assert (found.winner, found.answers, found.listeners, found.left_out) == ("clip-2.wav", 38, 2, ("cy",))
    best, *others = found.takes
    assert (best.file, best.answers) == ("clip-2.wav", 30)
    assert best.low < best.share < best.high
    assert best.low > max(take.share for take in others)
    assert "Listeners prefer clip-2.wav: the best of 3 takes compared, sure at 95 %" in found.sentence
    assert "Left out, because they seem to have answered by chance: cy." in found.sentence


def test_few_answers_name_nobody() -> None:
    found = listeners_of(compared(said("ann", 1, 2, "first"), said("bo", 3, 1, "tie")))
    assert found is not None
    assert found.winner is None
    assert "is not sure yet; clip-1.wav is ahead" in found.sentence
    assert "2 answers of 2 listeners" in found.sentence
