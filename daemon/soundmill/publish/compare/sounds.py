"""Takes as listeners get them who are to know nothing: all in one format, without tags, equally loud, and for an
attention check spoiled so that nobody who listens prefers it."""

from __future__ import annotations

import os
from collections import OrderedDict
from io import BytesIO
from pathlib import Path
from threading import Lock

from soundmill.disk import open_below

CONTENT_TYPE = "audio/flac"
LONGEST_S = 300
MOST_BYTES = 64_000_000  # kept ready
SPOILED_HZ = 700.0  # what lies above is gone
SPOILED_NOISE = 0.25  # of its own level


class Sounds:
    """Makes them, and keeps those that were asked for last. Safe to share between threads."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, float, bool], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, outputs: Path, path: str, gain_db: float, *, spoiled: bool) -> bytes:
        """A take as FLAC. Raises OSError, or soundfile's error, when there is none that can be read."""
        key = (path, round(gain_db, 2), spoiled)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = _made(outputs, path, gain_db, spoiled=spoiled)
        with self._lock:
            self._kept[key] = made
            while sum(map(len, self._kept.values())) > self._most_bytes and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return made


def _made(outputs: Path, path: str, gain_db: float, *, spoiled: bool) -> bytes:
    import numpy as np  # a site of which nobody asks this does without
    import soundfile

    with os.fdopen(open_below(outputs, path.split("/")), "rb") as file, soundfile.SoundFile(file) as source:
        rate = source.samplerate
        samples = source.read(LONGEST_S * rate, dtype="float32", always_2d=True)
    if spoiled:
        width = max(2, round(rate / SPOILED_HZ / 2))
        window = np.ones(width, dtype=np.float32) / width
        dull = np.stack([np.convolve(channel, window, mode="same") for channel in samples.T], axis=1)
        level = float(np.sqrt(np.mean(samples**2))) if samples.size else 0.0
        noise = np.random.default_rng(0).standard_normal(samples.shape, dtype=np.float32)
        samples = np.clip(dull[: len(samples)] + SPOILED_NOISE * level * noise, -1, 1)
    sound = BytesIO()
    soundfile.write(sound, samples * 10 ** (gain_db / 20), rate, format="FLAC", subtype="PCM_16")
    return sound.getvalue()
