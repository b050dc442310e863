"""Report: which takes to hear first where nothing says which is better: those that differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields

from soundmill.jobs import Parameters
from soundmill.report.record import Found, JobRecord


def to_hear_first(takes: Sequence[Found], most: int) -> list[Found]:
    """So many of the takes: one of each row, then those least like what was heard before; among equals the earlier job.

    A row is a prompt with its settings. How unlike two takes are is the root mean square of the differences of what was
    measured of both, each over its standard deviation among these takes.
    """
    left = sorted(takes, key=lambda found: found[0].id)
    places = dict(zip((id(found) for found in left), _places(left), strict=True))
    nearest = dict.fromkeys(places, math.inf)
    rows: set[object] = set()
    heard: list[Found] = []
    while left and len(heard) < most:
        following = max(left, key=lambda found: (_row(found[0]) not in rows, nearest[id(found)]))
        left = [found for found in left if found is not following]
        heard.append(following)
        rows.add(_row(following[0]))
        for found in left:
            nearest[id(found)] = min(nearest[id(found)], math.dist(places[id(found)], places[id(following)]))
    return heard


def _row(job: JobRecord) -> object:
    settings = [getattr(job, each.name) for each in fields(Parameters)]
    return job.prompt, job.model, *settings, *sorted(job.condition.items())


def _places(takes: Sequence[Found]) -> list[tuple[float, ...]]:
    """Where each take lies, by the measurements that all have and that differ."""
    found: list[list[float]] = [[] for _ in takes]
    for name in sorted({name for _, take in takes for name in take.measurements}):
        values = [take.measurements.get(name) for _, take in takes]
        known = [value for value in values if value is not None and math.isfinite(value)]
        if len(known) < len(takes):
            continue
        mean = math.fsum(known) / len(known)
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / len(known))
        if deviation > 0:
            for place, value in zip(found, known, strict=True):
                place.append((value - mean) / deviation)
    return [tuple(place) for place in found]
