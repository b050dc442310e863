"""Names of delivered files: patterns over labels and factors, UCS, and no two the same."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from deliver.conftest import TAKE
from soundmill.deliver.names import fields_of, named
from soundmill.deliver.profile import Profile, Ucs
from soundmill.deliver.takes import Take, choose, is_non_commercial
from soundmill.deliver.ucs import CAT_ID, FX_LENGTH, NAME, categories, category_of, fx_name
from soundmill.errors import ConfigError, SoundmillError
from soundmill.service.wiring import pattern_of


def paths(takes: list[Take], **settings: object) -> list[str]:
    profile = Profile.model_validate(settings)
    return [each.path for each in named(takes, profile, pattern_of, is_music=lambda take: True)]


def test_folders_and_names_come_from_labels_factors_and_settings() -> None:
    settings = {"folder": "Music/{scene}/{Style}", "name": "MX_{scene}_{cue:03}_{model}_{seed}"}
    assert paths([TAKE], **settings) == ["Music/market/jazz/MX_market_001_musicgen-small_7.wav"]


def test_every_field_that_the_documents_name_is_there() -> None:
    for field in fields_of(TAKE):
        assert pattern_of(f"x{{{field}}}")(fields_of(TAKE)).startswith("x")


def test_names_that_would_be_the_same_are_told_apart_in_their_order() -> None:
    takes = [replace(TAKE, output_id=n, labels={"scene": scene}) for n, scene in enumerate(["Inn", "inn", "inn"])]
    assert paths(takes, folder="", name="{scene}") == ["Inn.wav", "inn-2.wav", "inn-3.wav"]


def test_a_take_that_lacks_a_field_is_named_with_the_mend() -> None:
    with pytest.raises(SoundmillError, match=r"themes/0001-calm: has no sceen, .*did you mean scene\?"):
        paths([TAKE], name="{sceen}")
    with pytest.raises(SoundmillError, match=r"\(2 takes like it\)"):
        paths([TAKE, replace(TAKE, output_id=2)], name="{mood}")


@pytest.mark.parametrize("pattern", ["{scene", "../{job}", "a\\b{job}", "con", "{job:3}"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(pattern)):
        paths([TAKE], name=pattern)


@pytest.mark.parametrize("value", ["../../etc", "a/b", "..", "CON", "\u202ex", "x" * 400])
def test_a_label_leads_nowhere_outside(value: str) -> None:
    take = replace(TAKE, labels={"scene": value})
    try:
        (path,) = paths([take], folder="{scene}", name="{job}")
    except SoundmillError:
        return
    assert path.count("/") == 1
    assert ".." not in path


def test_ucs_names_follow_the_lists_pattern_and_are_unique() -> None:
    prompts = ["a dog barking", "a dog barking", "rain on a tin roof", "a very long title of a sound that goes on"]
    takes = [replace(TAKE, output_id=n, prompt=prompt) for n, prompt in enumerate(prompts)]
    profile = Profile(ucs=Ucs(creator="ACME", source="Game1"), folder="")
    made = [each.path for each in named(takes, profile, pattern_of, is_music=lambda take: False)]
    assert made[0] == "ANMLDog_A Dog Barking_ACME_Game1.wav"
    assert made[1] == "ANMLDog_A Dog Barking 02_ACME_Game1.wav"
    assert made[2] == "RAIN_Rain On A Tin Roof_ACME_Game1.wav"
    for path in made:
        stem = path.removesuffix(".wav")
        assert NAME.fullmatch(stem)
        assert stem.split("_")[0] in categories()


def test_a_column_says_the_category_and_a_wrong_one_is_told() -> None:
    profile = Profile(ucs=Ucs(creator="ACME", source="G", category="catid"), folder="")
    good = replace(TAKE, labels={"CatID": "DOORWood"})
    (each,) = named([good], profile, pattern_of, is_music=lambda take: False)
    assert each.path.startswith("DOORWood_")
    with pytest.raises(SoundmillError, match=r"catid DOORWod: is no CatID.*did you mean DOORWood\?"):
        named([replace(TAKE, labels={"CatID": "DOORWod"})], profile, pattern_of, is_music=lambda take: False)
    (blank,) = named([replace(TAKE, labels={})], profile, pattern_of, is_music=lambda take: True)
    assert blank.path.startswith("MUSCKeyd_")


def test_the_published_list_is_whole() -> None:
    assert len(categories()) == 752
    assert all(CAT_ID.fullmatch(cat_id) for cat_id in categories())
    assert categories()["DOORWood"].category == "DOORS"


@pytest.mark.parametrize(
    ("prompt", "cat_id"),
    [
        ("heavy wooden door creaks open", "DOORCreak"), ("sword clash, two blades", "WEAPSwrd"), ("rain on a tin roof",
        "RAIN"), ("footsteps on gravel", "FEETMisc"), ("magic spell shimmer", "MAGSpel"), ("ticking clock",
        "CLOCKTick"), ("horse galloping on cobblestone", "ANMLHors"), ("UI button click, short", "UIClick"),
        ("dark ominous drone", "DSGNDron"), ("qwertz", "DSGNMisc"), ("", "DSGNMisc"),
    ],
)  # fmt: skip
def test_the_category_is_found_from_the_prompt(prompt: str, cat_id: str) -> None:
    assert category_of(prompt, music=False).cat_id == cat_id


def test_music_has_a_musical_category() -> None:
    assert category_of("slow choir in a hall", music=True).cat_id == "MUSCChor"
    assert category_of("battle at sea, wind and rain", music=True).cat_id.startswith("MUSC")


def test_titles_are_short_and_end_with_a_word() -> None:
    assert fx_name("dog barking in the distance") == "Dog Barking"
    assert fx_name("***") == "Sound"
    assert fx_name("Ünïcode bells, çalm") == "Ünïcode Bells Çalm"
    assert len(fx_name("word " * 40)) <= FX_LENGTH


def row(output_id: int, **other: object) -> dict[str, object]:
    return {"output_id": output_id, "stars": None, "is_final": 1, "kept": None, "quarantined": 0, **other}


def test_picks_come_first_then_stars_then_what_was_kept() -> None:
    rows = [row(1), row(2, stars=4.0), row(3, kept=0), row(4, quarantined=1), row(5, is_final=0), row(6, kept=1)]
    assert choose(rows, [3, 99]) == ([rows[2]], "picked")
    assert choose(rows, []) == ([rows[1]], "rated 4 stars or more")
    rows[1]["stars"] = 3.5
    assert choose(rows, []) == ([rows[0], rows[1], rows[5]], "kept")
    rows[0]["rejected"] = 1
    assert choose(rows, []) == ([rows[1], rows[5]], "kept")


@pytest.mark.parametrize(
    ("licence", "bad"),
    [("CC-BY-NC-4.0", True), ("cc by-nc-sa", True), ("Non-Commercial use", True), ("MIT", False), ("CC-BY-4.0", False),
     ("NCSA", False), ("", False)],
)  # fmt: skip
def test_licences_that_forbid_selling_are_known(licence: str, bad: bool) -> None:
    assert is_non_commercial(licence) is bad
