"""The audio room, fingerprints: the peaks of a sound's spectrogram, by which its recording is known again.

After A. Wang, "An Industrial-Strength Audio Search Algorithm" (ISMIR 2003): what encoders, resampling, gain and noise
leave alone are the strongest points of the spectrogram. A recording keeps its peaks, three bytes each; pairs of them,
which are what is looked up, are made of these when they are needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from soundmill.audio.fingerprint.spectrum import spectra

TOP_HZ = 4000.0
LOWEST_BIN = 3  # below lies rumble, which many encoders cut off
NEAR_BINS = 8  # a peak is the strongest point so far around
NEAR_FRAMES = 6
DEEPEST_DB = 60.0  # under the strongest peak
LAST_FRAME = 0xFFFF

KEPT_A_SECOND = 8  # of a recording's peaks, the strongest
SECOND = 31  # frames
PARTNERS = 3  # each peak of a recording is paired with so many that follow
ASKED_PARTNERS = 12  # and of a sound that is asked for, where all peaks are kept, with so many
MOST_FRAMES = 63  # and begin no later than this after it
MOST_BINS = 63  # and lie no further than this above or below
TIME_BITS, STEP_BITS = 6, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks:
    """Peaks in the order of their times: frames of 32 ms (uint16) and bins of 15.6 Hz (uint8)."""

    frames: NDArray[np.uint16]
    bins: NDArray[np.uint8]


def landmarks(samples: NDArray[np.float32], sample_rate: int) -> Landmarks:
    """The peaks that are kept of a recording: the strongest of each second of finite samples [channels, time]."""
    found, strengths = _peaks(samples, sample_rate, shift_s=0.0)
    # Ordered by second, the strongest first; then how many of its second come before each.
    seconds = found.frames // SECOND
    order = np.lexsort((-strengths, seconds))
    rank = np.arange(order.size) - np.searchsorted(seconds[order], seconds[order])
    kept = np.sort(order[rank < KEPT_A_SECOND])
    return Landmarks(frames=found.frames[kept], bins=found.bins[kept])


def all_landmarks(samples: NDArray[np.float32], sample_rate: int, *, shift_s: float) -> Landmarks:
    """All peaks of finite samples [channels, time], where frames begin `shift_s` after the sound."""
    return _peaks(samples, sample_rate, shift_s=shift_s)[0]


def _peaks(samples: NDArray[np.float32], sample_rate: int, *, shift_s: float) -> tuple[Landmarks, NDArray[np.float32]]:
    """Peaks and how strong they are."""
    found = spectra(samples, sample_rate, top_hz=TOP_HZ, shift_s=shift_s)[: LAST_FRAME + 1]
    # Sounds fall off towards high frequencies; unweighted, nearly all peaks would be bass.
    found *= np.arange(found.shape[1], dtype=np.float32)
    found[:, :LOWEST_BIN] = 0
    floor = found.max(initial=0.0) * 10 ** (-DEEPEST_DB / 20)
    strongest = maximum_filter(found, (2 * NEAR_FRAMES + 1, 2 * NEAR_BINS + 1), mode="constant")
    frames, bins = np.nonzero((found == strongest) & (found > floor))
    return Landmarks(frames=frames.astype(np.uint16), bins=bins.astype(np.uint8)), found[frames, bins]


def pairs(
    frames: NDArray[np.uint16], bins: NDArray[np.uint8], owner: NDArray[np.int32], partners: int
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Each peak with the `partners` of its `owner` that follow: for each pair its code of 21 bits, and the number of
    the peak it begins at.

    The code holds the first peak's bin, the step to the second's, and the time between them; so it is the same
    wherever in a recording the pair stands. Peaks of one owner stand together, in the order of their times.
    """
    codes, anchors = [], []
    for partner in range(1, partners + 1):
        time = frames[partner:].astype(np.int32) - frames[:-partner]
        step = bins[partner:].astype(np.int32) - bins[:-partner]
        near = (owner[partner:] == owner[:-partner]) & (time <= MOST_FRAMES) & (np.abs(step) <= MOST_BINS)
        anchor = np.flatnonzero(near)
        code = (bins[anchor].astype(np.uint32) << STEP_BITS) | (step[anchor] + MOST_BINS).astype(np.uint32)
        codes.append((code << TIME_BITS) | time[anchor].astype(np.uint32))
        anchors.append(anchor)
    return np.concatenate(codes), np.concatenate(anchors)
