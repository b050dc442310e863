"""Report: what every sentence about findings is made with: numbers, intervals, names of levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from soundmill.report.statistics.findings import Contrast, WorstCondition
from soundmill.report.statistics.scale import Scale
from soundmill.report.wording.level_names import spoken
from soundmill.words import MOST_DECIMALS, p_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """What every sentence needs to know. `names`: of each factor's levels, see `level_names.told_apart`."""

    scale: Scale
    confidence: float
    takes: int  # with the response
    names: Mapping[str, Mapping[str, str]]

    @property
    def confidence_text(self) -> str:
        return f"{100 * self.confidence:g} % CI"

    @property
    def by_ear(self) -> bool:
        """Whether people judged, not the checks."""
        return self.scale.unit == "stars"

    @property
    def worth(self) -> str:
        """The least difference that anyone would act on: `5 points`."""
        return self.units(self.amount(self.scale.worth, 5 if self.scale.worth.is_integer() else 1))

    def amount(self, value: float, reach: float) -> str:
        """A number with as many decimals as an interval of this reach allows, or as it takes not to read 0."""
        decimals = 0 if reach >= 5 else 1 if reach >= 0.5 else 2
        while value != 0 and round(value, decimals) == 0 and decimals < MOST_DECIMALS:
            decimals += 1
        text = f"{value:.{decimals}f}"
        return "0" if float(text) == 0 else text.replace("-", "−")

    def units(self, text: str) -> str:
        return f"{text} {self.scale.unit[:-1] if text == '1' else self.scale.unit}"

    def interval(self, low: float, high: float) -> str:
        reach = (high - low) / 2
        return f"{self.confidence_text} {self.amount(low, reach)} to {self.amount(high, reach)}"

    def level(self, factor: str, level: str) -> str:
        """A level, or a range of levels, as it is named in sentences."""
        return spoken(self.names[factor].get(level, level))

    def lead(self, contrast: Contrast | WorstCondition, by: str = "by ") -> str:
        """`by 11 points (95 % CI 6 to 16)`."""
        if contrast.low is None or contrast.high is None:
            return f"{by}{self.units(self.amount(contrast.difference, 1.0))}"
        amount = self.amount(contrast.difference, (contrast.high - contrast.low) / 2)
        return f"{by}{self.units(amount)} ({self.interval(contrast.low, contrast.high)})"


def p_text(value: float | None) -> str:
    if value is None:
        return "p unknown"
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
