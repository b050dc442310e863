"""What people's lists hold beside their words, in other languages and from other programs: read, or refused with the
mend. Each kind stands in the issue tracker of some other tool; the inputs are our own."""

from __future__ import annotations

import pytest

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import JobSpec
from support.spreadsheets import xlsx


def jobs_of(text: str | bytes, rules: Rules, name: str = "jobs.csv") -> list[JobSpec]:
    return list(read_jobs(text.encode() if isinstance(text, str) else text, name, rules).jobs)


def refusal(text: str | bytes, rules: Rules, name: str = "jobs.csv") -> list[str]:
    with pytest.raises(InvalidJobFile) as refused:
        jobs_of(text, rules, name)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(
    "header",
    [
        "duración (segundos);semilla;cantidad", "durata (s);seme;quantità", "duração [s];semente;quantidade",
        "duur (sec);zaad;aantal", "czas trwania (s);ziarno;liczba", "süre (sn);tohum;adet", "durée;graine;quantité",
        "длительность (сек);сид;количество", "时长（秒）;种子;数量", "長さ(秒);シード;個数", "길이(초);시드;수량",
        "Ｄｕｒａｔｉｏｎ;ｓｅｅｄ;ｃｏｕｎｔ", "duration_in_s;noise_seed;n_iter",
    ],
)  # fmt: skip
def test_settings_are_known_in_other_languages(header: str, rules: Rules) -> None:
    first, second = jobs_of(f"prompt;{header}\nharp;2,5;12;2\n", rules)
    assert (first.parameters.duration, first.seed, second.seed, first.labels) == (2.5, 12, 13, {})


@pytest.mark.parametrize("column", ["filename", "File name", "Dateiname", "output_file", "文件名"])
def test_a_column_of_file_names_names_the_clips(column: str, rules: Rules) -> None:
    assert [job.name for job in jobs_of(f"{column},prompt\nkick.wav,deep kick\n", rules)] == ["kick"]


@pytest.mark.parametrize("column", ["提示词", "プロンプト", "프롬프트", "промпт", "описание", "descrição", "説明"])
def test_a_column_of_prompts_is_to_be_renamed_in_other_languages_too(column: str, rules: Rules) -> None:
    assert "rename it to prompt" in refusal(f"{column},duration\nharp,2\n", rules)[0]


@pytest.mark.parametrize(
    ("column", "cell", "why"),
    [
        ("duration", "2 min", "write the number alone: 120"), ("duration", "1500ms", "write the number alone: 1.5"),
        ("duration", "2,5 s", "write the number alone: 2.5"), ("duration", "1m30s", "as seconds: 90"),
        ("duration", "0'30''", "as seconds: 30"), ("duration", "1 min 5", "as seconds: 65"),
        ("duration", "n/a", "leave it blank"), ("temperature", "default", "leave it blank"),
        ("top_k", "-", "leave it blank"), ("duration", "None", "leave it blank"), ("seed", "N/A", "leave it blank"),
        ("duration (ms)", "2.500", "may be 2500 or 2.500"), ("duration (ms)", "2,500", "may be 2500 or 2.500"),
        ("duration (ms)", "2'500", "without marks between the thousands: 2500"),
        ("duration (ms)", "2 500", "without marks between the thousands: 2500"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_number_written_otherwise_is_refused_with_the_mend(
    column: str, cell: str, why: str, delimiter: str, rules: Rules
) -> None:
    assert why in refusal(f"prompt{delimiter}{column}\nharp{delimiter}{cell}\n", rules)[0]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("Total,5", "totals"), ("Grand total:,5", "totals"), ("Summe,5", "totals"), ("合计,5", "totals"),
        ("nan,", "no words"), ("NULL,2", "no words"), ("n/a,2", "no words"), ("TBD,2", "no words"),
        ("---,2", "no words"), ("=====,2", "formula"), ("…,2", "no words"), ("〃,2", "no words"), ("?,2", "no words"),
        ("harp &amp; drums,2", "&amp; is a code"), ("rock &#39;n&#39; roll,2", "&#39; is a code"),
        ("rain<br/>wind,2", "<br/> is a code"), ("<b>loud</b> rain,2", "<b> is a code"), ("harp\\nslow,2", "is a code"),
        ("Gr\\u00f6\\u00dfe,2", "is a code"),
        ("GrÃ¶ÃŸe,2", "it says 'Größe' in UTF-8"), ("naÃ¯ve flute â€“ slow,2", "'naïve flute – slow'"),
        ("Gr√∂√üe,2", "'Größe'"), ("Ð³Ð¾Ñ€Ð¾Ð´,2", "'город'"), ("РіРѕСЂРѕРґ,2", "'город'"),
        ("Gr\ufffd\ufffde,2", "has lost a letter"),
    ],
)  # fmt: skip
def test_what_is_nobodys_words_is_not_made_a_clip(row: str, why: str, rules: Rules) -> None:
    (problem,) = refusal(f"prompt,duration\nharp,1\n{row}\n", rules)
    assert problem.startswith("line 3: prompt = ") and why in problem


@pytest.mark.parametrize(
    "prompt",
    [
        "🎻🥁", "♪ ♫", "808", "Größe", "CAFÉ… slow", "„Ä“", "R&B", "a < b > c", "AC/DC", "sum of all fears", "город",
        "São Paulo “samba”", "none of it", "naïve", "½ speed", "ÃO", "90° turn", "x\\y", "#1",
    ],
)  # fmt: skip
def test_unusual_words_stay(prompt: str, rules: Rules) -> None:
    text = prompt if prompt != "#1" else "number #1"
    assert [job.prompt for job in jobs_of(f"prompt,duration\n{text},1\n", rules)] == [text]


@pytest.mark.parametrize("end", ["\u202a", "\u202b", "\u2067", "\u061c", "\u200b"])
def test_marks_that_nobody_sees_are_dropped_at_the_ends(end: str, rules: Rules) -> None:
    (job,) = jobs_of(f"prompt,duration\n{end}قيثارة\u202c,{end}2\u2069\n", rules)
    assert (job.prompt, job.parameters.duration) == ("قيثارة", 2.0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("prompt;duration\nharp,2\n", "a comma between its cells, and the header a semicolon"),
        ("prompt,duration,cue\nharp;2;a\n", "a semicolon between its cells, and the header a comma"),
        ("prompt，duration\nharp，2\n", "， separates no columns"),
        ("ｐｒｏｍｐｔ、duration\nharp、2\n", "、 separates no columns"),
        ('"prompt,duration"\n"harp,2"\n', "the whole line is one cell"),
        ("sep=;\nprompt,duration\nharp,2\n", "or a sep= above that is wrong"),
    ],
)
def test_cells_that_are_not_separated_are_told(text: str, why: str, rules: Rules) -> None:
    assert why in refusal(text, rules)[0]


def test_a_short_row_may_hold_another_delimiter(rules: Rules) -> None:
    assert [job.prompt for job in jobs_of("prompt;duration\nharp, slow\nflute, 2 drums\n", rules)] == [
        "harp, slow",
        "flute, 2 drums",
    ]


def test_other_things_than_words_are_refused_in_a_workbook_too(rules: Rules) -> None:
    rows = [("prompt", "duration"), ("harp", 2), ("Total", 2)]
    assert "totals" in refusal(xlsx({"jobs": rows}), rules, "list.xlsx")[0]


@pytest.mark.parametrize(
    "text",
    ["{prompt: slow harp, wide, duration: 2}", "{prompt: harp, drums}", '{duration: 2, prompt: "a", b}'],
)
def test_a_comma_that_ends_a_text_in_braces_is_told(text: str, rules: Rules) -> None:
    (problem,) = refusal(f"jobs:\n- {text}\n", rules, "jobs.yaml")
    assert problem.startswith("line 2: ") and "a comma ends a text within { }" in problem


@pytest.mark.parametrize(
    "text", ["{prompt: harp, scene: }", "{prompt: harp, scene: , duration: 2}", '{"prompt":"harp"}']
)
def test_a_blank_value_in_braces_is_one(text: str, rules: Rules) -> None:
    assert [job.prompt for job in jobs_of(f"jobs:\n- {text}\n", rules, "jobs.yaml")] == ["harp"]
