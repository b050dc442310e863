"""The tokenizer of checkpoints with random weights (checkpoint.py): musical words whole, all else in letters."""

from __future__ import annotations

# Words people put into prompts get a piece of their own; anything else is spelled out in letters.
_WORDS = """
a acoustic action adventure alarm ambient and applause at background ballad bass battle beat bell bells birds blues
boss bpm brass breeze bright calm car castle cave cello chase chimes chiptune choir chords cinematic city classical
clarinet close combat cozy creature crowd dance dark day deep desert distant dog door dramatic dreamy driving drone
drum drums dungeon echo electric electronic emotional energetic engine epic ethereal explosion eerie fantasy fast
field fight fire flute folk footsteps forest funk futuristic game gentle ghost gloomy guitar gun happy hard harp heavy
heroic hip hit hop horn horror house in industrial instrumental intense intro jazz joyful jungle key keys kick lead
light lofi loop loud low machine magic magical major march medieval mellow melancholic melody menu metal minor
minimal moody music mysterious night no noise ocean of on orchestra orchestral organ pad pads peaceful percussion
percussive piano playful pop powerful punk quiet rain reggae relaxed relaxing retro reverb rhythm rising river rock
romantic rumble sad sci-fi sea short sine siren slow snare soft solo sound space steps steady storm strings sword
suspense sweeping synth synths synthwave tavern techno tempo tense tension the theme thunder tone traffic train trance
tribal triumphant trumpet underwater upbeat uplifting vibes village viola violin vocal vocals voice walking warm water
waves whistle wind with wood woodwinds world
"""
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?'\"()-/&+#%"


def vocabulary() -> list[tuple[str, float]]:
    """The (piece, log probability) pairs of a small Unigram tokenizer; the first three are T5's own."""
    words = dict.fromkeys(_WORDS.split())
    return [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -4.0),
        *((f"▁{word}", -6.0) for word in words),
        *((letter, -8.0) for letter in _LETTERS),
    ]
