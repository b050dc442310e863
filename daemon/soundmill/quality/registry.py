"""The quality room, the list: every quality check there is. No numpy.

The checks are in the order in which they are judged and shown; those of plugins (soundmill/plugins/hooks.py) come last,
in every process that measures or judges.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import chain

from soundmill.quality.check import Measurement, Note, QualityCheck, Rule
from soundmill.quality.checks import musical
from soundmill.quality.checks.channels import dead, pairs, stereo
from soundmill.quality.checks.file import bit_depth, duration, samples
from soundmill.quality.checks.level import clipping, level_step, loudness, peaks, pumping
from soundmill.quality.checks.spectrum import lines, lows, noise, spectrum, stuck_tone, treble
from soundmill.quality.checks.time import clicks, holes, repetition, silence, speed, stutter

BUILT_IN: tuple[QualityCheck, ...] = (
    silence.CHECK,
    clipping.CHECK,
    peaks.CHECK,
    repetition.CHECK,
    spectrum.CHECK,
    noise.CHECK,
    stuck_tone.CHECK,
    treble.CHECK,
    lines.CHECK,
    lows.CHECK,
    clicks.CHECK,
    holes.CHECK,
    stutter.CHECK,
    speed.CHECK,
    level_step.CHECK,
    pumping.CHECK,
    loudness.CHECK,
    stereo.CHECK,
    dead.CHECK,
    pairs.CHECK,
    samples.CHECK,
    bit_depth.CHECK,
    duration.CHECK,
    musical.CHECK,
)
CHECKS = [*BUILT_IN]  # and those that were registered


@cache
def _ask_plugins() -> None:
    from soundmill import plugins

    for name, check in plugins.registered("register_quality_checks"):
        try:
            register(check)
        except Exception as error:  # it is somebody else's code
            plugins.leave_out(name, error)


def all_checks() -> tuple[QualityCheck, ...]:
    _ask_plugins()
    return tuple(CHECKS)


def register(check: QualityCheck) -> None:
    """Add a check after all others; the same one again is nothing new.

    Raises ValueError where it is not whole or one of its names is taken: measurements are columns of the catalogue,
    limits keys of soundmill.yaml.
    """
    if check in CHECKS:
        return
    for what, mine, others in (
        ("quality check", [check.name], [each.name for each in CHECKS]),
        ("measurement", list(check.measurements), ["output_id", *_measurements(CHECKS)]),
        ("limit", [limit.name for limit in check.limits], [limit.name for each in CHECKS for limit in each.limits]),
        ("rule", [rule.name for rule in check.rules], [rule.name for each in CHECKS for rule in each.rules]),
    ):
        for name in mine:
            if not (name.isascii() and name.isidentifier() and name.islower()):
                raise ValueError(f"{check.name}: {name!r} names no {what}: lower case letters, digits and _ do")
            if name in others or mine.count(name) > 1:
                raise ValueError(f"{check.name}: there is a {what} {name} already")
    known = {*_measurements(CHECKS), *check.measurements}
    for rule in check.rules:
        if rule.limit not in [limit.name for limit in check.limits]:
            raise ValueError(f"{check.name}: rule {rule.name} goes by {rule.limit}, which is none of its limits")
        for read in (rule.measurement, rule.before, rule.over, rule.graver and rule.graver[0]):
            if read is not None and read not in known:
                raise ValueError(f"{check.name}: rule {rule.name} reads {read}, which nothing measures")
    for note in check.notes:
        if note.measurement not in known:
            raise ValueError(f"{check.name}: a note reads {note.measurement}, which nothing measures")
    CHECKS.append(check)


def measurements() -> dict[str, Measurement]:
    """Every measurement there is, by name."""
    return _measurements(all_checks())


def _measurements(checks: Iterable[QualityCheck]) -> dict[str, Measurement]:
    return dict(chain.from_iterable(check.measurements.items() for check in checks))


def rules() -> tuple[Rule, ...]:
    return tuple(rule for check in all_checks() for rule in check.rules)


def notes() -> tuple[Note, ...]:
    return tuple(note for check in all_checks() for note in check.notes)


def looked_at_by() -> dict[str, tuple[str, ...]]:
    """By the name of a defect, the rules that look at it."""
    found: dict[str, tuple[str, ...]] = {}
    for rule in rules():
        for defect in (rule.name, *rule.places):
            found[defect] = (*found.get(defect, ()), rule.name)
    return found
