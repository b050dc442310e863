"""`deliver` of a YAML job file: the profile and the folder, and what is said about wrong ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from inbox.conftest import make_rules
from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import DeliveryAsked


def read(text: str, tmp_path: Path) -> DeliveryAsked | None:
    rules = replace(
        make_rules(tmp_path),
        profiles=frozenset({"game", "wwise", "studio"}),
        delivery_folders=(tmp_path / "home" / "deliveries", tmp_path / "share"),
    )
    return read_jobs(f"jobs: [a bell]\n{text}".encode(), "bells.yaml", rules).deliver


def test_a_profile_is_enough(tmp_path: Path) -> None:
    assert read("deliver: game\n", tmp_path) == DeliveryAsked(profile="game")
    assert read("", tmp_path) is None
    assert read("deliver:\n", tmp_path) is None


def test_a_folder_lies_below_the_homes_deliveries_or_where_the_settings_allow(tmp_path: Path) -> None:
    inside = tmp_path / "home" / "deliveries" / "castle" / "music"
    assert read("deliver: {profile: wwise, to: castle/music, zip: true}\n", tmp_path) == DeliveryAsked(
        profile="wwise", to=str(inside), zipped=True
    )
    asked = read(f"deliver: {{profile: studio, to: {tmp_path / 'share' / 'x'}}}\n", tmp_path)
    assert asked == DeliveryAsked(profile="studio", to=str(tmp_path / "share" / "x"))


LEAD = "must lead below {home}/deliveries and {share}; delivery_folders of soundmill.yaml allows others"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deliver: gmae", "profile = gmae: there is no such profile; did you mean game?"),
        ("deliver: zzzzzz", "profile = zzzzzz: there is no such profile; there are game, studio and wwise"),
        ("deliver: {to: x}", "deliver: needs a profile, as in {profile: game, to: castle}"),
        ("deliver: {profile: '', zip: no}", "deliver: needs a profile, as in {profile: game, to: castle}"),
        ("deliver: [game]", "deliver: must be a mapping, such as {profile: game, to: castle}"),
        ("deliver: {profile: game, too: x}", "too: is not known under deliver; did you mean to?"),
        ("deliver: {profile: game, zip: maybe}", "zip = maybe: must be true or false"),
        (
            "deliver: {profile: [game]}",
            "profile: must be a single value, not a list; put a text that starts with [ in quotes",
        ),
        ("deliver: {profile: game, to: ../../etc}", f"to = ../../etc: {LEAD}"),
        ("deliver: {profile: game, to: a/../../b}", f"to = a/../../b: {LEAD}"),
        ("deliver: {profile: game, to: /etc}", f"to = /etc: {LEAD}"),
        ("deliver: {profile: game, to: .}", f"to = .: {LEAD}"),
        ("deliver: yes", 'profile = yes: YAML takes yes for true or false; put it in quotes: "yes"'),
    ],
)
def test_a_wrong_one_is_told_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidJobFile) as refused:
        read(f"{text}\n", tmp_path)
    (problem,) = refused.value.problems
    said = said.replace("{home}", str(tmp_path / "home")).replace("{share}", str(tmp_path / "share"))
    assert str(problem).endswith(said)
    assert problem.line == 2


@pytest.mark.parametrize(
    ("written", "zipped"),
    [("true", True), ("Yes", True), ("on", True), ("false", False), ("no", False), ("Off", False), ("", False)],
)
def test_whether_a_delivery_is_zipped_is_said_as_yaml_says_it(written: str, zipped: bool, tmp_path: Path) -> None:
    asked = read(f"deliver: {{profile: game, zip: {written}}}\n", tmp_path)
    assert asked == DeliveryAsked(profile="game", to=None, zipped=zipped)


def test_a_link_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "home" / "deliveries").mkdir(parents=True)
    (tmp_path / "home" / "deliveries" / "out").symlink_to("/tmp")
    with pytest.raises(InvalidJobFile, match="must lead below"):
        read("deliver: {profile: game, to: out/x}\n", tmp_path)


def test_without_a_home_any_profile_and_folder_is_taken(tmp_path: Path) -> None:
    spec = read_jobs(b"jobs: [a]\ndeliver: {profile: mine, to: x}\n", "a.yaml", make_rules(tmp_path))
    assert spec.deliver == DeliveryAsked(profile="mine", to="x")
