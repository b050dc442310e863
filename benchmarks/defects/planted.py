"""Defects planted into published audio, each in three strengths: mild, clear, gross.

The recipes are those of the literature named beside them, or what the fault does in the machine that makes it; none is
the detector's own definition turned round. A recipe returns None where the sound has nothing for the fault to show in:
what that is, benchmarks/defects/shows.py says of sounds, not of faults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, istft, lfilter, resample_poly, sosfilt, stft
from shows import calm, sounds_to, tones

Samples = NDArray[np.float32]
Plant = Callable[[Samples, int, float, np.random.Generator], Samples | None]

STRENGTHS = ("mild", "clear", "gross")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """finds: the checks whose sentence names the fault, none where it is not looked for; levels: of mild, clear and
    gross, in `unit`"""

    name: str
    plant: Plant
    levels: tuple[float, float, float]
    unit: str
    finds: tuple[str, ...]
    classic: bool = False


def rms(sound: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if sound.size else 0.0


def _decibels(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))


def _loud_moment(sound: Samples, rate: int, first: float, last: float, rng: np.random.Generator) -> int | None:
    """A sample between two shares of the sound around which it is at least half as loud as on the whole."""
    around = rate // 25
    for at in rng.integers(round(first * sound.shape[1]), max(round(last * sound.shape[1]), 1), 40):
        near = sound[:, max(int(at) - around, 0) : int(at) + around]
        ends = rms(near[:, :around]), rms(near[:, around:])
        if min(ends, default=0.0) > 0.5 * rms(sound):
            return int(at)
    return None


def _ramp(length: int, at: int, rate: int) -> NDArray[np.float64]:
    return np.clip((np.arange(length) - at) / (0.02 * rate), 0, 1)


# --- the classic eleven ---


def silent_tail(sound: Samples, rate: int, share: float, rng: np.random.Generator) -> Samples:
    sound[:, round((1 - share) * sound.shape[1]) :] = 0
    return sound


def dropout(sound: Samples, rate: int, milliseconds: float, rng: np.random.Generator) -> Samples | None:
    """Packets that never came, three of them."""
    for _ in range(3):
        at = _loud_moment(sound, rate, 0.1, 0.85, rng)
        if at is None:
            return None
        sound[:, at : at + round(milliseconds / 1000 * rate)] = 0
    return sound


def clipped(sound: Samples, rate: int, percent: float, rng: np.random.Generator) -> Samples:
    level = np.abs(sound[np.abs(sound).max(axis=1).argmax()])
    limit = np.quantile(level[level > 0.01 * level.max()], 1 - percent / 100)
    return np.asarray(np.clip(sound, -limit, limit) * (0.99 / limit), np.float32)


def looped(sound: Samples, rate: int, period_s: float, rng: np.random.Generator) -> Samples | None:
    """From two seconds in, a model that plays the same over and over."""
    start, period = round(0.2 * sound.shape[1]), round(period_s * rate)
    piece = sound[:, start : start + period]
    if rms(piece) < 0.3 * rms(sound):
        return None
    rest = sound.shape[1] - start
    sound[:, start:] = np.tile(piece, (1, rest // period + 1))[:, :rest]
    return sound


def tone(sound: Samples, rate: int, share: float, rng: np.random.Generator) -> Samples:
    length = round(share * sound.shape[1])
    time = np.arange(length) / rate
    held = np.sin(2 * np.pi * rng.uniform(200, 2500) * time) * np.minimum(time / 0.01, 1)
    sound[:, -length:] = held * 1.4 * rms(sound)
    return sound


def noisy_end(sound: Samples, rate: int, share: float, rng: np.random.Generator) -> Samples:
    length = round(share * sound.shape[1])
    sound[:, -length:] = rng.standard_normal((len(sound), length)) * rms(sound)
    return sound


def clicks(sound: Samples, rate: int, times: float, rng: np.random.Generator) -> Samples:
    for at in rng.integers(rate // 10, sound.shape[1] - rate // 10, 5):
        near = np.abs(sound[:, at - rate // 40 : at + rate // 40]).max()
        sound[:, at : at + int(rng.integers(1, 4))] = max(times * float(near), 0.05) * rng.choice([-1, 1])
    return sound


def offset(sound: Samples, rate: int, level: float, rng: np.random.Generator) -> Samples:
    sound *= np.float32(0.7)
    sound[:, round(rng.uniform(0, 0.5) * sound.shape[1]) :] += np.float32(level)
    return sound


def imbalance(sound: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples | None:
    if len(sound) != 2 or rms(sound[0]) < 0.3 * rms(sound[1]) or rms(sound[1]) < 0.3 * rms(sound[0]):
        return None
    sound[int(rng.integers(2))] *= _decibels(-decibels)
    return sound


def inverted(sound: Samples, rate: int, likeness: float, rng: np.random.Generator) -> Samples | None:
    """One channel turned over, and so much of the other in it that they correlate by minus `likeness`."""
    if len(sound) != 2 or np.corrcoef(sound)[0, 1] < 0.5:
        return None
    one, own = sound[0] / max(rms(sound[0]), 1e-9), sound[1] / max(rms(sound[1]), 1e-9)
    own = own - one * np.mean(one * own)
    if rms(own) < 0.02:  # a mono file's: what is its own is a room's first echo
        own = np.roll(one, round(0.013 * rate))
        own = own - one * np.mean(one * own)
    turned = -likeness * one + np.sqrt(1 - likeness**2) * own / rms(own)
    sound[1] = turned * rms(sound[1])
    return sound


def jump(sound: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples | None:
    at = _loud_moment(sound, rate, 0.35, 0.65, rng)
    if at is None:
        return None
    sound[:, at:] *= _decibels(-decibels)
    return sound


# --- what generators do wrong ---


def ending_cut(sound: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples | None:
    """Ends in a note, or in what is left of it: the end is so far below the loudest tenth of a second."""
    tenth = rate // 10
    count = sound.shape[1] // tenth
    levels = np.sqrt(np.mean(np.square(sound[:, : count * tenth].reshape(len(sound), count, tenth)), axis=(0, 2)))
    wanted = levels.max() * _decibels(-decibels)
    near = np.flatnonzero((levels > wanted * 0.7) & (levels < wanted * 1.5))
    near = near[near > 0.4 * count]
    near = near[[sounds_to(sound, rate, (int(each) + 1) * tenth) for each in near]]  # a pause is no cut
    if not near.size or near[-1] >= count - 2:
        return None
    return sound[:, : (int(rng.choice(near)) + 1) * tenth].copy()


def stutter(sound: Samples, rate: int, milliseconds: float, rng: np.random.Generator) -> Samples | None:
    """A buffer that is played again until the next one comes, at two places: 25 to 95 ms of it."""
    for _ in range(2):
        at, period = _loud_moment(sound, rate, 0.1, 0.8, rng), round(rng.uniform(0.025, 0.095) * rate)
        times = round(milliseconds / 1000 * rate / period) + 1
        if at is None or at + (times + 1) * period > sound.shape[1]:
            return None
        piece = sound[:, at : at + period].copy()
        sound[:, at : at + times * period] = np.tile(piece, (1, times))
    return sound


def treble_lost(sound: Samples, rate: int, hertz: float, rng: np.random.Generator) -> Samples | None:
    if 1.6 * hertz > rate / 2:
        return None
    above = sosfilt(butter(6, 1.4 * hertz, "high", fs=rate, output="sos"), sound, axis=1)
    at = round(rng.uniform(0.3, 0.6) * sound.shape[1])
    if min(rms(above[:, :at]), rms(above[:, at:])) < 0.01 * rms(sound):
        return None
    low = sosfilt(butter(8, hertz, fs=rate, output="sos"), sound, axis=1)
    mix = _ramp(sound.shape[1], at, rate)
    return np.asarray(sound * (1 - mix) + low * mix, np.float32)


def images(sound: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples | None:
    """Every second, third or fourth sample kept and the others made up badly: held (0 dB) or with the images filtered
    to `decibels` below that."""
    step = int(rng.choice([2, 3, 4]))
    if rate / step < 7900:
        step = 2
    if rate / step < 7900:
        return None
    low = resample_poly(sound, 1, step, axis=1).astype(np.float32)
    good = resample_poly(low, step, 1, axis=1)[:, : sound.shape[1]]
    held = np.repeat(low, step, axis=1)[:, : sound.shape[1]]
    above = held - sosfilt(butter(12, 0.94 * rate / step / 2, fs=rate, output="sos"), held, axis=1)
    if rms(above) < 3e-3 * rms(sound):
        return None
    return np.asarray(held if decibels == 0 else good + above * _decibels(-decibels), np.float32)


def hum(sound: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    """Mains and its harmonics, as a ground loop has them: the odd ones strong, all falling, the frequency drifting by
    0.01 %, `decibels` below the sound."""
    mains = float(rng.choice([50.0, 60.0])) * (1 + rng.normal(0, 1e-4))
    time = np.arange(sound.shape[1]) / rate
    wave = sum(
        rng.uniform(0.5, 1.0) / n ** rng.uniform(0.5, 1.2) * np.sin(2 * np.pi * n * mains * time + rng.uniform(0, 6))
        for n in (1, 2, 3, 4, 5, 7, 9)
    )
    wave = np.asarray(wave)
    return np.asarray(sound + wave * (rms(sound) / rms(wave) * _decibels(-decibels)), np.float32)


def rumble(sound: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    """A turntable's, or a microphone stand's: noise from 5 to 22 Hz."""
    band = butter(2, [5, 22], "bandpass", fs=rate, output="sos")
    low = sosfilt(band, rng.standard_normal(sound.shape[1] + rate))[rate:]
    return np.asarray(sound + low * (rms(sound) / rms(low) * _decibels(decibels)), np.float32)


def wobble(sound: Samples, rate: int, percent: float, rng: np.random.Generator) -> Samples | None:
    """Wow: a tape that runs unevenly, 0.5 to 3 times a second, by so much of its speed (IEC 60386's range)."""
    return _warped(sound, rate, percent, rng.uniform(0.5, 3.0)) if tones(sound, rate) else None


def flutter(sound: Samples, rate: int, percent: float, rng: np.random.Generator) -> Samples | None:
    return _warped(sound, rate, percent, rng.uniform(7.0, 14.0)) if tones(sound, rate) else None


def _warped(sound: Samples, rate: int, percent: float, hertz: float) -> Samples:
    time = np.arange(sound.shape[1], dtype=np.float64)
    moved = time + percent / 100 / (2 * np.pi * hertz) * rate * np.sin(2 * np.pi * hertz * time / rate)
    return np.stack([np.interp(moved, time, each) for each in sound]).astype(np.float32)


def pumping(sound: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples | None:
    """A compressor's gain that is pulled down on every beat of nothing that is heard, and recovers."""
    if not calm(sound, rate):
        return None
    period, time = rng.uniform(0.35, 0.9), np.arange(sound.shape[1]) / rate
    phase = (time / period) % 1
    gain = -decibels * np.where(phase < 0.05, phase / 0.05, np.exp(-(phase - 0.05) / 0.3))
    return np.asarray(sound * 10 ** (gain / 20), np.float32)


def delayed(sound: Samples, rate: int, milliseconds: float, rng: np.random.Generator) -> Samples | None:
    if len(sound) != 2 or np.corrcoef(sound)[0, 1] < 0.8:
        return None
    one, by = int(rng.integers(2)), round(milliseconds / 1000 * rate)
    sound[one] = np.concatenate((np.zeros(by, np.float32), sound[one, :-by]))
    return sound


def turned(sound: Samples, rate: int, share: float, rng: np.random.Generator) -> Samples | None:
    if len(sound) != 2 or np.corrcoef(sound)[0, 1] < 0.6:
        return None
    sound[int(rng.integers(2)), round((1 - share) * sound.shape[1]) :] *= -1
    return sound


def comb(sound: Samples, rate: int, feedback: float, rng: np.random.Generator) -> Samples:
    """A delay of 1 to 6 ms fed back: every echo excites the same frequencies."""
    by = round(rng.uniform(0.001, 0.006) * rate)
    poles = np.zeros(by + 1)
    poles[0], poles[-1] = 1, -feedback
    return np.asarray(lfilter([1 - feedback], poles, sound, axis=1) * 1.5, np.float32)


def ringing(sound: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    """Inharmonic resonances with a decay of some 0.7 s, struck by the sound itself: a plate, not a room."""
    made = np.zeros(sound.shape)
    for hertz in rng.uniform(700, min(6000, 0.35 * rate), 7):
        radius = np.exp(-6.9 / (0.7 * rate))
        made += lfilter([1, 0, -1], [1, -2 * radius * np.cos(2 * np.pi * hertz / rate), radius**2], sound, axis=1)
    return np.asarray(sound + made * (rms(sound) / max(rms(made), 1e-9) * _decibels(decibels)), np.float32)


def codec_noise(sound: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    """What coding at too few bits adds: noise in each band of a frame, so far below what sounds there and anywhere
    near, and no longer than the frame (the noise-to-mask model of ITU-R BS.1387, coarsely)."""
    _, _, spectrum = stft(sound, rate, nperseg=1024)
    level = np.abs(spectrum)
    smooth = np.apply_along_axis(lambda each: np.convolve(each, np.ones(65) / 65, "same"), -2, level)
    noise = smooth * (rng.standard_normal(level.shape) + 1j * rng.standard_normal(level.shape))
    _, made = istft(noise, rate, nperseg=1024)
    made = made[:, : sound.shape[1]]
    room = np.zeros(sound.shape)
    room[:, : made.shape[1]] = made
    return np.asarray(sound + room * (rms(sound) / max(rms(room), 1e-9) * _decibels(-decibels)), np.float32)


def hiss(sound: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    """Steady white noise, so far below the sound."""
    noise = rng.standard_normal(sound.shape)
    return np.asarray(sound + noise * (rms(sound) * _decibels(-decibels)), np.float32)


def near_silence(sound: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    """All of it, as quiet as a take that never began: RMS in dBFS; kept in 16 bits."""
    quiet = sound * (10 ** (decibels / 20) / max(rms(sound), 1e-9))
    return np.asarray(np.round(quiet * 32767) / 32768, np.float32)


def pitch_step(sound: Samples, rate: int, semitones: float, rng: np.random.Generator) -> Samples | None:
    """From somewhere on played faster."""
    at = _loud_moment(sound, rate, 0.35, 0.6, rng)
    if at is None or not tones(sound, rate):
        return None
    time = np.arange(at, sound.shape[1] - 1, 2 ** (semitones / 12))
    rest = np.stack([np.interp(time, np.arange(sound.shape[1]), each) for each in sound])
    return np.concatenate((sound[:, :at], rest), axis=1).astype(np.float32)


def rounded(sound: Samples, rate: int, bits: float, rng: np.random.Generator) -> Samples:
    steps = np.float32(2 ** (bits - 1) / max(float(np.abs(sound).max()), 1e-9))
    return np.asarray(np.round(sound * steps) / steps, np.float32)


SILENCE = ("silence", "silence_tail", "cut_tail", "silence_inside", "silence_head")
KINDS = (
    Kind(name="silent tail", plant=silent_tail, levels=(0.35, 0.45, 0.6), unit="of the clip", finds=SILENCE,
         classic=True),
    Kind(name="dropout", plant=dropout, levels=(15, 60, 200), unit="ms", finds=("dropouts", "holes", *SILENCE),
         classic=True),
    Kind(name="clipping", plant=clipped, levels=(1, 4, 15), unit="% of samples",
         finds=("clipping", "flat_tops", "clipped_peaks", "cut_tops"), classic=True),
    Kind(name="loop", plant=looped, levels=(1.5, 0.8, 0.4), unit="s", finds=("loops", "repetition"), classic=True),
    Kind(name="stuck tone", plant=tone, levels=(0.55, 0.65, 0.8), unit="of the clip",
         finds=("stuck_tone", "stuck_tone_share"), classic=True),
    Kind(name="noise", plant=noisy_end, levels=(0.2, 0.35, 0.6), unit="of the clip",
         finds=("noise", "odd_noise", "spectral_balance"), classic=True),
    Kind(name="clicks", plant=clicks, levels=(4, 8, 16), unit="times the peak", finds=("clicks",), classic=True),
    Kind(name="offset", plant=offset, levels=(0.06, 0.12, 0.25), unit="full scale", finds=("dc_offset",),
         classic=True),
    Kind(name="imbalance", plant=imbalance, levels=(18, 25, 40), unit="dB",
         finds=("channel_balance", "dead_channel"), classic=True),
    Kind(name="opposite phase", plant=inverted, levels=(0.82, 0.9, 0.95), unit="correlation", finds=("phase",),
         classic=True),
    Kind(name="level jump", plant=jump, levels=(15, 24, 32), unit="dB", finds=("level_step",), classic=True),
    Kind(name="rounded", plant=rounded, levels=(8, 6, 4), unit="bits", finds=("bit_depth",)),
    Kind(name="ending cut", plant=ending_cut, levels=(30, 15, 5), unit="dB below the loudest",
         finds=("ending_cut",)),
    Kind(name="stutter", plant=stutter, levels=(120, 250, 500), unit="ms", finds=("stutter", "loops")),
    Kind(name="treble lost", plant=treble_lost, levels=(4000, 2500, 1200), unit="Hz", finds=("treble_lost",)),
    Kind(name="images", plant=images, levels=(12, 6, 0), unit="dB below held samples", finds=("images",)),
    Kind(name="hum", plant=hum, levels=(34, 26, 18), unit="dB below the sound", finds=("mains_hum",)),
    Kind(name="rumble", plant=rumble, levels=(-20, -10, 0), unit="dB against the sound", finds=("rumble",)),
    Kind(name="wobble", plant=wobble, levels=(0.7, 1.8, 4), unit="% of the speed", finds=("wow", "flutter")),
    Kind(name="flutter", plant=flutter, levels=(0.5, 1.2, 3), unit="% of the speed",
         finds=("flutter", "wow")),
    Kind(name="pumping", plant=pumping, levels=(6, 12, 20), unit="dB", finds=("pumping",)),
    Kind(name="channel delayed", plant=delayed, levels=(5, 15, 35), unit="ms", finds=("channel_delay",)),
    Kind(name="turned over", plant=turned, levels=(0.2, 0.35, 0.5), unit="of the clip", finds=("polarity_turn",)),
    Kind(name="comb", plant=comb, levels=(0.7, 0.85, 0.95), unit="fed back", finds=("ringing",)),
    Kind(name="metallic ringing", plant=ringing, levels=(-12, -4, 4), unit="dB against the sound",
         finds=("ringing",)),
    Kind(name="codec noise", plant=codec_noise, levels=(20, 10, 3), unit="dB below the sound", finds=("hiss",)),
    Kind(name="hiss", plant=hiss, levels=(36, 26, 16), unit="dB below the sound", finds=("hiss",)),
    Kind(name="near silence", plant=near_silence, levels=(-52, -58, -66), unit="dBFS",
         finds=("loudness", "silence")),
    Kind(name="pitch step", plant=pitch_step, levels=(0.5, 1, 3), unit="semitones", finds=("pitch_step",)),
)  # fmt: skip
