"""The audio room, fingerprints: short-time spectra that are comparable whatever the sample rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

HOP_S = 0.032
FRAME_S = 0.064
BIN_HZ = 1 / FRAME_S
AT_ONCE = 512  # frames, so that a long file does not fill the memory


def spectra(
    samples: NDArray[np.float32], sample_rate: int, *, top_hz: float, shift_s: float = 0.0
) -> NDArray[np.float32]:
    """Magnitudes [frames, bins] of the mean of the channels of finite samples [channels, time], from 0 to `top_hz`.

    Frames of 64 ms in a Hann window begin every 32 ms, the first `shift_s` after the sound; bins are 15.6 Hz apart.
    Frame lengths are rounded to samples, so that sounds of other sample rates give nearly the same numbers. What lies
    above half the sample rate is 0. A sound shorter than a frame has none.
    """
    frame = round(FRAME_S * sample_rate)
    mono = samples.mean(axis=0, dtype=np.float32) if len(samples) > 1 else samples[0]
    starts = np.round(np.arange(shift_s, max(0.0, (mono.size - frame) / sample_rate) + 1e-9, HOP_S) * sample_rate)
    starts = starts[starts + frame <= mono.size].astype(np.int64)
    bins = int(top_hz / BIN_HZ)
    found = np.zeros((starts.size, bins), np.float32)
    window = np.hanning(frame + 1)[:-1].astype(np.float32)
    window *= 2 / window.sum()
    inside = np.lib.stride_tricks.sliding_window_view(mono, frame) if mono.size >= frame else None
    for first in range(0, starts.size, AT_ONCE):
        assert inside is not None
        part = np.abs(rfft(inside[starts[first : first + AT_ONCE]] * window, axis=1)[:, :bins])
        found[first : first + AT_ONCE, : part.shape[1]] = part
    return found
