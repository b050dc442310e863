"""The classic defects by other recipes, on other sounds and at other rates than limits and detectors learned from."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from soundmill.jobs import QualityKind
from soundmill.quality.judging import judge
from soundmill.quality.limits import limits_of
from soundmill.quality.measure import measure
from soundmill.quality.registry import looked_at_by
from support.twins import SOUNDS, TWINS, Samples, Twin, sound

# Sounds of which a twin makes no fault: the engine and the organ hold still, which equals itself at any distance, and
# surf is noise as well.
NONE_IN = {"looped": {"engine", "organ"}, "pink end": {"surf"}}
TOLD = 0.9  # share of the clips, failed or noted: surf that was cut at 16 kHz and resampled shows nothing
LAYOUTS = ((16_000, 1), (22_050, 2), (32_000, 6), (48_000, 1), (96_000, 2))  # rate, channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    failed: frozenset[str]
    told: frozenset[str]  # and what a note names


def said(samples: Samples, rate: int, kind: str) -> Said:
    found = measure(samples, rate, requested_s=None, loudness_lufs=-20.0, before=None)
    checks = judge(found.values, limits_of(QualityKind(kind)), found.defects, QualityKind(kind)).checks
    failed = frozenset(check.name for check in checks if not check.passed)
    noted = (looked_at_by().get(str(each["name"]), ()) for each in found.defects)
    return Said(failed=failed, told=failed.union(*noted))


@pytest.fixture(scope="module")
def clips() -> list[tuple[str, int, int, Samples]]:
    """Each sound in two of the layouts."""
    layouts = [LAYOUTS[(2 * number + more) % len(LAYOUTS)] for number in range(len(SOUNDS)) for more in (0, 1)]
    names = [name for name in SOUNDS for _ in (0, 1)]
    return [(name, rate, count, sound(name, rate, count)) for name, (rate, count) in zip(names, layouts, strict=True)]


@pytest.fixture(scope="module")
def clean(clips: list[tuple[str, int, int, Samples]]) -> list[Said]:
    return [said(samples, rate, SOUNDS[name][0]) for name, rate, _, samples in clips]


def test_the_sounds_themselves_fail_nothing(clean: list[Said]) -> None:
    assert [each.failed for each in clean] == [frozenset()] * len(clean)


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_a_defect_by_another_recipe_is_found(
    twin: Twin, clips: list[tuple[str, int, int, Samples]], clean: list[Said]
) -> None:
    tried, failed, told = 0, 0, 0
    for (name, rate, channels, samples), before in zip(clips, clean, strict=True):
        if channels not in twin.channels or name in NONE_IN.get(twin.name, ()):
            continue
        found = said(twin.of(samples, rate), rate, SOUNDS[name][0])
        tried += 1
        failed += bool((found.failed - before.failed) & set(twin.finds))
        told += bool((found.told - before.told) & set(twin.finds))
    assert tried >= 3
    assert failed >= twin.fails * tried
    assert max(failed, told) >= TOLD * tried
