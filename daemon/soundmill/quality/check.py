"""The quality room, nouns: what a quality check is made of. No numpy: the daemon judges.

docs/extending.md shows how one is added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundmill.jobs import QualityKind
from soundmill.quality.sentences import Reading

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

Defect = Mapping[str, object]  # {name, start_s, end_s, detail}, see detectors/defects.py
Values = Mapping[str, float | None]  # by the names of measurements; None where there is no number

OWN = "Soundmill's definition"
UNSURE = 0.03  # weight of a note that clean sound has often, or has on purpose: under a point of soundness
NOTICED = 0.5  # of what a limit allows: so much of most faults is in clean sound, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Unit, meaning (with which channel counts as the worst), and where the formula comes from."""

    unit: str
    description: str
    source: str = OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a rule allows: a key of soundmill.yaml's quality section; a value exactly at its limit passes.

    default: for custom, and for the kinds that have none of their own; a whole number takes whole numbers only
    least, most: between which people may set it
    asked: what it bounds is measured only where a job asked for it; a take from before has nothing to be judged by it
    """

    name: str
    description: str
    default: float
    music: float | None = None
    sound_effects: float | None = None
    least: float = 0
    most: float | None = None
    asked: bool = False

    def of(self, kind: QualityKind) -> float:
        """The default for a kind of sound."""
        own = {QualityKind.MUSIC: self.music, QualityKind.SOUND_EFFECTS: self.sound_effects}.get(kind)
        return self.default if own is None else own


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One number against one limit.

    limit: the name of a Limit; `lower` says that the number must not be below it
    says: the sentence on what was read; missing: the sentence where there is no number
    before: the same measured before normalisation, which counts where it is worse
    over: a measurement that is allowed for: where it is above 0, only what exceeds it counts
    reads: what of the measurement counts: abs where both signs are faults
    needed: a sounding clip would have this number, so none fails
    places: names of defects, beside the rule's own, that show where
    by_channel: the measurement is that of the worse of two channels, which the sentence names
    noticed: up to which share of what the limit allows (soundness.wear) it says nothing, because clean sound has as
        much; from 0 to below 1
    graver: a measurement, and an amount of it: what exceeds the limit counts so many times as much as there are such
        amounts, where the number says how sure the fault is and not how grave
    """

    name: str
    measurement: str
    limit: str
    unit: str
    says: Callable[[Reading], str]
    missing: str
    before: str | None = None
    over: str | None = None
    reads: Callable[[float], float] = float
    needed: bool = False
    lower: bool = False
    places: tuple[str, ...] = ()
    by_channel: bool = False
    noticed: float = NOTICED
    graver: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What costs soundness and fails nothing.

    measurement: whose size counts; nothing is lost up to `clean`, which clean sound has as well, at `half` half of the
        most, and more beyond it
    weight: the share of what notes may cost that this one may: little for what is not sure, or hardly ever a fault
    """

    measurement: str
    clean: float
    half: float
    reads: Callable[[float], float] = float
    weight: float = 1.0

    def strength(self, values: Values) -> float:
        """From 0 to below the weight, never falling; 0 without a number."""
        value = values.get(self.measurement)
        if value is None or not math.isfinite(value):
            return 0.0
        beyond = max(0.0, (self.reads(value) - self.clean) / (self.half - self.clean))
        return self.weight * beyond / (1 + beyond)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a check measured of one clip: a value for each of its measurements, and where something was found."""

    values: Values
    defects: Sequence[Defect] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityCheck:
    """One kind of fault: what is measured for it and how, what is allowed, and how what was found is said.

    `measure` runs in the engine process and imports numpy when it is called; all else is for the daemon as well.
    Measurements without a rule are on record and decide nothing.
    """

    name: str
    measurements: Mapping[str, Measurement]
    measure: Callable[[Sound], Found]
    limits: tuple[Limit, ...] = ()
    rules: tuple[Rule, ...] = ()
    notes: tuple[Note, ...] = ()
