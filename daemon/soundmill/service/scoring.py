"""Scoring, as the daemon does it: every take is heard once by every scorer of soundmill.yaml.

The scorers compute in a process of their own (engine/scorers/), beside generation and behind it in priority. What they
say is written down in the order takes were filed, so a daemon killed at any point hears at most one handful again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.scores import Unscored
from soundmill.config import Config, ScoringConfig
from soundmill.engine.devices import find_devices
from soundmill.engine.scorers.client import ScoringProcess
from soundmill.engine.scorers.messages import Scored, Take
from soundmill.engine.scorers.registry import Scores, find
from soundmill.errors import EngineDied, EngineError, EngineNotStarted
from soundmill.schedule.loop import LoopThread
from soundmill.service.survive import Outlive

log = logging.getLogger(__name__)

AT_ONCE = 8  # takes in one request: enough to fill a batch, few enough to be heard again after a crash
DEADLINE_S = 3600.0  # of one request; the first may fetch the weights
WAIT_S = 2.0  # between two looks for new takes
IDLE_S = 120.0  # without takes for this long, the process gives its memory back
FIRST_BLOCK_S = 60.0  # before a scorer that cannot work is asked again; doubled each time
LONGEST_BLOCK_S = 3600.0
AFTER_DEATH_S = 5.0
STOP_PATIENCE_S = 10.0


class Process(Protocol):
    """What scoring needs of engine/scorers/client.py."""

    def score(self, scorer: str, model: str, takes: Sequence[Take]) -> Scored: ...
    def interrupt(self) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Block:
    """Why a scorer is left alone for a while."""

    reason: str
    until: float
    wait_s: float


class Scoring:
    """`step()` is one round; the service gives it a thread, tests call it themselves.

    `models` maps each scorer to its weights, a Hugging Face id or a folder. `record(kind, message)` writes an event,
    `wait(seconds)` is called when there is nothing to do.
    """

    def __init__(
        self,
        catalog: Catalog,
        outputs: Path,
        *,
        models: Mapping[str, str],
        process: Process,
        record: Callable[[str, str], None],
        clock: Callable[[], float],
        wait: Callable[[float], object],
    ) -> None:
        self._catalog = catalog
        self._outputs = outputs
        self._models = models
        self._process = process
        self._record = record
        self._clock = clock
        self._wait = wait
        self._blocks: dict[str, Block] = {}
        self._limit = AT_ONCE
        self._suspect: int | None = None  # a take that took the scoring process down when it was alone in there
        self._worked_at = clock()
        self._stopping = False
        self.heard = 0  # takes, counted once per scorer
        for scorer, model in models.items():
            catalog.use_scorer(scorer, model, find(scorer).scores)

    @property
    def blocked_because(self) -> str | None:
        """Why a scorer cannot work at present, None while all of them can."""
        now = self._clock()
        return next((block.reason for block in self._blocks.values() if now < block.until), None)

    @property
    def worked_off(self) -> bool:
        """True when every scorer has heard every take, but for those scorers that cannot work."""
        return all(self._is_blocked(scorer) or not self._catalog.unscored(scorer, 1) for scorer in self._models)

    def step(self) -> None:
        """Score a handful of takes with the first scorer that has not heard them, or wait.

        Raises StorageUnavailable, CatalogError: what was heard is lost then, and heard again later.
        """
        for scorer in self._models:
            if not self._is_blocked(scorer) and (takes := self._catalog.unscored(scorer, self._limit)):
                self._score(scorer, takes)
                self._worked_at = self._clock()
                return
        if self._clock() - self._worked_at > IDLE_S:
            self._process.close()
        self._wait(WAIT_S)

    def stop(self) -> None:
        """Let a round that runs in another thread end soon."""
        self._stopping = True
        self._process.interrupt()

    def close(self) -> None:
        self._process.close()

    def _is_blocked(self, scorer: str) -> bool:
        block = self._blocks.get(scorer)
        return block is not None and self._clock() < block.until

    def _score(self, scorer: str, takes: Sequence[Unscored]) -> None:
        try:
            scores = self._hear(scorer, {take.output_id: take.path for take in takes}, takes)
        except EngineNotStarted:
            raise  # no take's fault
        except EngineDied as error:
            if not self._stopping:
                self._after_death(scorer, takes, str(error))
        except EngineError as error:
            self._block(scorer, str(error))
        else:
            self._catalog.record_scores(scorer, scores)
            self.heard += len(scores)
            self._limit = min(AT_ONCE, self._limit * 2)
            self._suspect = None
            if self._blocks.pop(scorer, None) is not None:
                self._record("scoring goes on", f"scorer {scorer} works again")

    def _hear(self, scorer: str, paths: Mapping[int, str], takes: Sequence[Unscored]) -> dict[int, Scores]:
        """The scores of all these takes, with nothing but None for one that cannot be read."""
        prompts = {take.output_id: take.prompt for take in takes}
        scored = self._process.score(
            scorer,
            self._models[scorer],
            [Take(key=key, file=self._outputs / path, prompt=prompts[key]) for key, path in paths.items()],
        )
        scores = dict(scored.scores)
        moved = {}
        for key, reason in scored.unread.items():
            path = self._catalog.take_path(key)
            if path != paths[key]:
                moved[key] = path  # it was set aside, or taken back, just now
            else:
                self._record("take not scored", f"{scorer}: {reason}")
                scores[key] = dict.fromkeys(find(scorer).scores)
        if moved:
            scores |= self._hear(scorer, moved, takes)
        # As `takes` were listed: the catalogue counts on the order.
        return {take.output_id: scores[take.output_id] for take in takes if take.output_id in scores}

    def _after_death(self, scorer: str, takes: Sequence[Unscored], reason: str) -> None:
        """The process ended under these takes: from now on one at a time, and past one that ends it twice."""
        if len(takes) == 1 and self._suspect == takes[0].output_id:
            self._record("take not scored", f"{scorer}: {takes[0].path}: {reason}")
            self._catalog.record_scores(scorer, {takes[0].output_id: dict.fromkeys(find(scorer).scores)})
            self._suspect = None
            return
        self._suspect = takes[0].output_id if len(takes) == 1 else None
        self._limit = 1
        self._block(scorer, reason, wait_s=AFTER_DEATH_S)

    def _block(self, scorer: str, reason: str, wait_s: float | None = None) -> None:
        former = self._blocks.get(scorer)
        wait_s = wait_s or (min(former.wait_s * 2, LONGEST_BLOCK_S) if former else FIRST_BLOCK_S)
        self._blocks[scorer] = Block(reason, self._clock() + wait_s, wait_s)
        if former is None or former.reason != reason:
            self._record("scoring held up", reason)
        log.debug("%s; asked again in %g s", reason, wait_s)


class ScoringThread:
    """Scoring in a thread of its own, replaced when it dies; nothing at all when no scorer is switched on."""

    def __init__(
        self,
        catalog: Catalog,
        outputs: Path,
        config: Config,
        generating: Sequence[str],
        record: Callable[[str, str], None],
        outlive: Outlive,
        clock: Callable[[], float],
    ) -> None:
        """`generating` are the devices of the engines. Nothing is started before the first `check`."""
        self._start_of = (catalog, outputs, config, generating)
        self._record = record
        self._outlive = outlive
        self._clock = clock
        self._wanted = bool(config.scoring.chosen)
        self._scoring: Scoring | None = None

    @property
    def worked_off(self) -> bool:
        return not self._wanted or (self._scoring is not None and self._scoring.worked_off)

    def check(self) -> None:
        """Start the thread, or replace it when it died."""
        if self._scoring is not None and not self._thread.alive:
            former, self._scoring = self._scoring, None
            self._record("scoring restarted", f"the scoring thread ended: {self._thread.error}")
            former.close()
        if self._wanted and self._scoring is None:
            self._start()

    def use(self, config: Config, generating: Sequence[str]) -> None:
        """Score by other settings, where they differ; the next `check` starts it."""
        catalog, outputs, former, formerly = self._start_of
        if (config.scoring, tuple(generating)) != (former.scoring, tuple(formerly)):
            self.stop()
            self._scoring = None
        self._start_of = (catalog, outputs, config, generating)
        self._wanted = bool(config.scoring.chosen)

    def stop(self) -> None:
        if self._scoring is None:
            return
        self._thread.stop()
        self._scoring.stop()
        self._wake.set()
        if self._thread.join(STOP_PATIENCE_S):
            self._scoring.close()

    def _start(self) -> None:
        catalog, outputs, config, generating = self._start_of
        self._wake = threading.Event()
        if config.scoring.scorers != config.scoring.chosen:
            self._record("scorers found", f"takes are scored by {' and '.join(config.scoring.chosen)}, which are here")
        self._scoring = Scoring(
            catalog,
            outputs,
            models=models_of(config.scoring),
            process=open_process(config, generating),
            record=self._record,
            clock=self._clock,
            wait=self._wake.wait,
        )
        self._thread = LoopThread("scoring", self._step, clock=self._clock)
        self._thread.start()

    def _step(self) -> None:
        if self._scoring is not None and not self._outlive("scoring", self._scoring.step):
            self._wake.wait(WAIT_S)


def models_of(config: ScoringConfig) -> dict[str, str]:
    """The weights of each scorer that is switched on."""
    return {scorer: config.weights_of(scorer) for scorer in config.chosen}


def device_of(config: ScoringConfig, generating: Sequence[str], found: Sequence[str]) -> str:
    """Where to score: the device named, or for "auto" one of `found` that generates nothing, else the CPU."""
    if config.device != "auto":
        return config.device
    return next((device for device in found if device not in generating), "cpu")


def open_process(config: Config, generating: Sequence[str]) -> ScoringProcess:
    """The scoring process of a daemon whose engines are on the devices `generating`; nothing is started yet."""
    found = find_devices("auto") if config.scoring.device == "auto" else ()
    return ScoringProcess(device_of(config.scoring, generating, found), deadline_s=DEADLINE_S)
