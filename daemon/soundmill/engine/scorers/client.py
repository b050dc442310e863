"""The scoring room, client: scoring done in a process of its own, as the daemon holds it. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from soundmill.engine.process.child import Child, Gone
from soundmill.engine.scorers.messages import Answer, Score, Scored, Take
from soundmill.errors import EngineDied

_LOOK_AGAIN_S = 0.5
# The libraries tell their makers nothing, and look for nothing, behind the operator's back.
ENVIRONMENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_SAFETENSORS_CONVERSION": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class ScoringProcess:
    """Scores takes on `device`. The process is started when it is needed and killed when it takes longer than
    `deadline_s` for one call, on `clock`. Not thread-safe, but for `interrupt`."""

    def __init__(
        self,
        device: str,
        *,
        deadline_s: float,
        module: str = "soundmill.engine.scorers.server",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = device
        self._deadline_s = deadline_s
        self._module = module
        self._clock = clock
        self._child: Child[Score, Answer] | None = None
        self._interrupted = False

    @property
    def pid(self) -> int | None:
        """None while there is no process."""
        return self._child.pid if self._child else None

    def score(self, scorer: str, model: str, takes: Iterable[Take]) -> Scored:
        """Raises what the scorer raised (an EngineError), and EngineDied when the process ended or was too slow."""
        try:
            if self._child is None:
                # No GPU is seen by a process that is to compute on the CPU, so none can be touched by mistake.
                hidden = {"CUDA_VISIBLE_DEVICES": ""} if self.device == "cpu" else {}
                self._child = Child(
                    self._module, self.device, (), name="the scoring process", environment=ENVIRONMENT | hidden
                )
            self._child.send(Score(scorer=scorer, model=model, takes=tuple(takes)))
            answer = self._await(self._child)
        except Gone:
            raise EngineDied(self._bury(None)) from None
        if isinstance(answer, Scored):
            return answer
        raise answer.error

    def interrupt(self) -> None:
        """Let a call of `score` that waits in another thread end soon, with EngineDied."""
        self._interrupted = True

    def close(self) -> None:
        if self._child is not None:
            child, self._child = self._child, None
            child.stop()

    def _await(self, child: Child[Score, Answer]) -> Answer:
        until = self._clock() + self._deadline_s
        while (left_s := until - self._clock()) > 0 and not self._interrupted:
            message = child.receive(min(left_s, _LOOK_AGAIN_S))
            if message is not None:
                return message
        reason = "the daemon stops" if self._interrupted else f"no scores after {self._deadline_s:g} s"
        raise EngineDied(self._bury(reason))

    def _bury(self, reason: str | None) -> str:
        assert self._child is not None
        child, self._child = self._child, None
        with suppress(OSError):
            return child.bury(reason)[1]
        return "the scoring process ended"
