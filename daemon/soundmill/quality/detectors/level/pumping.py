"""The quality room, pumping: a gain that is pulled down all at once and recovers slowly, again and again.

What sounds begins abruptly and dies away slowly, each band in its own time. A compressor that answers to something
nobody hears does the reverse: all bands fall by as much within a tenth of a second, and rise again over several. Where
it does so at a beat, what all falls have in common tells it even if the sound itself falls and rises between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from soundmill.quality.detectors.runs import highest
from soundmill.quality.detectors.spectra import Spectra

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

COARSEST_HZ = 15.0  # frames a second: with fewer, what falls and what is gone look alike
WINDOW_S, HOP_S = 0.064, 0.032  # of frames of our own, for what is kept at so low a rate
FROM_HZ, BANDS = 100.0, 18
FALL_S = 0.09  # within this it falls,
RISE_S = 0.45  # and rises over this; more in one go
BEFORE_S = 0.25
APART_S = 0.2
DEPTH_DB, HEARD_DB = 80.0, 15.0  # of the loudest band what still counts; above that, a band says something
LEAST_BANDS = 4
LEAST_DB, NOTED_DB, SILENT_DB = 3.5, 6.0, 24.0  # a fall, the usual one of what is noted, and where a sound is over
ALIKE, ALIKE_EACH = 0.3, 0.45  # share of it by which half of the bands differ from it: usually, and of any one
AS_DEEP = 0.6  # share of the usual fall that others of it have
FEWEST, FEWEST_A_S = 4, 0.5
SUDDEN, SUDDEN_EACH = 0.8, 1.6  # shares of the fall by which it may rise as quickly: usually, and after any one
RECOVERED = 0.02  # share of the fall that has come back after RISE_S
MOST = 40

BEAT_S = 0.3, 1.3  # from one fall to the next
BEATS, FINER = 4, np.arange(-3, 4) * 0.2  # that are tried, and frames by which each may be off
LONGEST_S = 15.0  # of a longer clip the middle
FALLS_DB, MOST_DB = 25.0, 8.0  # beyond, a fall or a rise says no more of the beat
OTHERWISE_DB = 3.0  # spread of the falls that is nothing
FEWEST_BEATS, BEAT_LEAST_DB = 5, 5.0
MOSTLY, EVEN = 0.7, 0.4  # of the beats that fall by half of the usual, and of the fall of the least fourth
BEAT_ALIKE, BEAT_SUDDEN, BEAT_LOST = 0.5, 0.9, -0.3  # as above, and how much lower it may be after RISE_S
# Of a beat, and share that has come back by then, where blows are as sudden as the falls: after those it stays away.
BEAT_SHARE, BEAT_BACK = 0.6, 0.15
CALM = 0.6  # share of the fall that the levels usually move by


@dataclass(frozen=True, slots=True)
class Pumping:
    depth_db: float
    times: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class _Levels:
    """level: dB [frames, bands]; shared, apart: by how much the middle one of the bands changes within FALL_S, and by
    how much half of them differ from it [frames]; first_s: the middle of the first frame"""

    level: Floats
    shared: Floats
    apart: Floats
    rate: float
    first_s: float

    def seconds(self, frame: float) -> float:
        return self.first_s + frame / self.rate

    def frames(self, seconds: float) -> int:
        return max(2, round(seconds * self.rate))


def pumping(each: Sequence[Spectra], slow: Floats, rate: float) -> Pumping | None:
    """Of one clip by the spectra of its channels, and by its channels [channels, time] at about 8 kHz where the spectra
    are too coarse."""
    if not each:
        return None
    found = (
        _levels(np.sum([one.bands for one in each], axis=0), each[0].frame_rate, each[0].seconds(0))
        if each[0].frame_rate >= COARSEST_HZ
        else _levels(*_bands(slow, rate))
    )
    if found is None:
        return None
    return _of_falls(found) or _of_beats(found)


def _bands(slow: Floats, rate: float) -> tuple[Floats, float, float]:
    """(Power of bands [frames, bands], frames a second, the middle of the first one in seconds)."""
    size, hop = scipy.fft.next_fast_len(round(WINDOW_S * rate), real=True), round(HOP_S * rate)
    if slow.shape[1] < size:
        return np.zeros((0, 0), np.float32), rate / hop, 0.0
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    edges = np.unique(np.rint(np.geomspace(FROM_HZ, 0.45 * rate, BANDS + 1) * size / rate).astype(np.int64))
    levels = np.abs(scipy.fft.rfft(sliding_window_view(slow, size, axis=1)[:, ::hop] * window, axis=2))
    power = np.square(levels[:, :, : edges[-1]]).sum(axis=0)
    means = np.add.reduceat(power, edges[:-1], axis=1) / np.diff(edges)
    return means.astype(np.float32), rate / hop, size / 2 / rate


def _levels(power: Floats, rate: float, first_s: float) -> _Levels | None:
    span, before, after = (max(2, round(s * rate)) for s in (FALL_S, BEFORE_S, RISE_S))
    if len(power) < 2 * (before + after + span) or not power.any():
        return None
    floor = float(power.max()) * 10 ** (-DEPTH_DB / 10)
    level: Floats = 10 * np.log10(np.maximum(power, np.float32(floor)))
    level = level[:, np.median(level, axis=0) > 10 * np.log10(floor) + HEARD_DB]
    bands = level.shape[1]
    if bands < LEAST_BANDS:
        return None
    change = np.sort(level[span:] - level[:-span], axis=1)
    apart = (change[:, 3 * bands // 4] - change[:, bands // 4]) / 2
    return _Levels(level, change[:, bands // 2], np.asarray(apart, np.float32), rate, first_s)


def _of_falls(found: _Levels) -> Pumping | None:
    """Whenever they come."""
    level, shared = found.level, found.shared
    span, apart, before, after = (found.frames(s) for s in (FALL_S, APART_S, BEFORE_S, RISE_S))
    alike = np.where(found.apart < ALIKE_EACH * np.abs(shared), shared, 0)
    falls = highest(-alike, MOST, apart=apart + 1, least=LEAST_DB)
    if falls.size < FEWEST:
        return None
    deepest = falls[: max(FEWEST, falls.size // 2)]  # the deepest come first
    depth = -float(np.median(shared[deepest]))
    falls = np.sort(falls[shared[falls] < -AS_DEEP * depth])
    falls = falls[(falls >= before) & (falls + after + span < len(level))]
    if falls.size < max(FEWEST, FEWEST_A_S * len(level) / found.rate) or not NOTED_DB <= depth < SILENT_DB:
        return None
    around = shared[falls[:, None] + np.arange(-before, after)]
    back = np.median(level[falls + span + after] - level[falls + span], axis=1)
    if (
        float(np.median(around, axis=0).max()) > SUDDEN * depth
        or float(np.median(around.max(axis=1))) > SUDDEN_EACH * depth
        or float(np.median(back)) < RECOVERED * depth
        or float(np.median(found.apart[falls] / -shared[falls])) > ALIKE
    ):
        return None
    return Pumping(depth, int(falls.size), found.seconds(float(falls[0])), found.seconds(float(falls[-1] + after)))


def _of_beats(found: _Levels) -> Pumping | None:
    """At a beat: of the changes at one place of each, the middle one."""
    first, most = max(len(found.shared) - round(LONGEST_S * found.rate), 0) // 2, round(LONGEST_S * found.rate)
    shared, best, falls, usual = found.shared[first : first + most], 0.0, np.zeros(0, np.int64), np.zeros(0, np.float32)
    clipped = np.clip(shared, -FALLS_DB, MOST_DB)
    for beat in _beats(clipped, found.rate):
        tried = [_places(beat + off, len(shared)) for off in FINER]
        places = min(tried, key=lambda each: float(clipped[each].mean(axis=0).min()))
        middle = np.median(shared[places], axis=0)
        at = places[:, int(middle.argmin())]
        low, high = np.quantile(shared[at], (0.2, 0.8))
        stands_out = -float(middle.min()) * len(at) ** 0.5 / (high - low + OTHERWISE_DB)
        if len(at) >= FEWEST_BEATS and stands_out > best:
            best, falls, usual = stands_out, at, middle
    if not falls.size:
        return None
    fallen, depth = shared[falls], -float(usual.min())
    falls = falls + first
    span, last = found.frames(FALL_S), len(found.level) - 1
    later = min(found.frames(RISE_S), round(BEAT_SHARE * usual.size))  # not what the next one begins with
    back = found.level[np.minimum(falls + span + later, last)] - found.level[falls + span]
    rises = [float(part.max()) for part in np.split(found.shared, falls)[1:-1]]
    if (
        depth < BEAT_LEAST_DB
        or (float(np.median(rises)) > BEAT_SUDDEN * depth and float(np.median(back)) < BEAT_BACK * depth)
        or float(np.mean(fallen < -depth / 2)) < MOSTLY
        or float(np.quantile(fallen, 0.75)) > -EVEN * depth
        or float(np.median(found.apart[falls] / np.maximum(-fallen, 0.5))) > BEAT_ALIKE
        or float(usual.max()) > BEAT_SUDDEN * depth
        or float(np.median(back)) < BEAT_LOST * depth
        or float(np.median(np.abs(shared))) > CALM * depth
    ):
        return None
    return Pumping(depth, falls.size, found.seconds(float(falls[0])), found.seconds(float(falls[-1] + span)))


def _places(beat: float, count: int) -> Numbers:
    """Of each whole beat its frames [beats, frames]."""
    places = np.rint(np.arange(int(count / beat))[:, None] * beat + np.arange(int(beat))).astype(np.int64)
    return np.asarray(places[places[:, -1] < count], np.int64)


def _beats(clipped: Floats, rate: float) -> list[int]:
    """The likeliest ones in frames, by how alike the changes are to those a beat later."""
    clipped = clipped - clipped.mean()
    length = scipy.fft.next_fast_len(2 * len(clipped), real=True)
    spectrum = scipy.fft.rfft(clipped, length)
    alike = scipy.fft.irfft(np.square(np.abs(spectrum)), length)[: len(clipped)]
    alike /= np.arange(len(alike), 0, -1)
    beats = np.arange(round(BEAT_S[0] * rate), min(round(BEAT_S[1] * rate), len(clipped) // (FEWEST_BEATS - 1)) + 1)
    tops = beats[(alike[beats] >= alike[beats - 1]) & (alike[beats] >= alike[beats + 1])]
    return [int(beat) for beat in tops[np.argsort(-alike[tops], kind="stable")[:BEATS]]]
