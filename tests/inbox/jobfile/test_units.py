"""Small parts of the reading of job files, at their edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inbox.conftest import CONTROLS, Earlier, Traits, make_rules, resolve
from soundmill.errors import InvalidJobFile, MissingInput, Problem
from soundmill.inbox.jobfile.cells import KNOWN
from soundmill.inbox.jobfile.naming.automatic import AutomaticNames
from soundmill.inbox.jobfile.problems import MOST_REPORTED, Problems, shorten
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.inbox.jobfile.rows import MOST_REMEMBERED, remember
from soundmill.inbox.jobfile.suggest import closest, nearly
from soundmill.inbox.jobfile.table.archive import (
    BYTES_A_BYTE,
    LEAST_BYTES,
    LEAST_TAGS,
    TAGS_A_BYTE,
    Archive,
    Unreadable,
)
from soundmill.inbox.jobfile.vocabulary import PROMPTS, Meaning, meaning, visible
from soundmill.inbox.jobfile.yaml.designs import FullFactorial, OneFactorAtATime, Sampled
from soundmill.inbox.jobfile.yaml.nodes import read_yaml
from soundmill.inbox.jobfile.yaml.ranges import Range
from support.spreadsheets import xlsx


def test_what_was_read_is_remembered_up_to_a_limit() -> None:
    memory: dict[object, int] = {number: number for number in range(MOST_REMEMBERED - 1)}
    remember(memory, "a", 1)
    assert len(memory) == MOST_REMEMBERED == 16384
    remember(memory, "b", 2)
    assert memory == {"b": 2}


def test_problems_are_told_once_by_their_lines_and_counted_each_time() -> None:
    problems = Problems()
    problems.raise_if_any()
    problems.add("second", 2)
    problems.add("of the file", None)
    problems.add("first\x07", 1, "a\nb", "v" * 61)
    problems.add("second", 2)
    problems.repeat()
    assert len(problems) == 5
    with pytest.raises(InvalidJobFile) as refused:
        problems.raise_if_any()
    assert refused.value.problems == (
        Problem(message="of the file"),
        Problem(message="first\\x07", line=1, field="a\\nb", value="v" * 59 + "…"),
        Problem(message="second", line=2),
    )
    assert (shorten("v" * 60), shorten("")) == ("v" * 60, "")


def test_of_very_many_problems_the_first_are_told() -> None:
    problems = Problems()
    for line in range(1, 1202):
        problems.add("odd", line)
    with pytest.raises(InvalidJobFile) as refused:
        problems.raise_if_any()
    told = refused.value.problems
    assert len(told) == MOST_REPORTED + 1 == 201 and told[-2].line == 200
    assert told[-1] == Problem(message="and 1,001 more problems, not listed here")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("promt", "prompt"), ("prommpt", "prompt"), ("pormpt", "prompt"), ("prxxpt", None), ("duratoin", "duration"),
        ("dratn", None), ("duratxxx", None), ("drtion", "duration"), ("sead", "seed"), ("see", None), ("speed", None),
        ("ids", None), ("i", None), ("bpms", None), ("temp", "temperature"), ("Top-K", "top_k"), ("cont", None),
        ("melodi", "melody"), ("melodic", None),
    ],
)  # fmt: skip
def test_a_mistyped_name_is_told_from_ones_own(name: str, near: str | None) -> None:
    known = ("id", "prompt", "duration", "seed", "bpm", "temperature", "top_k", "melody")
    assert nearly(name, known) == near


def test_the_closest_name_may_be_another_tools() -> None:
    assert closest("guidance scale", ["cfg_coef", "scale"]) == "cfg_coef"
    assert closest("guidance_scale", ["guidance"]) != "cfg_coef"
    assert closest("qqqq", ["scale"]) is None


def range_of(low: float, high: float, log: bool = False, step: float | None = None) -> Range:
    return Range(low=low, high=high, log=log, step=step)


@pytest.mark.parametrize(
    ("found", "count", "levels"),
    [
        (range_of(0, 1), 1001, ["0", "0.25", "0.5", "1"]), (range_of(0.1, 0.4, step=0.1), 4, None),
        (range_of(0, 100000), 100_001, ["0", "25000", "50000", "100000"]), (range_of(1, 1000, log=True), 1000, None),
        (range_of(1, 9, step=4), 3, ["1", "1", "5", "9"]), (range_of(1, 10, step=4), 3, ["1", "1", "5", "9"]),
        (range_of(1, 16, log=True, step=1), 16, ["1", "2", "4", "16"]),
        (range_of(-1, 1), 2001, ["-1", "-0.5", "0", "1"]),
        (range_of(0.0001, 0.0002), 1001, ["0.0001", "0.000125", "0.00015", "0.0002"]),
        (range_of(1, 16, log=True), 1000, ["1", "2", "4", "16"]),
    ],
)  # fmt: skip
def test_the_levels_of_a_range(found: Range, count: int, levels: list[str] | None) -> None:
    assert found.count == count
    if levels is not None:
        assert [found.level(share) for share in (0.0, 0.25, 0.5, 1.0)] == levels
    scale = "log" if found.log else "linear"
    step = {} if found.step is None else {"step": found.step}
    assert found.as_written() == {"min": found.low, "max": found.high, "scale": scale, **step}


def test_what_is_in_a_design() -> None:
    levels = [["a", "b", "c"], ["x", "y"]]
    full, around = FullFactorial(levels), OneFactorAtATime(levels, ("b", "x"))
    assert (full.size, len(list(full)), around.size) == (6, 6, 4)
    assert list(around) == [("b", "x"), ("a", "x"), ("c", "x"), ("b", "y")]
    assert all(each in around and each in full for each in around)
    for design in (full, around):
        assert ["b", "x"] not in design and ("b",) not in design and ("b", "z") not in design
    assert ("a", "y") in full and ("a", "y") not in around
    some = Sampled([("a", "x"), ("b", "x"), ("a", "x")])
    assert (some.size, list(some)) == (2, [("a", "x"), ("b", "x")])
    assert ("a", "x") in some and ["a", "x"] not in some and ("c", "x") not in some


def extended(factors: str, more: str = "", **plan: Any) -> list[str] | list[Mapping[str, str]]:
    """The conditions that are missing, or what is wrong."""
    began = {
        "design": "full_factorial", "factors": {"top_k": ["50", "9999", "250"]}, "baseline": {"top_k": "250"},
        "replicates": 1, "controls": CONTROLS,
    }  # fmt: skip
    conditions = tuple(({"top_k": level}, frozenset({1})) for level in ("50", "9999", "250"))
    earlier = Earlier(batch="once", plan=began | plan, conditions=conditions)
    text = f"defaults: {{prompt: calm piano}}\nexperiment: {{extends: once, factors: {factors}{more}}}\n"
    rules = make_rules(Path("/nonexistent"), find_experiment=lambda name: earlier)
    try:
        return [job.condition for job in read_jobs(text.encode(), "a.yaml", rules).jobs]
    except InvalidJobFile as refused:
        return [str(problem) for problem in refused.problems]


def test_an_experiment_goes_on_from_one_that_had_other_bounds() -> None:
    """A level that was good once is not asked for again, and the good ones after it are still known."""
    assert extended("{top_k: [50, 250.0, 100]}") == [{"top_k": "100"}]
    assert extended("{top_k: [50]}", design="one_factor_at_a_time") == [
        "line 2: extends = once: has all of it already (1 condition, 1 replicate each): ask for more replicates, "
        "levels or n; jobs of it that failed are taken up again by: soundmill retry once"
    ]
    assert extended("{top_k: [50]}", ", design: one_factor_at_a_time, replicates: 2") == [{"top_k": "50"}]
    assert extended("{top_k: [50]}", ", design: one_factor_at_a_time", design="one_factor_at_a_time") == [
        "line 2: top_k: lacks the level 250: everything in batch once varies around it"
    ]
    controls = CONTROLS | {"duration": 2.5, "format": "mp3", "quality": "music", "melody": "x.wav"}
    keeps = "in batch once; an experiment keeps its controls: set it as it was, or leave extends out"
    assert extended("{top_k: [100]}", controls=controls) == [
        f"line 2: duration: is 10 here but was 2.5 {keeps}",
        f"line 2: quality: is not given here but was music {keeps}",
        f"line 2: format: is wav here but was mp3 {keeps}",
        f"line 2: melody: is not given here but was x.wav {keeps}",
    ]


AUDIO = {
    "short.wav": 2.0, "clip.wav": 10.0, "near.wav": 29.9999, "forty.wav": 40.0, "zero.wav": 0.0, "hour.wav": 3600.0,
    "more.wav": 3601.0, "untold.wav": None,
}  # fmt: skip
BEGINS = "is {0} s long, and the clip, which begins with it, {0} s; ask for a duration above {0}, or give less of it"
NONE = "none continues no audio; use a MusicGen or AudioGen model, or leave it blank"
ELSEWHERE = (
    "is in no folder that audio may be taken from: put it into the inbox, or name its folder under inbox.input_folders "
    "in soundmill.yaml"
)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("short.wav,,,", None), ("clip.wav,,,", BEGINS.format("10")),
        ("clip.wav,10.5,,", None), ("short.wav,2,,", BEGINS.format("2")),
        ("near.wav,30,,", None),
        ("forty.wav,30,,", "is 40 s long, and tiny goes on from less than 30 s; give less of it"),
        ("forty.wav,20,,", "is 40 s long, and tiny goes on from less than 20 s; give less of it"),
        ("forty.wav,50,,long", "is 40 s long, and long goes on from less than 30 s; give less of it"),
        ("short.wav,,,none", NONE),
        ("zero.wav,,,", "holds no sound: its length is 0 s"), ("untold.wav,,,", None), ("untold.wav,,,none", NONE),
        ("broken.wav,,,", "cannot be heard; take another"), ("folder.wav,,,", "is not a file; name an audio file"),
        (",,hour.wav,musicgen-melody", None),
        (",,more.wav,musicgen-melody", "is 1 h 1 s long; cut out the passage that the clip is to follow"),
        (",,zero.wav,musicgen-melody", "holds no sound: its length is 0 s"), (",,untold.wav,musicgen-melody", None),
        ("../out.wav,,,", ELSEWHERE),
        ("inner/../SHORT.WAV,,,", None),
    ],
)  # fmt: skip
def test_audio_that_a_row_names_is_held_against_its_clip(row: str, said: str | None, tmp_path: Path) -> None:
    inbox = tmp_path / "in"
    (inbox / "folder.wav").mkdir(parents=True)
    (tmp_path / "out.wav").write_text("")
    for name in (*AUDIO, "broken.wav", "SHORT.WAV"):
        (inbox / name).write_text("")

    def length_of(file: Path) -> float | None:
        if file.name == "broken.wav":
            raise MissingInput("cannot be heard; take another")
        return AUDIO[file.name.lower()]

    more = {"long": Traits("long", False, 300.0), "none": Traits("none", False, 30.0, continues_s=0.0)}
    rules = replace(
        make_rules(inbox), length_of=length_of, input_folders=(inbox,),
        resolve_model=lambda name: more.get(name) or resolve(name),
    )  # fmt: skip
    text = f"prompt,continue_from,duration,melody,model\na,{row}\n"
    try:
        (job,) = read_jobs(text.encode(), "a.csv", rules).jobs
        found = None
        named = row.split(",")[0] or row.split(",")[2]
        assert (job.continue_from or job.melody) == inbox / named.removeprefix("inner/../")
    except InvalidJobFile as refused:
        (problem,) = refused.problems
        found = problem.message
    assert found == said


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("dateiname", ("id", 1.0)), ("Länge", ("duration", 1.0)), ("CFG", ("cfg_coef", 1.0)),
        ("sampling temperature", ("temperature", 1.0)), ("topk", ("top_k", 1.0)), ("Nucleus P", ("top_p", 1.0)),
        ("随机种子", ("seed", 1.0)), ("n_iter", ("count", 1.0)), ("ckpt", ("model", 1.0)), ("형식", ("format", 1.0)),
        ("Melodie", ("melody", 1.0)), ("continuation", ("continue_from", 1.0)), ("Top-P (share)", ("top_p", 1.0)),
        ("length (ms)", ("duration", 0.001)), ("duration [min]", ("duration", 60.0)),
        ("duration (h)", ("duration", 3600.0)),
        ("duration in of s", ("duration", 1.0)), ("milliseconds", ("duration", 0.001)), ("minutes", ("duration", 60.0)),
        ("time (ms)", ("duration", 0.001)), ("Temps {s}", ("duration", 1.0)), ("seed (s)", ("seed", 1.0)),
        ("duration (min 0.5)", ("duration", 1.0)), ("duration (seconds, at most 30)", ("duration", 1.0)),
        ("durationMs", ("duration", 0.001)), ("CFGScale", ("cfg_coef", 1.0)), ("duration（秒）", ("duration", 1.0)),
        ("ms", None), ("min", None), ("time", None), ("time (beats)", None), ("scene s", None), ("", None), ("s", None),
    ],
)  # fmt: skip
def test_what_a_column_means(name: str, meant: tuple[str, float] | None) -> None:
    found = meaning(name, KNOWN)
    assert (None if found.field is None else (found.field, found.factor)) == meant and found.why_not is None


IN_BARS = "is in {}; write the duration in seconds, or write the bars in a column bars and the tempo in bpm"


@pytest.mark.parametrize(
    ("name", "key", "why"),
    [
        ("duration (bars)", "duration", IN_BARS.format("bars")),
        ("length in takte", "length", IN_BARS.format("takte")),
        ("Duration frames", "duration", "is in frames; write the duration in seconds"),
        ("Sampler", "sampler", "the models here are not diffusion models and have no such setting; delete the column"),
    ],
)  # fmt: skip
def test_what_a_column_cannot_mean(name: str, key: str, why: str) -> None:
    assert meaning(name, KNOWN) == Meaning(key, why_not=why)


def test_names_that_nobody_sees_whole() -> None:
    assert visible(" a\u200b\ufeffb\u00a0c\u00ad ") == "ab c" and visible(" ab ") == "ab"
    assert visible("e\u0301") == "é" and {"text", "caption", "提示词"} <= PROMPTS and "prompt" not in PROMPTS


def test_what_a_spreadsheet_may_cost_goes_by_its_size() -> None:
    data = xlsx({"a": [("prompt",)]})
    archive = Archive(data)
    archive.spend(LEAST_TAGS + TAGS_A_BYTE * len(data))
    with pytest.raises(Unreadable) as refused:
        archive.spend(1)
    assert str(refused.value) == "is too large when unpacked; share its rows among several files"
    assert (LEAST_TAGS, TAGS_A_BYTE, LEAST_BYTES, BYTES_A_BYTE) == (800_000, 5, 25_165_824, 100)


@pytest.mark.parametrize(
    ("before", "large", "after", "told"),
    [(199, 0, 0, 199), (200, 0, 0, 201), (30, 1, 0, 15), (0, 1, 30, 15), (90, 1, 0, 23), (0, 5, 9, 5), (9, 5, 0, 8)],
)
def test_a_file_full_of_slips_is_read_again_as_often_as_it_is_worth(
    before: int, large: int, after: int, told: int
) -> None:
    """Slips at the beginning cost less to find than those behind a megabyte."""
    slip = "- *x* y\n"
    problems = Problems()
    large_row = f"- {'x' * 1_000_000}\n"
    read_yaml(f"jobs:\n{slip * before}{large_row * large}{slip * after}".encode(), problems)
    with pytest.raises(InvalidJobFile) as refused:
        problems.raise_if_any()
    assert len(refused.value.problems) == told


@pytest.mark.parametrize(("default", "loop", "length"), [(40.0, "yes", 28.0), (40.0, "no", 30.0), (10.0, "yes", 10.0)])
def test_the_usual_length_is_no_longer_than_the_model_makes(default: float, loop: str, length: float) -> None:
    rules = replace(make_rules(Path("/nonexistent")), default_duration=default)
    (job,) = read_jobs(f"prompt,loop\na,{loop}\n".encode(), "a.csv", rules).jobs
    assert job.parameters.duration == length


def test_a_level_that_is_a_file_or_a_model_is_named_by_the_last_of_its_path() -> None:
    names = AutomaticNames()
    condition = {"melody": "a/Slow Tune.wav", "continue_from": "b/c.flac", "model": "d/e.f", "scene": "g/h.i"}
    names.note("x", condition)
    assert names.of(3, "x", condition) == "0003-slow-tune_c_e-f_scene-g-h-i"
