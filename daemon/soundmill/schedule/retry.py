"""What follows from a failed attempt. Pure: the decision is a value."""

from __future__ import annotations

from dataclasses import dataclass

from soundmill.jobs import FailureKind

PERMANENT = frozenset(
    {
        FailureKind.BAD_PARAMETER,
        FailureKind.UNKNOWN_MODEL,
        FailureKind.MODEL_UNAVAILABLE,
        FailureKind.MISSING_INPUT,
    }
)
TOOK_THE_ENGINE_DOWN = frozenset({FailureKind.ENGINE_DIED, FailureKind.TIMED_OUT})
LOST_THE_ENGINE = TOOK_THE_ENGINE_DOWN | {FailureKind.NODE_LOST}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`retry_at` None ends the job as failed. `counts`: the attempt uses up one of max_attempts.
    `suspect`: run the job alone next time, so that a clip that kills its engine takes no others
    with it. `reduce_slots`: halve the engine's slots before the next claim."""

    retry_at: float | None
    counts: bool = True
    suspect: bool = False
    reduce_slots: bool = False


def decide(
    kind: FailureKind,
    *,
    strikes: int,
    max_attempts: int,
    slots: int,
    now: float,
    jitter: float,
    backoff_max_s: float,
) -> Decision:
    """What to do about an attempt that failed with `kind`.

    `strikes` counts this attempt; `slots` are the engine's at the time; `jitter` is uniform in
    [0, 1) and stretches the wait of 2**strikes seconds by up to a half.
    """
    if kind in PERMANENT:
        return Decision(retry_at=None)
    if kind is FailureKind.NODE_LOST:
        return Decision(retry_at=now, counts=False)
    wait_s = min(2.0**strikes * (1 + jitter / 2), backoff_max_s)
    if kind is FailureKind.OUT_OF_MEMORY and slots > 1:
        # Not this job's fault while there are neighbours to give up: halving is bounded by itself.
        return Decision(retry_at=now + wait_s, counts=False, reduce_slots=True)
    if strikes >= max_attempts:
        return Decision(retry_at=None)
    return Decision(retry_at=now + wait_s, suspect=kind in TOOK_THE_ENGINE_DOWN)
