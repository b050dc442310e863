"""Clips named by a pattern over columns, labels, factors and settings, checked before anything is queued."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.cells import Wrong
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.naming.pattern import Naming, Pattern
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import BatchSpec

PLACES = (
    "name: MX_{place}_{energy}_{take:02}\n"
    "jobs:\n"
    "- {prompt: a, place: Market, energy: Calm, count: 2}\n"
    "- {prompt: b, place: Market Hall, energy: Wild}\n"
    "- {prompt: c, id: boss}\n"
)


def batch_of(text: str, rules: Rules, file_name: str = "town.yaml") -> BatchSpec:
    return read_jobs(text.encode(), file_name, rules)


def names_of(text: str, rules: Rules, file_name: str = "town.yaml") -> list[str]:
    return [job.name for job in batch_of(text, rules, file_name).jobs]


def problems_of(text: str, rules: Rules, file_name: str = "town.yaml") -> list[str]:
    with pytest.raises(InvalidJobFile) as refused:
        batch_of(text, rules, file_name)
    return [str(problem) for problem in refused.value.problems]


def set_to(pattern: str, rules: Rules) -> Rules:
    """The rules of a home whose soundmill.yaml says `name: <pattern>`."""
    return replace(rules, naming=Naming(pattern=Pattern(pattern), key="name", line=None))


def test_clips_are_named_as_the_pattern_says_and_a_job_with_an_id_by_it(rules: Rules) -> None:
    batch = batch_of(PLACES, rules)
    assert batch.name == "town"
    assert [job.name for job in batch.jobs] == [
        "MX_Market_Calm_01",
        "MX_Market_Calm_02",
        "MX_Market-Hall_Wild_01",
        "boss",
    ]
    assert list(batch.jobs) == list(batch.jobs)


def test_the_batch_may_have_a_name_beside_the_pattern(rules: Rules) -> None:
    batch = batch_of(PLACES.replace("name:", "name: Old Town\nclip_name:", 1), rules)
    assert batch.name == "old-town" and next(iter(batch.jobs)).name == "MX_Market_Calm_01"


def test_a_name_without_fields_is_the_batchs(rules: Rules) -> None:
    batch = batch_of("name: Old Town\njobs: [calm piano]\n", rules)
    assert batch.name == "old-town" and next(iter(batch.jobs)).name == "0001-calm-piano"


def test_takes_without_a_number_in_the_pattern_get_theirs_as_ever(rules: Rules) -> None:
    assert names_of("clip_name: '{mood}'\njobs: [{prompt: a, mood: Tense, count: 3}]\n", rules) == [
        "Tense",
        "Tense-r2",
        "Tense-r3",
    ]


def test_factors_and_settings_and_the_row_are_fields_too(rules: Rules) -> None:
    text = (
        "name: '{batch}-{number:03}_{scene}_t{temperature}_{duration}s_{model}_{replicate}'\n"
        "experiment: {prompt: 'a {scene} theme', replicates: 2,"
        " factors: {scene: [Quiet Hall], temperature: [0.70, 1]}}\n"
    )
    assert names_of(text, rules) == [
        "town-001_Quiet-Hall_t0.7_10s_tiny_1",
        "town-001_Quiet-Hall_t0.7_10s_tiny_2",
        "town-002_Quiet-Hall_t1_10s_tiny_1",
        "town-002_Quiet-Hall_t1_10s_tiny_2",
    ]


def test_the_seed_is_that_of_the_take(rules: Rules) -> None:
    batch = batch_of("name: '{seed}'\njobs: [{prompt: a, seed: 7, count: 2}, b]\n", rules)
    assert [job.name for job in batch.jobs] == ["7", "8", str(list(batch.jobs)[2].seed)]


def test_a_prompt_in_the_pattern_is_its_first_and_last_words(rules: Rules) -> None:
    assert names_of("name: 'P-{prompt}'\njobs: ['Slow, calm piano', 音乐]\n", rules) == ["P-slow-calm-piano", "P-音乐"]


def test_a_column_comes_before_what_else_is_called_so(rules: Rules) -> None:
    assert names_of("name: '{take}_{number}'\njobs: [{prompt: a, Take: A2, number: 9}]\n", rules) == ["A2_9"]
    answer = problems_of("name: '{take}'\njobs: [{prompt: a, take: A2}, {prompt: b}]\n", rules)
    assert answer == ["line 2: name: take is blank, and {take} needs it; fill it, or give the job an id"]


def test_the_settings_name_clips_of_tables_and_of_files_without_a_pattern(rules: Rules) -> None:
    ours = set_to("SFX_{place}_{take:03}", rules)
    assert names_of("prompt,Place,id\na,Élan,\nb,,kick\n", ours, "x.csv") == ["SFX_Élan_001", "kick"]
    assert names_of("jobs: [{prompt: a, place: 音乐}]\n", ours) == ["SFX_音乐_001"]
    assert names_of(PLACES, ours)[0] == "MX_Market_Calm_01"
    assert names_of("prompt,id\nb,kick\n", ours, "x.csv") == ["kick"]
    answer = problems_of("prompt,plaze\na,Market\n", ours, "x.csv")
    assert answer == [
        "name = SFX_{place}_{take:03} of soundmill.yaml: no column, factor or setting of this file is called place; "
        "did you mean plaze?"
    ]


def test_a_column_that_is_blank_in_every_row_is_blank_and_not_unknown(rules: Rules) -> None:
    answer = problems_of("prompt,place\na,\n", set_to("{place}", rules), "x.csv")
    assert answer == [
        "line 2: name: place is blank, and {place} of soundmill.yaml needs it; fill it, or give the job an id"
    ]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("MX_{place", "has a lone {"),
        ("MX_place}", "has a lone }"),
        ("MX_{}", "{} is no field"),
        ("{place!r}_{take}", "{place!r} is no field"),
        ("{place[0]}", "{place[0]} is no field"),
        ("{take:2}", "{take:2}: for 2 digits write {take:02}"),
        ("{take:02d}", "{take:02d}: for 2 digits write {take:02}"),
        ("{take:>2}", "{take:>2}: for 2 digits write {take:02}"),
        ("{place}/{take}", "must not contain / or \\"),
        ("../{take}", "must not contain /"),
        (".{take}", "must not start with a dot"),
        ("{place}\u200d", "U+200D ZERO WIDTH JOINER"),
    ],
)
def test_a_pattern_that_is_none_is_refused_with_its_mend(rules: Rules, pattern: str, said: str) -> None:
    text = yaml.safe_dump({"name": pattern, "jobs": [{"prompt": "a", "place": "b"}]}, sort_keys=False)
    (problem,) = problems_of(text, rules)
    assert problem.startswith("line 1: name") and said in problem


def test_a_pattern_needs_a_field(rules: Rules) -> None:
    (problem,) = problems_of("clip_name: kick\njobs: [a]\n", rules)
    assert "needs a {field}" in problem
    with pytest.raises(Wrong):
        Pattern("kick")


def test_two_patterns_are_one_too_many(rules: Rules) -> None:
    (problem,) = problems_of("name: '{number}'\nclip_name: '{take}'\njobs: [a]\n", rules)
    assert problem.startswith("line 2: clip_name") and "give one of them" in problem


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("plaze", "called plaze; did you mean place?"),
        ("place.upper", "called place.upper; did you mean place?"),
        ("temp", "did you mean temperature?"),
        ("length", "did you mean duration?"),
        ("id", "a job with an id is named by it alone"),
        ("qqqqqqqq", "there are place, "),
    ],
)
def test_an_unknown_field_is_refused_once_with_what_may_be_meant(rules: Rules, field: str, said: str) -> None:
    jobs = "".join(f"- {{prompt: a{n}, place: b{n}}}\n" for n in range(5))
    (problem,) = problems_of(f"name: 'x_{{{field}}}'\njobs:\n{jobs}", rules)
    assert problem.startswith(f"line 1: name = x_{{{field}}}: no column, factor or setting") and said in problem


def test_every_row_that_cannot_be_named_is_told_with_its_line(rules: Rules) -> None:
    rows = ["Market,3", "MARKET,003", "Quay,three", ",4", "CON,", "...,5", "a..b,6", "Ma\u0308rz,7", "März,7"]
    table = "prompt,place,energy\n" + "".join(f"p{n},{row}\n" for n, row in enumerate(rows))
    answers = problems_of(table, set_to("{place}_{energy:03}", rules), "x.csv")
    assert [(answer.split(":")[0].split(",")[0], answer) for answer in answers] == [
        (f"line {line}", answer) for line, answer in zip((3, 4, 5, 6, 7, 8, 10), answers, strict=True)
    ]
    same, number, blank, energy, dots, twice, composed = answers
    assert "name = MARKET_003: is the name of the job on line 2 too" in same and "{number}" in same
    assert "energy is three, and only a whole number" in number
    assert "place is blank" in blank and "energy is blank" in energy
    assert "place is ..., which leaves no letter" in dots
    assert "makes a..b_006 of this row, which becomes a file name, so it must not" in twice
    assert "is the name of the job on line 9 too" in composed


def test_a_result_that_windows_keeps_or_that_is_too_long_is_refused(rules: Rules) -> None:
    (device,) = problems_of("prompt,place\na,Aux\n", set_to("{place}", rules), "x.csv")
    assert "line 2" in device and "Windows" in device
    (long,) = problems_of(f"prompt,place\na,{'音' * 70}\n", set_to("{place}", rules), "x.csv")
    assert "at most 200 bytes; in UTF-8 it has 210" in long


def test_clips_of_one_section_with_the_same_name_are_told_by_their_numbers(rules: Rules) -> None:
    text = "name: MX-{place}\ntemplate: '{place} {energy}'\nvariables: {place: [A, B], energy: [calm, wild]}\n"
    (problem,) = problems_of(text, rules)
    assert "MX-A: is the name of clip 1 and of clip 2" in problem


def test_a_pattern_cannot_make_the_name_of_an_id_or_of_another_take(rules: Rules) -> None:
    table = "prompt,place,id,count\na,Kick,,1\nb,,kick,1\n"
    (twin,) = problems_of(table, set_to("{place}", rules), "x.csv")
    assert "Kick: is the name of the job on line 3 too" in twin
    (take,) = problems_of("prompt,place,count\na,Kick,3\nb,Kick-r2,1\n", set_to("{place}", rules), "x.csv")
    assert "is the name that another take of the job on line 2 gets" in take


def test_names_in_a_pattern_are_compared_only_as_far_as_jobs_are_good(rules: Rules) -> None:
    """A row that cannot be read may be the only one that has the column."""
    answers = problems_of("prompt,place,duration\na,Market,-1\n", set_to("{place}", rules), "x.csv")
    assert len(answers) == 1 and "duration" in answers[0]
