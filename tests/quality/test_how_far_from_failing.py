"""Soundness on sound: it falls as a fault grows, and is the same at every sample rate."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly
from scipy.stats import spearmanr

from soundmill.audio.loudness import meter
from soundmill.jobs import QualityKind
from soundmill.quality.check import NOTICED
from soundmill.quality.judging import judge
from soundmill.quality.limits import limits_of
from soundmill.quality.measure import measure
from soundmill.quality.registry import rules
from support.clean import CLEAN, RATE, SECONDS, clean
from support.defective import INJECTIONS

Samples = NDArray[np.float32]

RATES = (16_000, 22_050, 24_000, 44_100, 48_000, 96_000)
# From what nobody notices to gross, in the units of support/defective.py.
STRENGTHS = {
    "silent head": (1.5, 2.5, 3.5, 5.0, 7.0),
    "silent tail": (0.1, 0.3, 0.5, 0.7, 0.9),
    "dropout": (4, 8, 20, 60, 200),
    "clipping": (0.05, 0.2, 1, 5, 20),
    "clipping below full scale": (0.05, 0.2, 1, 5, 20),
    "over between samples": (1.0, 1.5, 2.0, 3.0),
    "noise": (0.8, 1.3, 2.0, 3.0, 5.0),
    "offset": (0.008, 0.016, 0.03, 0.1, 0.3),
    "imbalance": (8, 12, 18, 30, 50),
    "wrong length": (0.02, 0.08, 0.2, 1.0, 3.0),
    "broken samples": (1, 5, 30, 300),
}


def sounds(kind: str) -> list[str]:
    return [name for name, (of, _) in CLEAN.items() if of == kind]


def soundness(sound: Samples, rate: int, kind: str) -> float:
    samples = np.ascontiguousarray(sound, dtype=np.float32)
    read = meter(samples, rate)
    found = measure(
        samples, rate, requested_s=SECONDS, loudness_lufs=read.loudness_lufs, before=None, meter=asdict(read)
    )
    return judge(found.values, limits_of(QualityKind(kind)), found.defects, QualityKind(kind)).score


@pytest.mark.parametrize("name", STRENGTHS)
def test_soundness_falls_as_a_fault_grows(name: str) -> None:
    (injection,) = (each for each in INJECTIONS if each.name == name)
    strengths, found = [], []
    for sound in sounds("music"):
        for strength in (0.0, *STRENGTHS[name]):
            clip = clean(sound, 1)
            spoiled = injection.inject(clip, RATE, strength, np.random.default_rng(1)) if strength else clip
            if spoiled is not None:
                strengths.append(strength)
                found.append(soundness(spoiled, RATE, "music"))
    assert len(found) > 10
    assert spearmanr(strengths, found).statistic <= -0.9


@pytest.mark.parametrize(("name", "strengths"), [("rumble", (-16, -8, 0)), ("hum", (24, 18, 12))])
def test_soundness_falls_for_what_effects_may_have_on_purpose_and_does_not_fail(
    name: str, strengths: tuple[float, ...]
) -> None:
    (injection,) = (each for each in INJECTIONS if each.name == name)
    clip = clean("ambient", 1)
    found = [soundness(clip, RATE, "sound_effects")]
    for strength in strengths:
        spoiled = injection.inject(clip.copy(), RATE, strength, np.random.default_rng(1))
        assert spoiled is not None
        found.append(soundness(spoiled, RATE, "sound_effects"))
    assert found == sorted(found, reverse=True) and len(set(found)) == len(found)
    assert found[0] > 98 and found[-1] >= 49


def test_a_later_channel_is_graver_the_later_it_comes() -> None:
    (injection,) = (each for each in INJECTIONS if each.name == "later channel")
    found = []
    for strength in (8, 15, 30):
        spoiled = injection.inject(clean("tonal", 1), RATE, strength, np.random.default_rng(1))
        assert spoiled is not None
        found.append(soundness(spoiled, RATE, "music"))
    assert 49 > found[0] > found[1] > found[2]


@pytest.mark.parametrize("sound", CLEAN)
def test_a_clean_sound_is_sound_at_every_sample_rate(sound: str) -> None:
    kind = CLEAN[sound][0]
    found = [soundness(resample_poly(clean(sound, 2), rate, RATE, axis=1), rate, kind) for rate in RATES]
    assert min(found) >= 98 and max(found) - min(found) <= 2


@pytest.mark.parametrize(
    ("name", "strength"),
    [("silent head", 4.0), ("offset", 0.015), ("offset", 0.04), ("imbalance", 12), ("imbalance", 22)],
)
def test_a_fault_is_as_grave_at_every_sample_rate(name: str, strength: float) -> None:
    (injection,) = (each for each in INJECTIONS if each.name == name)
    spoiled = injection.inject(clean("ambient", 1), RATE, strength, np.random.default_rng(1))
    assert spoiled is not None
    found = [soundness(resample_poly(spoiled, rate, RATE, axis=1), rate, "music") for rate in RATES]
    assert max(found) < 99 and max(found) - min(found) <= 2


def test_every_check_says_what_is_not_noticed() -> None:
    assert all(0 <= rule.noticed < 1 for rule in rules()) and NOTICED < 1
