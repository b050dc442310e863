"""The audio room, fingerprints: all that is kept of a recording to know it again, as the catalogue has it.

Version 1, numbers little-endian; about 330 bytes for ten seconds:

    byte  0       the version, 1
    then          72 bytes: what it is like, see likeness.py
    then          for each landmark its frame, two bytes, in the order of their times
    then          for each landmark its bin, a byte
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.fingerprint.landmarks import Landmarks, landmarks
from soundmill.audio.fingerprint.likeness import NUMBERS, likeness

VERSION = 1
HEAD = 1 + NUMBERS
LANDMARK = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    landmarks: Landmarks
    likeness: NDArray[np.uint8]  # [72]


def fingerprint(samples: NDArray[np.float32], sample_rate: int) -> bytes:
    """The fingerprint of finite samples [channels, time]. Raises ValueError unless they are 2-D."""
    if samples.ndim != 2:
        raise ValueError(f"samples of shape {samples.shape}: must be [channels, time]")
    found = landmarks(samples, sample_rate)
    return b"".join(
        (
            bytes([VERSION]),
            likeness(samples, sample_rate).tobytes(),
            found.frames.astype("<u2").tobytes(),
            found.bins.tobytes(),
        )
    )


def unpacked(data: bytes) -> Fingerprint:
    """Raises ValueError for what is no fingerprint of this version."""
    count, rest = divmod(len(data) - HEAD, LANDMARK)
    if count < 0 or rest or data[0] != VERSION:
        raise ValueError(f"{len(data)} bytes are no fingerprint of version {VERSION}")
    return Fingerprint(
        landmarks=Landmarks(
            frames=np.frombuffer(data, "<u2", count, HEAD), bins=np.frombuffer(data, np.uint8, count, HEAD + 2 * count)
        ),
        likeness=np.frombuffer(data, np.uint8, NUMBERS, 1),
    )
