"""What every part has: its device, the time it may take, the checkpoints, and where its results go."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from throughput import checkpoint

WHOLE, WRONG = ".whole", ".wrong"  # files of make.py beside a checkpoint: it is whole; why there is none
SHAPES = {
    "small": checkpoint.MUSICGEN_SMALL,
    "audiogen": checkpoint.AUDIOGEN_MEDIUM,
    "medium": checkpoint.MUSICGEN_MEDIUM,
    "large": checkpoint.MUSICGEN_LARGE,
}
TINY_SHAPES = {
    **dict.fromkeys(("small", "medium", "large"), checkpoint.TEST_MUSICGEN),
    "audiogen": checkpoint.TEST_AUDIOGEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How much is measured: seconds of audio, and clips at once."""

    clip_s: float  # the clip that is timed alone
    sweep_s: tuple[float, ...]  # lengths of a mixed sweep's clips
    slots: tuple[int, ...]  # beside as many as fit
    greedy_s: tuple[float, ...]  # clips that are compared with AudioCraft's
    drawn_s: float  # clips that are compared with themselves
    rounds: int


ON_GPU = Work(
    clip_s=30.0,
    sweep_s=(5.0, 10.0, 15.0, 20.0, 25.0, 30.0),
    slots=(1, 64, 16),
    greedy_s=(4.0, 1.0, 6.0),
    drawn_s=3.0,
    rounds=15,
)
ON_CPU = Work(clip_s=2.0, sweep_s=(0.4, 0.8, 1.2), slots=(1, 16, 4), greedy_s=(0.6, 0.2, 0.9), drawn_s=0.4, rounds=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """`until` is the part's last moment, time.monotonic()."""

    device: str
    until: float
    folder: Path
    records: Path

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def work(self) -> Work:
        return ON_GPU if self.on_gpu else ON_CPU

    @property
    def left_s(self) -> float:
        return self.until - time.monotonic()

    def until_share(self, share: float) -> float:
        """The moment when `share` of what is left now will have passed."""
        return time.monotonic() + share * self.left_s

    def say(self, key: str, value: Any) -> None:
        """Print a result and keep it, whatever becomes of the part."""
        with self.records.open("a", encoding="utf-8") as file:
            file.write(json.dumps({key: value}) + "\n")
        print(f"{key}: {f'{value:.4g}' if isinstance(value, float) else value}", flush=True)

    def checkpoint(self, name: str) -> Path:
        """The folder of a checkpoint, once it was made. Raises RuntimeError where it was not, TimeoutError."""
        folder = self.folder / name
        while self.left_s > 0:
            if (folder / WHOLE).exists():
                return folder
            if (folder / WRONG).exists():
                raise RuntimeError((folder / WRONG).read_text())
            time.sleep(0.1)
        log = self.folder / "make.log"
        raise TimeoutError(f"{name} was not made in time\n{log.read_text() if log.exists() else ''}")
