"""Inbox: tells a mistyped name from a name of the person's own."""

from __future__ import annotations

from collections.abc import Iterable

# Words people do label their rows with, one or two letters away from a field. A typing error that
# happens to be one of them becomes a label; that is the price of letting `speed` be a column.
ORDINARY_WORDS = frozenset(
    {"speed", "seen", "see", "need", "feed", "deed", "reed", "weed", "send", "shed", "sped", "steed"}  # seed
    | {"mode", "modes", "modal", "mod", "node", "motel"}  # model
    | {"county", "country", "court", "mount", "amount", "account", "mound", "round", "sound"}  # count
    | {"form", "formal", "promo", "melodic", "melodist", "malady"}  # format, prompt, melody
)

# Names that other tools give to these parameters: never meant as labels.
OTHER_TOOLS = {
    "cfg": "cfg_coef",
    "cfg_scale": "cfg_coef",
    "guidance_scale": "cfg_coef",
    "temp": "temperature",
    "prompt_text": "prompt",
    "model_name": "model",
    "model_id": "model",
    "random_seed": "seed",
    "melody_path": "melody",
    "melody_file": "melody",
}


def distance(a: str, b: str) -> int:
    """Typing errors between two words: letters left out, added, changed, or two neighbours swapped.

    Source: the restricted Damerau-Levenshtein ("optimal string alignment") recurrence.
    """
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        current = [i]
        for j, other in enumerate(b, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]


def normal(name: str) -> str:
    """`Top K`, `top-k` and ` TOP_K ` are all top_k."""
    return "_".join(name.strip().casefold().replace("-", " ").split())


def nearly(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is a mistyped form of, or None where it is a name of its own.

    One typing error is forgiven in words of four letters and more, two from seven on.
    """
    word = normal(name)
    known = tuple(known)
    if word in OTHER_TOOLS and OTHER_TOOLS[word] in known:
        return OTHER_TOOLS[word]
    if word in ORDINARY_WORDS:
        return None
    best: tuple[int, str] | None = None
    for candidate in known:
        allowed = 0 if len(candidate) < 4 else 1 if len(candidate) < 7 else 2
        if abs(len(candidate) - len(word)) > allowed:
            continue
        found = distance(word, candidate)
        if found <= allowed and (best is None or found < best[0]):
            best = found, candidate
    return best[1] if best else None


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, for a key that has to be a known one; None where none is like it."""
    word = normal(name)
    known = tuple(known)
    if word in OTHER_TOOLS and OTHER_TOOLS[word] in known:
        return OTHER_TOOLS[word]
    ranked = sorted((distance(word, candidate), candidate) for candidate in known)
    if ranked and ranked[0][0] <= max(1, min(3, len(ranked[0][1]) // 2)):
        return ranked[0][1]
    return None


def did_you_mean(suggestion: str | None) -> str:
    return f"; did you mean {suggestion}?" if suggestion else ""
