"""Inbox: what a job file is read against — the models there are, the home's defaults, the limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from soundmill.errors import InvalidControl
from soundmill.inbox.jobfile.naming.pattern import Naming
from soundmill.inbox.jobfile.points import Draw, Points, draw_apart
from soundmill.jobs import AudioFormat, QcAction


class ModelTraits(Protocol):
    """What the inbox must know of a model to refuse a row it cannot serve."""

    @property
    def name(self) -> str: ...

    @property
    def takes_melody(self) -> bool: ...

    @property
    def max_duration_s(self) -> float: ...

    @property
    def continues_s(self) -> float:
        """A file it continues must be shorter; 0: it continues none, infinite: not known before it is loaded."""
        ...


class EarlierExperiment(Protocol):
    """A batch that an experiment extends, with all batches it is related to by extending: its family."""

    @property
    def batch(self) -> str:
        """The batch's name."""
        ...

    @property
    def ulid(self) -> str:
        """Of the batch the family began with: seeds derive from it in every batch of the family."""
        ...

    @property
    def plan(self) -> Mapping[str, object]:
        """The batch's experiment as it was recorded (BatchSpec.experiment)."""
        ...

    @property
    def drawn(self) -> int:
        """How many points of a sampled design the family has."""
        ...

    @property
    def conditions(self) -> Sequence[tuple[Mapping[str, str], frozenset[int]]]:
        """The family's conditions, oldest first, with the numbers of their replicates."""
        ...


def no_experiments(name: str) -> EarlierExperiment:
    """Where there is no catalogue to look into. Raises InvalidControl."""
    raise InvalidControl("there is no catalogue here, and so no batch to extend; run the first experiment first")


def untold(file: Path) -> float | None:
    """Where nobody can tell how long an audio file is."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How one job file is read. `resolve_model` raises errors.UnknownModel with the mend, `find_experiment`
    errors.InvalidControl; `length_of` gives the seconds of an audio file, None where its header doesn't tell, and
    raises errors.MissingInput with the mend; `draw` gives the points of a sampled design, the same ones for the same
    Draw."""

    ulid: str
    folder: Path  # melody and continue_from are relative to it
    resolve_model: Callable[[str], ModelTraits]
    default_model: str
    default_duration: float  # seconds
    default_format: AudioFormat
    default_on_qc_fail: QcAction
    max_jobs: int
    find_experiment: Callable[[str], EarlierExperiment] = no_experiments
    draw: Callable[[Draw], Points] = draw_apart
    length_of: Callable[[Path], float | None] = untold
    input_folders: tuple[Path, ...] | None = None  # melody and continue_from may be in these alone; None: anywhere
    profiles: frozenset[str] | None = None  # that a file may be delivered by; None: any
    delivery_folders: tuple[
        Path, ...
    ] = ()  # deliveries go below these alone, the first is the usual one; none: anywhere
    naming: Naming | None = None  # of clips, where neither the row nor the file says
