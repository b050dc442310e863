"""Inbox: a factor's range of numbers, `{min: 0.5, max: 1.5}`, and the level that lies at each share of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from soundmill.inbox.jobfile.cells import JOB_FIELDS, RANGE_FIELDS, Wrong
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.written import FactorRange
from soundmill.inbox.jobfile.yaml.nodes import Pairs
from soundmill.inbox.jobfile.yaml.values import plain_text, unknown_key, value

RESOLUTION = 1000  # a range without a step is rounded to a digit finer than this part of it
LARGEST = 1e9  # of the numbers that stand for a placeholder


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Numbers from `low` to `high`, evenly or by their logarithm; with a `step`, `low` and every so far above it."""

    low: float
    high: float
    log: bool
    step: float | None

    @property
    def count(self) -> int:
        """How many different levels there are, about: the digits of a logarithmic range vary along it."""
        if self.step is not None:
            return int((Decimal(repr(self.high)) - Decimal(repr(self.low))) / Decimal(repr(self.step))) + 1
        if self.log:
            return RESOLUTION
        return round((self.high - self.low) * 10.0 ** _decimals(self.high - self.low)) + 1

    def level(self, share: float) -> str:
        """The level at this share of the range, 0 to 1, as one would write it.

        Evenly stepped levels have equal parts of the range each; those on a logarithmic scale are the nearest.
        """
        if self.step is not None and not self.log:
            return self._stepped(min(int(share * self.count), self.count - 1))
        if not self.log:
            span = self.high - self.low
            return self._rounded(self.low + share * span, span)
        ratio = math.log(self.high) - math.log(self.low)  # the quotient itself may be too large for a float
        found = math.exp(math.log(self.low) + share * ratio)
        if self.step is not None:
            return self._stepped(min(round((found - self.low) / self.step), self.count - 1))
        return self._rounded(found, found * ratio)

    def as_written(self) -> Mapping[str, object]:
        step = {} if self.step is None else {"step": self.step}
        return {"min": self.low, "max": self.high, "scale": "log" if self.log else "linear", **step}

    def _stepped(self, number: int) -> str:
        # in decimals, because in binary 0.1 and three steps of 0.1 are not 0.4
        return _written(Decimal(repr(self.low)) + number * Decimal(repr(self.step)))

    def _rounded(self, found: float, span: float) -> str:
        rounded = round(found, _decimals(span))
        return _written(Decimal(repr(min(max(rounded, self.low), self.high))))


def _decimals(span: float) -> int:
    return max(0, -math.floor(math.log10(span / RESOLUTION)))


def _written(number: Decimal) -> str:
    """Without needless zeros, and without an exponent."""
    return f"{number:f}".rstrip("0").rstrip(".")  # there is a point: these numbers were floats


def read_range(name: str, node: Pairs, sets_field: bool, problems: Problems) -> Range | None:
    """The range of a factor, or None after telling `problems` what is wrong with it."""
    told = len(problems)
    if sets_field and not JOB_FIELDS[name].is_number:
        problems.add("is not a number, so it has no range; list its levels, as in [calm, tense]", node.line, name)
        return None
    for key, (line, _) in node.entries.items():
        if key not in FactorRange.model_fields:
            unknown_key(key, line, "in a range", FactorRange.model_fields, problems)
    low, high = (_bound(name, end, node, sets_field, problems) for end in ("min", "max"))
    settings = {
        key: value(node.entries[key][1], RANGE_FIELDS[key], problems) if key in node.entries else None
        for key in RANGE_FIELDS
    }
    if len(problems) > told:
        return None
    assert low is not None and high is not None
    log, step = settings["scale"] == "log", settings["step"]
    if sets_field and JOB_FIELDS[name].is_whole:
        step = 1.0 if step is None else step
        if step != int(step):
            problems.add("must be a whole number, as the levels are", node.entries["step"][0], f"{name} step")
    if low >= high:
        problems.add("min must be below max", node.line, name)
    elif step is not None and step > high - low:
        problems.add("step must be at most the distance from min to max", node.line, name)
    if log and low <= 0:
        problems.add("scale: log needs a min above 0", node.line, name)
    if len(problems) > told:
        return None
    return Range(low=low, high=high, log=log, step=step)


def _bound(name: str, end: str, node: Pairs, sets_field: bool, problems: Problems) -> float | None:
    if end not in node.entries:
        problems.add(f"needs {end}: a range is written {{min: 0.5, max: 1.5}}", node.line, name)
        return None
    entry = node.entries[end][1]
    text = plain_text(entry, f"{name} {end}", problems)
    if text is None:
        return None
    try:
        return float(_number(name, text, sets_field))
    except Wrong as wrong:
        problems.add(str(wrong), entry.line, f"{name} {end}", text)
        return None


def _number(name: str, text: str, sets_field: bool) -> Any:
    if not text:
        raise Wrong("must not be blank")
    if sets_field:
        return JOB_FIELDS[name].read(text)
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not abs(found) <= LARGEST:
        raise Wrong(f"must be a number from -{LARGEST:,.0f} to {LARGEST:,.0f}")
    return found
