"""Report: by how much the lead of one level over another changes between two levels of another factor.

Among all such differences of differences of two factors the clearest is named, after seeing all of them. So its
interval holds for all of them at once, the narrower of Bonferroni's and Scheffé's, and is nowhere shorter than
Student's of that change alone, by its own error: docs/statistics.md, "Interactions and what changes".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from soundmill.report.statistics.compare import DECIMALS
from soundmill.report.statistics.design import Floats
from soundmill.report.statistics.findings import LeadChange
from soundmill.report.statistics.intervals import t_quantile, t_quantiles
from soundmill.report.statistics.model import Model
from soundmill.report.statistics.own_errors import errors_of
from soundmill.report.statistics.scale import Scale
from soundmill.report.statistics.seeds import ErrorTerm

MOST_CHANGES = 50_000  # that are compared; of more, which takes dozens of levels each, none is named


@dataclass(frozen=True, slots=True, kw_only=True)
class Meetings:
    """Where the levels of two factors meet. `rows` (A, B, p) are the model's means there, and `unknown` (A, B, u) is
    what of them the conditions cannot tell."""

    model: Model
    rows: Floats
    unknown: Floats
    levels: tuple[tuple[str, ...], tuple[str, ...]]
    along_trend: bool  # the levels of one are the ends of a sampled range

    @property
    def means(self) -> Floats:
        """(A, B)"""
        return self.model.value(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The change that is named, and what no change exceeds at the confidence."""

    clearest: LeadChange
    at_most: float


def changes_of(
    meetings: Meetings, contrasts: Floats, error: ErrorTerm, scale: Scale, confidence: float
) -> Changes | None:
    """Every lead's change between two levels; None where there are too many, or none can be told. `contrasts` (q, p)
    span the interaction, and `error` is what they have in common."""
    count_a, count_b, p = meetings.rows.shape
    (one, other), (here, there) = np.triu_indices(count_a, k=1), np.triu_indices(count_b, k=1)
    if not 0 < len(one) * len(here) <= MOST_CHANGES:
        return None
    one, other = np.repeat(one, len(here)), np.repeat(other, len(here))
    here, there = np.tile(here, len(one) // len(here)), np.tile(there, len(one) // len(there))
    corners = [(one, here, 1.0), (other, here, -1.0), (one, there, -1.0), (other, there, 1.0)]
    means = meetings.means
    told = np.abs(sum(sign * meetings.unknown[a, b] for a, b, sign in corners)).max(axis=1, initial=0.0) < 1e-6
    if not told.any():
        return None
    rows = meetings.rows.reshape(-1, p)
    terms = [(a * count_b + b, sign) for a, b, sign in corners]
    changes = np.round(sum(sign * means[a, b] for a, b, sign in corners), DECIMALS)
    shared = _quantile(int(told.sum()), int(np.linalg.matrix_rank(contrasts)), error.df, confidence)
    own = errors_of(meetings.model, rows, terms, error, meetings.model.sphericity(contrasts))
    reach = np.maximum(shared * own.by_common, t_quantiles(confidence, own.df) * own.standard_errors)
    t = np.divide(np.abs(changes), reach, out=np.zeros_like(reach), where=told & (reach > 0))
    at = int(np.argmax(np.where(told, np.round(t, DECIMALS), -1.0)))
    return Changes(
        clearest=_named(meetings, (one[at], other[at]), (here[at], there[at]), float(reach[at]), scale),
        at_most=scale.clipped_change(float((np.abs(changes) + reach)[told].max())),
    )


def _quantile(changes: int, rank: int, df: float, confidence: float) -> float:
    """How many standard errors the intervals of that many changes reach to each side, all holding at once."""
    bonferroni = t_quantile(1 - (1 - confidence) / changes, df)
    scheffe = math.sqrt(rank * float(special.fdtri(rank, df, confidence)))
    return min(bonferroni, scheffe)


def _named(
    meetings: Meetings, levels: tuple[int, int], places: tuple[int, int], reach: float, scale: Scale
) -> LeadChange:
    """First the place where the lead is larger, and of the two levels first the one that leads there.

    A trend leads beyond the scale at the corners of two ranges, so leads are kept on it, and what they change by may
    then lie below its interval, which is made to reach there.
    """
    (one, other), means = levels, meetings.means
    here, there = sorted(places, key=lambda place: -abs(means[one, place] - means[other, place]))
    if means[one, here] < means[other, here]:
        one, other = other, one
    found = [float(np.round(means[one, place] - means[other, place], DECIMALS)) for place in (here, there)]
    more, less = (min(max(lead, -scale.span), scale.span) for lead in found)
    of_a, of_b = meetings.levels
    return LeadChange(
        better=of_a[one],
        worse=of_a[other],
        more_at=of_b[here],
        less_at=of_b[there],
        lead_more=more,
        lead_less=less,
        along_trend=meetings.along_trend,
        change=more - less,
        low=min(scale.clipped_change(found[0] - found[1] - reach), more - less),
        high=scale.clipped_change(found[0] - found[1] + reach),
    )
