"""What `soundmill bench` says of a machine."""

from __future__ import annotations

from itertools import count

import pytest

from soundmill.commands import bench
from soundmill.config import Config
from soundmill.errors import SoundmillError
from soundmill.jobs import FailureKind
from support.fake_engine import FakeEngine


def measured(engine: FakeEngine, clips: int | None) -> bench.Speed:
    ticks = count()
    return bench.measure(
        engine, Config(), device="cpu", model="tiny", clips=clips, duration_s=2.0, clock=lambda: float(next(ticks))
    )


def test_one_clip_is_made_alone_and_then_all_slots_are_kept_full() -> None:
    engine = FakeEngine(slots=4)
    speed = measured(engine, clips=10)
    assert (speed.slots, speed.clips) == (4, 10)
    assert engine.most_in_flight == 4
    assert [request.job_id for request in engine.submitted] == list(range(1, 13))  # one to warm up, one alone
    assert len({request.parameters for request in engine.submitted}) > 5


def test_without_a_number_each_slot_is_filled_three_times() -> None:
    assert measured(FakeEngine(slots=2), clips=None).clips == 6


def test_the_figures_follow_from_the_times() -> None:
    speed = bench.Speed(
        device="cpu", model="tiny", slots=4, load_s=1.0, alone_s=3.0, clips=12, duration_s=2.0, wall_s=9.0
    )
    assert speed.clips_per_h == 4800
    assert speed.real_time_factor == 0.375
    assert speed.gain == 4


def test_a_clip_that_fails_ends_the_bench_with_its_reason() -> None:
    with pytest.raises(SoundmillError, match="out_of_memory"):
        measured(FakeEngine(slots=1, failure=lambda _: FailureKind.OUT_OF_MEMORY), clips=1)
