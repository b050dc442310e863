"""Defects put into clean audio, each at stated strengths, with the check that has to find it.

An injection returns None where the clip has no place for it: nobody hears a dropout in a pause.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfilt

Samples = NDArray[np.float32]
Inject = Callable[[Samples, int, float, np.random.Generator], Samples | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """`finds` are the checks of which one has to fail; `kinds` whose thresholds promise it."""

    name: str
    finds: tuple[str, ...]
    strengths: tuple[float, ...]
    unit: str
    inject: Inject
    kinds: tuple[str, ...] = ("music", "sound_effects")
    not_in: tuple[str, ...] = ()  # sounds in which it is not promised to be found


def _rms(sound: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def _sounding(clip: Samples, rate: int, hole_s: float, rng: np.random.Generator) -> int | None:
    """A sample at which a hole has sound right before and right after it."""
    loud, edge, hole = _rms(clip), round(0.004 * rate), round(hole_s * rate)
    for at in rng.integers(edge, clip.shape[1] - hole - edge, 200):
        before, after = clip[:, at - edge : at], clip[:, at + hole : at + hole + edge]
        if min(_rms(each) for each in (*before, *after)) > loud / 3:
            return int(at)
    return None


def _head(clip: Samples, rate: int, seconds: float, rng: np.random.Generator) -> Samples:
    clip[:, : round(seconds * rate)] = 0
    return clip


def _tail(clip: Samples, rate: int, share: float, rng: np.random.Generator) -> Samples:
    clip[:, round((1 - share) * clip.shape[1]) :] = 0
    return clip


def _pause(clip: Samples, rate: int, seconds: float, rng: np.random.Generator) -> Samples:
    start, length = round(rng.uniform(1.5, 2.5) * rate), round(seconds * rate)
    clip[:, start : start + length] = 0
    return clip


def _dropout(clip: Samples, rate: int, milliseconds: float, rng: np.random.Generator) -> Samples | None:
    at = _sounding(clip, rate, milliseconds / 1000, rng)
    if at is None:
        return None
    clip[:, at : at + round(milliseconds / 1000 * rate)] = 0
    return clip


def _held_still(clip: Samples, rate: int, milliseconds: float, rng: np.random.Generator) -> Samples | None:
    """The last sample is held where packets never came."""
    at = _sounding(clip, rate, milliseconds / 1000, rng)
    if at is None:
        return None
    clip[:, at : at + round(milliseconds / 1000 * rate)] = clip[:, at - 1 : at]
    return clip


def _cut_elsewhere(clip: Samples, rate: int, percent: float, rng: np.random.Generator) -> Samples:
    """Clipped at another rate and resampled: no two samples at the limit are equal."""
    made = resample_poly(_clipped(resample_poly(clip, 3, 2, axis=1), percent / 100), 2, 3, axis=1)
    return np.asarray(made[:, : clip.shape[1]] * 0.7, np.float32)


def _clipped(clip: Samples, share: float) -> Samples:
    level = np.abs(clip[0])
    limit = np.quantile(level[level > 0.01 * level.max()], 1 - share)
    return np.clip(clip, -limit, limit) / np.float32(max(limit, 1e-9))


def _clipping(clip: Samples, rate: int, percent: float, rng: np.random.Generator) -> Samples:
    return _clipped(clip, percent / 100)


def _flat(clip: Samples, rate: int, percent: float, rng: np.random.Generator) -> Samples:
    return _clipped(clip, percent / 100) * np.float32(rng.uniform(0.2, 0.7))


def _over(clip: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    """A burst at a quarter of the rate, whose samples all lie 3 dB under the wave's crest."""
    at, length = round(rng.uniform(1, 5) * rate), round(0.05 * rate)
    burst = np.sin(np.pi / 2 * np.arange(length) + np.pi / 4) * np.hanning(length) * 10 ** (decibels / 20)
    clip[:, at : at + length] = burst
    return clip


def _loop(clip: Samples, rate: int, period_s: float, rng: np.random.Generator) -> Samples | None:
    """From a second in, the clip plays `period_s` of itself over and over."""
    start, period = round(rng.uniform(0.5, 1.2) * rate), round(period_s * rate * rng.uniform(0.97, 1.03))
    piece = clip[:, start : start + period]
    rest = clip.shape[1] - start
    if _rms(piece) < 0.3 * _rms(clip):
        return None
    looped = np.tile(piece, (1, rest // period + 1))[:, :rest]
    noise = rng.standard_normal(looped.shape) * _rms(piece) * 0.01
    clip[:, start:] = looped + noise
    return clip


def _tone(clip: Samples, rate: int, seconds: float, rng: np.random.Generator) -> Samples:
    """The clip ends in a held tone of its own loudness."""
    length = round(seconds * rate)
    time = np.arange(length) / rate
    hertz = rng.uniform(150, 3000)
    tone = np.sin(2 * np.pi * hertz * time) + 0.3 * np.sin(4 * np.pi * hertz * time + 1)
    clip[:, -length:] = (tone * _rms(clip) * np.minimum(time / 0.01, 1)).astype(np.float32)
    return clip


def _whistle(clip: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    """A whistle of 6 s over the clip, `decibels` against it."""
    start, length = round(rng.uniform(0.5, 1.5) * rate), 6 * rate
    tone = np.sin(2 * np.pi * rng.uniform(2500, 7000) * np.arange(length) / rate)
    clip[:, start : start + length] += (tone * _rms(clip) * 1.41 * 10 ** (decibels / 20)).astype(np.float32)
    return clip


def _noise(clip: Samples, rate: int, seconds: float, rng: np.random.Generator) -> Samples:
    length = round(seconds * rate)
    clip[:, -length:] = rng.standard_normal((len(clip), length)) * _rms(clip)
    return clip


def _coloured_noise(clip: Samples, rate: int, seconds: float, rng: np.random.Generator) -> Samples:
    """The clip ends in noise whose power falls from 30 Hz on, by up to that of brown noise (6 dB an octave)."""
    length = round(seconds * rate)
    spectrum = np.fft.rfft(rng.standard_normal((len(clip), length)))
    spectrum[:, 0] = 0
    spectrum[:, 1:] *= np.maximum(np.arange(1, spectrum.shape[1]) / seconds, 30) ** (-rng.uniform(0.5, 2.0) / 2)
    noise = np.fft.irfft(spectrum, length)
    clip[:, -length:] = noise * (_rms(clip) / _rms(noise))
    return clip


def _click(clip: Samples, rate: int, times: float, rng: np.random.Generator) -> Samples:
    """A click of one to four samples, `times` the peak of the 60 ms around it."""
    at, width = int(rng.integers(rate // 2, clip.shape[1] - rate // 2)), int(rng.integers(1, 5))
    near = clip[:, at - round(0.03 * rate) : at + round(0.03 * rate)]
    height = max(times * float(np.abs(near).max()), 0.05)
    clip[:, at : at + width] = np.float32(height) * rng.choice([-1, 1])
    return clip


def _clicks(clip: Samples, rate: int, times: float, rng: np.random.Generator) -> Samples:
    for _ in range(6):
        clip = _click(clip, rate, times, rng)
    return clip


def _offset(clip: Samples, rate: int, offset: float, rng: np.random.Generator) -> Samples:
    return clip * np.float32(0.8) + np.float32(offset * rng.choice([-1, 1]))


def _late_offset(clip: Samples, rate: int, offset: float, rng: np.random.Generator) -> Samples:
    """From somewhere in the middle on."""
    clip *= np.float32(0.6)
    clip[:, round(rng.uniform(0.4, 0.6) * clip.shape[1]) :] += np.float32(offset * rng.choice([-1, 1]))
    return clip


def _loud(clip: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    """Floats that nobody brought below full scale."""
    return clip * np.float32(10 ** (decibels / 20) / np.abs(clip).max())


def _breaks_off(clip: Samples, rate: int, share: float, rng: np.random.Generator) -> Samples | None:
    """The last part is silent, the cut in sound that is no softer than the quarter of a second before it."""
    about = round((1 - share) * clip.shape[1])
    for at in rng.permutation(np.arange(about - rate // 3, about + rate // 3, rate // 200)):
        before = clip[:, at - rate // 4 : at]
        if _rms(before[:, -rate // 100 :]) > max(_rms(before), _rms(clip)) / 2:
            clip[:, at:] = 0
            return clip
    return None


def _surround(clip: Samples, rate: int, share: float, rng: np.random.Generator) -> Samples | None:
    """Five channels made of the clip at other times; one breaks off for the last part."""
    made = np.stack([np.roll(clip[0], number * rate) for number in range(5)])
    one = int(rng.integers(5))
    cut = _breaks_off(made[one : one + 1].copy(), rate, share, rng)
    if cut is None:
        return None
    made[one] = cut[0]
    return made


def _held(clip: Samples, rate: int, share: float, rng: np.random.Generator) -> Samples:
    return _tone(clip, rate, share * clip.shape[1] / rate, rng)


def _into_noise(clip: Samples, rate: int, share: float, rng: np.random.Generator) -> Samples:
    return _noise(clip, rate, share * clip.shape[1] / rate, rng)


def _rounded(clip: Samples, rate: int, bits: float, rng: np.random.Generator) -> Samples:
    steps = np.float32(2 ** (bits - 1) / np.abs(clip).max())
    return np.asarray(np.round(clip * steps) / steps, np.float32)


def _imbalance(clip: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples | None:
    if len(clip) != 2:
        return None
    clip[int(rng.integers(2))] *= np.float32(10 ** (-decibels / 20))
    return clip


def _inversion(clip: Samples, rate: int, likeness: float, rng: np.random.Generator) -> Samples | None:
    """The right channel turned over, in a clip whose channels correlate by at least `likeness`."""
    if len(clip) != 2 or np.corrcoef(clip)[0, 1] < likeness:
        return None
    clip[1] *= -1
    return clip


def _step(clip: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    at = round(rng.uniform(0.4, 0.6) * clip.shape[1])
    clip[:, at:] *= np.float32(10 ** (-decibels / 20))
    return clip if rng.random() < 0.5 else clip[:, ::-1].copy()


def _short(clip: Samples, rate: int, seconds: float, rng: np.random.Generator) -> Samples:
    return clip[:, : -round(seconds * rate)]


def _broken(clip: Samples, rate: int, count: float, rng: np.random.Generator) -> Samples:
    clip[:, rng.integers(0, clip.shape[1], int(count))] = np.nan
    return clip


def _turned(clip: Samples, rate: int, share: float, rng: np.random.Generator) -> Samples | None:
    """One channel turned over from there on, in a clip whose channels correlate by 0.6."""
    if len(clip) != 2 or np.corrcoef(clip)[0, 1] < 0.6:
        return None
    clip[int(rng.integers(2)), round(share * clip.shape[1]) :] *= -1
    return clip


def _later(clip: Samples, rate: int, milliseconds: float, rng: np.random.Generator) -> Samples | None:
    """One channel later, in a clip whose channels correlate by 0.85."""
    if len(clip) != 2 or np.corrcoef(clip)[0, 1] < 0.85:
        return None
    one, by = int(rng.integers(2)), round(milliseconds / 1000 * rate)
    clip[one] = np.concatenate((np.zeros(by, np.float32), clip[one, :-by]))
    return clip


def _dull(clip: Samples, rate: int, hertz: float, rng: np.random.Generator) -> Samples | None:
    """From somewhere in the middle on, nothing above a frequency, in a clip that mostly has something there."""
    above = sosfilt(butter(8, 1.4 * hertz, "high", fs=rate, output="sos"), clip[0])
    if np.quantile(np.abs(above), 0.7) < 0.01 * _rms(clip):
        return None
    at = round(rng.uniform(0.35, 0.6) * clip.shape[1])
    low = sosfilt(butter(8, hertz, fs=rate, output="sos"), clip, axis=1)
    ramp = np.clip((np.arange(clip.shape[1]) - at) / (0.02 * rate), 0, 1)
    return np.asarray(clip * (1 - ramp) + low * ramp, np.float32)


def _hum(clip: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    """Mains and its odd harmonics, so far below the clip."""
    mains, time = float(rng.choice([50.0, 60.0])), np.arange(clip.shape[1]) / rate
    hum = sum(
        rng.uniform(0.5, 1) / n * np.sin(2 * np.pi * n * mains * time + rng.uniform(0, 6)) for n in (1, 2, 3, 5, 7)
    )
    return np.asarray(clip + hum * (_rms(clip) / np.std(hum) * 10 ** (-decibels / 20)), np.float32)


def _rumble(clip: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    low = sosfilt(butter(2, [6, 20], "bandpass", fs=rate, output="sos"), rng.standard_normal(clip.shape[1]))
    return np.asarray(clip + low * (_rms(clip) / low.std() * 10 ** (decibels / 20)), np.float32)


def _held_samples(clip: Samples, rate: int, step: float, rng: np.random.Generator) -> Samples | None:
    """Every so many samples one is kept and held, in a clip that has something to mirror."""
    low = resample_poly(clip, 1, int(step), axis=1)
    held = np.repeat(low, int(step), axis=1)[:, : clip.shape[1]]
    above = sosfilt(butter(8, rate / step / 1.9, "high", fs=rate, output="sos"), held, axis=1)
    return np.asarray(held, np.float32) if _rms(above) > 0.003 * _rms(clip) else None


def _hiss(clip: Samples, rate: int, decibels: float, rng: np.random.Generator) -> Samples:
    return np.asarray(clip + rng.standard_normal(clip.shape) * (_rms(clip) * 10 ** (-decibels / 20)), np.float32)


def _stutter(clip: Samples, rate: int, seconds: float, rng: np.random.Generator) -> Samples | None:
    at, period = _sounding(clip, rate, seconds, rng), round(rng.uniform(0.025, 0.09) * rate)
    times = round(seconds * rate / period)
    if at is None or at + (times + 1) * period > clip.shape[1]:
        return None
    clip[:, at : at + (times + 1) * period] = np.tile(clip[:, at : at + period], (1, times + 1))
    return clip


SILENCE = ("silence", "silence_head", "silence_tail", "silence_inside")
INJECTIONS = (
    Injection(name="silent head", finds=SILENCE, strengths=(4.0, 5.5), unit="s", inject=_head),
    Injection(name="silent tail", finds=SILENCE, strengths=(0.35, 0.6), unit="of the clip", inject=_tail,
              kinds=("music",)),
    Injection(name="hole", finds=SILENCE, strengths=(2.5, 4.0), unit="s", inject=_pause, kinds=("music",)),
    Injection(name="dropout", finds=("dropouts",), strengths=(20, 50, 100, 300), unit="ms", inject=_dropout,
              kinds=("music",)),
    Injection(name="long dropout", finds=("dropouts", "silence_inside"), strengths=(300, 500), unit="ms",
              inject=_dropout, kinds=("sound_effects",)),
    Injection(name="clipping", finds=("clipping", "flat_tops"), strengths=(1, 3, 10), unit="% of samples",
              inject=_clipping, kinds=("music",)),
    # Shares are of the whole clip, of which footsteps fill little.
    Injection(name="heavy clipping", finds=("clipping", "flat_tops"), strengths=(40, 60), unit="% of samples",
              inject=_clipping, kinds=("sound_effects",), not_in=("sparse",)),
    Injection(name="clipping below full scale", finds=("flat_tops",), strengths=(1, 3, 10), unit="% of samples",
              inject=_flat, kinds=("music",)),
    Injection(name="heavy, below full scale", finds=("flat_tops",), strengths=(60, 80), unit="% of samples",
              inject=_flat, kinds=("sound_effects",), not_in=("sparse",)),
    Injection(name="over between samples", finds=("true_peak",), strengths=(3.0,), unit="dB over full scale",
              inject=_over, kinds=("music",)),
    Injection(name="loop", finds=("loops", "repetition"), strengths=(0.3, 0.73, 1.0, 1.6, 2.2), unit="s", inject=_loop),
    Injection(name="stuck tone", finds=("stuck_tone",), strengths=(6.0, 6.8), unit="s", inject=_tone),
    Injection(name="whistle", finds=("stuck_tone",), strengths=(0, 6), unit="dB", inject=_whistle),
    Injection(name="noise", finds=("noise", "spectral_balance"), strengths=(2.0, 4.0), unit="s", inject=_noise,
              kinds=("music",)),
    Injection(name="click", finds=("clicks",), strengths=(6.0, 10.0, 16.0), unit="× local peak", inject=_click,
              kinds=("music",)),
    Injection(name="six clicks", finds=("clicks",), strengths=(4.0, 6.0, 10.0), unit="× local peak", inject=_clicks),
    Injection(name="offset", finds=("dc_offset",), strengths=(0.03, 0.1), unit="full scale", inject=_offset,
              kinds=("music",)),
    Injection(name="large offset", finds=("dc_offset",), strengths=(0.07, 0.15), unit="full scale", inject=_offset,
              kinds=("sound_effects",)),
    Injection(name="imbalance", finds=("channel_balance",), strengths=(20, 60), unit="dB", inject=_imbalance),
    Injection(name="phase inversion", finds=("phase",), strengths=(0.85,), unit="correlation", inject=_inversion),
    # Promised for sustained sound: notes and hits change a spectrum by themselves.
    Injection(name="level step", finds=("level_step",), strengths=(26,), unit="dB", inject=_step,
              kinds=("music",), not_in=("tonal", "percussive", "tiny")),
    Injection(name="wrong length", finds=("duration",), strengths=(0.2, 2.0), unit="s", inject=_short),
    Injection(name="broken samples", finds=("nonfinite",), strengths=(1, 100), unit="samples", inject=_broken),
    Injection(name="late offset", finds=("dc_offset",), strengths=(0.06, 0.3), unit="full scale", inject=_late_offset),
    Injection(name="over full scale", finds=("over_full_scale",), strengths=(3.5, 9), unit="dB", inject=_loud),
    Injection(name="clipped peaks", finds=("clipped_peaks",), strengths=(20, 40), unit="% of samples",
              inject=_clipping, kinds=("sound_effects",)),
    Injection(name="breaks off", finds=("cut_tail",), strengths=(0.33, 0.5), unit="of the clip", inject=_breaks_off,
              kinds=("sound_effects",)),
    Injection(name="dead channel", finds=("dead_channel",), strengths=(0.3, 0.6), unit="of the clip",
              inject=_surround, kinds=("music",)),
    Injection(name="held through", finds=("stuck_tone_share",), strengths=(0.6, 0.65), unit="of the clip",
              inject=_held),
    Injection(name="turns into noise", finds=("odd_noise",), strengths=(0.4, 0.6), unit="of the clip",
              inject=_into_noise, not_in=("rain",)),
    Injection(name="jump", finds=("level_step",), strengths=(22, 26, 30), unit="dB", inject=_step,
              kinds=("sound_effects",), not_in=("speech", "sparse")),
    Injection(name="rounded", finds=("bit_depth",), strengths=(4,), unit="bits", inject=_rounded),
    Injection(name="rounded less", finds=("bit_depth",), strengths=(6, 8), unit="bits", inject=_rounded,
              kinds=("music",)),
    Injection(name="turned over", finds=("polarity_turn",), strengths=(0.4, 0.6), unit="of the clip", inject=_turned),
    Injection(name="later channel", finds=("channel_delay",), strengths=(8, 15, 30), unit="ms", inject=_later),
    Injection(name="treble lost", finds=("treble_lost",), strengths=(4000, 2500, 1200), unit="Hz", inject=_dull,
              not_in=("sparse", "speech", "percussive", "tonal", "tiny")),  # as for the level step
    Injection(name="hum", finds=("mains_hum",), strengths=(14, 10), unit="dB below", inject=_hum, kinds=("music",)),
    Injection(name="rumble", finds=("rumble",), strengths=(-8, 0), unit="dB", inject=_rumble, kinds=("music",)),
    Injection(name="held samples", finds=("images",), strengths=(2, 3), unit="samples", inject=_held_samples,
              kinds=("music",), not_in=("tonal",)),
    Injection(name="hiss", finds=("hiss",), strengths=(22, 16), unit="dB below", inject=_hiss, kinds=("music",),
              not_in=("percussive", "tiny")),
    Injection(name="stutter", finds=("stutter",), strengths=(0.25, 0.5), unit="s", inject=_stutter,
              kinds=("music",), not_in=("percussive", "tiny")),
    Injection(name="coloured noise", finds=("noise",), strengths=(6.0,), unit="s", inject=_coloured_noise,
              kinds=("music",)),
    Injection(name="short dropout", finds=("holes",), strengths=(12, 30), unit="ms", inject=_dropout,
              not_in=("speech", "sparse", "percussive", "tiny")),
    Injection(name="held still", finds=("holes",), strengths=(40, 60), unit="ms", inject=_held_still,
              not_in=("speech", "sparse", "percussive", "tiny")),
    Injection(name="cut and resampled", finds=("cut_tops",), strengths=(8, 20), unit="% of samples",
              inject=_cut_elsewhere, kinds=("music",)),
)  # fmt: skip
