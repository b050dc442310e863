"""Names keep their letters in every script, and are safe on every file system."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.cells import Wrong
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.naming.automatic import AutomaticNames
from soundmill.inbox.jobfile.naming.letters import size
from soundmill.inbox.jobfile.naming.safe import batch_name, is_device, name_from_id
from soundmill.inbox.jobfile.naming.slugs import _size_of_one, cut, slug
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.words import same_name

LONG = "a slow orchestral adventure theme for the old harbour with its narrow streets full of fog"


def names_of(prompts: list[str], rules: Rules) -> list[str]:
    """What the clips of a CSV file with these prompts are called, without their numbers."""
    out = io.StringIO()
    csv.writer(out).writerows([("prompt",), *((prompt,) for prompt in prompts)])
    return [job.name[5:] for job in read_jobs(out.getvalue().encode(), "themes.csv", rules).jobs]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("湖邊的豎琴", "湖邊的豎琴"),
        ("🎻🥁", "🎻🥁"),
        ("مقطوعة هادئة", "مقطوعة-هادئة"),
        ("песня ночи", "песня-ночи"),
        ("Музыка: ночь, ветер!", "музыка-ночь-ветер"),
        ("धीमी बाँसुरी", "धीमी-बाँसुरी"),
        ("ดนตรีช้าๆ", "ดนตรีช้าๆ"),
        ("Straße am Ödland", "straße-am-ödland"),
        ("e\u0301te\u0301", "été"),
        ("ΜΟΥΣΙΚΉΣ", "μουσικής"),
        ("음악　느리게", "음악-느리게"),
        ("\u202eabc\u200d\ufeff d", "abc-d"),
        ("\u0301 accent of nobody's", "accent-of-nobody-s"),
        ("❤\ufe0f love", "❤-love"),
        ("👍🏽 👨\u200d👩\u200d👧", "👍🏽-👨👩👧"),
        ("½ Tempo ²", "½-tempo-²"),
        ("\u3164\u115f", "clip"),
        ("© ™ → … “”", "clip"),
    ],
)
def test_a_name_keeps_letters_of_every_script(text: str, name: str) -> None:
    assert slug(text, 96, "clip") == name
    assert batch_name(None, f"{text}.csv".replace("/", "")) == name.replace("clip", "batch")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_macs_file_name_is_the_same_name(form: str) -> None:
    assert batch_name(None, unicodedata.normalize(form, "Été à Đồng Tháp.csv")) == "été-à-đồng-tháp"
    assert name_from_id(unicodedata.normalize(form, "Été_À")) == "Été_À"


@pytest.mark.parametrize(
    "name",
    ["CON", "con.wav", "prn", "Aux.x", "nul", "COM1", "com¹", "COM²", "LPT³", "lpt0", "CONIN$", "conout$", "ＣＯＭ１"],
)
def test_names_that_windows_keeps_for_devices_are_no_names(name: str) -> None:
    assert is_device(name)
    assert not is_device(batch_name(None, f"{name}.csv"))
    with pytest.raises(Wrong, match="Windows"):
        name_from_id(name)


@pytest.mark.parametrize(
    ("wanted", "called"),
    [
        ("a\u200db", "U\\+200D ZERO WIDTH JOINER"),
        ("a\u202eb", "U\\+202E RIGHT-TO-LEFT OVERRIDE"),
        ("a\x07b", "U\\+0007 in it"),
        ("a\nb", "one line"),
    ],
)
def test_what_nobody_sees_in_an_id_is_called_by_its_name(wanted: str, called: str) -> None:
    with pytest.raises(Wrong, match=called):
        name_from_id(wanted)


def test_ids_keep_marks_and_the_spaces_of_any_script_are_spaces() -> None:
    assert name_from_id("नमस्ते") == "नमस्ते"
    assert name_from_id("เพลงช้า 2") == "เพลงช้า-2"
    assert name_from_id("音楽\u3000一") == "音楽-一"


def test_the_end_of_a_long_prompt_stays(rules: Rules) -> None:
    names = names_of([f"{LONG}, calm", f"{LONG}, driving"], rules)
    assert names[0].startswith("a-slow-orchestral") and names[0].endswith("-calm")
    assert names[1].startswith("a-slow-orchestral") and names[1].endswith("-driving")
    assert all(len(name) <= 48 for name in names)


def test_what_tells_rows_apart_stays_wherever_it_stands(rules: Rules) -> None:
    prompts = [f"{LONG.replace('harbour', place)} played by {who} in one long breath" for place in ("harbour", "castle")
               for who in ("oboes", "violins", "a choir")]  # fmt: skip
    names = names_of(prompts, rules)
    assert len(set(names)) == 6
    for name, prompt in zip(names, prompts, strict=True):
        assert ("harbour" in name) is ("harbour" in prompt) and ("oboes" in name) is ("oboes" in prompt)
        assert len(name) <= 100


def test_the_order_of_words_tells_rows_apart_too(rules: Rules) -> None:
    prompts = [
        f"an orchestral transition from {a} to {b} for the gates of the old castle"
        for a, b in (("calm", "battle"), ("battle", "calm"))
    ]
    assert names_of(prompts, rules) == [
        "an-orchestral-transition-calm-battle-old-castle",
        "an-orchestral-transition-battle-calm-old-castle",
    ]


def test_every_variable_of_a_long_template_is_in_the_names(rules: Rules) -> None:
    moods, places, leads = ("calm", "driving", "tense"), ("harbour town", "hill village"), ("solo oboe", "french horn")
    data = (
        "template: 'Warm orchestral {mood} theme for a {place} at dawn, strings and {lead}, taped in a wooden hall'\n"
        f"variables: {{mood: [{', '.join(moods)}], place: [{', '.join(places)}], lead: [{', '.join(leads)}]}}\n"
    )
    for job in read_jobs(data.encode(), "x.yaml", rules).jobs:
        for value in job.labels.values():
            assert value.replace(" ", "-") in job.name
        assert job.name[5:].startswith("warm-orchestral-") and len(job.name) <= 80


def test_rows_without_spaces_between_words_are_told_apart_too(rules: Rules) -> None:
    start, end = "缓慢的管弦乐冒险主题在雾气弥漫的大厅里", "地演奏一整个漫长的夜晚直到天亮"
    names = names_of([start + how + end for how in ("平静", "激昂", "忧伤")], rules)
    for name, how in zip(names, ("平静", "激昂", "忧伤"), strict=True):
        assert how in name and len(name.encode()) <= 200


def test_what_prompts_share_is_not_lost_where_there_is_room() -> None:
    names = AutomaticNames()
    prompts = [f"{LONG} {n} times over and over again" for n in (3, 4)]
    for prompt in prompts:
        names.note(prompt, {})
    assert names.of(7, prompts[0], {}) == "0007-a-slow-orchestral-adventure-theme-3-over-again"


def test_a_name_is_never_cut_inside_a_character_of_several_code_points() -> None:
    flags, skin, marks = "🇩🇪" * 60, "👍🏽" * 60, "कि" * 60
    for text, whole in ((flags, "🇩🇪"), (skin, "👍🏽"), (marks, "कि")):
        name = slug(text, 96, "clip")
        assert name and name.replace(whole, "") == ""


def test_a_number_is_named_whole_or_not_at_all() -> None:
    assert cut(["cutoff", "frequency", "12345.678"], 20) == "12345.678"
    assert "12345.678" not in cut(["frequency", "12345.678"], 12)


def test_levels_of_a_factor_keep_what_tells_them_from_each_other(rules: Rules) -> None:
    levels = ", ".join(f"'{LONG} {how} and at last'" for how in ("calmly", "madly"))
    data = f"experiment: {{prompt: '{{scene}}', factors: {{scene: [{levels}], temperature: [0.7, 1.0]}}}}"
    names = [job.name for job in read_jobs(data.encode(), "x.yaml", rules).jobs]
    assert [("calmly" in name, "madly" in name) for name in names] == [(True, False)] * 2 + [(False, True)] * 2
    assert all("_temperature-" in name for name in names)


def test_an_id_like_the_name_of_a_row_in_another_script_is_refused(rules: Rules) -> None:
    with pytest.raises(InvalidJobFile, match="gets by itself"):
        read_jobs("prompt,id\nпесня,\nx,0001-ПЕСНЯ\n".encode(), "x.csv", rules)


def test_ids_that_differ_in_case_or_composition_alone_are_refused(rules: Rules) -> None:
    for twin in ("STRASSE", "été", "ＡＢ"):
        other = {"STRASSE": "straße", "été": "E\u0301TE\u0301", "ＡＢ": "ab"}[twin]
        with pytest.raises(InvalidJobFile, match="is the id of another job too, on line 2"):
            read_jobs(f"prompt,id\nx,{twin}\ny,{other}\n".encode(), "x.csv", rules)


any_text = st.text(max_size=120) | st.text(
    alphabet="aA1 -._é\u0301कि音乐ßſİıΣς\u200d\ufe0f🇩🇪👍🏽👨\u3164\u2028\u202eﾞ각\u1100\u1161ＣＯＮ¹$", max_size=300
)


@settings(max_examples=300, deadline=None)
@given(any_text)
def test_any_text_gives_a_safe_name(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    names = [batch_name(text, "x.csv"), batch_name(None, f"{text.replace('/', '')}.csv"), slug(text, 96, "clip")]
    try:
        names.append(name_from_id(text))
    except Wrong as why:
        assert str(why)
    for name in names:
        assert name and name.isprintable() and unicodedata.is_normalized("NFC", name)
        assert not set(name) & set('/\\:*?"<>|$ ') and name[0] not in ".-" and name[-1] not in ".-"
        assert len(f"{name}-r10000.take10000-12.flac.json".encode()) <= 255
        assert unicodedata.category(name[0])[0] != "M"
    assert not any(is_device(name) for name in (*names[:2], *names[3:]))
    assert slug(slug(text, 96, "clip"), 96, "clip") == slug(text, 96, "clip")
    assert slug(unicodedata.normalize("NFD", text), 96, "clip") == slug(text, 96, "clip")


@settings(max_examples=100, deadline=None)
@given(st.lists(any_text.map(lambda text: text.encode("utf-8", "ignore").decode()), min_size=1, max_size=6))
def test_the_names_of_one_file_are_unique_on_any_file_system(rules_anywhere: Rules, prompts: list[str]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("prompt",), *((LONG + prompt,) for prompt in prompts)])
    try:
        jobs = list(read_jobs(out.getvalue().encode(), "x.csv", rules_anywhere).jobs)
    except InvalidJobFile:
        return
    assert len({same_name(job.name) for job in jobs}) == len(jobs)
    assert all(len(job.name.encode()) <= 210 and unicodedata.is_normalized("NFC", job.name) for job in jobs)


@pytest.fixture(scope="session")
def rules_anywhere(rules_with: Callable[..., Rules]) -> Rules:
    return rules_with(Path("/nonexistent"))


@pytest.mark.parametrize("character", "\u0080\u07ff\u0800\uffff\U00010000\U0010ffff")
def test_a_character_is_as_long_as_it_is_in_a_file_system(character: str) -> None:
    assert _size_of_one(character) == size(character) == len(character.encode())
