"""The synthesiser, music: a specification of a short piece, drawn at random, and its rendering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from recipe.notes import GRID, SAMPLE_RATE, Brightness, Samples, add, drum, note

Energy = Literal["calm", "medium", "energetic"]
Mode = Literal["major", "minor"]

ROOTS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9}
SCALES: dict[Mode, tuple[int, ...]] = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
PROGRESSIONS: dict[Mode, tuple[tuple[int, ...], ...]] = {
    "major": ((0, 4, 5, 3), (0, 3, 4, 0), (0, 5, 3, 4)),
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 6)),
}
LEADS = ("piano", "guitar", "harp", "bells", "flute", "brass", "synth", "chiptune", "strings", "organ")
BACKINGS = ("piano", "strings", "organ", "guitar", "pad", "synth")
TEMPI = tuple(range(60, 181, 10))  # beats per minute
COMMON_TEMPI = (90, 120, 150)  # drawn three times as often: people ask for them more than for the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What a style's name implies. An empty tuple leaves it to the other draws."""

    tempi: tuple[int, int] = (60, 180)
    energy: tuple[Energy, ...] = ()
    drums: float = 0.5  # probability
    beat: Literal["rock", "four", "march", "half"] = "rock"
    leads: tuple[str, ...] = ()
    backings: tuple[str, ...] = ()


STYLES: dict[str, Style] = {
    "ambient": Style(tempi=(60, 90), energy=("calm",), drums=0.0, leads=("bells", "flute"), backings=("pad",)),
    "techno": Style(
        tempi=(120, 150), energy=("energetic",), drums=1.0, beat="four", leads=("synth",), backings=("synth",)
    ),
    "rock": Style(tempi=(100, 160), energy=("energetic",), drums=1.0, leads=("guitar",), backings=("guitar",)),
    "chiptune": Style(tempi=(120, 180), energy=("medium", "energetic"), leads=("chiptune",), backings=("synth",)),
    "lofi": Style(
        tempi=(70, 90), energy=("calm", "medium"), drums=1.0, beat="half", leads=("piano",), backings=("piano",)
    ),
    "folk": Style(tempi=(80, 120), drums=0.2, leads=("flute", "guitar"), backings=("guitar",)),
    "orchestral": Style(drums=0.3, beat="march", leads=("strings", "brass", "flute"), backings=("strings",)),
    "march": Style(tempi=(100, 130), energy=("medium", "energetic"), drums=1.0, beat="march", leads=("brass",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MusicSpec:
    """All that decides how a piece sounds, but for the notes its random generator draws."""

    tempo: int  # beats per minute
    root: str
    mode: Mode
    style: str | None
    energy: Energy
    brightness: Brightness
    drums: bool
    lead: str
    backing: str


LEVEL: dict[Energy, float] = {"calm": 0.45, "medium": 0.8, "energetic": 1.25}


def draw(rng: np.random.Generator) -> MusicSpec:
    """A specification at random; a style narrows the rest."""
    name = str(rng.choice(list(STYLES))) if rng.random() < 0.4 else None
    style = STYLES[name] if name else Style()
    tempi = [tempo for tempo in TEMPI if style.tempi[0] <= tempo <= style.tempi[1]]
    energies: tuple[Energy, ...] = style.energy or ("calm", "medium", "energetic")
    energy = energies[rng.integers(len(energies))]
    brightnesses: tuple[Brightness, ...] = ("dark", "neutral", "bright")
    modes: tuple[Mode, ...] = ("major", "minor")
    return MusicSpec(
        tempo=int(rng.choice(tempi + 2 * [tempo for tempo in tempi if tempo in COMMON_TEMPI])),
        root=str(rng.choice(list(ROOTS))),
        mode=modes[rng.integers(2)],
        style=name,
        energy=energy,
        brightness=brightnesses[rng.integers(3)],
        drums=bool(rng.random() < style.drums),
        lead=str(rng.choice(style.leads or LEADS)),
        backing=str(rng.choice(style.backings or BACKINGS)),
    )


def render(spec: MusicSpec, seconds: float, rng: np.random.Generator) -> Samples:
    """The piece from its first beat on, mono, float32 [seconds × 16000], peak below 0.9."""
    length = round(seconds * SAMPLE_RATE)
    sixteenth = 15 / spec.tempo * SAMPLE_RATE / GRID  # in grid cells
    steps = int(np.ceil(length / GRID / sixteenth))
    cells = [round(step * sixteenth) for step in range(steps + 65)]
    tonal = np.zeros(length, dtype=np.float32)
    scale, root = SCALES[spec.mode], ROOTS[spec.root]
    progression = PROGRESSIONS[spec.mode][rng.integers(len(PROGRESSIONS[spec.mode]))]

    def pitch(degree: int, octave: int) -> int:
        return 12 * (octave + 1 + degree // 7) + root + scale[degree % 7]

    def play(timbre: str, midi: int, step: int, sixteenths: int, gain: float) -> None:
        lasts = max(2, cells[step + sixteenths] - cells[step])
        add(tonal, note(timbre, midi, lasts, spec.brightness), cells[step], gain)

    octave = {"dark": 3, "neutral": 4, "bright": 5}[spec.brightness]
    for step in range(0, steps, 4):  # the backing marks every beat, so a clip without drums has a tempo too
        chord = progression[step // 16 % 4]
        accent = 1.25 if step % 16 == 0 else 1.0
        if spec.energy == "calm":  # the root, and one note of the chord after the other
            play(spec.backing, pitch(chord, min(octave, 4)), step, 3, 0.13 * accent)
            play(spec.backing, pitch(chord + (2, 4, 7, 4)[step // 4 % 4], min(octave, 4)), step, 4, 0.07)
            if step % 16 == 0:
                play("bass", pitch(chord, 2), step, 16, 0.10)
        else:
            # An energetic piece is heard by its off-beats: short chords on every eighth, with a gap before the next.
            # The bass stays on the beat, or nobody could tell which eighth is one.
            busy = spec.energy == "energetic"
            for third in (0, 2, 4):
                play(spec.backing, pitch(chord + third, min(octave, 4)), step, 1 if busy else 3, 0.065 * accent)
                if busy:
                    play(spec.backing, pitch(chord + third, min(octave, 4)), step + 2, 1, 0.04)
            play("bass", pitch(chord, 2), step, 1 if busy else 3, 0.13 * accent)
    _melody(spec, steps, progression, octave, rng, pitch, play)

    track = tonal * np.float32(LEVEL[spec.energy])
    if spec.drums:
        _drums(spec, track, steps, cells)
    peak = float(np.abs(track).max(initial=1e-9))
    return track if peak < 0.9 else track * np.float32(0.9 / peak)


def _melody(spec: MusicSpec, steps: int, progression: tuple[int, ...], octave: int, rng, pitch, play) -> None:  # type: ignore[no-untyped-def]
    """A walk over the scale that comes to rest on notes of the chord; its four-beat rhythm repeats."""
    chance = {"calm": (0.5, 0.0, 0.0), "medium": (0.7, 0.35, 0.0), "energetic": (0.85, 0.7, 0.25)}[spec.energy]
    rhythm = [rng.random() < chance[0 if s % 4 == 0 else 1 if s % 2 == 0 else 2] for s in range(16)]
    rhythm[0] = True
    starts = [step for step in range(steps) if rhythm[step % 16]]
    degree = int(rng.integers(0, 5))
    for step, following in zip(starts, [*starts[1:], starts[-1] + 4], strict=True):
        if step % 8 == 0:
            degree = progression[step // 16 % 4] + int(rng.choice([0, 2, 4]))
        else:
            degree += int(rng.choice([-2, -1, -1, 0, 1, 1, 2]))
        degree = int(np.clip(degree, -2, 9))
        accent = 1.0 if step % 4 == 0 else 0.75
        play(spec.lead, pitch(degree, octave), step, min(following - step, 6), 0.12 * accent)


def _drums(spec: MusicSpec, track: Samples, steps: int, cells: list[int]) -> None:
    beat = STYLES[spec.style].beat if spec.style else "rock"
    kicks = {"rock": (0, 8), "four": (0, 4, 8, 12), "march": (0, 8), "half": (0, 10)}[beat]
    snares = {"rock": (4, 12), "four": (4, 12), "march": (4, 8, 12, 14), "half": (8,)}[beat]
    level = {"calm": 0.18, "medium": 0.3, "energetic": 0.42}[spec.energy]
    backbeat = "clap" if beat in ("four", "half") else "snare"
    for step in range(steps):
        place = step % 16
        if place in kicks:
            add(track, drum("kick", spec.brightness), cells[step], level)
        if place in snares:
            add(track, drum(backbeat, spec.brightness), cells[step], level * 0.8)
        if place % 4 == 0 or (place % 2 == 0 and spec.energy != "calm") or (beat == "four" and place % 4 == 2):
            add(track, drum("hat", spec.brightness), cells[step], level * (0.45 if place % 4 == 0 else 0.3))
