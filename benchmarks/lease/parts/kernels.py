"""Where a step's time goes: torch's profiler over small's steps, one by one and replayed, at 1 and 64 slots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from alone import step_of, step_s
from parts import engines
from parts.lease import Lease

SLOTS = (1, 64)
STEPS = 4
ROWS = 14  # kernels that are named


def measure(lease: Lease) -> None:
    backend = engines.soundmill(lease.checkpoint("small"), lease.device, max(SLOTS))
    filled = int(lease.work.clip_s * float(backend._model.frame_rate)) // 2
    with torch.inference_mode():
        for slots in SLOTS:
            engines.resize(backend, slots)
            replayed = step_s(backend, lease.device, slots, filled, lease.work.rounds)
            record, backend._decoder.record = backend._decoder.record, None
            one = step_s(backend, lease.device, slots, filled, lease.work.rounds)
            profiled(lease, f"{slots} slots", step_of(backend, slots, filled), replayed, one)
            backend._decoder.record = record
    backend.close()


def profiled(lease: Lease, name: str, step: Callable[[], None], replayed_s: float, one_by_one_s: float) -> None:
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if lease.on_gpu else [])]
    step()
    with profile(activities=kinds, acc_events=True) as profiler:
        for _ in range(STEPS):
            step()
        if lease.on_gpu:
            torch.cuda.synchronize()
    rows: list[tuple[float, int, str]] = []
    for event in profiler.key_averages():
        took = _own_us(event, lease.on_gpu)
        if took:
            rows.append((took / STEPS, round(event.count / STEPS), event.key))
    rows.sort(reverse=True)
    busy_us = sum(took for took, *_ in rows)
    lease.say(f"{name}: ms per step, replayed", 1000 * replayed_s)
    lease.say(f"{name}: ms per step, one by one", 1000 * one_by_one_s)
    lease.say(f"{name}: ms of kernels per step", busy_us / 1000)
    lease.say(f"{name}: kernels per step", sum(count for _, count, _ in rows))
    for place, (took, count, key) in enumerate(rows[:ROWS]):
        lease.say(f"{name}: {place + 1}", f"{took:.1f} µs, {took / busy_us:.1%}, {count} a step: {key[:80]}")


def _own_us(event: Any, on_gpu: bool) -> float:
    if not on_gpu:
        return float(event.self_cpu_time_total)
    return float(event.self_device_time_total) if event.device_type.name == "CUDA" else 0.0
