from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.clips import ClipNames
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.read import Jobs, read_jobs
from soundmill.inbox.jobfile.table.csv_text import CsvText
from soundmill.inbox.jobfile.table.rows import Table
from soundmill.jobs import AudioFormat, JobSpec, QcAction, derive_seed

ULID = "01HZZZZZZZZZZZZZZZZZZZZZZZ"


def jobs_of(text: str | bytes, rules: Rules, name: str = "jobs.csv") -> list[JobSpec]:
    return list(read_jobs(text.encode() if isinstance(text, str) else text, name, rules).jobs)


def test_blank_cells_mean_the_default(rules: Rules) -> None:
    header = "id,prompt,model,duration,temperature,top_k,top_p,cfg_coef,seed,count,priority,format,melody,continue_from"
    (job,) = jobs_of(f"{header}\n,calm piano,,,,,,,,,,,,\n", rules)
    assert job.name == "0001-calm-piano"
    assert (job.model, job.format, job.priority, job.replicate) == ("tiny", AudioFormat.WAV, 0, 1)
    p = job.parameters
    assert (p.duration, p.temperature, p.top_k, p.top_p, p.cfg_coef) == (10.0, 1.0, 250, 0.0, 3.0)
    assert job.seed == derive_seed(ULID, 1, 1)
    assert (job.melody, job.continue_from, dict(job.labels), dict(job.condition)) == (None, None, {}, {})


def test_every_known_column_is_read(rules: Rules, tmp_path: Path) -> None:
    (tmp_path / "tune.wav").write_bytes(b"RIFF")
    header = "id,prompt,model,duration,temperature,top_k,top_p,cfg_coef,seed,priority,format,melody,continue_from"
    row = "boss,calm piano,musicgen-melody,7.5,0.7,0,0.9,4,12,-5,flac,tune.wav,"
    (job, continuation) = jobs_of(f"{header}\n{row}\n,calm piano,,,,,,,,,,,tune.wav\n", rules)
    p = job.parameters
    assert (p.duration, p.temperature, p.top_k, p.top_p, p.cfg_coef) == (7.5, 0.7, 0, 0.9, 4.0)
    assert (job.name, job.model, job.seed, job.priority) == ("boss", "facebook/musicgen-melody", 12, -5)
    assert (job.format, job.melody, job.continue_from) == (AudioFormat.FLAC, tmp_path / "tune.wav", None)
    assert (continuation.melody, continuation.continue_from) == (None, tmp_path / "tune.wav")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiter_and_line_ends_are_found_out(delimiter: str, newline: str, rules: Rules) -> None:
    lines = [delimiter.join(row) for row in (["prompt", "duration", "scene"], ["piano; slow, calm\tand", "5", "a"])]
    text = newline.join([lines[0], lines[1].replace("piano; slow, calm\tand", '"piano; slow, calm\tand"')])
    (job,) = jobs_of(text, rules)
    assert job.prompt == "piano; slow, calm and"
    assert (job.parameters.duration, job.labels) == (5.0, {"scene": "a"})


def test_commas_in_a_semicolon_files_labels_do_not_mislead(rules: Rules) -> None:
    (job,) = jobs_of("a, b, c, d;prompt\nx;calm piano\n", rules)
    assert (job.prompt, job.labels) == ("calm piano", {"a, b, c, d": "x"})


def test_a_byte_order_mark_and_excels_separator_line_are_no_data(rules: Rules) -> None:
    (job,) = jobs_of("\ufeffsep=;\nprompt;duration\ncalm piano;5\n", rules)
    assert job.prompt == "calm piano"


def test_quoted_newlines_stay_one_row_and_become_spaces_in_a_prompt(rules: Rules) -> None:
    jobs = jobs_of('prompt,notes\n"calm\n piano","line 1\nline 2"\nstorm,\n', rules)
    assert [(job.position, job.prompt) for job in jobs] == [(1, "calm piano"), (2, "storm")]
    assert jobs[0].labels == {"notes": "line 1\nline 2"}


def test_the_line_of_a_problem_counts_quoted_and_blank_lines(rules: Rules) -> None:
    with pytest.raises(InvalidJobFile) as refused:
        jobs_of('\n\nprompt,duration\n\n"a\n\nb",5\n\nc,x\n', rules)
    assert [problem.line for problem in refused.value.problems] == [9]


def test_all_problems_come_at_once_in_the_order_of_their_lines(rules: Rules) -> None:
    with pytest.raises(InvalidJobFile) as refused:
        jobs_of("prompt,duration,temprature,seed\n,x,1,-1\nok,,,\nid,301,,2\n", rules)
    found = [(problem.line, problem.field) for problem in refused.value.problems]
    assert found == [(1, "temprature"), (2, "prompt"), (2, "seed"), (2, "duration"), (4, "duration")]


@pytest.mark.parametrize(
    "name", ["scene", "cue", "owner", "theme", "style", "speed", "mode", "mood", "tempo", "country", "bass", "bar"]
)
def test_ordinary_words_are_labels(name: str, rules: Rules) -> None:
    (job,) = jobs_of(f"prompt,{name}\ncalm piano,x\n", rules)
    assert job.labels == {name: "x"}


def test_column_names_may_be_written_as_people_write_them(rules: Rules) -> None:
    (job,) = jobs_of("Prompt, Top K ,CFG-coef\ncalm piano,5,2\n", rules)
    assert (job.parameters.top_k, job.parameters.cfg_coef) == (5, 2.0)


def test_count_makes_replicates_with_seeds_of_their_own(rules: Rules) -> None:
    jobs = jobs_of("prompt,count,id\ncalm piano,3,\nstorm,2,boss\n", rules)
    assert [job.name for job in jobs] == [
        "0001-calm-piano",
        "0001-calm-piano-r2",
        "0001-calm-piano-r3",
        "boss",
        "boss-r2",
    ]
    assert [job.replicate for job in jobs] == [1, 2, 3, 1, 2]
    assert [job.position for job in jobs] == [1, 1, 1, 2, 2]
    assert [job.seed for job in jobs[:3]] == [derive_seed(ULID, 1, replicate) for replicate in (1, 2, 3)]
    assert len({job.seed for job in jobs}) == 5


def test_a_given_seed_counts_up_over_the_replicates(rules: Rules) -> None:
    assert [job.seed for job in jobs_of("prompt,seed,count\ncalm piano,40,3\n", rules)] == [40, 41, 42]


def test_the_default_duration_gives_way_to_what_the_model_can(tmp_path: Path, rules_with: Callable[..., Rules]) -> None:
    from dataclasses import replace

    long = replace(rules_with(tmp_path), default_duration=120.0)
    assert jobs_of("prompt,model\ncalm piano,tiny\n", long)[0].parameters.duration == 30.0


def test_whole_numbers_as_spreadsheets_write_them_are_whole(rules: Rules) -> None:
    (job,) = jobs_of("prompt,top_k,seed\ncalm piano,250.0,7.0\n", rules)
    assert (job.parameters.top_k, job.seed) == (250, 7)


def test_jobs_can_be_iterated_again_and_are_the_same(rules: Rules) -> None:
    batch = read_jobs(b"prompt,count\ncalm piano,2\nstorm,1\n", "My Themes.csv", rules)
    assert list(batch.jobs) == list(batch.jobs)
    assert (batch.name, batch.kind, batch.job_count) == ("my-themes", "list", 3)
    assert (batch.on_qc_fail, batch.priority, batch.experiment) == (QcAction.KEEP, 0, None)


def test_an_audio_file_gone_since_the_check_ends_the_iteration(rules: Rules, tmp_path: Path) -> None:
    (tmp_path / "tune.wav").write_bytes(b"RIFF")
    source = Table(CsvText(b"prompt,continue_from\ncalm piano,tune.wav\n"), rules, Problems())
    (tmp_path / "tune.wav").unlink()
    with pytest.raises(InvalidJobFile, match="there is no such file"):
        list(Jobs(source, ULID, ClipNames(None, columns=(), numbered=False, batch="tunes", ulid=ULID)))


def test_a_number_of_jobs_over_the_limit_is_refused_before_they_are_made(
    tmp_path: Path, rules_with: Callable[..., Rules]
) -> None:
    with pytest.raises(InvalidJobFile, match="asks for more than 1,000,000 jobs"):
        read_jobs(b"prompt,count\n" + b"calm piano,10000\n" * 101, "jobs.csv", rules_with(tmp_path, max_jobs=1_000_000))


def test_rows_are_read_lazily(rules: Rules) -> None:
    batch = read_jobs(b"prompt\n" + b"calm piano\n" * 5000, "jobs.csv", rules)
    jobs = iter(batch.jobs)
    assert next(jobs).position == 1
    assert next(jobs).position == 2
    assert batch.job_count == 5000
