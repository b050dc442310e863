"""The quality room, stuck tones: a partial that sounds on, unwavering, while music would move.

Instruments waver: vibrato, decay, beating with a neighbour. A bin whose power keeps within a few percent of its mean
for seconds holds a machine's tone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soundmill.quality.detectors.spectra import Spectra

STEADY = 0.02  # variance of the power over mean²: about 0.6 dB
LOW_HZ = 140.0  # below it basses and organs hold their notes for as long,
LOW_STEADY = 0.003  # but not as evenly as a machine
DRIFT_DB = 0.75  # from one segment to the next
PROMINENCE_DB = -25.0  # against all power of the segment
SHARE_OF_CLIP_DB = -30.0  # against the clip's mean power


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckTone:
    start_s: float
    end_s: float
    hertz: float


def stuck_tone(found: Spectra) -> StuckTone | None:
    """The longest stretch for which one bin is a steady tone; None when there is none of two segments."""
    mean, count = found.mean, len(found.mean)
    if count < 2:
        return None
    whole = mean.sum(axis=1, keepdims=True)
    loud = max(float(whole.mean()) * 10 ** (SHARE_OF_CLIP_DB / 10), 1e-12)
    steady_enough = np.where(found.frequencies < LOW_HZ, np.float32(LOW_STEADY), np.float32(STEADY))
    tone = (found.wavering < steady_enough) & (mean > whole * 10 ** (PROMINENCE_DB / 10)) & (mean > loud)
    tone[:, 1:-1] &= (mean[:, 1:-1] >= mean[:, :-2]) & (mean[:, 1:-1] >= mean[:, 2:])
    tone[:, :2] = False  # an offset from zero is no tone
    if not tone.any():
        return None
    ratio = 10 ** (DRIFT_DB / 10)
    length = np.zeros(mean.shape[1], dtype=np.int64)
    best, best_end, best_bin = 0, 0, 0
    for segment in range(count):
        if segment:
            steady = (mean[segment] < ratio * mean[segment - 1]) & (mean[segment - 1] < ratio * mean[segment])
            length = np.where(steady, length, 0)
        length = np.where(tone[segment], length + 1, 0)
        top = int(length.argmax())
        if length[top] > best:
            best, best_end, best_bin = int(length[top]), segment + 1, top
    if best < 2:
        return None
    size = found.segment_frames
    return StuckTone(
        start_s=found.seconds((best_end - best) * size - 0.5),
        end_s=found.seconds(best_end * size - 0.5),
        hertz=float(found.frequencies[best_bin]),
    )
