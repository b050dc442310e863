from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from soundmill.jobs import ModelQueue
from soundmill.schedule.scheduler import choose_model

CAP_S = 600.0


def queue(model: str, priority: int = 0, queued_at: float = 0.0, head: int = 1) -> ModelQueue:
    return ModelQueue(model=model, priority=priority, oldest_queued_at=queued_at, head_job_id=head)


def choose(*queues: ModelQueue, loaded: str | None = None, since: float = 0.0, now: float = 0.0) -> str | None:
    return choose_model(queues, loaded=loaded, loaded_for_s=now - since, now=now, pass_over_s=CAP_S)


def test_nothing_waiting_means_nothing_to_do() -> None:
    assert choose() is None


def test_the_loaded_model_goes_on_although_another_is_older() -> None:
    assert choose(queue("a", queued_at=0), queue("b", queued_at=50), loaded="b", since=60, now=100) == "b"


def test_without_a_loaded_model_the_oldest_head_wins() -> None:
    assert choose(queue("a", queued_at=9), queue("b", queued_at=3), now=10) == "b"


def test_a_higher_priority_wins_over_the_loaded_model() -> None:
    assert choose(queue("a", priority=5), queue("b"), loaded="b", since=0, now=1) == "a"


def test_a_lower_priority_never_interrupts_however_long_it_waits() -> None:
    assert choose(queue("a", priority=-1), queue("b"), loaded="b", since=0, now=10 * CAP_S) == "b"


def test_a_model_is_passed_over_no_longer_than_the_cap() -> None:
    waiting = queue("a", queued_at=100), queue("b", queued_at=0)
    assert choose(*waiting, loaded="b", since=0, now=100 + CAP_S - 1) == "b"
    assert choose(*waiting, loaded="b", since=0, now=100 + CAP_S) == "a"


def test_passing_over_is_counted_from_the_switch_so_that_old_backlogs_do_not_thrash() -> None:
    waiting = queue("a", queued_at=0), queue("b", queued_at=1)
    assert choose(*waiting, loaded="b", since=10 * CAP_S, now=10 * CAP_S + 1) == "b"


def test_a_head_from_the_future_has_seen_the_clock_set_back_and_is_not_passed_over_for_ever() -> None:
    waiting = queue("a", queued_at=5000), queue("b", queued_at=5000)
    assert choose(*waiting, loaded="b", since=1400 - CAP_S + 1, now=1400) == "b"
    assert choose(*waiting, loaded="b", since=1400 - CAP_S, now=1400) == "a"


@given(
    st.lists(
        st.builds(queue, st.sampled_from("abcd"), st.integers(-2, 2), st.floats(0, 1000), st.integers(1, 99)),
        min_size=1,
        max_size=4,
        unique_by=lambda q: q.model,
    ),
    st.sampled_from([None, "a", "b", "e"]),
    st.floats(0, 1000),
    st.floats(0, 5000),
)
def test_the_choice_always_has_the_highest_priority(
    queues: list[ModelQueue], loaded: str | None, since: float, now: float
) -> None:
    chosen = choose(*queues, loaded=loaded, since=since, now=now)
    top = max(q.priority for q in queues)
    assert chosen in {q.model for q in queues if q.priority == top}
