"""Deliver, UCS: names by the Universal Category System (universalcategorysystem.com, version 8.2.1), and which of its
categories a prompt speaks of."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import log

CAT_ID = re.compile(r"[A-Z]{2,6}[A-Za-z0-9]{0,8}")
# CatID(-UserCategory)_(VendorCategory-)FXName_CreatorID_SourceID(_UserData)
NAME = re.compile(r"[A-Z][A-Za-z0-9]+(-[^_]+)?_[^_]+_[^_]+_[^_]+(_[^_]+)?")
FX_LENGTH = 25  # characters, "under 25 preferably"
MUSIC = "MUSCMisc"
EFFECTS = "DSGNMisc"
SMALL_WORDS = frozenset({  # words that say how, not what
    "a", "an", "and", "the", "of", "in", "on", "at", "with", "for", "from", "to", "by", "into", "over", "under", "very",
    "slow", "fast", "loud", "quiet", "big", "small", "long", "short", "old", "new", "deep", "high", "low", "soft",
    "hard", "distant", "close", "single", "several", "some",
})  # fmt: skip
# What prompts say for what the list calls otherwise.
ALSO: Mapping[str, str] = {
    "footstep": "footsteps", "step": "footsteps", "walk": "footsteps", "rifle": "rifle", "shot": "guns",
    "gunshot": "guns", "choir": "choral", "piano": "keyed", "organ": "keyed", "harpsichord": "keyed",
    "guitar": "plucked", "harp": "plucked", "lute": "plucked", "violin": "stringed", "cello": "stringed",
    "string": "stringed", "flute": "woodwind", "clarinet": "woodwind", "oboe": "woodwind", "trumpet": "brass",
    "trombone": "brass", "drum": "percussion", "taiko": "percussion", "marimba": "percussion tuned",
    "xylophone": "percussion tuned", "synth": "synthesized", "chiptune": "synthesized", "song": "song & phrase",
    "melody": "song & phrase", "thunderstorm": "thunder", "lightning": "thunder", "ocean": "surf", "sea": "surf",
    "brook": "flow", "stream": "flow", "river": "flow", "puppy": "dog", "bark": "dog", "kitten": "cat domestic",
    "meow": "cat domestic", "whoosh": "whoosh", "swoosh": "swish", "button": "user interface",
    "menu": "user interface", "click": "click", "laser": "lasers", "spaceship": "spaceship", "robot": "robots",
    "zombie": "monster", "goblin": "monster", "ghost": "ethereal", "car": "car", "engine": "motors", "city": "urban",
    "street": "urban", "tavern": "restaurant & bar", "inn": "restaurant & bar", "cave": "underground",
    "jungle": "tropical", "beach": "seaside", "fireplace": "burning", "campfire": "burning",
    "explosion": "explosions", "door": "doors", "shatter": "break", "smash": "break", "coin": "coin",
    "punch": "fight", "kick": "fight",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    cat_id: str
    category: str
    subcategory: str


@cache
def categories() -> Mapping[str, Category]:
    """Every category of the list by its CatID."""
    text = resources.files("soundmill.deliver").joinpath("ucs.tsv").read_text(encoding="utf-8")
    rows = csv.reader(text.splitlines(), delimiter="\t")
    return {row[0]: Category(cat_id=row[0], category=row[1], subcategory=row[2]) for row in rows}


def category_of(prompt: str, *, music: bool) -> Category:
    """The category whose names share most with the prompt, rare words counting more; of music only among the musical
    ones. Where nothing is shared, the musical or the designed MISC."""
    words = [word for each in re.findall(r"[a-z]+", prompt.lower()) if (word := _stem(each)) not in SMALL_WORDS]
    said = [(word, place) for place, word in enumerate(words)]
    said += [(_stem(part), place) for word, place in said for part in re.findall("[a-z]+", _also().get(word, ""))]
    best, highest = categories()[MUSIC if music else EFFECTS], 0.0
    weights, parts = _weights(), _parts()
    for cat_id, (sub, whole) in parts.items():
        if music and not cat_id.startswith("MUSC"):
            continue
        found = dict(reversed(said))
        # What is said first is mostly what the sound is; the subcategory says more than the category it is in.
        score = sum(
            (2 if word in sub else 1) * weights[word] / (1 + 0.2 * found[word]) for word in whole if word in found
        )
        score -= 0.01 * len(whole - found.keys())
        if score > highest:
            best, highest = categories()[cat_id], score
    return best


@cache
def _parts() -> Mapping[str, tuple[frozenset[str], frozenset[str]]]:
    """For each CatID the words of its subcategory, and those with its category's."""
    return {
        each.cat_id: (_words(each.subcategory), _words(f"{each.category} {each.subcategory}"))
        for each in categories().values()
    }


@cache
def _also() -> Mapping[str, str]:
    return {_stem(word): meant for word, meant in ALSO.items()}


@cache
def _weights() -> Mapping[str, float]:
    """How much a word says: the logarithm of how few categories have it."""
    parts = [whole for _, whole in _parts().values()]
    return {word: log(len(parts) / sum(word in whole for whole in parts)) for each in parts for word in each}


def _words(text: str) -> frozenset[str]:
    return frozenset(_stem(word) for word in re.findall("[a-z]+", text.lower())) - {"misc"}


def _stem(word: str) -> str:
    """Without the endings that tell one from many and a doing from a thing."""
    for ending, least in (("ies", 5), ("ing", 6), ("es", 5), ("ed", 6), ("s", 4)):
        if word.endswith(ending) and len(word) >= least and not word.endswith("ss"):
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word.removesuffix("e") if len(word) > 4 else word


def fx_name(prompt: str) -> str:
    """A title of up to 25 characters from the beginning of a prompt: whole words, the first letters capital."""
    title = ""
    for word in re.findall(r"[^\W_]+(?:['’][^\W_]+)?", prompt):
        longer = f"{title} {word[:1].upper()}{word[1:]}".strip()
        if len(longer) > FX_LENGTH:
            break
        title = longer
    words = title.split()
    while len(words) > 1 and words[-1].lower() in SMALL_WORDS:
        words.pop()
    return " ".join(words) or "Sound"


def ucs_name(category: str, fx: str, creator: str, source: str) -> str:
    return f"{category}_{fx}_{creator}_{source}"
