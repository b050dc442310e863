"""The quality room, agreement: what a prompt asks for against what is heard. Pure and without numpy.

A prompt asks by its words, and only for what a measurement shows. Which tempo and key were asked for, and how far what
is heard agrees, is the matter of the ground's music.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from soundmill.music.asked import Asked
from soundmill.music.asked import agreement as of_music

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


def agreement(prompt: str, values: Values) -> float | None:
    """From 0 to 1, the mean over all that the prompt asks for and that was measured; None where there is nothing."""
    found = [*_by_words(prompt, values), *_of_music(values)]
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


def _of_music(values: Values) -> list[float]:
    key = values.get("asked_key_number")
    asked = Asked(bpm=values.get("asked_bpm"), key=None if key is None else int(key))
    heard = (values.get(name) for name in ("tempo_bpm", "tempo_certainty", "key_number", "key_certainty"))
    return [each.value for each in of_music(asked, *heard).values()]
