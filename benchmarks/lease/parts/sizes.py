"""The larger shapes: medium, large and AudioGen's, each at full slots, alone, and by AudioCraft's loop."""

from __future__ import annotations

import gc
import traceback

import torch

from alone import copy_speed, job_of
from parts import engines
from parts.lease import Lease
from parts.speed import ROUNDS_OF_CLIPS, report, share_of_copy
from throughput import sweep

NAMES = ("medium", "large", "audiogen")


def measure(lease: Lease) -> None:
    """One that fails does not cost the others; the first's failure is the part's, at the end."""
    failed: list[Exception] = []
    with torch.inference_mode():
        copied = copy_speed(lease.device, lease.work.rounds)
    for place, name in enumerate(NAMES):
        try:
            _measure(lease, name, lease.until_share(1 / (len(NAMES) - place)), copied)
        except Exception as error:
            traceback.print_exc()
            failed.append(error)
        gc.collect()
        if lease.on_gpu:
            torch.cuda.empty_cache()
    if failed:
        raise failed[0]


def _measure(lease: Lease, name: str, until: float, copied: float) -> None:
    folder = lease.checkpoint(name)
    mine = Share(lease, until)
    backend = engines.soundmill(folder, lease.device)
    slots = backend.info.slots
    lease.say(f"{name}: slots that fit", slots)
    longest_s = min(lease.work.clip_s, float(backend._model.max_duration))
    lengths = tuple(length for length in lease.work.sweep_s if length <= longest_s)
    jobs = sweep(ROUNDS_OF_CLIPS * slots, lengths)
    engines.race(backend, [job_of(lengths[0])], mine.part(0.15))
    full = engines.race(backend, jobs, mine.part(0.6))
    report(lease, name, full)
    with torch.inference_mode():
        share_of_copy(lease, backend, slots, f"{name}, full slots", copied)
        share_of_copy(lease, backend, 1, f"{name}, one clip", copied)
    backend.close()
    del backend
    theirs = engines.load(folder, lease.device).model
    loop = engines.loop(theirs, [job_of(longest_s)], mine.part(0.9))
    report(lease, f"{name}, AudioCraft one clip a call", loop)
    lease.say(f"{name}: times the loop", full.per_s / loop.per_s)


class Share:
    """A moment's distance from now, in parts."""

    def __init__(self, lease: Lease, until: float) -> None:
        self._lease, self._until = lease, until

    def part(self, share: float) -> float:
        now = self._lease.until - self._lease.left_s
        return now + share * max(0.0, self._until - now)
