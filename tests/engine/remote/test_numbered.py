"""Messages arrive once and in order, whatever becomes of the calls that carry them."""

from __future__ import annotations

import random

import pytest

from soundmill.engine.remote.numbered import Incoming, Outgoing


@pytest.mark.parametrize("seed", range(20))
def test_calls_that_are_lost_late_repeated_or_out_of_order_lose_and_double_nothing(seed: int) -> None:
    rng = random.Random(seed)
    out, into = Outgoing(), Incoming()
    heard: list[bytes] = []
    on_the_way: list[tuple[tuple[int, bytes], ...]] = []
    said = [str(number).encode() for number in range(100)]
    waiting = list(said)
    for _ in range(5000):
        if waiting and rng.random() < 0.3:
            out.add(waiting.pop(0))
        if rng.random() < 0.5:
            on_the_way.append(out.after(rng.choice([0, into.heard])))
        if on_the_way and rng.random() < 0.7:
            call = rng.choice(on_the_way)
            if rng.random() < 0.5:
                on_the_way.remove(call)
            heard += into.take(call)
            if rng.random() < 0.5:
                out.forget(into.heard)
        if len(on_the_way) > 8:
            del on_the_way[rng.randrange(8)]
    assert heard == said


def test_what_was_heard_is_forgotten_and_what_was_not_is_said_again() -> None:
    out = Outgoing()
    for message in (b"one", b"two", b"three"):
        out.add(message)
    out.forget(1)
    assert out.after(0) == ((2, b"two"), (3, b"three"))
    assert out.size_bytes == 8
    out.forget(3)
    assert not out and out.size_bytes == 0


def test_room_is_kept_to_but_a_large_message_goes_alone() -> None:
    out = Outgoing()
    for message in (b"x" * 100, b"y", b"z"):
        out.add(message)
    assert out.after(0, 0) == ()
    assert [number for number, _ in out.after(0, 10)] == [1]
    assert [number for number, _ in out.after(0, 101)] == [1, 2]
    assert [number for number, _ in out.after(1, 10)] == [2, 3]


def test_a_message_before_its_turn_is_passed_over() -> None:
    into = Incoming()
    assert into.take([(2, b"b")]) == []
    assert into.take([(1, b"a"), (2, b"b"), (1, b"a")]) == [b"a", b"b"]
