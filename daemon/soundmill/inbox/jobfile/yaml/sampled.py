"""Inbox: the conditions of a sampled design — points in the cube of all factors, turned into levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from soundmill.inbox.jobfile.points import Draw, Points
from soundmill.inbox.jobfile.yaml.axes import Axis
from soundmill.inbox.jobfile.yaml.designs import Condition
from soundmill.jobs import derive_seed

MOST_FACTORS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The conditions drawn by one batch, and the seed they follow from."""

    conditions: tuple[Condition, ...]
    seed: int


def sample(
    design: str, axes: Sequence[Axis], *, drawn: int, n: int, ulid: str, draw: Callable[[Draw], Points]
) -> Sample:
    """Points `drawn` to `n` of the design that began with batch `ulid`.

    A Sobol sequence goes on where it stopped; a Latin hypercube gets another block of strata, drawn anew.
    What `draw` raises is raised here.
    """
    is_sequence = design == "sobol"
    seed = derive_seed(ulid, "design", 0 if is_sequence else drawn)
    if n <= drawn:
        return Sample(conditions=(), seed=seed)
    points = draw(Draw(design=design, factors=len(axes), skip=drawn if is_sequence else 0, count=n - drawn, seed=seed))
    columns = [
        column if is_sequence or not axis.is_stepped else centred(column)
        for axis, column in zip(axes, zip(*points, strict=True), strict=True)
    ]
    return Sample(
        conditions=tuple(
            tuple(axis.level(share) for axis, share in zip(axes, shares, strict=True))
            for shares in zip(*columns, strict=True)
        ),
        seed=seed,
    )


def centred(column: Sequence[float]) -> list[float]:
    """Each number moved to the middle of its stratum: levels then occur equally often, or differ by one."""
    order = sorted(range(len(column)), key=column.__getitem__)
    ranks = {index: rank for rank, index in enumerate(order)}
    return [(ranks[index] + 0.5) / len(column) for index in range(len(column))]


def most_conditions(axes: Sequence[Axis]) -> int:
    """How many different conditions the factors have."""
    return math.prod(axis.count for axis in axes)
