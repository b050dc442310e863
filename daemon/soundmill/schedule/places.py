"""Which machines make the clips of which models. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

LOCAL = "local"  # the machine of the daemon, as far as its own devices work beside a cluster
Places = Mapping[str, Sequence[str]]  # by model: names of machines, or patterns such as rack1-*


def serves(places: Places, device: str, model: str) -> bool:
    """Whether an engine of `device` (cuda:0, or ws1/cuda:0 of another machine) makes clips of a model; all do of one
    that has no places."""
    if model not in places:
        return True
    machine = device.rpartition("/")[0] or LOCAL
    return any(fnmatchcase(machine, each) for each in places[model])
