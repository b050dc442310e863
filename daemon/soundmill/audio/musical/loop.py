"""Musical, loops: what follows a loop's end folded into its beginning, and where in a clip that is best done."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.musical.onsets import FRAMES_PER_S, band_levels, onset_strength
from soundmill.audio.musical.seam import CROSSING, SHORTEST_S, Inner, inner, loop_seam, rated
from soundmill.audio.musical.tempo import tempo_of

OVERLAPS_S = (1.0, 0.5, 0.2, 0.08, 0.03)  # of the end over the beginning, the longest first
EXAMINED = 24  # candidates whose seam is measured
FINALISTS = 3
LEAD_FRAMES = 6  # a loop begins at most so long before a beat
LEAD_DB = 2.0  # how much less alike two places may be, where one leads to a beat
UNLIKE_DB = 3.0  # the same, where their waves agree
LEAST_SHARE = 0.4  # of a clip that a loop found in it has at least
SHORT_DB = 3.0  # by how much more alike its ends must be, were a loop of half the clip to be preferred to the whole
SURE = 0.15  # certainty of a tempo that a loop is made of whole bars of
BAR = 4  # beats
CALM_S = 0.0015  # by how much a loop may begin earlier or later for a calmer wave at its seam
TUNED_S = 0.012  # by how much a loop's length may be changed to have the waves agree
LAG_STEP = 2  # frames

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looped:
    """A loop, samples [channels, time]; `first` is where in the clip it begins, `overlap` how many samples of what
    follows its end are folded into its beginning; `seam` as seam.loop_seam says."""

    samples: Samples
    first: int
    overlap: int
    seam: float


def fold(samples: Samples, first: int, length: int, overlap: int) -> Samples:
    """The loop of `length` samples from `first` on of a clip [channels, time], whose end goes on into its beginning.

    Over the first `overlap` samples what follows its end is faded out and its own beginning in: by gains 1 - g and g,
    g half a period of a raised cosine, divided by sqrt((1 - g)² + g² + 2ρg(1 - g)), so that the power stays what it is
    for their correlation ρ (Fink, Holters and Zölzer 2016, "Signal-Matched Power-Complementary Cross-Fading and Dry-Wet
    Mixing"): equal gain where they are the same, equal power where they have nothing in common.
    """
    made: Samples = samples[:, first : first + length].astype(np.float32, copy=True)
    after = samples[:, first + length : first + length + overlap].astype(np.float64)
    before = made[:, :overlap].astype(np.float64)
    both = float(np.vdot(after, before))
    size = float(np.sqrt(np.vdot(after, after) * np.vdot(before, before)))
    rho = min(1.0, max(0.0, both / size)) if size > 0 else 0.0
    g = (1 - np.cos(np.pi * (np.arange(overlap) + 0.5) / max(1, overlap))) / 2
    gain = np.sqrt((1 - g) ** 2 + g**2 + 2 * rho * g * (1 - g))
    made[:, :overlap] = ((1 - g) * after + g * before) / gain
    return made


def folded(samples: Samples, sample_rate: int, length: int) -> Looped:
    """The best loop of just `length` samples in a longer clip [channels, time] of finite samples.

    Of the places where it may begin those are tried whose sound is most like that one length later, in its bands and
    its wave, and that lead to a beat; of those the one with the smoothest seam. Raises ValueError for a clip that is no
    longer than the loop.
    """
    spare = samples.shape[1] - length
    if spare < 1:
        raise ValueError(f"a loop of {length} samples cannot be folded out of a clip of {samples.shape[1]}")
    like = inner(samples, sample_rate)
    found = _places(samples, sample_rate, length, band_levels(samples, sample_rate), _leads(samples, sample_rate))
    found.append((0.0, 0, min(spare, length // 2)))
    made = [_made(samples, sample_rate, like, length, first, over) for _, first, over in found]
    return _smoothest(made, sample_rate)


def found_loop(samples: Samples, sample_rate: int) -> Looped | None:
    """The best loop in a clip [channels, time] of finite samples, at least two fifths of it; whole bars where its tempo
    is certain enough. None for a clip shorter than a second, and for silence."""
    if samples.shape[1] < 2 * SHORTEST_S * sample_rate or not samples.any():
        return None
    levels, like = band_levels(samples, sample_rate), inner(samples, sample_rate)
    leads = _leads(samples, sample_rate)
    beat = tempo_of(onset_strength(samples, sample_rate))
    lags = _lags(samples.shape[1] / sample_rate, None)
    ways = [lags]
    if beat is not None and beat.certainty >= SURE and (bars := _lags(samples.shape[1] / sample_rate, beat.bpm)):
        ways.insert(0, bars)
    found: list[Looped] = []
    for way in ways:
        for lag in _likeliest(levels, way):
            for _, first, over in _places(samples, sample_rate, round(lag * sample_rate), levels, leads)[:3]:
                length = _tuned(samples, sample_rate, first, round(lag * sample_rate), over)
                found.append(_made(samples, sample_rate, like, length, first, over))
        if found and (best := _smoothest(found, sample_rate)).seam <= 1:
            return best
    return _smoothest(found, sample_rate) if found else None


def _smoothest(made: list[Looped], sample_rate: int) -> Looped:
    """The loop with the smoothest seam, of the most promising, each now held against its own points alone."""
    best = sorted(made, key=_seam)[:FINALISTS]
    return min((replace(each, seam=max(each.seam, _own_seam(each, sample_rate))) for each in best), key=_seam)


def _own_seam(made: Looped, sample_rate: int) -> float:
    return loop_seam(made.samples, sample_rate) or 0.0


def _seam(made: Looped) -> float:
    return made.seam


def _made(samples: Samples, sample_rate: int, like: Inner, length: int, first: int, overlap: int) -> Looped:
    first = _calmest(samples, sample_rate, first, length, overlap)
    loop = fold(samples, first, length, overlap)
    # Where the overlap begins, and where it has passed.
    seam = rated(loop, sample_rate, [0, overlap // 2, overlap], like)
    return Looped(samples=loop, first=first, overlap=overlap, seam=seam)


def _calmest(samples: Samples, sample_rate: int, first: int, length: int, overlap: int) -> int:
    """Where within a millisecond or two the loop best begins: where the wave bends least as it goes over the end."""
    reach = round(CALM_S * sample_rate)
    low, high = max(0, first - reach), min(first + reach, samples.shape[1] - length - overlap)
    if high <= low or low + length <= CROSSING + 1:
        return first
    around = samples[:, low + length - CROSSING - 1 : high + length + CROSSING + 1]
    bend = np.abs(np.diff(around, 2, axis=1)).max(axis=0)
    sharpest = np.lib.stride_tricks.sliding_window_view(bend, 2 * CROSSING).max(axis=1)
    return low + int(np.argmin(sharpest[: high - low + 1]))


def _leads(samples: Samples, sample_rate: int) -> NDArray[np.float64]:
    """How much each frame leads to a beat, 0 to 1: something begins soon after it, and nothing at it [frames]."""
    onsets = onset_strength(samples, sample_rate).astype(np.float64)
    if onsets.size < LEAD_FRAMES + 3 or not onsets.any():
        return np.zeros(onsets.size)
    soon = np.lib.stride_tricks.sliding_window_view(np.pad(onsets, (0, LEAD_FRAMES)), LEAD_FRAMES + 1).max(axis=1)
    # A frame sees the 32 ms after its time.
    now = np.lib.stride_tricks.sliding_window_view(np.pad(onsets, (2, 0)), 3).max(axis=1)
    return np.asarray(np.clip((soon - 2 * now) / np.quantile(soon, 0.95).clip(1e-9), 0, 1))


def _places(
    samples: Samples, sample_rate: int, length: int, levels: Samples, leads: NDArray[np.float64]
) -> list[tuple[float, int, int]]:
    """The likeliest (how unlike, first sample, overlap) of a loop of `length` samples, the best first."""
    spare = samples.shape[1] - length
    lag = round(length / sample_rate * FRAMES_PER_S)
    differ = np.abs(levels[: max(0, len(levels) - lag)] - levels[lag:]).mean(axis=1, dtype=np.float64)
    found: list[tuple[float, int, int]] = []
    for seconds in OVERLAPS_S:
        over = round(seconds * sample_rate)
        frames = max(1, round(seconds * FRAMES_PER_S))
        if over > min(spare, length // 3) or differ.size < frames:
            continue
        starts = np.arange(min(differ.size - frames + 1, (spare - over) * FRAMES_PER_S // sample_rate + 1))
        sums = np.concatenate([[0.0], np.cumsum(differ)])
        unlike = (sums[starts + frames] - sums[starts]) / frames
        firsts = np.round(starts * sample_rate / FRAMES_PER_S).astype(np.int64)
        unlike += UNLIKE_DB * (1 - _agreement(samples, firsts, length, over))
        lead = leads[starts.clip(max=max(0, leads.size - 1))] if leads.size else 0.0
        unlike -= LEAD_DB * lead
        best = np.argsort(unlike, kind="stable")[: max(1, EXAMINED // len(OVERLAPS_S))]
        found += [(float(unlike[each]), int(firsts[each]), over) for each in best]
    return sorted(found)


def _agreement(samples: Samples, firsts: NDArray[np.int64], length: int, over: int) -> NDArray[np.float64]:
    """The correlation, 0 at least, of `over` samples from each of `firsts` with those one length later."""
    reach = int(firsts[-1]) + over
    here, there = samples[:, :reach].astype(np.float64), samples[:, length : length + reach].astype(np.float64)
    both, mine, its = (
        np.concatenate([[0.0], np.cumsum((a * b).sum(axis=0))])
        for a, b in ((here, there), (here, here), (there, there))
    )
    common, first, second = (sums[firsts + over] - sums[firsts] for sums in (both, mine, its))
    correlation: NDArray[np.float64] = common / np.sqrt(np.maximum(first * second, 1e-20))
    return np.clip(correlation, 0, 1)


def _lags(duration_s: float, bpm: float | None) -> list[float]:
    """Lengths a loop may have, in seconds: whole bars of a tempo, or any."""
    longest, shortest = duration_s - 2 * OVERLAPS_S[-1], max(SHORTEST_S, LEAST_SHARE * duration_s)
    if bpm is not None:
        bar = BAR * 60 / bpm
        return [bars * bar for bars in range(1, int(longest / bar) + 1) if bars * bar >= shortest]
    return list(np.arange(shortest, longest, LAG_STEP / FRAMES_PER_S))


def _likeliest(levels: Samples, lags: list[float]) -> list[float]:
    """The lags after which the sound is most like what it was somewhere, a longer one rather than a shorter."""
    width, longest = round(OVERLAPS_S[2] * FRAMES_PER_S), lags[-1] if lags else 1.0
    rated_lags: list[tuple[float, float]] = []
    for lag in lags:
        frames = round(lag * FRAMES_PER_S)
        differ = np.abs(levels[: max(0, len(levels) - frames)] - levels[frames:]).mean(axis=1, dtype=np.float64)
        if differ.size < 2:
            continue
        sums = np.concatenate([[0.0], np.cumsum(differ)])
        span = min(width, differ.size)
        least = float((sums[span:] - sums[:-span]).min()) / span
        rated_lags.append((least + SHORT_DB * (longest / lag - 1), lag))
    return [lag for _, lag in sorted(rated_lags)[: EXAMINED // 3]]


def _tuned(samples: Samples, sample_rate: int, first: int, length: int, over: int) -> int:
    """The length, changed by a few milliseconds, at which the wave over the seam agrees best."""
    reach = min(round(TUNED_S * sample_rate), first + length, samples.shape[1] - first - length - over)
    if reach < 1:
        return length
    here = samples[:, first : first + over].astype(np.float64)
    there = samples[:, first + length - reach : first + length + over + reach].astype(np.float64)
    from scipy.signal import correlate  # half a second, which only who asks for a loop waits

    both = sum(correlate(b, a, "valid") for a, b in zip(here, there, strict=True))
    power = np.concatenate([[0.0], np.cumsum(np.square(there).sum(axis=0))])
    size = np.sqrt(np.maximum(power[over:] - power[:-over], 1e-20))
    return int(length - reach + np.argmax(both / size))
