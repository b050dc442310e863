"""The ground, words: how numbers, times, counts, lists and near misses are put into words, in every stage alike."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

MOST_DECIMALS = 6
# What makes a spreadsheet run a cell (OWASP, "CSV Injection"), with the full-width forms some convert.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def number(value: float) -> str:
    """Two decimals from one upwards, three significant digits below, none where there are none."""
    if not math.isfinite(value):
        return "not a number"
    if float(value).is_integer():
        return str(int(value))
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:.3g}"


def one_decimal(value: float) -> str:
    """0.0 for what rounds to it, from either side."""
    return f"{value:z.1f}".replace("-", "−")


def percent(share: float) -> str:
    """`0.8235` as `82 %`; what is not quite none or all is never written as 0 or 100 %."""
    rounded = round(100 * share)
    if rounded == 0 and share > 0:
        return "under 1 %"
    if rounded == 100 and share < 1:
        return "over 99 %"
    return f"{rounded} %"


def p_value(value: float) -> str:
    """`0.04`, `0.004`, `< 0.001`."""
    return "< 0.001" if value < 0.001 else f"{value:.{3 if value < 0.01 else 2}f}"


def percents(low: float, high: float) -> str:
    """`62 to 88 %`, with as many decimals as it takes not to read 0 or 100 where it is not."""
    return f"{_percent_digits(low)} to {_percent_digits(high)} %"


def _percent_digits(share: float) -> str:
    digits = 0
    while 0 < share < 1 and round(100 * share, digits) in (0, 100) and digits < MOST_DECIMALS:
        digits += 1
    return f"{100 * share:.{digits}f}"


def count(number_of: int, noun: str) -> str:
    """`1 take`, `1,200 takes`."""
    return f"{number_of:,} {noun}{'' if number_of == 1 else 's'}"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; of one or more."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def size(bytes_: int) -> str:
    """Bytes as a person reads them (1 MB = 10^6 bytes, as file managers show it)."""
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if bytes_ >= power:
            return f"{bytes_ / power:.1f} {unit}"
    return f"{bytes_} bytes"


def have(number_of: int) -> str:
    """The verb after a count."""
    return "has" if number_of == 1 else "have"


def span(seconds: float) -> str:
    """`90061` as `1 d 1 h`, `4.2` as `4.2 s`: what a person plans by."""
    if seconds < 9.95:
        return f"{number(round(max(seconds, 0.0), 1))} s"
    parts = []
    rest = round(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        whole, rest = divmod(rest, size)
        if whole:
            parts.append(f"{whole} {unit}")
    return " ".join(parts[:2])


def moment(at: float) -> str:
    """Unix seconds as `2026-03-01 14:05 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso(at: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shortened(text: str, longest: int) -> str:
    """On one line, and cut with an ellipsis where it is longer."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def composed(name: str) -> str:
    """NFC, as names in the catalogue are; Macs hand over é as e and an accent."""
    return unicodedata.normalize("NFC", name)


def same_name(name: str) -> str:
    """What two names have in common when a file system that ignores case or composes letters holds them for one."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def distance(a: str, b: str) -> int:
    """Typing errors between two words: letters left out, added, changed, or two neighbours swapped.

    Source: the restricted Damerau-Levenshtein ("optimal string alignment") recurrence.
    """
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        current = [i]
        for j, other in enumerate(b, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]


def normal(name: str) -> str:
    """`Top K`, `top-k` and ` TOP_K ` are all top_k."""
    return "_".join(name.strip().casefold().replace("-", " ").split())


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, for a name that has to be a known one; None where none is like it.

    Up to a third of the letters of the known name may be wrong, three at most; of equally close ones the first in the
    alphabet. Failing that, it is the first that begins with three or more letters given.
    """
    word, known = normal(name), sorted(known)
    best: tuple[int, str] | None = None
    for candidate in known:
        forgiven = max(1, min(3, (len(candidate) + 1) // 3))
        if abs(len(candidate) - len(word)) <= forgiven and (found := distance(word, normal(candidate))) <= forgiven:
            best = min(best or (found, candidate), (found, candidate))
    if best is not None:
        return best[1]
    return next((each for each in known if len(word) >= 3 and normal(each).startswith(word)), None)


def did_you_mean(suggestion: str | None) -> str:
    """The end of a sentence about a wrong name."""
    return f"; did you mean {suggestion}?" if suggestion else ""


def safe_cell(value: object) -> object:
    """The value as a cell that no spreadsheet runs: text that looks like a formula gets an apostrophe in front.

    Numbers stay numbers, also negative ones; None is blank.
    """
    if value is None:
        return ""
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA_STARTS):
        return f"'{value}"
    return value
