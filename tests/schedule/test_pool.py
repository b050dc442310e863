from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from schedule.conftest import Clock
from soundmill.errors import CatalogError, SoundmillError
from soundmill.schedule.loop import STEP_ALLOWANCE_S
from soundmill.schedule.pool import RESTART_WAITS_S, Pool
from soundmill.schedule.worker import Worker


class Hand:
    """A worker whose rounds do what a test tells it, one after the other."""

    def __init__(self, device: str, allow_s: Callable[[float], None]) -> None:
        self.device = device
        self.allow_s = allow_s
        self.in_flight: tuple[int, ...] = ()
        self.told = queue.SimpleQueue[Callable[[], object]]()
        self.heard: list[object] = []  # in order: what it was cancelled, and whether it might claim
        self.closed: list[str] = []
        self.troubles: list[Exception] = []
        self.trade: object = None
        self.ends = 0  # so many clips end in each round in which it may not claim

    def step(self, *, claiming: bool) -> None:
        if not claiming:
            self.in_flight = self.in_flight[self.ends :]
        try:
            what = self.told.get(timeout=0.02)
        except queue.Empty:
            return
        self.heard.append(claiming)
        what()

    def cancel(self, job_ids: Iterable[int]) -> None:
        self.heard.append(set(job_ids))

    def close(self, reason: str) -> None:
        if self.troubles:
            raise self.troubles.pop()
        self.closed.append(reason)

    def use(self, trade: object) -> None:
        self.trade = trade

    def round(self, what: Callable[[], object] = lambda: None) -> None:
        """Have it do that in its next round."""
        done = queue.SimpleQueue[bool]()
        self.told.put(lambda: (done.put(True), what()))
        assert done.get(timeout=10)

    def die(self, error: BaseException) -> None:
        def end() -> None:
            raise error

        self.round(end)


@dataclass
class Works:
    clock: Clock = field(default_factory=Clock)
    hands: list[Hand] = field(default_factory=list)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    failing: int = 0  # so many rounds fail by what passes
    settled: list[str] = field(default_factory=list)  # whose troubles are nobody's any more

    def hire(self, device: str, allow_s: Callable[[float], None]) -> Worker:
        self.hands.append(Hand(device, allow_s))
        return self.hands[-1]  # type: ignore[return-value]

    def outlive(self, part: str, step: Callable[[], object]) -> bool:
        assert part.startswith("worker ")
        if threading.current_thread() is threading.main_thread():
            self.settled.append(part)
        step()
        if self.failing:
            self.failing -= 1
            return False
        return True

    def pool(self, *devices: str) -> Pool:
        return Pool(devices, self.hire, lambda *event: self.events.append(event), self.outlive, self.clock)


@pytest.fixture
def works() -> Works:
    return Works()


@pytest.fixture
def pool(works: Works) -> Iterator[Pool]:
    pool = works.pool("cuda:0", "cuda:1")
    yield pool
    pool.stop(0.0, "the end of the test")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def dead(pool: Pool, number: int) -> None:
    until(lambda: not pool.posts[number].thread.alive)


def test_each_device_has_a_worker_that_may_claim(works: Works, pool: Pool) -> None:
    assert [hand.device for hand in works.hands] == ["cuda:0", "cuda:1"]
    for hand in works.hands:
        hand.round()
        assert hand.heard == [True]
    pool.check()
    assert len(works.hands) == 2 and works.events == [] and pool.making_progress() and pool.hanging == []
    works.hands[0].in_flight, works.hands[1].in_flight = (1, 2), (3,)
    assert pool.running == 3
    for hand in works.hands:
        hand.in_flight = ()


def test_new_numbers_reach_every_worker(works: Works, pool: Pool) -> None:
    trade = object()
    pool.use(trade)  # type: ignore[arg-type]
    assert [hand.trade for hand in works.hands] == [trade, trade]


def test_cancelled_jobs_are_told_to_every_worker_before_its_next_round_and_once(works: Works, pool: Pool) -> None:
    pool.cancel(iter([7, 8]))  # whoever has them
    for hand in works.hands:
        until(lambda hand=hand: bool(hand.heard))
        hand.round()
        hand.round()
        assert hand.heard == [{7, 8}, True, True]


def test_a_dead_worker_is_closed_told_of_and_replaced_by_another(works: Works, pool: Pool) -> None:
    works.hands[1].die(ValueError("boom"))
    dead(pool, 1)
    pool.check()
    reason = "worker cuda:1 ended: ValueError: boom"
    assert works.hands[1].closed == [reason] and works.events == [("worker replaced", reason, "cuda:1")]
    assert works.hands[0].closed == []
    assert pool.making_progress()  # another is on its way
    pool.check()
    assert [hand.device for hand in works.hands] == ["cuda:0", "cuda:1", "cuda:1"]
    works.hands[2].round()
    assert works.hands[2].heard == [True]
    pool.check()
    assert len(works.hands) == 3 and len(works.events) == 1


def test_a_worker_that_dies_again_and_again_is_waited_for_longer_and_longer(works: Works, pool: Pool) -> None:
    for wait_s in (0.0, 1.0, 5.0, 30.0, 30.0):
        hired = len(works.hands)
        works.hands[-1].die(ValueError("boom"))
        dead(pool, 1)
        pool.check()
        if wait_s:
            works.clock.now += wait_s - 0.5
            pool.check()
            assert len(works.hands) == hired
            works.clock.now += 0.5
        pool.check()
        assert len(works.hands) == hired + 1
    works.clock.now += 300.0  # not quite long enough to be forgiven
    works.hands[-1].die(ValueError("boom"))
    dead(pool, 1)
    pool.check()
    works.clock.now += 29.5
    pool.check()
    works.clock.now += 0.5
    assert len(works.hands) == hired + 1
    pool.check()
    assert len(works.hands) == hired + 2
    works.clock.now += 300.5
    hired = len(works.hands)
    works.hands[-1].die(ValueError("boom"))
    dead(pool, 1)
    pool.check()
    pool.check()
    assert len(works.hands) == hired + 1


def test_a_worker_that_cannot_give_its_jobs_back_is_replaced_once_it_can(works: Works, pool: Pool) -> None:
    works.hands[0].troubles = [CatalogError("locked")]
    works.hands[0].die(SoundmillError("what it died of"))
    dead(pool, 0)
    pool.check()
    assert works.events == [] and len(works.hands) == 2 and not pool.making_progress()
    pool.check()
    assert [event[0] for event in works.events] == ["worker replaced"]
    pool.check()
    assert [hand.device for hand in works.hands] == ["cuda:0", "cuda:1", "cuda:0"]


def test_a_round_that_takes_too_long_is_told_by_its_device(works: Works, pool: Pool) -> None:
    held = queue.SimpleQueue[bool]()
    works.hands[1].round(lambda: held.get(timeout=10))
    works.clock.now += STEP_ALLOWANCE_S + 1.0
    works.hands[0].round()
    works.hands[0].round()
    assert pool.hanging == ["cuda:1"] and not pool.making_progress()
    works.hands[1].allow_s(5.0)
    assert pool.hanging == [] and pool.making_progress()
    held.put(True)


def test_other_devices_take_over_once_what_runs_is_finished(works: Works, pool: Pool) -> None:
    """cuda:0 goes, cuda:1 gets a new engine, cuda:2 comes."""
    stays = works.hands[1]
    stays.in_flight = (1,)
    pool.renew(["cuda:1", "cuda:2"])
    assert [hand.device for hand in works.hands] == ["cuda:0", "cuda:1", "cuda:2"]
    until(lambda: not [post for post in pool.posts if post.device == "cuda:0"] or bool(pool.check()))
    stays.round()  # which may have begun before
    stays.round()
    assert stays.heard[-1] is False and stays.closed == []  # it claims nothing more, and works on
    pool.check()
    assert len(works.hands) == 3
    stays.in_flight = ()
    until(lambda: len(works.hands) == 4 or bool(pool.check()))
    assert stays.closed == works.hands[0].closed == ["its worker was replaced"]
    assert [(post.device, post.leaving) for post in pool.posts] == [("cuda:1", False), ("cuda:2", False)]
    for hand in works.hands[2:]:
        hand.round()
        assert hand.heard == [True] and hand.closed == []


def test_devices_come_and_go_while_the_others_work_on(works: Works, pool: Pool) -> None:
    goes, stays = works.hands
    goes.in_flight = (1,)
    pool.attend(["cuda:1", "cuda:2"])
    assert [hand.device for hand in works.hands] == ["cuda:0", "cuda:1", "cuda:2"]
    assert [(post.device, post.leaving) for post in pool.posts] == [
        ("cuda:0", True), ("cuda:1", False), ("cuda:2", False),
    ]  # fmt: skip
    goes.round()
    goes.round()
    stays.round()
    assert goes.heard[-1] is False and goes.closed == []  # it claims nothing more, and works on
    assert stays.heard[-1] is True
    pool.check()
    assert len(pool.posts) == 3 and works.settled == []
    goes.in_flight = ()
    until(lambda: len(pool.posts) == 2 or bool(pool.check()))
    assert goes.closed == ["its worker was replaced"] and works.settled == ["worker cuda:0"] and stays.closed == []
    pool.attend(["cuda:0", "cuda:1", "cuda:2"])
    assert [hand.device for hand in works.hands[3:]] == ["cuda:0"]


def test_a_device_that_is_back_before_its_worker_has_left_gets_another(works: Works, pool: Pool) -> None:
    works.hands[0].in_flight = (1,)
    pool.attend(["cuda:1"])
    pool.attend(["cuda:1", "cuda:0"])
    assert len(works.hands) == 2
    works.hands[0].in_flight = ()
    until(lambda: len(works.hands) == 3 or bool(pool.check()))
    assert [(post.device, post.leaving) for post in pool.posts] == [("cuda:0", False), ("cuda:1", False)]
    works.hands[2].round()
    assert works.hands[2].heard == [True] and works.hands[2].device == "cuda:0"


def test_a_worker_with_a_new_engine_has_its_restarts_forgiven(works: Works, pool: Pool) -> None:
    for hired in (2, 3):
        assert len(works.hands) == hired
        works.hands[-1].die(ValueError("boom"))
        dead(pool, 1)
        pool.check()
        works.clock.now += RESTART_WAITS_S[1]
        pool.check()
    pool.renew(["cuda:1"])
    until(lambda: len(works.hands) == 5 or bool(pool.check()))
    works.hands[-1].die(ValueError("boom"))
    until(lambda: not next(post for post in pool.posts if post.device == "cuda:1").thread.alive)
    pool.check()
    pool.check()
    assert len(works.hands) == 6


def test_a_worker_that_is_in_a_round_leaves_after_it(works: Works, pool: Pool) -> None:
    held = queue.SimpleQueue[bool]()
    works.hands[0].round(lambda: held.get(timeout=10))
    pool.renew(["cuda:1"])
    pool.check()
    assert works.hands[0].closed == [] and "cuda:0" in [post.device for post in pool.posts]
    held.put(True)
    until(lambda: [post.device for post in pool.posts] == ["cuda:1"] or bool(pool.check()))
    assert works.hands[0].closed == ["its worker was replaced"]


def test_a_device_of_a_dead_worker_is_left_like_any_other(works: Works, pool: Pool) -> None:
    works.hands[0].in_flight = (1,)
    works.hands[0].die(ValueError("boom"))
    dead(pool, 0)
    pool.renew(["cuda:1"])
    until(lambda: [post.device for post in pool.posts] == ["cuda:1"] or bool(pool.check()))
    assert works.hands[0].closed == ["its worker was replaced"]


def test_after_a_round_that_failed_there_is_a_pause_which_a_stop_ends(works: Works) -> None:
    works.failing = 1
    pool = works.pool("cpu")
    until(lambda: works.failing == 0)
    (hand,) = works.hands
    hand.told.put(lambda: None)
    time.sleep(0.1)
    assert hand.heard == []  # it would have taken it up in a fiftieth of a second
    pool.stop(0.0, "stopped")
    assert hand.closed == ["stopped"] and not pool.posts[0].thread.alive


def test_a_stop_lets_clips_end_and_gives_back_what_is_left(works: Works) -> None:
    pool = works.pool("cuda:0", "cuda:1")
    first, second = works.hands
    first.in_flight, first.ends = (1, 2, 3), 1
    second.troubles = [CatalogError("locked")]
    pool.stop(1000.0, "stopped by a person")
    assert first.closed == ["stopped by a person"] and first.in_flight == ()
    assert second.closed == [] and not any(post.thread.alive for post in pool.posts)


def test_a_stop_waits_no_longer_than_it_was_told(works: Works) -> None:
    pool = works.pool("cpu")
    works.hands[0].in_flight = (1,)
    pool.stop(0.0, "stopped")
    assert works.hands[0].closed == ["stopped"]


def test_a_stop_waits_for_no_clip_whose_worker_is_dead(works: Works) -> None:
    pool = works.pool("cpu")
    works.hands[0].in_flight = (1,)
    works.hands[0].die(ValueError("boom"))
    dead(pool, 0)
    pool.stop(1000.0, "stopped")
    assert works.hands[0].closed == ["stopped"]
