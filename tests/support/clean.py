"""Clean audio of our own, made from a seed: what a detector must leave alone.

Nothing in it is held, copied or cut more exactly than a player or nature would: notes are tuned and timed a little off,
every hit is a noise of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

Samples = NDArray[np.float32]
Wave = NDArray[np.float64]

RATE = 32_000
SECONDS = 8.0
LENGTH = round(RATE * SECONDS)


def _time(seconds: float) -> Wave:
    return np.arange(round(seconds * RATE)) / RATE


def _band(rng: np.random.Generator, length: int, low: float, high: float) -> Wave:
    """Noise between two frequencies, RMS 1."""
    sound = sosfilt(butter(2, [low, high], "bandpass", fs=RATE, output="sos"), rng.standard_normal(length))
    return np.asarray(sound / sound.std())


def _add(onto: Wave, sound: Wave, at_s: float) -> None:
    start = round(at_s * RATE)
    room = onto.size - start
    if room > 0:
        onto[start : start + min(room, sound.size)] += sound[:room]


def _note(rng: np.random.Generator, hertz: float, seconds: float, decay_s: float) -> Wave:
    time = _time(seconds)
    vibrato = rng.uniform(0.002, 0.006) * np.sin(2 * np.pi * rng.uniform(4, 6.5) * time + rng.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(hertz * rng.normal(1, 0.002) * (1 + vibrato * np.minimum(time * 3, 1))) / RATE
    sound = np.zeros(time.size)
    for partial in range(1, min(9, int(0.45 * RATE / hertz))):
        fade = np.exp(-time * (1 + 0.4 * partial) / decay_s)
        sound += rng.uniform(0.4, 1) / partial**1.4 * fade * np.sin(partial * phase + rng.uniform(0, 6))
    attack = np.minimum(time / rng.uniform(0.005, 0.03), 1)
    return np.asarray(sound * attack * np.minimum((seconds - time) / 0.03, 1) * rng.uniform(0.6, 1))


def _widened(rng: np.random.Generator, wave: Wave, width: float) -> Wave:
    """[2, time]: the sound in the middle with some room of its own on either side."""
    room = np.stack([lfilter(rng.normal(0, 1, 400) * np.exp(-np.arange(400) / 90), [1.0], wave) for _ in range(2)])
    room *= wave.std() / max(room.std(), 1e-9)
    return np.asarray(wave + width * room)


def tonal(rng: np.random.Generator) -> Wave:
    """A melody over chords at a steady beat."""
    beat, sound = rng.uniform(0.35, 0.6), np.zeros(LENGTH)
    root = rng.uniform(90, 180)
    scale = 2 ** (np.array([0, 2, 3, 5, 7, 9, 10, 12, 14]) / 12)
    for number in range(int(SECONDS / beat) + 1):
        at = number * beat + abs(rng.normal(0, 0.006))
        _add(sound, _note(rng, 2 * root * rng.choice(scale), beat * rng.uniform(0.9, 2.2), 0.5), at)
        if number % 4 == 0:
            for degree in rng.choice(scale, 3, replace=False):
                _add(sound, 0.6 * _note(rng, root * degree, 4 * beat, 1.6), at)
    return _widened(rng, sound, rng.uniform(0.1, 0.5))


def percussive(rng: np.random.Generator) -> Wave:
    """Drums, played by hand to a steady beat, over a quiet bass."""
    beat, sound = rng.uniform(0.4, 0.6), np.zeros(LENGTH)
    time = _time(0.3)
    for number in range(int(SECONDS / beat * 4) + 1):
        at = max(0.0, number * beat / 4 + rng.normal(0, 0.004))
        hat = _band(rng, time.size, 5000, 14000) * np.exp(-time / rng.uniform(0.02, 0.05))
        _add(sound, rng.uniform(0.05, 0.2) * hat, at)
        if number % 8 == 0:
            fall = 50 * rng.normal(1, 0.03) * (1 + 3 * np.exp(-time / 0.03))
            _add(sound, rng.uniform(0.8, 1.1) * np.sin(2 * np.pi * np.cumsum(fall) / RATE) * np.exp(-time / 0.12), at)
        if number % 8 == 4:
            snare = _band(rng, time.size, 200, 9000) + np.sin(2 * np.pi * rng.normal(190, 5) * time)
            _add(sound, rng.uniform(0.3, 0.5) * snare * np.exp(-time / 0.07), at)
        if number % 4 == 0:
            _add(sound, 0.3 * _note(rng, rng.choice([55.0, 65.4, 73.4]), beat, 0.4), at)
    return _widened(rng, sound, rng.uniform(0.05, 0.3))


def ambient(rng: np.random.Generator) -> Wave:
    """Pads of detuned voices that swell over a breath of air."""
    time, sound = _time(SECONDS), np.zeros((2, LENGTH))
    for _ in range(9):
        hertz = rng.uniform(60, 200) * rng.choice([1, 1.5, 2, 3, 4])
        for channel in range(2):
            drift = 1 + 0.004 * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * time + rng.uniform(0, 6))
            swell = 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(0.08, 0.3) * time + rng.uniform(0, 6))
            phase = 2 * np.pi * np.cumsum(hertz * rng.normal(1, 0.003) * drift) / RATE
            sound[channel] += swell * (np.sin(phase) + 0.3 * np.sin(2 * phase + 1))
    for channel in range(2):
        swell = 0.6 + 0.4 * np.sin(2 * np.pi * 0.13 * time + rng.uniform(0, 6))
        sound[channel] += 0.25 * swell * _band(rng, LENGTH, 200, rng.uniform(1500, 5000))
    middle = sound.mean(axis=0)
    return np.asarray(0.6 * middle + 0.5 * sound)


def speech(rng: np.random.Generator) -> Wave:
    """Syllables of voiced and hissed noise through moving formants, with pauses for breath; mono in two channels."""
    sound, at = np.zeros(LENGTH), rng.uniform(0.02, 0.2)
    while at < SECONDS:
        seconds = rng.uniform(0.09, 0.28)
        time = _time(seconds)
        shape = np.sin(np.pi * np.clip(time / seconds, 0, 1))
        if rng.random() < 0.75:
            pitch = rng.uniform(95, 210) * (1 - 0.15 * time / seconds + 0.01 * rng.standard_normal())
            pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0) + 0.02 * rng.standard_normal(time.size)
            voice = np.zeros(time.size)
            for low, high in ((250, 900), (900, 2400), (2300, 3300)):
                centre = rng.uniform(low, high)
                sos = butter(1, [centre * 0.9, centre * 1.1], "bandpass", fs=RATE, output="sos")
                voice += sosfilt(sos, pulses) * 500 / centre
            syllable = voice / max(voice.std(), 1e-9)
        else:
            syllable = 0.35 * _band(rng, time.size, 3000, 9000)
        _add(sound, rng.uniform(0.5, 1.0) * syllable * shape, at)
        at += seconds * rng.uniform(0.9, 1.3) + (rng.uniform(0.25, 0.6) if rng.random() < 0.12 else 0)
    air = 0.004 * rng.standard_normal(LENGTH)
    return np.stack([sound + air, sound + air])


def sparse(rng: np.random.Generator) -> Wave:
    """Footsteps with silence between them and after the last."""
    sound, at = np.zeros(LENGTH), rng.uniform(0.0, 0.5)
    pace, stop = rng.uniform(0.5, 1.1), rng.uniform(4.5, SECONDS)
    while at < stop:
        for delay, level in ((0.0, 1.0), (rng.uniform(0.06, 0.12), 0.5)):
            time = _time(0.22)
            knock = _band(rng, time.size, 70, 400) * np.exp(-time / 0.03)
            scrape = _band(rng, time.size, 800, rng.uniform(3000, 9000)) * np.exp(-time / rng.uniform(0.02, 0.06))
            rise = np.minimum(time / rng.uniform(0.0008, 0.004), 1)
            end = np.minimum((time[-1] - time) / 0.02, 1)
            _add(sound, level * rng.uniform(0.6, 1) * (knock + 0.4 * scrape) * rise * end, at + delay)
        at += pace * rng.normal(1, 0.05)
    return np.stack([sound, 0.9 * sound])


def rain(rng: np.random.Generator) -> Wave:
    """Broadband noise with drops in it."""
    sound = np.stack([_band(rng, LENGTH, rng.uniform(150, 500), rng.uniform(9000, 15000)) for _ in range(2)])
    sound *= 1 + 0.15 * np.sin(2 * np.pi * rng.uniform(0.05, 0.3) * _time(SECONDS))
    for _ in range(rng.integers(60, 200)):
        time = _time(0.05)
        hertz = rng.uniform(900, 5000)
        drop = np.sin(2 * np.pi * hertz * (1 + 2 * time) * time) * np.exp(-time / rng.uniform(0.004, 0.015))
        at, pan = rng.uniform(0, SECONDS), rng.uniform(0.2, 0.8)
        for channel, gain in enumerate((pan, 1 - pan)):
            _add(sound[channel], 3 * rng.uniform(0.3, 1.2) * gain * drop * np.minimum(time / 0.001, 1), at)
    return np.asarray(sound)


# What a sound is, and whose thresholds judge it.
CLEAN: Mapping[str, tuple[str, Callable[[np.random.Generator], Wave]]] = {
    "tonal": ("music", tonal),
    "percussive": ("music", percussive),
    "ambient": ("music", ambient),
    "speech": ("sound_effects", speech),
    "sparse": ("sound_effects", sparse),
    "rain": ("sound_effects", rain),
}


def clean(name: str, seed: int) -> Samples:
    """A clip of 8 s [channels, time], its peak at 0.7; every third has faded ends, every fifth is mono."""
    rng = np.random.default_rng([seed, sorted(CLEAN).index(name)])
    sound = CLEAN[name][1](rng)
    if seed % 3 == 0:
        fade = np.minimum(np.minimum(_time(SECONDS) / 0.8, (SECONDS - _time(SECONDS)) / 1.5), 1)
        sound = sound * fade
    if seed % 5 == 4:
        sound = sound[:1]
    return np.asarray(0.7 * sound / np.abs(sound).max(), dtype=np.float32)
