"""Audio that a row names is held against its clip before anything is queued, as far as headers tell."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inbox.conftest import MODELS, Traits, make_rules
from soundmill.audio.lengths import length_s
from soundmill.errors import InvalidJobFile, UnknownModel
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import BatchSpec

SILENT = Traits("magnet", False, 30.0, 0.0)
UNKNOWN = Traits("somebody/else", True, 300.0, float("inf"))


def resolve(name: str) -> Traits:
    models = MODELS | {"magnet": SILENT, "somebody/else": UNKNOWN}
    if name not in models:
        raise UnknownModel(f"there is no model {name}")
    return models[name]


def read(folder: Path, text: str, name: str = "jobs.csv") -> BatchSpec:
    rules = replace(make_rules(folder), length_of=length_s, resolve_model=resolve)
    return read_jobs(text.encode(), name, rules)


def problems(folder: Path, text: str, name: str = "jobs.csv") -> list[tuple[int | None, str | None, str]]:
    with pytest.raises(InvalidJobFile) as caught:
        read(folder, text, name)
    return [(each.line, each.field, each.message) for each in caught.value.problems]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, seconds, rate in (
        ("one.wav", 1.0, 16_000),
        ("two.flac", 2.0, 44_100),
        ("three.ogg", 3.0, 48_000),
        ("four.mp3", 4.0, 32_000),
        ("forty.wav", 40.0, 8000),
    ):
        soundfile.write(tmp_path / name, np.full(round(seconds * rate), 0.1), rate)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "duration", "said"),
    [
        ("one.wav", "0.5", "is 1 s long, and the clip, which begins with it, 0.5 s; ask for a duration above 1"),
        ("one.wav", "1", "ask for a duration above 1, or give less of it"),
        ("two.flac", "1.9", "is 2 s long"),
        ("three.ogg", "3", "is 3 s long"),
        ("four.mp3", "2", "is 4 s long"),
        ("forty.wav", "5", "is 40 s long, and tiny goes on from less than 5 s; give less of it"),
        ("forty.wav", "30", "less than 30 s"),
    ],
)
def test_a_clip_that_is_no_longer_than_what_it_continues_is_a_problem_of_its_line(
    folder: Path, file: str, duration: str, said: str
) -> None:
    found = problems(folder, f"prompt,duration,continue_from\nfine,10,one.wav\nshort,{duration},{file}\n")
    assert [(line, field) for line, field, _ in found] == [(3, "continue_from")]
    assert said in found[0][2]


def test_what_fits_is_taken_and_a_blank_duration_is_the_usual_one(folder: Path) -> None:
    text = "prompt,duration,continue_from\na,1.5,one.wav\nb,,four.mp3\nc,4.2,three.ogg\n"
    assert [job.parameters.duration for job in read(folder, text).jobs] == [1.5, 10.0, 4.2]
    assert problems(folder, "prompt,continue_from\na,forty.wav\n")


def test_the_same_holds_in_yaml(folder: Path) -> None:
    text = (
        "defaults:\n  continue_from: two.flac\njobs:\n  - prompt: a\n    duration: 5\n  - prompt: b\n    duration: 2\n"
    )
    assert len(problems(folder, text, "jobs.yaml")) == 1


def test_a_model_that_continues_nothing_says_so_and_one_not_yet_known_decides_itself(folder: Path) -> None:
    ((_, field, message),) = problems(folder, "prompt,model,continue_from\na,magnet,one.wav\n")
    assert field == "continue_from" and "continues no audio" in message
    assert read(folder, "prompt,duration,model,continue_from\na,50,somebody/else,forty.wav\n").job_count == 1


def test_a_melody_may_be_longer_than_the_clip_but_not_a_whole_recording(folder: Path) -> None:
    """Models hear the beginning of it, which is what they are meant to follow."""
    text = "prompt,duration,model,melody\na,5,musicgen-melody,forty.wav\n"
    assert read(folder, text).job_count == 1
    soundfile.write(folder / "day.wav", np.zeros(0), 8000)
    data = bytearray((folder / "day.wav").read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = (0x7E000000).to_bytes(4, "little")
    (folder / "day.wav").write_bytes(data)
    os.truncate(folder / "day.wav", 2**31)
    ((_, field, message),) = problems(folder, text.replace("forty", "day"))
    assert field == "melody" and "is 1 d 12 h long; cut out the passage" in message


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "there is no such file (looked for it in"),
        ("folder", "is not a file; name an audio file"),
        ("pipe", "is not a file; name an audio file"),
        ("text", "is no audio file that can be read here; save it as WAV, FLAC, OGG or MP3"),
        ("zeros", "begins with zeros"),
        ("empty", "is empty"),
        ("no sound", "holds no sound"),
    ],
)
@pytest.mark.parametrize("field", ["melody", "continue_from"])
def test_what_cannot_be_heard_is_a_problem_with_the_mend(folder: Path, kind: str, said: str, field: str) -> None:
    file = folder / "it.wav"
    match kind:
        case "folder":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
        case "text":
            file.write_text("la la la " * 100)
        case "zeros":
            file.touch()
            os.truncate(file, 2**31)
        case "empty":
            file.touch()
        case "no sound":
            soundfile.write(file, np.zeros((0, 2)), 44_100)
    ((line, named, message),) = problems(folder, f"prompt,model,{field}\na,musicgen-melody,it.wav\n")
    assert (line, named) == (2, field) and said in message


def test_what_a_header_does_not_tell_is_left_to_the_engine(folder: Path) -> None:
    soundfile.write(folder / "apple.wav", np.full(8000, 0.1), 8000, format="CAF")
    assert read(folder, "prompt,duration,continue_from\na,0.5,apple.wav\n").job_count == 1


def test_what_a_clip_begins_with_is_in_its_job_its_name_and_its_experiments_record(folder: Path) -> None:
    factors = "factors: {melody: [one.wav, ./two.flac]}\n  prompt: a\n"
    batch = read(folder, f"defaults: {{model: musicgen-melody}}\nexperiment:\n  {factors}", "jobs.yaml")
    assert [(job.name, job.melody, job.continue_from, job.labels) for job in batch.jobs] == [
        ("0001-one", folder / "one.wav", None, {}),
        ("0002-two", folder / "two.flac", None, {}),
    ]
    factors = "factors: {continue_from: [three.ogg, four.mp3], temperature: [1]}\n  prompt: a\n"
    batch = read(folder, f"experiment:\n  {factors}", "jobs.yaml")
    assert [(job.name, job.melody, job.continue_from) for job in batch.jobs] == [
        ("0001-three_temperature-1", None, folder / "three.ogg"),
        ("0002-four_temperature-1", None, folder / "four.mp3"),
    ]
    for field, model in (("melody", "musicgen-melody"), ("continue_from", "tiny")):
        given = f"defaults: {{model: {model}, {field}: one.wav}}\nclip_name: '{{{field}}}_{{temperature}}'\n"
        batch = read(folder, f"{given}experiment: {{prompt: a, factors: {{temperature: [1, 2]}}}}", "jobs.yaml")
        assert [job.name for job in batch.jobs] == ["one_1", "one_2"]
        assert batch.experiment is not None
        controls = batch.experiment["controls"]
        assert isinstance(controls, dict)
        assert {name: controls[name] for name in ("melody", "continue_from")} == {
            "melody": None, "continue_from": None, field: "one.wav",
        }  # fmt: skip


def test_a_length_that_cannot_be_is_told_and_what_it_continues_is_not_held_against_it(folder: Path) -> None:
    found = problems(folder, "prompt,duration,continue_from\na,31,forty.wav\nb,xx,forty.wav\n")
    assert [(line, field) for line, field, _ in found] == [
        (2, "duration"), (2, "continue_from"), (3, "duration"), (3, "continue_from"),
    ]  # fmt: skip
