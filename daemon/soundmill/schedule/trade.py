"""What a worker goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from soundmill.jobs import Attempt, Generated, GenerationRequest, Judge, Judgement
from soundmill.schedule.places import Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The numbers a worker goes by (times in seconds)."""

    max_attempts: int
    qc_retries: int
    backoff_max_s: float
    pass_over_s: float
    load_deadline_s: float
    poll_s: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """How work is done: what an engine is asked for, what is made of its answer, and the numbers to go by."""

    request_for: Callable[[Attempt], GenerationRequest]
    sidecar_for: Callable[[Attempt, Generated, Judgement], Mapping[str, object]]
    judge: Judge
    policy: Policy
    jitter: Callable[[], float]  # uniform in [0, 1): stretches waits, so that workers do not try again all at once
    places: Places
