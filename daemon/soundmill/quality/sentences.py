"""The quality room, wording: numbers and places as a person would say them. No numpy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Defects = Sequence[Mapping[str, object]]

NAMED_PLACES = 3
AT_THE_END_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a check read, for the sentence that says it.

    value: what counts against the limit; signed: the measurement itself; place: "" or times in brackets after a blank;
    hidden: the fault was worse before normalisation
    """

    value: float
    limit: float
    signed: float
    place: str
    hidden: bool


def numbers(value: float, limit: float, digits: int) -> tuple[str, str]:
    """Both rounded alike, with as many digits as it takes to tell two different numbers apart (at most six more)."""
    for more in range(7):
        texts = f"{value:z.{digits + more}f}", f"{limit:z.{digits + more}f}"
        if texts[0] != texts[1] or value == limit or not math.isfinite(value):
            break
    return texts


def percent(share: float, other: float) -> str:
    return f"{numbers(share * 100, other * 100, 0 if share >= 0.1 and other >= 0.1 else 1)[0]} %"


def count(number: float, one: str, many: str) -> str:
    return f"1 {one}" if number == 1 else f"{number:,.0f} {many}"


def where(defects: Defects, names: Iterable[str], duration_s: float | None) -> str:
    """The places of the defects of these names: " (from 3.2 s to the end)", or "" when none is known.

    The first three are named, longest first when they are spans.
    """
    wanted = frozenset(names)
    spans = [(_seconds(each, "start_s"), _seconds(each, "end_s")) for each in defects if each.get("name") in wanted]
    if not spans:
        return ""
    spans = sorted(set(spans), key=lambda span: (span[0] - span[1], span[0]))
    named = [_place(start, end, duration_s) for start, end in sorted(spans[:NAMED_PLACES])]
    more = f" and {len(spans) - NAMED_PLACES} more" if len(spans) > NAMED_PLACES else ""
    return f" ({', '.join(named)}{more})"


def _place(start: float, end: float, duration_s: float | None) -> str:
    if end - start < 0.005:
        return f"at {_short(start)} s"
    to_the_end = duration_s is not None and end >= duration_s - AT_THE_END_S
    if start < AT_THE_END_S and to_the_end:
        return "throughout"
    return f"from {_short(start)} s to {'the end' if to_the_end else f'{_short(end)} s'}"


def _short(seconds: float) -> str:
    return f"{seconds:.2f}".removesuffix("0").removesuffix(".0")


def _seconds(defect: Mapping[str, object], key: str) -> float:
    value = defect.get(key)
    return float(value) if isinstance(value, (int, float)) else 0.0
