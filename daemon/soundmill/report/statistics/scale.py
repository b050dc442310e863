"""Report: the scale a response is measured on — its unit, its ends, and what counts as a difference."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from soundmill.report.statistics.design import Floats
from soundmill.report.statistics.findings import Contrast, Response

POINTS_WORTH_KNOWING = 5.0
STARS_WORTH_KNOWING = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """`floor`: the error variance is never taken to be less than that of rounding to `step`, step² / 12 (Sheppard), so
    that takes which happen to score alike do not make a comparison infinitely sure."""

    unit: str  # in the plural
    low: float
    high: float
    step: float
    rounding: float  # the largest difference that rounding alone makes; 0 for stars, which are whole to begin with
    worth: float  # the least difference that anyone would act on

    def too_small(self, contrasts: Iterable[Contrast]) -> bool:
        """Whether the intervals of all these differences hold nothing that anyone would act on."""
        bounds = [abs(bound) for one in contrasts for bound in (one.low, one.high) if bound is not None]
        return bool(bounds) and max(bounds) <= self.worth

    @property
    def floor(self) -> float:
        return self.step**2 / 12

    @property
    def span(self) -> float:
        return self.high - self.low

    def clipped(self, value: float) -> float | None:
        """A mean or a bound of its interval, kept where the scale ends; None for nan.

        A linear model can lead beyond: it adds up effects that scores pressed against the end do not show.
        """
        return None if math.isnan(value) else float(min(max(value, self.low), self.high))

    def interval(self, mean: float, reach: float) -> tuple[float | None, float | None]:
        """Around a mean kept on the scale, and itself kept there; None for nan.

        On the scale the mean is no further from the truth than it was beyond, so the interval holds it no less often.
        """
        kept = self.clipped(mean)
        return (None, None) if kept is None else (self.clipped(kept - reach), self.clipped(kept + reach))

    def clipped_difference(self, value: float) -> float | None:
        """A bound of a difference's interval: no difference exceeds the whole scale; None for nan."""
        return None if math.isnan(value) else float(min(max(value, -self.span), self.span))

    def clipped_change(self, value: float) -> float:
        """How much a difference changes, or a bound of it: no more than from one end of its own scale to the other."""
        return min(max(value, -2 * self.span), 2 * self.span)


def scale_of(response: Response, values: Floats, worth: float | None) -> Scale:
    """The documented scale of a response, widened where values (n,), nan for none, lie outside it."""
    low, high = (0.0, 100.0) if response is Response.SCORE else (1.0, 5.0)
    known = values[~np.isnan(values)]
    usual = POINTS_WORTH_KNOWING if response is Response.SCORE else STARS_WORTH_KNOWING
    return Scale(
        unit="points" if response is Response.SCORE else "stars",
        low=min(low, float(known.min(initial=low))),
        high=max(high, float(known.max(initial=high))),
        step=0.1 if response is Response.SCORE else 1.0,
        rounding=0.1 if response is Response.SCORE else 0.0,
        worth=usual if worth is None else worth,
    )
