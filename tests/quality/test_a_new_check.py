"""docs/extending.md, "A new quality check", followed: its example is put into a package of its own and registered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from soundmill.commands.init import create
from soundmill.commands.judging import judge_audio
from soundmill.config import Config, load
from soundmill.home import Home
from soundmill.jobs import QualityKind, Verdict
from soundmill.quality import registry
from soundmill.quality.check import Found, QualityCheck
from soundmill.quality.limits import limits_of, ruleset

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "extending.md"
RATE = 32_000


@pytest.fixture
def hum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[QualityCheck]:
    """The how-to's check, registered as somebody's package would have it."""
    section = HOW_TO.read_text(encoding="utf-8").partition("## A new quality check")[2].partition("\n## ")[0]
    [code] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    package = tmp_path / "somebodys_checks"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "hum.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "CHECKS", [*registry.CHECKS])
    from somebodys_checks.hum import CHECK  # type: ignore[import-not-found]

    registry.register(CHECK)
    yield CHECK


def music(hum: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Four seconds of sweeping tones with some of the mains in them."""
    time = np.arange(4 * RATE) / RATE
    tones = np.sum([0.1 * np.sin(2 * np.pi * hz * time * (1 + 0.05 * time)) for hz in (110, 220, 331, 447)], axis=0)
    return np.asarray(tones + hum * np.sin(2 * np.pi * 50 * time))


def test_it_is_measured_judged_scored_and_said(hum: QualityCheck) -> None:
    humming, quiet = judge_audio(music(0.2), RATE), judge_audio(music(0.0), RATE)
    assert humming.measurements["hum_share"] == pytest.approx(0.5, abs=0.05)
    assert (humming.verdict, [check.name for check in humming.failed]) == (Verdict.FAILED, ["hum"])
    assert re.fullmatch(
        r"\d\d % of the sound is mains hum \(throughout\); at most 10 % is allowed\.", humming.failed[0].message
    )
    assert "hum" in [found["name"] for found in humming.defects]
    assert humming.score < 49 < quiet.score and quiet.verdict is Verdict.PASSED


def test_its_limit_stands_in_soundmill_yaml_by_kind(hum: QualityCheck, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    create(home, {"quality": {"music": {"hum_share_max": 0.9}}})
    text = home.config_file.read_text(encoding="utf-8")
    assert text.count("hum_share_max: ") == 3 and "share of the power at 50 Hz" in text
    quality = load(home).quality
    assert quality.music.model_dump()["hum_share_max"] == 0.9
    assert quality.sound_effects.model_dump()["hum_share_max"] == 0.3
    assert yaml.safe_load(text) == {"quality": {"music": {"hum_share_max": 0.9}}}
    assert judge_audio(music(0.2), RATE, limits=quality.music.model_dump()).verdict is Verdict.PASSED


def test_takes_are_judged_again_once_it_is_there(hum: QualityCheck) -> None:
    limits = limits_of(QualityKind.MUSIC)
    before = {name: limit for name, limit in limits.items() if name != "hum_share_max"}
    assert ruleset(QualityKind.MUSIC, limits) != ruleset(QualityKind.MUSIC, before) == "music-6-74dcdd4c"


def test_reports_know_which_check_looks_at_its_defects(hum: QualityCheck) -> None:
    assert registry.looked_at_by()["hum"] == ("hum",)


def test_without_it_nothing_is_known_of_it() -> None:
    assert "hum_share" not in registry.measurements()
    assert "hum_share_max" not in Config().quality.music.model_dump()


def test_registering_it_again_is_nothing_new_and_another_of_its_name_is_refused(hum: QualityCheck) -> None:
    count = len(registry.all_checks())
    registry.register(hum)
    assert len(registry.all_checks()) == count
    for other, said in (
        (replace(hum, limits=()), "quality check hum already"),
        (replace(hum, name="hum2"), "measurement hum_share already"),
        (replace(hum, name="a hum"), "names no quality check"),
        (replace(hum, name="hum2", measurements={}, rules=()), "limit hum_share_max already"),
    ):
        with pytest.raises(ValueError, match=said):
            registry.register(other)


def test_one_that_fails_costs_its_own_numbers_alone(hum: QualityCheck, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(sound: object) -> Found:
        raise ZeroDivisionError

    monkeypatch.setattr(registry, "CHECKS", [*registry.BUILT_IN, replace(hum, measure=fail)])
    judged = judge_audio(music(0.2), RATE)
    assert judged.verdict is Verdict.PASSED and judged.measurements["hum_share"] is None
    assert judged.measurements["loudness_lufs"] is not None
