"""Profiles: those built in, those people write, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from soundmill.config import Config, load, schema
from soundmill.deliver.profile import BUILT_IN, Profile, find
from soundmill.errors import ConfigError, UsageError
from soundmill.home import Home


def settings(text: str, tmp_path: Path) -> Config:
    home = Home(tmp_path)
    home.config_file.write_text(text)
    return load(home)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_profile_needs_nothing_written(name: str) -> None:
    assert isinstance(find({}, name), Profile)


def test_the_built_in_ones_reach_what_their_platforms_ask() -> None:
    assert (find({}, "wwise").loudness_lufs, find({}, "wwise").tables) == (-23.0, ("wwise",))
    assert (find({}, "wwise").trim_dbfs, find({}, "game").trim_dbfs) == (-60.0, -60.0)
    assert (find({}, "web").loudness_lufs, find({}, "web").format) == (-14.0, "ogg")
    assert find({}, "unity").bits == 16


def test_a_profile_takes_over_what_it_does_not_say(tmp_path: Path) -> None:
    config = settings(
        "profiles:\n  studio: {like: wwise, name: 'MX_{scene}_{take:02}', loudness_lufs: -20}\n"
        "  trailer: {like: studio, loudness_lufs: -16, level: together}\n  game: {bits: 16}\n  plain: {}\n",
        tmp_path,
    )
    studio, trailer = find(config.profiles, "studio"), find(config.profiles, "trailer")
    assert (studio.tables, studio.loudness_lufs, studio.trim_dbfs) == (("wwise",), -20.0, -60.0)
    assert (trailer.name, trailer.loudness_lufs, trailer.level) == (studio.name, -16.0, "together")
    assert (find(config.profiles, "game").bits, find(config.profiles, "game").trim_dbfs) == (16, -60.0)
    assert find(config.profiles, "plain").trim_dbfs is None


def test_a_changed_built_in_one_is_what_others_are_like(tmp_path: Path) -> None:
    config = settings("profiles: {game: {bits: 16}, studio: {like: game}}\n", tmp_path)
    assert (find(config.profiles, "studio").bits, find(config.profiles, "studio").trim_dbfs) == (16, -60.0)
    assert find(config.profiles, "wwise").bits == 16, "wwise is like game, also where game is somebody's"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("profiles: {a: {like: b}, b: {like: a}}", "leads back to itself"),
        ("profiles: {a: {like: a}}", "leads back to itself"),
        ("profiles: {a: {like: gmae}}", "did you mean game?"),
        ("profiles: {a: {sample_rat: 1}}", "profiles.a.sample_rat"),
        ("profiles: {a: {format: opus, sample_rate: 44100}}", "opus has no 44100 Hz"),
        ("profiles: {a: {format: flac, bits: 32}}", "flac holds no floats"),
        ("profiles: {a: {like: wwise, format: flac}}", "wwise imports no flac"),
        ("profiles: {a: {ucs: {creator: my_name, source: X}}}", "profiles.a.ucs.creator"),
        ("profiles: {a: {true_peak_dbtp: 1}}", "profiles.a.true_peak_dbtp"),
        ("profiles: {a: 5}", "profiles.a"),
        ("profiles: [a]", "profiles"),
        ("profiles: {'a b': {}}", "profiles"),
    ],
)
def test_a_wrong_one_is_told_by_its_key(written: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        settings(written, tmp_path)


def test_an_unknown_one_is_told_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean wwise"):
        find({}, "wise")
    with pytest.raises(UsageError, match="there are film, game"):
        find({}, "zzzzzz")


def test_editors_know_every_key() -> None:
    described = schema()["$defs"]["Profile"]["properties"]
    assert described.keys() == Profile.model_fields.keys()
    assert all(each.get("description") for each in described.values())


def test_the_documented_example_is_valid() -> None:
    text = (Path(__file__).parents[2] / "docs" / "deliver.md").read_text()
    blocks = [block.split("```")[0] for block in text.split("```yaml\n")[1:]]
    profiles = [yaml.safe_load(block) for block in blocks if "profiles:" in block]
    assert profiles
    for each in profiles:
        Config.model_validate(each)
