"""The classic defects once more, by other recipes and on other sounds than tests/support/defective.py and
benchmarks/defects/planted.py have: what a detector finds here it was not fitted to.

Edges are faded, laws are those of another machine, and the sounds are made at the rate that is asked for, 16 to 96 kHz.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, resample_poly, sosfilt

Samples = NDArray[np.float32]
Wave = NDArray[np.float64]
Rng = np.random.Generator

SECONDS = 9.0


def _noise(rng: Rng, length: int, rate: int, low: float, high: float) -> Wave:
    """Noise between two frequencies, RMS 1."""
    sos = butter(2, [low, min(high, 0.45 * rate)], "bandpass", fs=rate, output="sos")
    sound = sosfilt(sos, rng.standard_normal(length))
    return np.asarray(sound / sound.std())


def _room(rng: Rng, sound: Wave, rate: int, decay_s: float, level: float) -> Wave:
    """[2, time]: the sound with reverberation of its own on either side."""
    length = round(2 * decay_s * rate)
    fade = np.exp(-np.arange(length) / (decay_s * rate / 3))
    size = sound.size + length
    spectrum = np.fft.rfft(sound, size)
    sides = []
    for _ in range(2):
        tail = sosfilt(butter(1, min(6000, 0.4 * rate), fs=rate, output="sos"), rng.standard_normal(length) * fade)
        wet = np.fft.irfft(spectrum * np.fft.rfft(tail, size), size)[: sound.size]
        sides.append(sound + wet * (level * sound.std() / max(wet.std(), 1e-12)))
    return np.stack(sides)


def strings(rng: Rng, rate: int) -> Wave:
    """Plucked strings (Karplus and Strong, 1983), an arpeggio in a room."""
    sound = np.zeros(round(SECONDS * rate))
    root, at = rng.uniform(100, 160), 0.02
    while at < SECONDS - 0.1:
        hertz = root * 2 ** (int(rng.choice([0, 3, 7, 10, 12, 15, 19])) / 12)
        period, length = round(rate / hertz), round(min(1.4, SECONDS - at) * rate)
        pluck = np.zeros(length)
        pluck[:period] = rng.uniform(-1, 1, period)
        comb = np.zeros(period + 2)
        comb[0], comb[-2:] = 1, -0.4985
        note = lfilter([1.0], comb, pluck) * np.minimum((length - np.arange(length)) / (0.05 * rate), 1)
        start = round(at * rate)
        sound[start : start + length] += rng.uniform(0.5, 1) * note
        at += rng.choice([0.17, 0.17, 0.34]) * rng.normal(1, 0.03)
    return _room(rng, sosfilt(butter(2, 50, "high", fs=rate, output="sos"), sound), rate, 0.6, 0.3)


def organ(rng: Rng, rate: int) -> Wave:
    """Held chords with a tremulant and some wind."""
    time = np.arange(round(SECONDS * rate)) / rate
    sound = 0.003 * _noise(rng, time.size, rate, 300, 5000)
    for number, chord in enumerate(((0, 4, 7), (-3, 0, 5), (2, 5, 9), (-1, 2, 7))):
        shape = np.clip((time - number * 2.25) / 0.06, 0, 1) * np.clip((number * 2.25 + 2.3 - time) / 0.08, 0, 1)
        for degree in chord:
            hertz = 196 * 2 ** (degree / 12) * rng.normal(1, 0.001)
            phase = 2 * np.pi * np.cumsum(hertz * (1 + 0.004 * np.sin(2 * np.pi * 5.7 * time))) / rate
            for partial in (1, 2, 3, 4, 6, 8):
                sound += shape * np.sin(partial * phase + rng.uniform(0, 6)) / partial * rng.uniform(0.3, 0.6)
    return _room(rng, sound * (1 + 0.12 * np.sin(2 * np.pi * 5.7 * time)), rate, 1.0, 0.4)


def engine(rng: Rng, rate: int) -> Wave:
    """A motor that idles and is revved, with the road under it."""
    time = np.arange(round(SECONDS * rate)) / rate
    speed = (
        28 + 9 * np.sin(2 * np.pi * rng.uniform(0.12, 0.2) * time) + np.cumsum(rng.standard_normal(time.size)) / rate
    )
    fires = np.diff(np.floor(np.cumsum(speed) / rate), prepend=0.0) * rng.uniform(0.7, 1.0, time.size)
    fires = sosfilt(butter(4, 900, fs=rate, output="sos"), fires)
    sound = np.zeros(time.size)
    for hertz, wide in ((90, 0.5), (240, 0.4), (700, 0.3), (1900, 0.3)):
        sos = butter(1, [hertz * (1 - wide / 2), hertz * (1 + wide / 2)], "bandpass", fs=rate, output="sos")
        part = sosfilt(sos, fires)
        sound += part / part.std() * (90 / hertz) ** 0.5
    return _room(rng, sound + 0.25 * _noise(rng, time.size, rate, 60, 3000), rate, 0.2, 0.2)


def surf(rng: Rng, rate: int) -> Wave:
    """Waves on a beach, and gulls."""
    time = np.arange(round(SECONDS * rate)) / rate
    swell = 0.35 + 0.65 * np.sin(2 * np.pi * rng.uniform(0.1, 0.16) * time + rng.uniform(0, 6)) ** 2
    sound = np.stack([swell * _noise(rng, time.size, rate, 90, 4000) for _ in range(2)])
    for at in rng.uniform(0.5, SECONDS - 1, 5):
        cry = np.arange(round(0.4 * rate)) / rate
        hertz = 1500 + 500 * np.sin(np.pi * cry / 0.4) + 40 * np.sin(2 * np.pi * 9 * cry)
        voice = np.sin(2 * np.pi * np.cumsum(hertz) / rate) + 0.5 * np.sin(4 * np.pi * np.cumsum(hertz) / rate)
        start = round(at * rate)
        sound[:, start : start + cry.size] += 1.5 * voice * np.sin(np.pi * cry / 0.4) ** 2 * rng.uniform(0.3, 1, (2, 1))
    return sound


def crowd(rng: Rng, rate: int) -> Wave:
    """Many voices at once in a hall."""
    length = round(SECONDS * rate)
    sound = np.zeros(length)
    for _ in range(45):
        at, seconds = rng.uniform(0, SECONDS - 0.5), rng.uniform(0.12, 0.45)
        time = np.arange(round(seconds * rate)) / rate
        pitch = rng.uniform(110, 280) * (1 + rng.normal(0, 0.1) * time)
        pulses = np.diff(np.floor(np.cumsum(pitch) / rate), prepend=0.0)
        voice = np.zeros(time.size)
        for low, high in ((300, 800), (900, 2200), (2400, 3200)):
            centre = rng.uniform(low, high)
            voice += (
                sosfilt(butter(1, [0.9 * centre, 1.1 * centre], "bandpass", fs=rate, output="sos"), pulses) / centre
            )
        start = round(at * rate)
        sound[start : start + time.size] += voice / max(voice.std(), 1e-12) * np.sin(np.pi * time / seconds)
    return _room(rng, sound + 0.3 * _noise(rng, length, rate, 150, 2500), rate, 0.9, 0.8)


# What a sound is, and whose limits judge it.
SOUNDS: Mapping[str, tuple[str, Callable[[Rng, int], Wave]]] = {
    "strings": ("music", strings),
    "organ": ("music", organ),
    "engine": ("sound_effects", engine),
    "surf": ("sound_effects", surf),
    "crowd": ("sound_effects", crowd),
}


def sound(name: str, rate: int, channels: int) -> Samples:
    """A clean clip of 9 s [channels, time] in 16 bits, its peak at 0.6; of six channels the surrounds are the front
    ones later and softer, the centre their mean, the LFE the centre's lows."""
    made = SOUNDS[name][1](np.random.default_rng([7, sorted(SOUNDS).index(name)]), rate)
    if channels == 1:
        made = made[:1]
    if channels == 6:
        middle = made.mean(axis=0)
        lows = sosfilt(butter(2, 120, fs=rate, output="sos"), middle)
        by = round(0.03 * rate)
        later = 0.5 * np.concatenate((np.zeros((2, by)), made[:, :-by]), axis=1)
        made = np.stack([*made, 0.7 * middle, lows, *later])
    return np.asarray(np.round(0.6 * made / np.abs(made).max() * 32767) / 32768, np.float32)


# --- the recipes ---


def _rms(part: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(part, dtype=np.float64))))


def _ramp(length: int, at: int, over: int) -> Wave:
    """0 up to `at`, 1 from `over` samples later on, half a cosine between."""
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip((np.arange(length) - at) / max(over, 1), 0, 1)))


def _busy(clip: Samples, rate: int, first: float, last: float, rng: Rng) -> int:
    """A sample between two shares of the clip around which every 10 ms are as loud as the clip, nearly."""
    near, whole = rate // 100, _rms(clip)
    best, at = -1.0, int(first * clip.shape[1])
    for start in rng.integers(round(first * clip.shape[1]), round(last * clip.shape[1]), 60):
        level = min(_rms(clip[:, start - near : start]), _rms(clip[:, start : start + near]))
        if level > best:
            best, at = level, int(start)
        if level > 0.7 * whole:
            break
    return at


def ends_early(clip: Samples, rate: int, rng: Rng) -> Samples:
    """Faded over 2 ms, then the dither of 16 bits."""
    at = _busy(clip, rate, 0.4, 0.55, rng)
    dither = np.round(rng.uniform(-1, 1, clip.shape)) / 32768
    return np.asarray(clip * (1 - _ramp(clip.shape[1], at, rate // 500)) + dither, np.float32)


def held_sample(clip: Samples, rate: int, rng: Rng) -> Samples:
    """The last sample before it held for 30 to 120 ms, at two places: a converter that got nothing new."""
    for first in (0.25, 0.6):
        at, length = _busy(clip, rate, first, first + 0.2, rng), round(rng.uniform(0.03, 0.12) * rate)
        clip[:, at : at + length] = clip[:, at - 1 : at]
    return clip


def muted_frames(clip: Samples, rate: int, rng: Rng) -> Samples:
    """Frames of 20 ms that a decoder muted, two to four in a row, faded over 1 ms."""
    for first in (0.2, 0.5, 0.7):
        at, frames = _busy(clip, rate, first, first + 0.15, rng), int(rng.integers(2, 5))
        over = rate // 1000
        there = _ramp(clip.shape[1], at, over) * (1 - _ramp(clip.shape[1], at + round(0.02 * frames * rate), over))
        clip = clip * np.float32(1 - there)
    return clip


def hot_input(clip: Samples, rate: int, rng: Rng) -> Samples:
    """Recorded 14 dB too loud, cut on either side at its own level, and turned down afterwards."""
    loud = clip * np.float32(10 ** (14 / 20) * 0.9 / np.abs(clip).max())
    return np.asarray(np.clip(loud, -0.8, 0.93) * rng.uniform(0.3, 0.6), np.float32)


def driven(clip: Samples, rate: int, rng: Rng) -> Samples:
    """An amplifier far beyond what it can: tanh, 26 dB too loud."""
    return np.asarray(np.tanh(clip * (20 / np.abs(clip).max())) * 0.7, np.float32)


def clipped_elsewhere(clip: Samples, rate: int, rng: Rng) -> Samples:
    """Cut at another sample rate, then resampled: the tops are no longer flat to the sample."""
    there = resample_poly(clip, 147, 160, axis=1)
    limit = np.quantile(np.abs(there), 0.9)
    return np.asarray(
        resample_poly(np.clip(there, -limit, limit), 160, 147, axis=1)[:, : clip.shape[1]] * (0.6 / limit), np.float32
    )


def looped(clip: Samples, rate: int, rng: Rng) -> Samples:
    """From a third on a passage again and again, joined by crossfades of 8 ms, each play 0.2 dB softer."""
    period, start, over = round(rng.uniform(0.6, 1.1) * rate), clip.shape[1] // 3, round(0.008 * rate)
    piece = clip[:, start : start + period + over].copy()
    rise = np.linspace(0, 1, over, dtype=np.float32)
    piece[:, :over] = piece[:, :over] * rise + piece[:, period:] * (1 - rise)
    times = -(-(clip.shape[1] - start) // period)
    gains = np.repeat(10 ** (-0.2 / 20 * np.arange(times)), period)
    clip[:, start:] = (np.tile(piece[:, :period], (1, times)) * gains)[:, : clip.shape[1] - start]
    return clip


def whistles(clip: Samples, rate: int, rng: Rng) -> Samples:
    """The sound fades within 0.2 s into a tone with three partials, which stays."""
    time = np.arange(clip.shape[1]) / rate
    hertz, mix = rng.uniform(300, 1800), _ramp(clip.shape[1], round(0.3 * clip.shape[1]), rate // 5)
    tone = sum(np.sin(2 * np.pi * n * hertz * time + n) / n**1.5 for n in (1, 2, 3))
    return np.asarray(clip * (1 - mix) + tone * mix * _rms(clip), np.float32)


def pink_end(clip: Samples, rate: int, rng: Rng) -> Samples:
    """The sound fades within 0.3 s into pink noise, each channel its own."""
    spectrum = np.fft.rfft(rng.standard_normal(clip.shape))
    spectrum[:, 0] = 0
    spectrum[:, 1:] /= np.sqrt(np.maximum(np.fft.rfftfreq(clip.shape[1], 1 / rate)[1:], 40))
    noise = np.fft.irfft(spectrum, clip.shape[1])
    mix = _ramp(clip.shape[1], round(0.35 * clip.shape[1]), round(0.3 * rate))
    return np.asarray(clip * (1 - mix) + noise * (mix * _rms(clip) / _rms(noise)), np.float32)


def pops(clip: Samples, rate: int, rng: Rng) -> Samples:
    """Of a needle: up and down within a tenth of a millisecond and over after a quarter, in every channel."""
    length = max(3, round(0.00025 * rate))
    time = np.arange(length) / rate
    shape = np.cos(2 * np.pi * time / 0.0002) * np.exp(-time / 0.00006)
    for at in rng.uniform(0.1, 0.9, 6) * clip.shape[1]:
        near = np.abs(clip[:, int(at) - rate // 30 : int(at) + rate // 30]).max()
        clip[:, int(at) : int(at) + length] += np.float32(9 * max(near, 0.01)) * shape.astype(np.float32)
    return clip


def drifting(clip: Samples, rate: int, rng: Rng) -> Samples:
    """An offset that creeps up over 2 s to 0.14 of full scale."""
    return np.asarray(
        clip * 0.8 + 0.14 * rng.choice([-1, 1]) * np.clip(np.arange(clip.shape[1]) / (2 * rate), 0, 1), np.float32
    )


def softer_side(clip: Samples, rate: int, rng: Rng) -> Samples:
    """A loose plug: the left channel 24 dB softer and without its lows."""
    clip[0] = sosfilt(butter(1, 200, "high", fs=rate, output="sos"), clip[0]) * 10 ** (-24 / 20)
    return clip


def turned_over(clip: Samples, rate: int, rng: Rng) -> Samples:
    """Both channels of the mean with some air of their own, one of them turned over and 2 dB softer."""
    middle = clip.mean(axis=0)
    air = 0.15 * _rms(middle) * rng.standard_normal(clip.shape)
    return np.asarray(np.stack([middle, -0.8 * middle]) + air, np.float32)


def jumps_up(clip: Samples, rate: int, rng: Rng) -> Samples:
    """20 dB louder from one moment on, the gain moved within 25 ms."""
    mix = _ramp(clip.shape[1], _busy(clip, rate, 0.4, 0.6, rng), rate // 40)
    return np.asarray(clip * 10 ** (-20 / 20 * (1 - mix)), np.float32)


def jumps_down(clip: Samples, rate: int, rng: Rng) -> Samples:
    """18 dB softer from one sample on, with the hiss of what plays it, which stays as it was."""
    at = _busy(clip, rate, 0.35, 0.6, rng)
    clip[:, at:] *= np.float32(10 ** (-18 / 20))
    return np.asarray(clip + rng.standard_normal(clip.shape) * 2e-4, np.float32)


def few_bits(clip: Samples, rate: int, rng: Rng) -> Samples:
    """Cut to 5 bits without rounding, with half a step of offset, then 3 dB down and kept in 16 bits."""
    step = np.abs(clip).max() / 16
    return np.asarray(np.round((np.floor(clip / step) + 0.5) * step * 0.7 * 32768) / 32768, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A defect by another recipe. finds: the checks or notes one of which has to name it; fails: share of the clips
    that it has to fail as well; channels: in which it can be made"""

    name: str
    make: Callable[[Samples, int, Rng], Samples]
    finds: tuple[str, ...]
    fails: float = 1.0
    channels: tuple[int, ...] = (1, 2, 6)

    def of(self, clip: Samples, rate: int) -> Samples:
        made = self.make(clip.copy(), rate, np.random.default_rng([11, rate, len(clip)]))
        return np.asarray(np.clip(made, -1, 1), np.float32)


SILENCE = ("silence", "silence_tail", "cut_tail")
CLIPPING = ("clipping", "flat_tops", "clipped_peaks", "cut_tops")
TWINS = (
    Twin(name="ends early", make=ends_early, finds=SILENCE),
    Twin(name="held sample", make=held_sample, finds=("dropouts", "holes")),
    Twin(name="muted frames", make=muted_frames, finds=("dropouts", "holes")),
    Twin(name="hot input", make=hot_input, finds=CLIPPING),
    Twin(name="driven", make=driven, finds=CLIPPING, fails=0.7),
    Twin(name="clipped elsewhere", make=clipped_elsewhere, finds=CLIPPING, fails=0.6),
    Twin(name="looped", make=looped, finds=("loops", "repetition")),
    Twin(name="whistles", make=whistles, finds=("stuck_tone", "stuck_tone_share")),
    Twin(name="pink end", make=pink_end, finds=("noise", "odd_noise", "spectral_balance")),
    Twin(name="pops", make=pops, finds=("clicks",)),
    Twin(name="drifting", make=drifting, finds=("dc_offset",)),
    Twin(name="softer side", make=softer_side, finds=("channel_balance", "dead_channel"), channels=(2,)),
    Twin(name="turned over", make=turned_over, finds=("phase",), channels=(2,)),
    Twin(name="jumps up", make=jumps_up, finds=("level_step",)),
    Twin(name="jumps down", make=jumps_down, finds=("level_step",)),
    Twin(name="few bits", make=few_bits, finds=("bit_depth",)),
)
