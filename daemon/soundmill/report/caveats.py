"""Report: what to keep in mind with the findings of an analysis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from soundmill.report.findings import Design
from soundmill.report.model import Model
from soundmill.report.scale import Scale
from soundmill.report.words import count

FEW_SEEDS = 3
CEILING_SHARE = 0.25  # of takes at an end of the scale, from which on it hides differences


def caveats(model: Model, scale: Scale, *, seeds_shared: bool) -> Iterator[str]:
    """Sentences on what the takes lack, the most far-reaching first."""
    table, adjusted = model.table, model.adjusted
    scored = table.scored
    used = len(np.unique(table.seed_of[scored]))
    varied = sum(len(factor.levels) > 1 for factor in table.factors)
    if used == 1 and len(table.conditions) > 1:
        yield "There is one replicate only: what holds for its seed may not hold for others" + (
            ", and interactions count as error." if not model.within and varied > 1 else "."
        )
    elif seeds_shared and not adjusted.paired and used > 1:
        yield "The conditions do not share their seeds, so differences between seeds count as error."
    elif adjusted.paired and used <= FEW_SEEDS:
        few = "more seeds may change the order" if used > 2 else "a level that both seeds suit may pass for better"
        yield f"There are {used} replicates only: intervals are wide, and {few}."
    if table.design is Design.ONE_FACTOR_AT_A_TIME:
        yield "One factor at a time shows no interactions, and combinations of changes were not tried."
    empty = int((~table.has_score).sum())
    if empty:
        also = ", and interactions count as error" if not model.within and used > 1 and varied > 1 else ""
        yield f"{empty} of {count(len(table.conditions), 'condition')} have no take to compare{also}."
    missing = int((~scored).sum())
    if missing:
        yield f"{missing} of {count(len(scored), 'take')} have nothing to compare and are left out."
    full = int((table.response[scored] >= scale.high).sum())
    if scored.any() and CEILING_SHARE <= full / scored.sum() < 1:
        have = f"{full} of {count(int(scored.sum()), 'take')} have the full {scale.high:g} {scale.unit}"
        yield f"{have}, which hides differences among the best."
