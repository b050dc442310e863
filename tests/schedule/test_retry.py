from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundmill.jobs import FailureKind
from soundmill.schedule.retry import PERMANENT, Decision, decide

TRANSIENT = sorted(set(FailureKind) - PERMANENT - {FailureKind.NODE_LOST})


def decision(kind: FailureKind, strikes: int = 1, slots: int = 1, jitter: float = 0.0) -> Decision:
    return decide(kind, strikes=strikes, max_attempts=3, slots=slots, now=1000.0, jitter=jitter, backoff_max_s=60.0)


@pytest.mark.parametrize("kind", sorted(PERMANENT))
def test_a_permanent_error_fails_at_once(kind: FailureKind) -> None:
    assert decision(kind).retry_at is None


@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_transient_error_waits_and_is_given_up_after_the_last_attempt(kind: FailureKind) -> None:
    assert decision(kind, strikes=1).retry_at == 1002.0
    assert decision(kind, strikes=2).retry_at == 1004.0
    assert decision(kind, strikes=3).retry_at is None


def test_jitter_stretches_the_wait_by_up_to_a_half() -> None:
    assert decision(FailureKind.IO, strikes=2, jitter=0.5).retry_at == 1005.0


@pytest.mark.parametrize("kind", [FailureKind.ENGINE_DIED, FailureKind.TIMED_OUT])
def test_a_job_whose_engine_died_runs_alone_next_time(kind: FailureKind) -> None:
    assert decision(kind).suspect
    assert not decision(FailureKind.IO).suspect


def test_out_of_memory_halves_the_slots_and_costs_no_strike_while_there_are_neighbours() -> None:
    crowded = decision(FailureKind.OUT_OF_MEMORY, strikes=3, slots=8)
    assert crowded.reduce_slots and not crowded.counts and crowded.retry_at is not None
    alone = decision(FailureKind.OUT_OF_MEMORY, strikes=1, slots=1)
    assert not alone.reduce_slots and alone.counts


def test_a_lost_machine_is_no_strike_and_nothing_waits_for_it() -> None:
    lost = decision(FailureKind.NODE_LOST, strikes=3)
    assert lost == Decision(retry_at=1000.0, counts=False)


@given(st.sampled_from(TRANSIENT), st.integers(1, 60), st.integers(1, 64), st.floats(0, 0.999))
def test_no_wait_is_longer_than_the_cap(kind: FailureKind, strikes: int, slots: int, jitter: float) -> None:
    retry_at = decision(kind, strikes, slots, jitter).retry_at
    assert retry_at is None or 1000.0 < retry_at <= 1060.0


def test_what_a_failure_costs() -> None:
    """Of the wait, the whole of it and no more than the cap; and a job with one slot has its share of the blame."""
    assert decision(FailureKind.OUT_OF_MEMORY, strikes=1, slots=2) == Decision(
        retry_at=1002.0, counts=False, reduce_slots=True
    )
    assert decision(FailureKind.OUT_OF_MEMORY, strikes=1, slots=1) == Decision(retry_at=1002.0)
    assert decision(FailureKind.OUT_OF_MEMORY, strikes=3, slots=1) == Decision(retry_at=None)
    assert decision(FailureKind.IO, strikes=2) == Decision(retry_at=1004.0)
    assert decision(FailureKind.ENGINE_DIED, strikes=2) == Decision(retry_at=1004.0, suspect=True)
    assert decide(
        FailureKind.IO, strikes=9, max_attempts=99, slots=1, now=1000.0, jitter=0.9, backoff_max_s=60.0
    ) == Decision(retry_at=1060.0)
