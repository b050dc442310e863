"""The quality room, wording: numbers and places as a person would say them. No numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Defects = Sequence[Mapping[str, object]]

NAMED_PLACES = 3
AT_THE_END_S = 0.02
AS_LONG_S = 0.5  # no channel is said to be the silent one for less


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a check read, for the sentence that says it.

    value: what counts against the limit; signed: the measurement itself; place: "" or times in brackets after a blank;
    whose: the clip, or the one of two channels that the places are in; hidden: the fault was worse before
    normalisation; measured: all that was measured of the clip
    """

    value: float
    limit: float
    signed: float
    place: str
    whose: str
    hidden: bool
    measured: Mapping[str, float | None] = field(default_factory=dict)


def numbers(value: float, limit: float, digits: int) -> tuple[str, str]:
    """Both rounded alike, with as many digits as it takes to tell two different numbers apart (at most six more)."""
    for more in range(7):
        texts = f"{value:z.{digits + more}f}", f"{limit:z.{digits + more}f}"
        if texts[0] != texts[1] or value == limit or not math.isfinite(value):
            break
    return texts[0].replace("-", "−"), texts[1].replace("-", "−")


def percent(share: float, other: float) -> str:
    return f"{numbers(share * 100, other * 100, 0 if share >= 0.1 and other >= 0.1 else 1)[0]} %"


def count(number: float, one: str, many: str) -> str:
    return f"1 {one}" if number == 1 else f"{number:,.0f} {many}"


def named(defects: Defects, names: Iterable[str]) -> list[Mapping[str, object]]:
    """The defects of these names."""
    wanted = frozenset(names)
    return [each for each in defects if each.get("name") in wanted]


def worse_channel(defects: Defects) -> str | None:
    """left or right, where these defects last longer in that one of two channels; else None."""
    lasting = {
        channel: sum(_seconds(each, "end_s") - _seconds(each, "start_s") for each in in_channel(defects, channel))
        for channel in ("left", "right")
    }
    channel = max(lasting, key=lambda each: lasting[each])
    return channel if lasting[channel] - min(lasting.values()) > AS_LONG_S else None


def in_channel(defects: Defects, channel: str) -> list[Mapping[str, object]]:
    """Those of the defects that are in this channel, by their detail."""
    return [each for each in defects if str(each.get("detail")).endswith((f"in channel {channel}", "in all channels"))]


def where(defects: Defects, duration_s: float | None) -> str:
    """The places of the defects: " (from 3.2 s to the end)", or "" when there are none.

    The first three are named, longest first when they are spans.
    """
    spans = [(_seconds(each, "start_s"), _seconds(each, "end_s")) for each in defects]
    if not spans:
        return ""
    spans = sorted(set(spans), key=lambda span: (span[0] - span[1], span[0]))
    said = [_place(start, end, duration_s) for start, end in sorted(spans[:NAMED_PLACES])]
    more = f" and {len(spans) - NAMED_PLACES} more" if len(spans) > NAMED_PLACES else ""
    return f" ({', '.join(said)}{more})"


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


# --- what most rules say: a text with {found}, {limit} and, where it has them, {place}, {whose} and {when} ---


def share(text: str) -> Callable[[Reading], str]:
    """Of a fraction of the whole, in percent."""
    return lambda r: text.format(
        found=percent(r.value, r.limit),
        limit=percent(r.limit, r.value),
        place=r.place,
        whose=r.whose,
        when=" before normalisation" if r.hidden else "",
    )


def amount(text: str, digits: int) -> Callable[[Reading], str]:
    """Of a number with so many digits after the point."""

    def says(r: Reading) -> str:
        found, limit = numbers(r.value, r.limit, digits)
        return text.format(found=found, limit=limit, place=r.place)

    return says


def fault(text: str, none: str, digits: int) -> Callable[[Reading], str]:
    """As amount, with a sentence of its own for no fault at all."""
    some = amount(text, digits)
    return lambda r: none if r.value <= 0 else some(r)
