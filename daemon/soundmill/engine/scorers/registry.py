"""The scoring room, registry: which scorers there are. Imports no torch: soundmill.yaml and the daemon read it.

A scorer is a function that opens it and one ScorerSpec here, or in a plugin (soundmill/plugins/hooks.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from soundmill.errors import BadParameter

if TYPE_CHECKING:
    import torch

Scores = Mapping[str, float | None]  # by name; None where the audio gives no score, as silence without a sample


class Scorer(Protocol):
    """One loaded model, in the scoring process."""

    @property
    def sample_rate(self) -> int:
        """Hz, of the audio it wants to hear."""
        ...

    def score(self, audios: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Scores]:
        """One mapping, of the names its ScorerSpec has, for each audio [time] and the prompt it was made from."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerSpec:
    """What is known of a scorer before it is loaded.

    `open(model, device)` loads it in the scoring process; it imports there what it needs, and an ImportError is
    answered with `install`. Raises an EngineError.
    """

    name: str  # among scoring.scorers; scoring.<name>_model are its weights
    asks: str
    scores: tuple[str, ...]  # the names it scores under
    model: str  # Hugging Face id or folder, unless soundmill.yaml names another
    open: Callable[[str, str], Scorer]
    install: str
    needs: str | None = None  # the package that must be there


def _open_clap(model: str, device: str) -> Scorer:
    from soundmill.engine.hub import Hub
    from soundmill.engine.scorers import clap

    return clap.load(model, device, Hub())


def _open_audiobox(model: str, device: str) -> Scorer:
    from soundmill.engine.hub import Hub
    from soundmill.engine.scorers import audiobox

    return audiobox.load(model, device, Hub())


BUILT_IN: tuple[ScorerSpec, ...] = (
    ScorerSpec(
        name="clap",
        asks="fits the prompt?",
        scores=("clap",),
        model="laion/clap-htsat-unfused",
        open=_open_clap,
        install="pip install 'transformers>=5'",
        needs="transformers",
    ),
    ScorerSpec(
        name="audiobox",
        asks="is it enjoyable?",
        # Content enjoyment, content usefulness, production complexity and production quality.
        scores=("audiobox_ce", "audiobox_cu", "audiobox_pc", "audiobox_pq"),
        model="facebook/audiobox-aesthetics",
        open=_open_audiobox,
        install="pip install --no-deps audiobox_aesthetics==0.0.4",  # what else it needs is here already
        needs="audiobox_aesthetics",
    ),
)


@cache
def scorers() -> Mapping[str, ScorerSpec]:
    """Every scorer by name: the built-in ones, then those of plugins."""
    from soundmill import plugins  # here: 20 ms that only a name which is not built in needs

    brought = (spec for _, spec in plugins.registered("register_scorers"))
    return {spec.name: spec for spec in (*brought, *BUILT_IN)}


def on_this_machine(spec: ScorerSpec, model: str) -> bool:
    """Whether a scorer can be opened with what is here: its package, and its weights in a folder or in Hugging Face's
    cache. Nothing is imported or fetched."""
    if spec.needs is not None and find_spec(spec.needs) is None:
        return False
    if Path(model).is_dir():
        return True
    hub = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub"
    return any((Path(hub).expanduser() / f"models--{model.replace('/', '--')}" / "snapshots").glob("*/*"))


def find(name: str) -> ScorerSpec:
    """Raises BadParameter where there is no such scorer. Plugins are loaded only for a name that is not built in."""
    for spec in BUILT_IN:
        if spec.name == name:
            return spec
    if name in scorers():
        return scorers()[name]
    raise BadParameter(f"scorer {name}: there are {', '.join(scorers())}")
