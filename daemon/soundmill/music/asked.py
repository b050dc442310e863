"""The ground, music: which tempo and key a prompt, a column or a job asks for, how far what was heard agrees, and how
that is said. No numpy: the daemon, its checks and the reports ask."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

NOTES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
SLOWEST_BPM, FASTEST_BPM = 20.0, 400.0
SURE_TEMPO, SURE_KEY = 0.12, 0.08  # a certainty below which nothing is said
SAME_TEMPO = 0.04  # as a share: within it two tempi are the same
OTHER_TEMPO = 0.16  # from it on they have nothing to do with each other
# Keys that share most of their notes count for something (MIREX, "Audio Key Detection", evaluation; and, as ours, the
# major key on a minor one's sixth, which has all of its notes but one, and is what it is most often taken for).
FIFTH, RELATIVE, PARALLEL, SIXTH = 0.5, 0.3, 0.2, 0.2

_NUMBER = r"(?<![\w.,])(\d{2,3}(?:\.\d+)?)"
_BPM = re.compile(
    rf"{_NUMBER}(?:\s*(?:-|–|to)\s*(\d{{2,3}}(?:\.\d+)?))?[\s-]*(?:bpm\b|b\.p\.m|beats?\s+(?:per|a)\s+minute)"
    rf"|\b(?:bpm|tempo)\b\s*(?::|=|of|is|at|around|about)?\s*{_NUMBER}(?!\s*(?:%|s\b|sec|ms|bars?))",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"(\d{2,3}(?:\.\d+)?)")
_KEY = re.compile(
    r"(?<![\w'’])(?P<before>(?:in|key(?:\s+of|\s*[:=]|\s+is)?)\s+(?:the\s+key\s+of\s+)?)?"
    r"(?P<note>[A-Ga-g])(?P<sign>[#♯b♭]|[\s-]*(?:sharp|flat))?[\s-]*(?P<mode>major|minor|maj\b|min\b)"
    r"(?!\s+(?:key|third|second|sixth|seventh|ninth|chord|triad|pentatonic\s+third)\b)",
    re.IGNORECASE,
)
_CELL = re.compile(r"(?P<note>[A-Ga-g])(?P<sign>[#♯b♭]|[\s-]*(?:sharp|flat))?[\s-]*(?P<mode>major|minor|maj|min|m)?")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MARKS = re.compile(r"\W+")
_TEMPO_COLUMNS, _KEY_COLUMNS = ("bpm", "tempo", "tempo_bpm"), ("key", "musical_key", "scale")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for; None where nothing was. `key`: 0 to 11 are C major to B major, 12 to 23 C to B minor."""

    bpm: float | None = None
    key: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """`value` is 1 where what was heard is what was asked, 0 where it has nothing to do with it; `certainty` of what
    was heard, 0 to 1; `says` both in a sentence."""

    value: float
    certainty: float
    says: str


def asked_tempo_key(prompt: str, settings: Mapping[str, object]) -> Asked:
    """What is asked of a take by its job's settings (bpm), its columns (bpm, tempo, key …), else by its prompt.

    `settings` may hold parameters, labels and levels of factors, by their names. A tempo of 0 asks for none; of a range
    the middle counts.
    """
    named = {_column(name): value for name, value in settings.items()}
    bpm = next((found for name in _TEMPO_COLUMNS if (found := _tempo_cell(named.get(name))) is not None), None)
    key = next((found for name in _KEY_COLUMNS if (found := _key_cell(named.get(name))) is not None), None)
    return Asked(bpm=_tempo_in(prompt) if bpm is None else bpm, key=_key_in(prompt) if key is None else key)


def is_compared(name: str) -> bool:
    """Whether a column of that name asks for a tempo or a key."""
    return _column(name) in (*_TEMPO_COLUMNS, *_KEY_COLUMNS)


def _column(name: object) -> str:
    return _MARKS.sub("_", str(name).lower()).strip("_")


def agreement(
    asked: Asked, bpm: float | None, bpm_certainty: float | None, key: float | None, key_certainty: float | None
) -> dict[str, Agreement]:
    """By "tempo" and "key", how far what was heard agrees with what was asked; without those that were not asked for,
    or not heard with any certainty. Half and double the tempo agree: which of the two is the beat is a matter of taste.
    """
    found: dict[str, Agreement] = {}
    differ = differences(asked, bpm, bpm_certainty, key, key_certainty)
    tempo, other = differ["tempo_difference"], differ["key_difference"]
    if tempo is not None and asked.bpm and bpm and bpm_certainty:
        value = max(0.0, min(1.0, (OTHER_TEMPO - tempo) / (OTHER_TEMPO - SAME_TEMPO)))
        found["tempo"] = Agreement(value=value, certainty=bpm_certainty, says=tempo_says(asked.bpm, bpm))
    if other is not None and asked.key is not None and key is not None and key_certainty:
        found["key"] = Agreement(value=1 - other, certainty=key_certainty, says=key_says(asked.key, int(key)))
    return found


def differences(
    asked: Asked, bpm: float | None, bpm_certainty: float | None, key: float | None, key_certainty: float | None
) -> dict[str, float | None]:
    """`tempo_difference` as the function of that name, and `key_difference`, 1 less key_agreement; None as above."""
    tempo = asked.bpm is not None and bpm is not None and (bpm_certainty or 0) >= SURE_TEMPO
    tonic = asked.key is not None and key is not None and (key_certainty or 0) >= SURE_KEY
    return {
        "tempo_difference": tempo_difference(asked.bpm, bpm) if tempo and asked.bpm and bpm else None,
        "key_difference": 1 - key_agreement(asked.key, int(key))
        if tonic and asked.key is not None and key is not None
        else None,
    }


def tempo_difference(asked_bpm: float, bpm: float) -> float:
    """By what share a tempo differs from what was asked, or from half or double of it, whichever is nearest."""
    octaves = math.log2(bpm / asked_bpm)
    return float(2 ** abs(octaves - round(max(-1.0, min(1.0, octaves)))) - 1)


def tempo_says(asked_bpm: float, bpm: float) -> str:
    octave = round(max(-1.0, min(1.0, math.log2(bpm / asked_bpm))))
    level = {0: "", 1: ", an octave above what", -1: ", an octave below what"}[octave]
    if level and tempo_difference(asked_bpm, bpm) <= SAME_TEMPO:
        return f"The tempo is {bpm:.0f} bpm{level} was asked, {asked_bpm:g}: the same beat, counted otherwise."
    return f"The tempo is {bpm:.0f} bpm; {asked_bpm:g} bpm were asked."


def key_agreement(asked: int, heard: int) -> float:
    """1 for the same key, less for those that share most of its notes, 0 for the others."""
    step, same_mode = (heard - asked) % 12, (heard >= 12) == (asked >= 12)
    if same_mode:
        return {0: 1.0, 5: FIFTH, 7: FIFTH}.get(step, 0.0)
    relative, sixth = (9, 4) if asked < 12 else (3, 8)  # A minor and E minor of C major, C major and F major of A minor
    return {relative: RELATIVE, 0: PARALLEL, sixth: SIXTH}.get(step, 0.0)


def key_says(asked: int, heard: int) -> str:
    near = 0 < key_agreement(asked, heard) < 1
    return f"The key is {key_name(heard)}; {key_name(asked)} was asked{', which is near' if near else ''}."


def key_name(number: int) -> str:
    """ "C♯ minor" of a key's number."""
    return f"{NOTES[number % 12]} {'minor' if number >= 12 else 'major'}"


def _tempo_in(text: str) -> float | None:
    for found in _BPM.finditer(text):
        numbers = [float(each) for each in found.groups() if each]
        bpm = sum(numbers) / len(numbers)
        if SLOWEST_BPM <= bpm <= FASTEST_BPM:
            return bpm
    return None


def _tempo_cell(value: object) -> float | None:
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value.strip())
        return float(plain[1]) if plain else _tempo_in(value)
    if isinstance(value, int | float) and SLOWEST_BPM <= value <= FASTEST_BPM:
        return float(value)
    return None


def _key_in(text: str) -> int | None:
    for found in _KEY.finditer(text):
        # "a minor setback" and "in a major city" name no key: the note A is written large, or ends what is said.
        if found["note"] == "a" and not found["sign"] and not re.match(r"\s*(?:$|[,.;:)\d])", text[found.end() :]):
            continue
        return _number(found)
    return None


def _key_cell(value: object) -> int | None:
    if not isinstance(value, str):
        return None
    whole = _CELL.fullmatch(value.strip())
    if whole is None:
        return _key_in(value)
    return _number(whole)


def _number(found: re.Match[str]) -> int:
    sign = (found["sign"] or "").strip(" -").lower()
    step = _STEPS[found["note"].upper()] + {"": 0, "#": 1, "♯": 1, "sharp": 1}.get(sign, -1)
    mode = found["mode"] or ""
    return step % 12 + (12 if mode == "m" or mode.lower().startswith("min") else 0)
