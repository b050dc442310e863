from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soundmill.audio.encode import encode
from soundmill.deliver.names import named
from soundmill.deliver.orders import Plan
from soundmill.deliver.profile import Profile
from soundmill.deliver.takes import Take
from soundmill.jobs import AudioFormat
from soundmill.service.wiring import pattern_of

RATE = 32_000
TAKE = Take(
    output_id=1,
    file="themes/0001-calm.wav",
    sha256="",
    batch="themes",
    batch_ulid="01JABCDEFGHJKMNPQRSTVWXYZ0",
    job="0001-calm",
    position=1,
    replicate=1,
    attempt=1,
    prompt="a calm piano",
    model="facebook/musicgen-small",
    licence="CC-BY-NC-4.0",
    seed=7,
    settings={"duration": 1.0, "temperature": 1.0, "top_k": 250, "top_p": 0.0, "cfg_coef": 3.0},
    labels={"Scene": "market", "cue": "1"},
    condition={"style": "jazz"},
    versions={"soundmill": "0.1.0"},
    sample_rate=RATE,
    channels=1,
    duration_s=1.0,
    loudness_lufs=-14.0,
    gain_db=3.0,
    stars=None,
    picks="",
    created_at="2026-01-02T03:04:05Z",
)

Takes = Callable[..., list[Take]]


@pytest.fixture
def takes(tmp_path: Path) -> Takes:
    """Makes takes that lie in tmp_path/outputs: tones that die away, each another."""

    def make(count: int, *, seconds: float = 1.0, level: float = 0.5) -> list[Take]:
        found = []
        (tmp_path / "outputs" / "themes").mkdir(parents=True, exist_ok=True)
        for n in range(1, count + 1):
            time = np.arange(round(seconds * RATE)) / RATE
            wave = level * np.sin(2 * np.pi * 110 * (1 + n % 20) * time) * np.exp(-time)
            data = encode(wave[None].astype(np.float32), RATE, AudioFormat.WAV, {"prompt": f"tone {n}"})
            path = tmp_path / "outputs" / "themes" / f"{n:04}-tone.wav"
            path.write_bytes(data)
            found.append(
                replace(
                    TAKE,
                    output_id=n,
                    file=f"themes/{path.name}",
                    sha256=hashlib.sha256(data).hexdigest(),
                    job=path.stem,
                    position=n,
                    prompt=f"tone {n}",
                    duration_s=seconds,
                )
            )
        return found

    return make


def plan_of(
    takes: list[Take], outputs: Path, *, asked: str = "themes", profile_name: str = "game", **settings: object
) -> Plan:
    profile = Profile.model_validate(settings)
    files = named(takes, profile, pattern_of, is_music=lambda take: True)
    return Plan(
        asked=asked,
        chosen="kept",
        profile_name=profile_name,
        profile=profile,
        files=files,
        outputs=outputs,
        music=frozenset(take.output_id for take in takes),
    )
