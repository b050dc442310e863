"""Speed of musicgen-small's shape, the answers in the order of their worth: full slots, AudioCraft's loop, one clip."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from alone import copy_speed, job_of, step_bytes, step_s
from parts import engines
from parts.lease import Lease
from soundmill.engine.decoder.backend import DecoderBackend
from soundmill.jobs import GenerationRequest
from throughput import groups, sweep

ROUNDS_OF_CLIPS = 2  # clips of a sweep for each slot


def measure(lease: Lease) -> None:
    folder = lease.checkpoint("small")
    backend = engines.soundmill(folder, lease.device)
    most = backend.info.slots
    lease.say("slots that fit", most)
    engines.race(backend, [job_of(lease.work.sweep_s[0])], lease.until_share(0.1))  # what is made once
    full = at_slots(lease, backend, most, "full slots", lease.until_share(0.3))
    with torch.inference_mode():
        copied = copy_speed(lease.device, lease.work.rounds)
        share_of_copy(lease, backend, most, "full slots", copied)

    engines.resize(backend, 1)  # whose memory the loop may need
    theirs: Any = engines.load(folder, lease.device).model
    clip = job_of(lease.work.clip_s)
    one = engines.loop(theirs, [clip], lease.until_share(0.35))
    report(lease, "AudioCraft, one clip a call", one)
    lease.say("full slots: times the loop", full.per_s / one.per_s)

    engines.race(backend, [job_of(lease.work.sweep_s[0])], lease.until_share(0.1))
    pace = engines.race(backend, [clip], lease.until_share(0.3))
    report(lease, "one clip", pace)
    lease.say("one clip: times the loop", pace.per_s / one.per_s)
    for slots in lease.work.slots:
        if lease.left_s > 3:
            name = f"{slots} slots"
            if slots > 1:
                at_slots(lease, backend, slots, name, lease.until_share(0.3))
            with torch.inference_mode():
                share_of_copy(lease, backend, slots, name, copied)

    engines.resize(backend, 1)
    group = max(groups(sweep(most * ROUNDS_OF_CLIPS, lease.work.sweep_s)), key=len)
    grouped = engines.loop(theirs, group, lease.until_share(0.8))
    useful = sum(job.parameters.duration for job in group) / (
        len(group) * max(job.parameters.duration for job in group)
    )
    lease.say("AudioCraft, grouped: clips a call", len(group))
    report(lease, "AudioCraft, grouped", replace(grouped, audio_s=grouped.audio_s * useful))
    lease.say("full slots: times grouped", full.per_s / (grouped.per_s * useful))
    backend.close()


def at_slots(lease: Lease, backend: DecoderBackend, slots: int, name: str, until: float) -> engines.Pace:
    """A mixed sweep with `slots` clips at once; recording the steps is part of the time, and said."""
    if backend.info.slots != slots:
        engines.resize(backend, slots)
    jobs: list[GenerationRequest] = sweep(ROUNDS_OF_CLIPS * slots, lease.work.sweep_s)
    with Recording(backend) as recording:
        pace = engines.race(backend, jobs, until)
    report(lease, name, pace)
    mean_s = sum(job.parameters.duration for job in jobs) / len(jobs)
    lease.say(f"{name}: clips/h", pace.per_s * 3600 / mean_s)
    lease.say(f"{name}: steps recorded", f"{recording.count} in {recording.seconds:.1f} s")
    if pace.seconds > recording.seconds:
        lease.say(f"{name}: audio-s per s, recording left out", pace.audio_s / (pace.seconds - recording.seconds))
    return pace


def report(lease: Lease, name: str, pace: engines.Pace) -> None:
    lease.say(f"{name}: audio-s per s", pace.per_s)
    extent = f"{pace.clips} clips whole" if pace.whole else f"{pace.clips} clips whole, the others by their steps"
    lease.say(f"{name}: made", f"{pace.audio_s:.1f} s of audio in {pace.seconds:.1f} s, {extent}")


def share_of_copy(lease: Lease, backend: DecoderBackend, clips: int, name: str, copied: float) -> None:
    """A step halfway through the longest clip: its time, and what it must read against what a copy moves."""
    filled = int(lease.work.clip_s * float(backend._model.frame_rate)) // 2
    engines.resize(backend, clips)
    took, read = step_s(backend, lease.device, clips, filled, lease.work.rounds), step_bytes(backend, clips, filled)
    lease.say(f"{name}: ms per step", 1000 * took)
    lease.say(f"{name}: share of copy bandwidth", read / took / copied)
    engines.resize(backend, clips)


class Recording:
    """Counts the steps that a backend records while this lasts, and the time that takes."""

    def __init__(self, backend: DecoderBackend) -> None:
        self._decoder: Any = backend._decoder
        self._record: Callable[..., Any] | None = self._decoder.record
        self.count, self.seconds = 0, 0.0

    def __enter__(self) -> Recording:
        if self._record is not None:
            self._decoder.record = self._timed
        return self

    def __exit__(self, *_: object) -> None:
        self._decoder.record = self._record

    def _timed(self, work: Callable[[], None], sibling: Any) -> Any:
        assert self._record is not None
        began = time.monotonic()
        made = self._record(work, sibling)
        torch.cuda.synchronize()
        self.count, self.seconds = self.count + 1, self.seconds + time.monotonic() - began
        return made
