"""An output as an engine and the shelf tell of it, for tests that have neither."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from soundmill.jobs import Attempt, AudioFormat, Generated, Normalization, Output

_OF_THE_CLIP = {each.name for each in fields(Generated)}


def make_output(attempt: Attempt, path: str, **changes: Any) -> Output:
    """The output of an attempt at `path`; `changes` are fields of Output or of its clip."""
    clip: dict[str, Any] = {
        "job_id": attempt.job.id,
        "attempt": attempt.number,
        "audio": b"",
        "format": AudioFormat.WAV,
        "sample_rate": 32000,
        "channels": 1,
        "duration_s": 4.0,
        "generation_s": 4.0,
        "device_s": 2.0,
        "row_steps": 100,
        "licence": "CC-BY-NC-4.0",
        "measurements": {},
    }
    output: dict[str, Any] = {
        "path": path,
        "size_bytes": 256044,
        "sha256": "cd" * 32,
        "normalization": Normalization.LOUDNESS,
        "normalization_target": -14.0,
    }
    for name, value in changes.items():
        (clip if name in _OF_THE_CLIP else output)[name] = value
    return Output(clip=Generated(**clip), **output)
