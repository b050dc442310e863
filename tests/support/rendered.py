"""Rendered music whose tempo and key are known: drum patterns, bass, chords and a melody, from numbers alone.

Nothing of it comes from training/recipe/, whose music has onsets on a grid and notes that are the same wherever they
sound. LEARN_STYLES are what tempo and key were tuned on; HELD_OUT_STYLES have other patterns and progressions, and
nothing was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 32_000
MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)

Wave = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Sixteenths of a bar of four beats at which each drum sounds, and how the rest is played.

    progressions: degrees of the scale, one a bar; bass, chords: sixteenths at which they begin, () for none; hold: how
    many sixteenths a chord sounds; melody: share of the eighths that have a note; swing: how late the second of two
    sixteenths comes, as a share of a sixteenth; loose_s: standard deviation of the players' timing
    """

    kick: tuple[int, ...] = ()
    snare: tuple[int, ...] = ()
    hat: tuple[int, ...] = ()
    bass: tuple[int, ...] = (0,)
    chords: tuple[int, ...] = (0,)
    hold: float = 16
    attack_s: float = 0.01
    decay_s: float = 1.5
    slope: float = 1.3
    melody: float = 0.0
    swing: float = 0.0
    loose_s: float = 0.004
    progressions: tuple[tuple[int, ...], ...] = ((0, 5, 3, 4), (0, 3, 0, 4), (0, 4, 5, 3))
    noise: float = 0.003


EIGHTHS = tuple(range(0, 16, 2))
LEARN_STYLES = {
    "rock": Style(kick=(0, 8, 10), snare=(4, 12), hat=EIGHTHS, bass=EIGHTHS, chords=(0, 8), hold=8, melody=0.3),
    "house": Style(kick=(0, 4, 8, 12), snare=(4, 12), hat=(2, 6, 10, 14), bass=(2, 6, 10, 14), hold=14, slope=1.0),
    "swing": Style(kick=(0, 8), snare=(4, 12), hat=(0, 4, 6, 8, 12, 14), bass=(0, 4, 8, 12), swing=0.6, melody=0.5),
    "piano": Style(bass=(0, 8), chords=(0, 4, 8, 12), hold=4, decay_s=0.5, melody=0.6, loose_s=0.012),
    "pads": Style(bass=(), chords=(0,), hold=17, attack_s=0.08, decay_s=9, slope=1.8, melody=0.4, loose_s=0.01),
    "arpeggio": Style(bass=(0,), chords=(), melody=1.0, decay_s=0.4),
}
HELD_OUT_STYLES = {
    "breaks": Style(
        kick=(0, 2, 10, 11), snare=(4, 7, 9, 12, 15), hat=EIGHTHS, bass=(0, 3, 6, 10), chords=(0, 6), hold=6,
        progressions=((0, 6, 5, 6), (0, 2, 3, 4)),
    ),
    "march": Style(
        kick=(0, 8), snare=(4, 12, 14, 15), bass=(0, 8), chords=(4, 12), hold=3, decay_s=0.4, melody=0.5,
        progressions=((0, 4, 0, 0), (0, 3, 4, 0)),
    ),
    "shuffle": Style(
        kick=(0, 6, 8), snare=(4, 12), hat=(0, 2, 4, 6, 8, 10, 12, 14), bass=(0, 6, 8, 14), swing=0.66, slope=0.9,
        hold=10, progressions=((0, 0, 3, 4), (0, 3, 0, 4)),
    ),
    "ballad": Style(
        kick=(0,), snare=(8,), hat=(0, 4, 8, 12), bass=(0, 6), chords=(0, 4, 8, 12), hold=5, decay_s=0.8, melody=0.4,
        loose_s=0.015, progressions=((0, 2, 5, 3), (5, 3, 0, 4)),
    ),
    "strings": Style(
        bass=(0,), chords=(0, 8), hold=9, attack_s=0.05, decay_s=9, slope=1.1, melody=0.5, loose_s=0.012,
        progressions=((0, 5, 1, 4), (0, 3, 4, 0)),
    ),
    "guitar": Style(
        bass=(0, 8), chords=(0, 3, 4, 6, 8, 11, 12, 14), hold=2, decay_s=0.3, slope=1.0, melody=0.2, loose_s=0.01,
        progressions=((0, 4, 3, 3), (0, 5, 4, 4)),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    style: Style
    name: str
    bpm: float
    tonic: int  # pitch class, C is 0
    minor: bool
    cents: float  # how far it is tuned from A = 440 Hz
    seed: int


def _pieces(styles: dict[str, Style], seed: int, each: int) -> list[Piece]:
    rng = np.random.default_rng(seed)
    return [
        Piece(
            style=style,
            name=name,
            bpm=float(rng.uniform(60, 190)),
            tonic=int(rng.integers(12)),
            minor=bool(rng.integers(2)),
            cents=float(rng.uniform(-25, 25)),
            seed=int(rng.integers(2**31)),
        )
        for name, style in styles.items()
        for _ in range(each)
    ]


def learn(each: int) -> list[Piece]:
    return _pieces(LEARN_STYLES, 1, each)


def held_out(each: int) -> list[Piece]:
    return _pieces(HELD_OUT_STYLES, 2, each)


def render(piece: Piece, seconds: float) -> NDArray[np.float32]:
    """Samples [1, time] at RATE, with a peak of a half."""
    return _Player(piece, seconds).played()


class _Player:
    def __init__(self, piece: Piece, seconds: float) -> None:
        self.piece, self.style = piece, piece.style
        self.rng = np.random.default_rng(piece.seed)
        self.track = self.rng.normal(0, self.style.noise, round(seconds * RATE))
        self.step_s = 15 / piece.bpm  # a sixteenth
        self.scale = MINOR if piece.minor else MAJOR

    def played(self) -> NDArray[np.float32]:
        style, bars = self.style, int(self.track.size / RATE / self.step_s / 16) + 1
        progression = style.progressions[int(self.rng.integers(len(style.progressions)))]
        for bar in range(bars):
            degree = progression[bar % len(progression)]
            if degree == 4 and self.piece.minor:
                chord = [self._pitch(4), self._pitch(6) + 1, self._pitch(8)]  # the dominant is major there
            else:
                chord = [self._pitch(degree + third) for third in (0, 2, 4)]
            for sound, places in ((self._kick, style.kick), (self._snare, style.snare), (self._hat, style.hat)):
                for place in places:
                    self._add(sound(), bar, place)
            for place in style.bass:
                self._add(0.35 * self._note(chord[0] - 24, 3.0, 0.01, 0.8, 1.2), bar, place)
            for place in style.chords:
                for pitch in chord:
                    voice = self._note(pitch, style.hold, style.attack_s, style.decay_s, style.slope)
                    self._add(0.14 * voice, bar, place)
            for place in range(0, 16, 2):
                if self.rng.random() < style.melody:
                    pitch = (
                        self.rng.choice(chord) + 12
                        if self.rng.random() < 0.7
                        else self._pitch(int(self.rng.integers(7, 15)))
                    )
                    self._add(0.2 * self._note(pitch, 2.0, 0.008, style.decay_s, 1.5), bar, place)
        track = self.track / np.abs(self.track).max() / 2
        return track.astype(np.float32)[None]

    def _pitch(self, degree: int) -> float:
        return 60 + self.piece.tonic + self.scale[degree % 7] + 12 * (degree // 7)

    def _add(self, sound: Wave, bar: int, place: int) -> None:
        late = self.style.swing if place % 4 == 2 and self.style.swing else 0.0
        at_s = (16 * bar + place + late) * self.step_s + self.rng.normal(0, self.style.loose_s)
        at = max(0, round(at_s * RATE))
        part = sound[: max(0, self.track.size - at)] * self.rng.uniform(0.8, 1.0)
        self.track[at : at + part.size] += part

    def _note(self, pitch: float, sixteenths: float, attack_s: float, decay_s: float, slope: float) -> Wave:
        time = np.arange(round((sixteenths * self.step_s + 0.05) * RATE)) / RATE
        base = 440 * 2 ** ((pitch - 69 + self.piece.cents / 100) / 12)
        wave = np.zeros(time.size)
        for k in range(1, 13):
            if k * base > 9_000:
                break
            wave += np.sin(2 * np.pi * k * base * time + self.rng.uniform(0, 6.3)) / k**slope * np.exp(-k * time / 12)
        rise = np.minimum(1, time / attack_s) * np.minimum(1, (time[-1] - time) / 0.04)
        return np.asarray(wave * rise * np.exp(-time / decay_s))

    def _kick(self) -> Wave:
        time = np.arange(round(0.25 * RATE)) / RATE
        return np.asarray(0.9 * np.sin(2 * np.pi * (50 * time + 3 * (1 - np.exp(-time * 30)))) * np.exp(-time * 14))

    def _snare(self) -> Wave:
        time = np.arange(round(0.2 * RATE)) / RATE
        noise = self.rng.normal(0, 0.3, time.size) * np.exp(-time * 22)
        return np.asarray(noise + 0.3 * np.sin(2 * np.pi * 190 * time) * np.exp(-time * 30))

    def _hat(self) -> Wave:
        time = np.arange(round(0.06 * RATE)) / RATE
        return np.asarray(np.diff(self.rng.normal(0, 0.12, time.size + 1)) * np.exp(-time * 70))
