"""The quality room, agreement: what a prompt asks for against what is heard. Pure and without numpy.

A prompt asks by its words, and only for what a measurement shows; tempo and key are read by whoever measures them, as
`asked_bpm` beside `tempo_bpm` and `asked_key_number` beside `key_number` (0 to 11 major from C, 12 to 23 minor).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

Values = Mapping[str, float | None]

WORD = re.compile(r"[a-z]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# By measurement: the words that ask for more of it and for less, the value in the middle, and how many doublings of the
# middle make 73 % of agreement (a logistic curve over log2). Middles lie between what the words make of `tiny`; takes
# of one prompt are ordered alike by any of them.
ASKED: Mapping[str, tuple[frozenset[str], frozenset[str], float, float]] = {
    "brightness_hz": (
        _words("bright brilliant shimmering sparkling glittering shrill crisp"),
        _words("dark dull muffled deep murky warm"),
        320.0,
        0.5,
    ),
    "attacks_per_s": (
        _words("drum drums drumming percussion percussive snare beat energetic driving intense"),
        _words("calm ambient drone sustained pad still serene"),
        1.0,
        0.75,
    ),
}
NOT = frozenset(("no", "without", "not"))
TEMPO_WRONG = 0.25  # octaves: from 4 % (0.057) on agreement falls, and here it is gone; twice or half as fast is heard
TEMPO_RIGHT = math.log2(1.04)


def agreement(prompt: str, values: Values) -> float | None:
    """From 0 to 1, the mean over all that the prompt asks for and that was measured; None where there is nothing."""
    found = [*_by_words(prompt, values), *_tempo(values), *_key(values)]
    return math.fsum(found) / len(found) if found else None


def _by_words(prompt: str, values: Values) -> list[float]:
    words = WORD.findall(prompt.lower())
    found = []
    for name, (more, less, middle, scale) in ASKED.items():
        value = values.get(name)
        if value is None:
            continue
        wants = 0
        for before, word in zip(("", *words), words, strict=False):
            wants += ((word in more) - (word in less)) * (-1 if before in NOT else 1)
        if wants:
            octaves = math.log2(max(value, middle / 1024) / middle)
            found.append(1 / (1 + math.exp(-math.copysign(octaves / scale, octaves * wants))))
    return found


def _tempo(values: Values) -> list[float]:
    asked, heard = values.get("asked_bpm"), values.get("tempo_bpm")
    if not asked or not heard:
        return []
    octaves = math.log2(heard / asked)
    off = abs(octaves - round(octaves)) - TEMPO_RIGHT
    return [min(max(1 - off / (TEMPO_WRONG - TEMPO_RIGHT), 0.0), 1.0) * (1.0 if round(octaves) == 0 else 0.75)]


def _key(values: Values) -> list[float]:
    """1 for the key, half for its relative or the key a fifth away, which share all notes or all but one."""
    asked, heard = values.get("asked_key_number"), values.get("key_number")
    if asked is None or heard is None:
        return []
    if asked == heard:
        return [1.0]
    apart = (_signature(int(heard)) - _signature(int(asked)) + 6) % 12 - 6
    return [0.5 if abs(apart) <= 1 else 0.0]


def _signature(key: int) -> int:
    """Sharps of a key, modulo 12; a minor key has those of the major key three semitones up."""
    return ((key if key < 12 else key - 12 + 3) * 7) % 12
