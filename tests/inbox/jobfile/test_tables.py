"""Columns mean what people meant, and what no one meant is refused with the mend; each kind with inputs of its own."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import JobSpec
from support.spreadsheets import xlsx


def jobs_of(text: str | bytes, rules: Rules, name: str = "jobs.csv") -> list[JobSpec]:
    return list(read_jobs(text.encode() if isinstance(text, str) else text, name, rules).jobs)


def refusal(text: str, rules: Rules) -> list[str]:
    with pytest.raises(InvalidJobFile) as refused:
        read_jobs(text.encode(), "jobs.csv", rules)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(
    "column",
    [
        "duration (s)", "Duration(sec)", "length [sec]", "Duration in seconds", "DURATION_S", "duration_seconds",
        "seconds", "Length", "audio_end_in_s", "seconds_total", "Dauer (Sek.)", "Länge", "Durée (s)", "Duration/s",
        "duration: s", "Duration *", "Duration (s, max 30)", "Time (s)", "durationSeconds", "clip length",
        "\u200bDuration\ufeff",
        "Duration\u00a0(s)", "Duration (min 0.5)",
    ],
)  # fmt: skip
def test_a_duration_is_one_whatever_its_column_is_called(column: str, rules: Rules) -> None:
    (job,) = jobs_of(f'prompt,"{column}"\nharp,2\n', rules)
    assert (job.parameters.duration, job.labels) == (2.0, {})


@pytest.mark.parametrize(
    ("column", "cell", "seconds"),
    [
        ("Duration (ms)", "2500", 2.5), ("length_ms", "750", 0.75), ("milliseconds", "1000", 1.0),
        ("duration [min]", "0.5", 30.0), ("Length in minutes", "1.5", 90.0), ("minutes", "2", 120.0),
    ],
)  # fmt: skip
def test_other_units_are_made_seconds(column: str, cell: str, seconds: float, rules: Rules) -> None:
    (job,) = jobs_of(f"prompt,model,{column}\nharp,musicgen-small,{cell}\n", rules)
    assert job.parameters.duration == seconds


@pytest.mark.parametrize("column", ["Duration (frames)", "length in beats", "duration_tokens", "Length [bars]"])
def test_a_unit_that_cannot_be_seconds_is_refused(column: str, rules: Rules) -> None:
    assert "write the duration in seconds" in refusal(f"prompt,{column}\nharp,2\n", rules)[0]


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("guidance_scale", "cfg_coef"), ("CFG scale", "cfg_coef"), ("cfgScale", "cfg_coef"), ("CFGScale", "cfg_coef"),
        ("Guidance", "cfg_coef"), ("cfg", "cfg_coef"), ("Temp", "temperature"), ("Temperature (0-2)", "temperature"),
        ("topK", "top_k"), ("Top-K (tokens)", "top_k"), ("top.p", "top_p"),
    ],
)  # fmt: skip
def test_names_from_other_tools_mean_the_same_here(column: str, field: str, rules: Rules) -> None:
    (job,) = jobs_of(f"prompt,{column}\nharp,1\n", rules)
    assert (getattr(job.parameters, field), job.labels) == (1, {})


def test_seeds_and_takes_of_other_tools(rules: Rules) -> None:
    jobs = jobs_of("prompt,noise_seed,Batch Size,outputFormat\nharp,7,2,.FLAC\n", rules)
    assert [(job.seed, job.format) for job in jobs] == [(7, "flac"), (8, "flac")]


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("Steps", "diffusion"), ("num_inference_steps", "diffusion"), ("Sampler", "diffusion"),
        ("scheduler", "diffusion"), ("denoise", "diffusion"),
        ("Negative prompt", "negative prompt"), ("negativePrompt", "negative prompt"),
        ("max_new_tokens", "duration"), ("do_sample", "temperature"), ("prompt_influence", "cfg_coef"),
        ("Lyrics", "sing"), ("make_instrumental", "instrumental"), ("sample_rate", "model settles"),
    ],
)  # fmt: skip
def test_what_means_nothing_here_is_refused_with_the_reason(column: str, why: str, rules: Rules) -> None:
    (problem,) = refusal(f"prompt,{column}\nharp,1\n", rules)
    assert problem.startswith(f"line 1: {column}: ") and why in problem


@pytest.mark.parametrize("column", ["text", "Description", "caption", "prompts", "Beschreibung", "text_prompt"])
def test_a_column_that_holds_the_prompts_is_to_be_renamed(column: str, rules: Rules) -> None:
    (problem,) = refusal(f"{column};duration\nharp;2\n", rules)
    assert problem == f"line 1: {column}: if this column holds the prompts, rename it to prompt"
    (job,) = jobs_of(f"prompt,{column}\nharp,my own words\n", rules)
    assert job.labels == {column: "my own words"}


def test_two_columns_that_mean_the_same_are_refused(rules: Rules) -> None:
    (problem,) = refusal("prompt,duration,Length (s)\nharp,2,3\n", rules)
    assert "columns 2 and 3 both say duration" in problem


def test_every_column_that_becomes_a_label_is_named(rules: Rules) -> None:
    batch = read_jobs(b"prompt,Scene,duraton of it,cue,blank\nharp,lake,x,,\ndrums,,,7,\n", "a.csv", rules)
    assert batch.labels == ("Scene", "duraton of it", "cue")


@pytest.mark.parametrize(
    ("row", "duration", "cfg"),
    [
        ("2,5;3,5", 2.5, 3.5),
        ("0,75;4", 0.75, 4.0),
        (",5;+1,25", 0.5, 1.25),
        ("2.5;3", 2.5, 3.0),
        ("2,500;1,0", 2.5, 1.0),
    ],
)
def test_a_semicolon_file_has_decimal_commas(row: str, duration: float, cfg: float, rules: Rules) -> None:
    (job,) = jobs_of(f"prompt;duration;cfg_coef\nharp, slow;{row}\n", rules)
    assert (job.prompt, job.parameters.duration, job.parameters.cfg_coef) == ("harp, slow", duration, cfg)


def test_a_tab_file_and_a_sheets_texts_may_have_decimal_commas_too(rules: Rules) -> None:
    rows = [("prompt", "duration"), ("harp", "2,5")]
    text = "\n".join("\t".join(row) for row in rows)
    for found in (jobs_of(text, rules, "a.tsv"), jobs_of(xlsx({"a": rows}), rules, "a.xlsx")):
        assert found[0].parameters.duration == 2.5


@pytest.mark.parametrize(("cell", "seconds"), [("2,5", 2.5), ("0,75", 0.75), ("0,500", 0.5), ("12,0", 12.0)])
def test_a_comma_that_can_only_be_a_decimal_one_is_read_between_commas_too(
    cell: str, seconds: float, rules: Rules
) -> None:
    """LibreOffice offers commas between the cells in every country, and puts such a number in quotes."""
    assert jobs_of(f'prompt,duration\nharp,"{cell}"\n', rules)[0].parameters.duration == seconds
    assert "after a point" in refusal('prompt,duration\nharp,"2,500"\n', rules)[0]


@pytest.mark.parametrize("cell", ["85%", "85 %", "85.0%", "85,00 %", "%85", "85\u00a0%", "85\u202f%", "８５％"])
def test_a_percentage_is_a_share_of_one(cell: str, rules: Rules) -> None:
    (job,) = jobs_of(f"prompt;top_p;temperature\nharp;{cell};{cell}\n", rules)
    assert (job.parameters.top_p, job.parameters.temperature) == (0.85, 0.85)


@pytest.mark.parametrize(
    ("column", "cell"), [("duration", "85%"), ("top_k", "85%"), ("top_p", "185%"), ("count", "2%")]
)
def test_a_percentage_of_what_has_no_share_is_refused(column: str, cell: str, rules: Rules) -> None:
    assert "must be a" in refusal(f"prompt,{column}\nharp,{cell}\n", rules)[0]


@pytest.mark.parametrize("cell", ["1.23457E+12", "1,23E+12", "9.00719925474099E+15"])
def test_a_number_that_a_spreadsheet_rounded_is_refused(cell: str, rules: Rules) -> None:
    assert "what shows it so has rounded it" in refusal(f"prompt;seed\nharp;{cell}\n", rules)[0]


@pytest.mark.parametrize(("cell", "top_k"), [("7.0", 7), ("250.00", 250), ("7,0", 7), ("1000", 1000), ("７", 7)])
def test_a_whole_number_stays_one(cell: str, top_k: int, rules: Rules) -> None:
    assert jobs_of(f"prompt;top_k\nharp;{cell}\n", rules)[0].parameters.top_k == top_k


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("column", ["count", "top_k", "seed", "priority"])
@pytest.mark.parametrize("cell", ["1.000", "1,000", "12.000"])
def test_a_whole_number_that_may_be_thousands_is_asked_about(
    delimiter: str, column: str, cell: str, rules: Rules
) -> None:
    (problem,) = refusal(f'prompt{delimiter}{column}\nharp{delimiter}"{cell}"\n', rules)
    assert f"may be {re.sub('[.,]', '', cell)} or {cell[:-4]}" in problem


@pytest.mark.parametrize("cell", ["1.000.000", "1 000", "1'000", "1\u00a0000", "1\u202f000"])
def test_marks_between_thousands_are_refused_with_the_number(cell: str, rules: Rules) -> None:
    (problem,) = refusal(f'prompt,seed\nharp,"{cell}"\n', rules)
    assert f"write it without marks between the thousands: {re.sub('[^0-9]', '', cell)}" in problem


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ("0:30", "as seconds: 30"), ("00:00:30", "as seconds: 30"), ("00:30:00", "perhaps 0:00:30 was meant: write 30"),
        ("1:15:00", "perhaps 0:01:15 was meant: write 75"), ("10:00:00", "seconds are too long"),
        ("9:59", "599 seconds are too long"),
    ],
)  # fmt: skip
def test_a_time_is_refused_with_what_it_may_mean(cell: str, advice: str, rules: Rules) -> None:
    assert advice in refusal(f"prompt,duration\nharp,{cell}\n", rules)[0]


@pytest.mark.parametrize(
    "text",
    [
        "“warm pad, slow”", "„warm pad, slow“", "«warm pad, slow»", "'warm pad, slow'", "‘warm pad, slow’",
        "`warm pad, slow`", "‹warm pad, slow›", "'don't stop, slow'",
    ],
)  # fmt: skip
@pytest.mark.parametrize("columns", ["prompt,scene,cue", "prompt,duration", "prompt"])
def test_other_quotation_marks_that_cut_a_text_are_refused(text: str, columns: str, rules: Rules) -> None:
    (problem,) = refusal(f"{columns}\n{text}{',2' * (columns.count(',') and 1)}\n", rules)
    assert f"begins with {text[0]}" in problem and '" (U+0022)' in problem


@pytest.mark.parametrize("prompt", ["“Warm” pad", "'tis slow", "‘80s drums", "«calm»", "don't", "rock 'n' roll"])
def test_quotation_marks_that_cut_nothing_stay(prompt: str, rules: Rules) -> None:
    assert jobs_of(f"prompt,scene\n{prompt},lake\n", rules)[0].prompt == prompt


@pytest.mark.parametrize(
    "line", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;", "sep= ;", "'sep=;'", "\ufeffsep=;", '"sep=;";;']
)
def test_excels_separator_line_is_read_in_all_its_forms(line: str, rules: Rules) -> None:
    (job,) = jobs_of(f"{line}\r\nprompt;duration;\r\nharp, slow;2;\r\n", rules)
    assert (job.prompt, job.parameters.duration) == ("harp, slow", 2.0)


@pytest.mark.parametrize(
    "above",
    ["Sound list for level 3,,", "Playlist,,\n,,", "Playlist\n\nby Ann, 3 March\n", "# made by a program\n# twice"],
)
def test_a_title_above_the_header_is_told(above: str, rules: Rules) -> None:
    (problem,) = refusal(f"{above}\nprompt,duration,scene\nharp,2,lake\n", rules)
    assert f"the header seems to be on line {above.count(chr(10)) + 2};" in problem


def test_a_column_without_a_name_is_told_by_its_number(rules: Rules) -> None:
    assert refusal("prompt,duration,Notes,\nharp,2,calm,for the lake\n", rules) == [
        "line 2: column 4 has no name in the header"
    ]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("# second act,,", "a comment"), ("#fast drums,3,", "a comment"), ("// drums,3,", "a comment"),
        ("prompt,duration,scene", "the header again"), ("Prompt,Duration,", "the header again"),
        ("#NAME?,1,", "error of a formula"), ("harp,1,#N/A", "error of a formula"),
        ("harp,#WERT!,", "error of a formula"),
        ("Err:508,1,", "error of a formula"), ("########,1,", "error of a formula"), ("#NV,1,", "error of a formula"),
        ('"=A1&"" harp""",1,', "a formula"), ('"=SUM(A1:A3)",1,', "a formula"), ("harp,=B1*2,", "a formula"),
        ("harp,1,=Sheet2!A1", "a formula"), ("=quiet harp,1,", "a formula"),
    ],
)  # fmt: skip
def test_what_is_no_prompt_is_not_made_a_clip(row: str, what: str, rules: Rules) -> None:
    (problem,) = refusal(f"prompt,duration,scene\nharp,1,lake\n{row}\n", rules)
    assert problem.startswith("line 3: ") and what in problem


def test_a_row_commented_out_before_its_id_is_refused(rules: Rules) -> None:
    assert "a comment" in refusal("id,prompt\n#kick,deep kick\n", rules)[0]
    assert jobs_of("id,prompt\n#1,deep kick\n", rules)[0].name == "1"


@pytest.mark.parametrize("text", ["#1 hit,1,lake", "harp,1,#calm"])
def test_a_hash_may_stand_where_it_is_no_comment(text: str, rules: Rules) -> None:
    if text.startswith("#"):
        refusal(f"prompt,duration,scene\n{text}\n", rules)
    else:
        assert jobs_of(f"prompt,duration,scene\n{text}\n", rules)[0].labels == {"scene": "#calm"}


@pytest.mark.parametrize(
    ("prompt", "becomes"),
    [
        ("{place} harp", "lake harp"),
        ("{ Place } harp", "lake harp"),
        ("{{place}} harp", "{place} harp"),
        ("{{a|b}} harp {place}", "{a|b} harp lake"),
        ("snake__case__x harp", "snake__case__x harp"),
        ("a ____ harp", "a ____ harp"),
        ("{calm|fast} harp", None),
        ("__mood__ harp", None),
        ("{mood} harp", None),
    ],
)
def test_a_table_and_a_yaml_file_fill_a_prompt_alike(prompt: str, becomes: str | None, rules: Rules) -> None:
    files = {"a.csv": f'prompt,place\n"{prompt}",lake\n', "a.yaml": f'jobs:\n- prompt: "{prompt}"\n  place: lake\n'}
    for name, text in files.items():
        try:
            found = [job.prompt for job in read_jobs(text.encode(), name, rules).jobs]
        except InvalidJobFile:
            found = [None]
        assert found == [becomes], name


def test_placeholders_are_filled_from_the_rows_columns(rules: Rules) -> None:
    rows = "{music style} harp at {place},2,baroque,sea\n{ Music_Style } drums,1,rock,\n"
    text = f"prompt,duration,Music Style,place\n{rows}"
    jobs = jobs_of(text, rules)
    assert [job.prompt for job in jobs] == ["baroque harp at sea", "rock drums"]
    assert jobs[0].labels == {"Music Style": "baroque", "place": "sea"}


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        ("{mood} harp", "filled by no column"), ("{place} harp", "blank"), ("{} harp", "filled by no column"),
        ("{calm|fast} harp", "template: and the words under variables:"), ("__mood__ harp", "wildcard"),
        ("a [slow|fast] harp", "template: and the words under variables:"), ("__music/mood__", "wildcard"),
    ],
)  # fmt: skip
def test_a_placeholder_that_nothing_fills_is_refused(prompt: str, why: str, rules: Rules) -> None:
    assert why in refusal(f'prompt,place\n"{prompt}",\n', rules)[0]


@pytest.mark.parametrize(
    ("cell", "kind"), [("WAV", "wav"), (".mp3", "mp3"), ("Flac", "flac"), (" .OGG", "ogg"), ("ＷＡＶ", "wav")]
)
def test_a_format_may_be_in_capitals_or_an_ending(cell: str, kind: str, rules: Rules) -> None:
    assert jobs_of(f"prompt,format\nharp,{cell}\n", rules)[0].format == kind


@pytest.mark.parametrize("cell", ["-1", "random", "?", "-1.0"])
def test_a_random_seed_is_a_blank_cell(cell: str, rules: Rules) -> None:
    assert "leave the cell blank, and each clip gets a new seed" in refusal(f"prompt,seed\nharp,{cell}\n", rules)[0]


@pytest.mark.parametrize(
    ("wanted", "name"), [("kick.wav", "kick"), ("a.b.FLAC", "a.b"), ("v1.2", "v1.2"), ("wav", "wav")]
)
def test_an_id_with_an_audio_ending_gets_no_second_one(wanted: str, name: str, rules: Rules) -> None:
    assert jobs_of(f"id,prompt\n{wanted},deep kick\n", rules)[0].name == name


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
rows = st.lists(st.tuples(words, st.sampled_from(["", "2", "0.5", "12.25"]), words, words), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows,
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.booleans(),
    st.booleans(),
)
def test_no_row_is_lost_or_altered_between_a_table_and_its_jobs(
    rules: Rules, table: list[tuple[str, str, str, str]], delimiter: str, quoting: int, crlf: bool, bom: bool
) -> None:
    """Each row becomes its job, word for word but for blanks and unseen characters at its ends, or the file is refused;
    and a workbook of the same cells becomes the same jobs, or is refused too."""
    header = ("prompt", "duration", "scene", "cue")
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator="\r\n" if crlf else "\n")  # type: ignore[arg-type]
    writer.writerows([header, *table])
    text = out.getvalue().encode("utf-8-sig" if bom else "utf-8")
    found = []
    for data, name in ((text, "a.csv"), (xlsx({"a": [header, *table]}), "a.xlsx")):
        try:
            found.append(jobs_of(data, rules, name))
        except InvalidJobFile as refused:
            assert refused.problems
            found.append([])
    jobs = found[0] or found[1]
    if found[0] and found[1]:
        assert [(j.prompt, j.parameters, j.labels) for j in found[0]] == [
            (j.prompt, j.parameters, j.labels) for j in found[1]
        ]
    if jobs:
        kept = [row for row in table if any(cell.strip() for cell in row)]
        assert len(jobs) == len(kept)
        for job, (prompt, duration, scene, cue) in zip(jobs, kept, strict=True):
            assert job.prompt in prompt or "{" in prompt
            assert job.parameters.duration == float(duration or 10)
            for name, value in (("scene", scene), ("cue", cue)):
                assert job.labels.get(name, "") in value
                assert len(value) - len(job.labels.get(name, "")) <= len(value) - len(value.strip()) + sum(
                    not c.isprintable() or c.isspace() for c in value
                )
