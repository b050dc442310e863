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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deliver: gmae", "did you mean game?"),
        ("deliver: zzzzzz", "there are game, studio and wwise"),
        ("deliver: {to: x}", "needs a profile"),
        ("deliver: [game]", "must be a mapping"),
        ("deliver: {profile: game, too: x}", "did you mean to?"),
        ("deliver: {profile: game, zip: maybe}", "must be true or false"),
        ("deliver: {profile: game, to: ../../etc}", "must lead below"),
        ("deliver: {profile: game, to: a/../../b}", "must lead below"),
        ("deliver: {profile: game, to: /etc}", "must lead below"),
        ("deliver: {profile: game, to: .}", "must lead below"),
        ("deliver: yes", "put it in quotes"),
    ],
)
def test_a_wrong_one_is_told_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidJobFile) as refused:
        read(f"{text}\n", tmp_path)
    (problem,) = refused.value.problems
    assert said in str(problem)
    assert problem.line == 2


def test_a_link_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "home" / "deliveries").mkdir(parents=True)
    (tmp_path / "home" / "deliveries" / "out").symlink_to("/tmp")
    with pytest.raises(InvalidJobFile, match="must lead below"):
        read("deliver: {profile: game, to: out/x}\n", tmp_path)


def test_without_a_home_any_profile_and_folder_is_taken(tmp_path: Path) -> None:
    spec = read_jobs(b"jobs: [a]\ndeliver: {profile: mine, to: x}\n", "a.yaml", make_rules(tmp_path))
    assert spec.deliver == DeliveryAsked(profile="mine", to="x")
