from __future__ import annotations

import threading

from schedule.conftest import Clock
from soundmill.schedule.loop import STEP_ALLOWANCE_S, LoopThread


class Rounds:
    """Steps that each wait until they are let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)

    def __call__(self) -> None:
        self.begun.release()
        assert self.let_go.acquire(timeout=10)


def test_a_step_is_done_over_and_over_until_a_stop() -> None:
    rounds = Rounds()
    thread = LoopThread("mill", rounds, clock=Clock())
    assert not thread.alive and thread.join(0)
    thread.start()
    for _ in range(3):
        assert rounds.begun.acquire(timeout=10)
        assert thread.alive
        (running,) = (each for each in threading.enumerate() if each.name == "mill")
        assert running.daemon  # a program that ends waits for none that hangs
        rounds.let_go.release()
    assert rounds.begun.acquire(timeout=10)
    thread.stop()
    assert not thread.join(0.01)
    rounds.let_go.release()
    assert thread.join(10) and not thread.alive and thread.error is None
    assert not rounds.begun.acquire(blocking=False)


def test_what_a_step_raises_ends_the_thread_and_is_kept() -> None:
    thread = LoopThread("mill", lambda: {}["nothing"], clock=Clock())
    thread.start()
    assert thread.join(10) and isinstance(thread.error, KeyError)
    assert not thread.making_progress(0.0)


def test_a_pause_ends_with_a_stop() -> None:
    paused = threading.Event()
    rounds: list[int] = []

    def step() -> None:
        rounds.append(1)
        paused.set()
        thread.pause(1000.0)

    thread = LoopThread("mill", step, clock=Clock())
    thread.start()
    assert paused.wait(10)
    assert not thread.join(0.05)
    thread.stop()
    assert thread.join(10) and rounds == [1]


def test_a_round_makes_progress_for_as_long_as_it_may_take() -> None:
    clock, rounds = Clock(), Rounds()
    thread = LoopThread("mill", rounds, clock=clock)
    clock.now += 1000.0  # between the making and the start
    thread.start()
    assert rounds.begun.acquire(timeout=10)
    began = clock.now
    assert thread.making_progress(began + STEP_ALLOWANCE_S)
    assert not thread.making_progress(began + STEP_ALLOWANCE_S + 0.1)
    clock.now += 50.0
    thread.allow(100.0)  # from now on
    assert thread.making_progress(began + 50.0 + 100.0 + STEP_ALLOWANCE_S)
    assert not thread.making_progress(began + 50.0 + 100.0 + STEP_ALLOWANCE_S + 0.1)
    rounds.let_go.release()
    assert rounds.begun.acquire(timeout=10)  # the next round has its own time
    assert not thread.making_progress(began + 50.0 + STEP_ALLOWANCE_S + 0.1)
    thread.stop()
    rounds.let_go.release()
    assert thread.join(10)


def test_a_thread_that_has_not_come_to_its_first_round_makes_progress() -> None:
    let_go = threading.Event()

    def clock() -> float:
        assert threading.current_thread() is threading.main_thread() or let_go.wait(10)
        return 1000.0

    thread = LoopThread("mill", lambda: None, clock=clock)
    thread.start()
    assert thread.making_progress(1000.0 + STEP_ALLOWANCE_S)
    assert not thread.making_progress(1000.1 + STEP_ALLOWANCE_S)
    thread.stop()
    let_go.set()
    assert thread.join(10)
