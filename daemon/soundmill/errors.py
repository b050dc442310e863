"""Every error Soundmill raises on purpose.

SoundmillError                  one line: what, where, the mend
├── UsageError                  the command was called wrongly (exit 2)
├── ConfigError                 soundmill.yaml cannot be used
├── HomeInUse                   another daemon works on this home
├── InvalidJobFile              carries every Problem of one job file
├── InvalidControl              a control file cannot be applied
├── CatalogError                the catalogue cannot be used
│   └── CatalogTooNew           written by a newer Soundmill
├── AlertNotSent                nobody took an alert
├── StorageUnavailable          the disk is full, read-only or gone: no job's fault
└── EngineError                 generation failed; the subclass is the kind of failure
    ├── BadParameter            permanent: this model cannot do what the row asks
    ├── UnknownModel            permanent: no such model
    ├── ModelUnavailable        permanent: known, but its weights are not to be had here
    ├── MissingInput            permanent: a melody or continuation file is missing or unreadable
    ├── OutOfMemory             transient: retried with half the slots
    └── EngineDied              transient: the engine process ended or was killed
        └── EngineNotStarted    no job's fault: the system cannot start a process now
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SoundmillError(Exception):
    """What went wrong, where, and the mend, in one line."""

    @property
    def told(self) -> str:
        """For people at a terminal."""
        return str(self)


class UsageError(SoundmillError):
    """The command was called in a way that makes no sense."""


class HomeInUse(SoundmillError):
    """Another daemon holds the lock of this home folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a job file or with soundmill.yaml.

    `line` is the 1-based line in the file, `field` the column or key, `value` what stands there
    (shortened), `message` what would be right. Each may be None where it has no meaning. `place` is
    what `line` counts where that is not the lines of a file: `sheet jobs, row`.
    """

    message: str
    line: int | None = None
    field: str | None = None
    value: str | None = None
    place: str | None = None

    def __str__(self) -> str:
        where = f"{self.place or 'line'} {self.line}" if self.line is not None else None
        what = f"{self.field} = {self.value}" if self.field and self.value is not None else self.field
        return ": ".join(part for part in (where, what, self.message) if part)


class ConfigError(SoundmillError):
    """soundmill.yaml cannot be used as it is; `problems` lists what is wrong with it, where that is known."""

    def __init__(self, said: str, problems: Sequence[Problem] = ()) -> None:
        self.problems = tuple(problems)
        self._said = said
        super().__init__(f"{said}: {'; '.join(map(str, self.problems))}" if problems else said)

    @property
    def told(self) -> str:
        """Each of several problems on a line of its own."""
        if len(self.problems) < 2:
            return str(self)
        return "\n  ".join((f"{self._said}: {len(self.problems)} problems", *map(str, self.problems)))


class InvalidJobFile(SoundmillError):
    """A job file was refused; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        first = str(self.problems[0]) if self.problems else "no reason given"
        super().__init__(first if count == 1 else f"{count} problems; the first: {first}")


class InvalidControl(SoundmillError):
    """A control file asks for something that cannot be done."""


class CatalogError(SoundmillError):
    """The catalogue cannot be opened, read or written."""


class CatalogTooNew(CatalogError):
    """The catalogue was written by a newer Soundmill than this one."""


class AlertNotSent(SoundmillError):
    """Nobody took an alert. The message tells no address and no token."""


class StorageUnavailable(SoundmillError):
    """The disk cannot take the file now; the job is not to blame and is queued again."""


class EngineError(SoundmillError):
    """Generation failed."""


class BadParameter(EngineError):
    """The model cannot do what the row asks."""


class UnknownModel(EngineError):
    """No model of that name."""


class ModelUnavailable(EngineError):
    """The model is known but its weights cannot be had here."""


class MissingInput(EngineError):
    """A melody or continuation file is missing or cannot be read as audio."""


class OutOfMemory(EngineError):
    """The device ran out of memory."""


class EngineDied(EngineError):
    """The engine process ended, or was killed for hanging."""


class EngineNotStarted(EngineDied):
    """The system could not start the engine process now: too many files or processes, no memory."""
