"""What a person might write who wants a clip: captions in many wordings, and the words they are made of."""

from __future__ import annotations

import re
from itertools import chain

import numpy as np
from recipe.clips import Spec
from recipe.effects import EffectSpec
from recipe.music import TEMPI, MusicSpec

ENERGY = {
    "calm": ("calm", "quiet", "soft", "gentle", "relaxing"),
    "medium": (),
    "energetic": ("energetic", "loud", "intense", "powerful", "driving"),
}
BRIGHTNESS = {
    "dark": ("dark", "dark", "deep", "warm"),
    "neutral": (),
    "bright": ("bright", "bright", "brilliant", "light"),
}
MOODS = {
    ("major", "calm"): ("peaceful", "dreamy", "romantic"),
    ("major", "medium"): ("happy", "playful", "hopeful"),
    ("major", "energetic"): ("happy", "heroic", "triumphant", "joyful", "upbeat"),
    ("minor", "calm"): ("sad", "melancholic", "mysterious", "gloomy"),
    ("minor", "medium"): ("sad", "mysterious", "serious", "tense"),
    ("minor", "energetic"): ("epic", "dramatic", "tense", "dangerous"),
}
PLACES = {
    ("major", "calm"): ("village", "garden", "forest", "menu"),
    ("major", "medium"): ("tavern", "town", "adventure"),
    ("major", "energetic"): ("victory", "race", "dance", "castle"),
    ("minor", "calm"): ("night", "cave", "ghost", "space"),
    ("minor", "medium"): ("dungeon", "desert", "stealth"),
    ("minor", "energetic"): ("battle", "boss", "fight", "chase"),
}
NOUNS = ("music", "theme", "song", "tune", "track", "piece", "loop", "melody")
DRUMS = {
    True: ("with drums", "with drums", "drums", "and drums", "drum beat", "with percussion", "with a drum groove"),
    False: ("no drums", "without drums", "no drums", "no percussion", "without percussion"),
}
LEAD = ("{} melody", "solo {}", "{}", "{} lead", "{} playing the melody")
BACKING = ("{} chords", "{} accompaniment", "{} in the background")
TEMPO = ("{} bpm", "{} bpm", "at {} bpm", "tempo {}", "{}bpm", "{} beats per minute")
PACE = {
    "slow": ("slow", "slow tempo"),
    "fast": ("fast", "fast tempo", "quick"),
    "medium": ("medium tempo", "moderate tempo"),
}

EFFECTS: dict[str, tuple[str, ...]] = {
    "rain": ("rain", "rain falling", "rainfall", "rain on a roof"),
    "wind": ("wind", "wind blowing", "howling wind", "breeze"),
    "waves": ("ocean waves", "sea waves", "waves", "sea", "ocean"),
    "fire": ("fire", "fire crackling", "crackling campfire", "burning fire"),
    "footsteps": ("footsteps", "steps", "footsteps on gravel", "walking", "person walking", "footsteps in a hall"),
    "beeps": ("beeps", "electronic beeps", "beep", "computer beeping", "beeping"),
    "alarm": ("alarm", "alarm ringing", "warning alarm", "electronic alarm"),
    "siren": ("siren", "police siren", "ambulance siren", "electronic siren"),
    "engine": ("engine", "car engine", "engine running", "motor", "machine running", "engine humming"),
    "explosion": ("explosion", "explosions", "bomb explosion", "blast"),
    "thunder": ("thunder", "thunder rolling", "thunderstorm", "storm rumble"),
    "bell": ("bell", "church bell", "bell ringing", "bell tolling"),
    "clock": ("clock", "clock ticking", "ticking clock", "ticking"),
    "knock": ("knock", "knocking on a door", "door knock", "knocking"),
    "birds": ("birds", "birds singing", "bird song", "birds chirping"),
    "laser": ("laser", "laser gun", "laser shots", "laser blasts"),
    "heartbeat": ("heartbeat", "heart beating", "heart beat"),
    "static": ("static", "white noise", "radio static", "noise"),
}
STRENGTH = {
    "low": ("light", "soft", "quiet", "distant", "gentle"),
    "medium": (),
    "high": ("heavy", "loud", "strong", "powerful", "close"),
}
RATE = {"low": ("slow",), "medium": (), "high": ("fast", "quick")}
# A beep's or a bell's strength is its pitch; what has no rate is not called slow.
PITCH = {"low": ("low",), "medium": (), "high": ("high",)}
PITCHED = ("beeps", "bell")
WITHOUT_RATE = ("rain", "static", "thunder", "engine", "birds", "wind", "fire")
SETTING = (
    "sound of {}",
    "the sound of {}",
    "{} sound effect",
    "{} outside",
    "{} in the background",
    "recording of {}",
    "a {}",
)

# Words of these pairs never stand in one training caption: the evaluation asks for them together.
HELD_OUT = frozenset(
    {("90", "flute"), ("90", "strings"), ("90", "brass"), ("120", "guitar"), ("120", "harp"), ("120", "organ")}
    | {("150", "piano"), ("150", "bells"), ("150", "synth"), ("bright", "strings"), ("bright", "guitar")}
    | {("dark", "flute"), ("dark", "piano"), ("calm", "synth"), ("calm", "brass"), ("energetic", "piano")}
    | {("energetic", "harp"), ("drums", "harp"), ("drums", "organ"), ("rain", "heavy"), ("rain", "distant")}
    | {("beeps", "slow"), ("beeps", "electronic"), ("footsteps", "fast"), ("footsteps", "loud")}
)
_WORD = re.compile(r"[a-z]+|\d+")


def words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def held_out(text: str) -> bool:
    """Whether `text` puts two words together that training keeps apart."""
    there = words(text)
    return any(a in there and b in there for a, b in HELD_OUT)


def describe(spec: Spec, rng: np.random.Generator) -> str:
    """A caption of the clip; another one at every call, but never one that `held_out` keeps back."""
    while True:
        text = _effect(spec, rng) if isinstance(spec, EffectSpec) else _music(spec, rng)
        if not held_out(text):
            return _dressed(text, rng)


def _one(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[rng.integers(len(choices))]


def _music(spec: MusicSpec, rng: np.random.Generator) -> str:
    def maybe(probability: float, choices: tuple[str, ...]) -> list[str]:
        return [_one(choices, rng)] if choices and rng.random() < probability else []

    mood = (spec.mode, spec.energy)
    adjectives = maybe(0.75, ENERGY[spec.energy]) + maybe(0.7, BRIGHTNESS[spec.brightness]) + maybe(0.25, MOODS[mood])
    rng.shuffle(adjectives)
    style = [spec.style] if spec.style and rng.random() < 0.85 else []
    place = maybe(0.2, PLACES[mood])
    parts = maybe(0.6, tuple(form.format(spec.lead) for form in LEAD))
    parts += maybe(0.2, tuple(form.format(spec.backing) for form in BACKING))
    parts += maybe(0.75, DRUMS[spec.drums])
    parts += _tempo(spec.tempo, rng)
    parts += maybe(0.15, (f"in {spec.root} {spec.mode}", f"{spec.root} {spec.mode}", f"{spec.mode} key", spec.mode))
    noun = _one(NOUNS, rng)
    form = rng.random()
    if form < 0.4:  # keywords in any order
        keywords = adjectives + style + place + parts + maybe(0.5, (noun,))
        rng.shuffle(keywords)
        return (", " if rng.random() < 0.7 else " ").join(keywords) or noun
    rng.shuffle(parts)
    head = " ".join([*adjectives, *style, *place, noun])
    if form < 0.7:
        return " ".join([head, *parts]) if rng.random() < 0.4 else ", ".join([head, *parts])
    return f"{_one(('a', 'an', 'some', 'the'), rng)} {' '.join([head, *parts])}"


def _tempo(tempo: int, rng: np.random.Generator) -> list[str]:
    chance = rng.random()
    if chance < 0.8:
        # Now and then a number a little off: they are spelled in digits, and the nearest round one will do.
        shown = tempo if rng.random() < 0.85 else tempo + int(rng.integers(-4, 5))
        return [_one(TEMPO, rng).format(shown)]
    if chance < 0.9:
        return [_one(PACE["slow" if tempo < 90 else "fast" if tempo > 140 else "medium"], rng)]
    return []


def _effect(spec: EffectSpec, rng: np.random.Generator) -> str:
    name = _one(EFFECTS[spec.kind], rng)
    strength = (PITCH if spec.kind in PITCHED else STRENGTH)[spec.strength]
    rate = () if spec.kind in WITHOUT_RATE else RATE[spec.rate]
    qualities = [_one(choices, rng) for choices in (strength, rate) if choices and rng.random() < 0.75]
    rng.shuffle(qualities)
    if rng.random() < 0.25:
        return ", ".join([name, *qualities])
    text = " ".join([*qualities, name])
    return _one(SETTING, rng).format(text) if rng.random() < 0.35 else text


def _dressed(text: str, rng: np.random.Generator) -> str:
    """Now and then with a word nobody taught the model, a capital letter or a full stop."""
    if rng.random() < 0.15:
        unknown = "".join(rng.choice(list("aaabcdeeeefghiiiklmnooprstuvw"), rng.integers(3, 9)))
        pieces = text.split(" ")
        pieces.insert(int(rng.integers(0, len(pieces) + 1)), unknown)
        text = " ".join(pieces)
    if rng.random() < 0.1:
        text = text[0].upper() + text[1:]
    return text + "." if rng.random() < 0.1 else text


def vocabulary() -> list[str]:
    """Every word a caption may hold, but for the invented ones: each gets a piece of its own."""
    tables = chain(
        chain.from_iterable(ENERGY.values()), chain.from_iterable(BRIGHTNESS.values()),
        chain.from_iterable(MOODS.values()), chain.from_iterable(PLACES.values()), NOUNS,
        chain.from_iterable(DRUMS.values()), LEAD, BACKING, TEMPO, chain.from_iterable(PACE.values()),
        chain.from_iterable(EFFECTS.values()), chain.from_iterable(STRENGTH.values()),
        chain.from_iterable(RATE.values()), chain.from_iterable(PITCH.values()), SETTING,
    )  # fmt: skip
    from recipe.music import BACKINGS, LEADS, STYLES

    text = " ".join([*tables, *LEADS, *BACKINGS, *STYLES, "a an some the in major minor key c d e f g a"])
    return sorted(words(text) | {str(tempo) for tempo in TEMPI})
