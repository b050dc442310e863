"""Report: what to keep in mind with the findings of an analysis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from soundmill.report.statistics.findings import Design, Take
from soundmill.report.statistics.model import Model
from soundmill.report.wording.voice import Voice
from soundmill.words import count, have, listed

FEW_SEEDS = 3
LEVELS_NAMED = 4  # of each kind
CEILING_SHARE = 0.25  # of takes at an end of the scale, from which on it hides differences


def caveats(model: Model, takes: Sequence[Take], voice: Voice, *, seeds_shared: bool) -> Iterator[str]:
    """Sentences on what the takes lack, the most far-reaching first."""
    table, adjusted, scale = model.table, model.adjusted, voice.scale
    yield from _limits(takes, voice)
    again = sum(take.tried_again for take in takes)
    if again:
        yield (
            f"{again} of {count(len(takes), 'job')} {'was' if again == 1 else 'were'} tried again; settings are "
            "compared by the first take of each job, because later ones have other seeds and are there only where the "
            "first did not pass."
        )
    scored = table.scored
    used = len(np.unique(table.seed_of[scored]))
    varied = sum(len(factor.levels) > 1 for factor in table.factors)
    if used == 1 and len(table.conditions) > 1:
        yield "There is one replicate only: what holds for its seed may not hold for others" + (
            ", and interactions count as error." if not model.within and varied > 1 else "."
        )
    elif seeds_shared and not adjusted.paired and used > 1:
        yield "The conditions do not share their seeds, so differences between seeds count as error."
    elif adjusted.paired and used <= FEW_SEEDS and table.design is not Design.NONE:
        few = "more seeds may change the order" if used > 2 else "a level that both seeds suit may pass for better"
        yield f"There are {used} replicates only: intervals are wide, and {few}."
    if table.design is Design.ONE_FACTOR_AT_A_TIME:
        yield "One factor at a time shows no interactions, and combinations of changes were not tried."
    empty = int((~table.has_score).sum())
    if empty:
        also = ", and interactions count as error" if not model.within and used > 1 and varied > 1 else ""
        yield f"{empty} of {count(len(table.conditions), 'condition')} {have(empty)} no take to compare{also}."
    failed = int((~table.made).sum())
    if failed:
        yield f"{failed} of {count(len(table.made), 'job')} failed and {have(failed)} no take."
    missing = int((table.made & ~scored).sum())
    if missing:
        of_all = f"{missing} of {count(int(table.made.sum()), 'take')}"
        yield f"{of_all} {have(missing)} nothing to compare and {'is' if missing == 1 else 'are'} left out."
    full = int((table.response[scored] >= scale.high).sum())
    if scored.any() and CEILING_SHARE <= full / scored.sum() < 1:
        of_all = f"{full} of {count(int(scored.sum()), 'take')}"
        yield f"{of_all} {have(full)} the full {scale.high:g} {scale.unit}, which hides differences among the best."


def _limits(takes: Sequence[Take], voice: Voice) -> Iterator[str]:
    """That takes are judged by limits of different kinds, and along which factors."""
    kinds = sorted({take.kind for take in takes if take.kind is not None})
    if len(kinds) < 2:
        return
    what = "pass rates" if voice.scale.unit == "stars" else "scores and pass rates"
    so = (
        f"so their {what} are not on one scale; to compare them, give all jobs the same quality, as in quality: "
        f"{kinds[0]} under defaults."
    )
    deciding = [name for name in voice.names if _decides_the_kind(name, takes)]
    fewest = min((len(voice.names[name]) for name in deciding), default=0)
    factors = [name for name in deciding if len(voice.names[name]) == fewest]  # a range decides by having a value each
    for name in factors:
        by_kind = [_levels_of(kind, name, takes, voice) for kind in kinds]
        yield f"The levels of {name} are judged by different limits ({', '.join(by_kind)}), {so}"
    if not factors:
        yield f"Takes are judged by different limits ({listed([_those_of(kind) for kind in kinds])}), {so}"


def _decides_the_kind(factor: str, takes: Sequence[Take]) -> bool:
    """Whether all takes of a level are judged by limits of the same kind."""
    found = {(take.condition.get(factor, ""), take.kind) for take in takes if take.kind is not None}
    return len(found) == len({level for level, _ in found})


def _levels_of(kind: str, factor: str, takes: Sequence[Take], voice: Voice) -> str:
    """`huge and tiny by those of music`."""
    levels = sorted({take.condition.get(factor, "") for take in takes if take.kind == kind})
    named = [voice.level(factor, level) for level in levels[:LEVELS_NAMED]]
    more = [f"{len(levels) - LEVELS_NAMED} more"] if len(levels) > LEVELS_NAMED else []
    return f"{listed([*named, *more])} by {_those_of(kind)}"


def _those_of(kind: str) -> str:
    return f"those of {kind.replace('_', ' ')}"
