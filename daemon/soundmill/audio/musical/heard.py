"""Musical, what is heard: tempo, key and seam of a clip in numbers, by the names of their measurements."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.musical.key import key
from soundmill.audio.musical.seam import loop_seam
from soundmill.audio.musical.tempo import tempo
from soundmill.music.asked import Asked, differences

LISTENED_S = 300  # more of a long file says nothing new


def musical(samples: NDArray[np.float32], sample_rate: int, *, asked: Asked, looped: bool) -> dict[str, float | None]:
    """The measurements of quality/checks/musical.py of samples [channels, time], full scale = 1; those that are not
    finite count as 0. `looped` says that the clip is to be played over and over."""
    sound = samples[:, : LISTENED_S * sample_rate]
    if not np.isfinite(sound).all():
        sound = np.nan_to_num(sound, nan=0.0, posinf=0.0, neginf=0.0)
    beat, tonic = tempo(sound, sample_rate), key(sound, sample_rate)
    heard = {
        "tempo_bpm": None if beat is None else beat.bpm,
        "tempo_certainty": None if beat is None else beat.certainty,
        "key_number": None if tonic is None else float(tonic.number),
        "key_certainty": None if tonic is None else tonic.certainty,
    }
    return {
        **heard,
        "asked_bpm": asked.bpm,
        "asked_key_number": None if asked.key is None else float(asked.key),
        **differences(asked, *heard.values()),
        "loop_seam": loop_seam(samples, sample_rate) if looped else None,
    }
