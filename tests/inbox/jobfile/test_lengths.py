"""How long a clip is to be: by its duration, or by its bars and tempo; and what a loop takes beside."""

from __future__ import annotations

import pytest

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import JobSpec


def job_of(row: str, rules: Rules) -> JobSpec:
    (job,) = read_jobs(f"jobs:\n- {{prompt: a drum loop, {row}}}\n".encode(), "one.yaml", rules).jobs
    return job


@pytest.mark.parametrize(
    ("row", "duration"),
    [
        ("bars: 4, bpm: 120", 8.0),
        ("bars: 4, bpm: 120, duration: 8", 8.0),
        ("bars: 3, bpm: 122, loop: true", 3 * 240 / 122),
        ("loop: true, duration: 7.3", 7.3),
        ("loop: true, duration: 7.5, bpm: 120", 7.5),
        ("loop: yes, bpm: 100", 9.6),  # whole bars of the default of 10 s
        ("bpm: 100", 10.0),
        ("loop: false, bars: 0, bpm: 0, duration: 5", 5.0),
    ],
)
def test_the_length_of_a_clip(row: str, duration: float, rules: Rules) -> None:
    assert job_of(row, rules).parameters.duration == pytest.approx(duration, abs=1e-9)


def test_more_than_its_length_is_made_of_a_loop(rules: Rules) -> None:
    made = [
        job_of(row, rules).parameters.made_s
        for row in (
            "duration: 8",
            "duration: 8, loop: true",
            "bars: 4, bpm: 120, loop: true",
            "bars: 1, bpm: 40, loop: on",
        )
    ]
    assert made == [8.0, 10.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        ("bars: 4", "bars", "needs bpm"),
        ("bars: 4, bpm: 120, duration: 10", "duration", "4 bars at 120 bpm are 8 s; leave one of them blank"),
        ("loop: true, bpm: 100, duration: 8", "duration", "is 13.33 beats at 100 bpm, so a loop of it would stumble; "),
        ("loop: true, bpm: 100, duration: 8", "duration", "write bars in its place: 3 (7.2 s) or 4 (9.6 s)"),
        ("loop: true, duration: 29", "duration", "tiny makes loops of at most 28 s: they are folded out of 2 s more"),
        ("bars: 16, bpm: 90", "bars", "16 bars at 90 bpm are 42.67 s; tiny makes clips of at most 30 s"),
        ("bpm: 12", "bpm", "from 20 to 300"),
        ("loop: maybe", "loop", "must be true or false"),
        ("duration: 8 bars", "duration", "write bars in bars, and the tempo in bpm"),
        ("duration: 31", "duration", "tiny makes clips of at most 30 s"),
    ],
)
def test_lengths_that_cannot_be_are_told_with_the_mend(row: str, field: str, said: str, rules: Rules) -> None:
    with pytest.raises(InvalidJobFile) as refused:
        job_of(row, rules)
    (problem,) = refused.value.problems
    assert problem.field == field and said in problem.message


def test_a_tempo_may_be_a_factor(rules: Rules) -> None:
    text = "experiment:\n  prompt: a march\n  factors: {bpm: [90, 120], loop: [true, false]}\ndefaults: {bars: 4}\n"
    jobs = list(read_jobs(text.encode(), "one.yaml", rules).jobs)
    assert [(job.parameters.bpm, job.parameters.loop) for job in jobs] == [
        (90, True), (90, False), (120, True), (120, False),
    ]  # fmt: skip
    assert [round(job.parameters.duration, 3) for job in jobs] == [10.667, 10.667, 8.0, 8.0]
