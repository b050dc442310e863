"""A scorer: where the middle of the spectrum lies, in kHz. A real one would load a model from `model`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from soundmill.engine.scorers.registry import ScorerSpec, Scores

if TYPE_CHECKING:
    import torch


class Brightness:
    sample_rate = 16_000

    def score(self, audios: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Scores]:
        return [{"brightness": self._centroid(audio)} for audio in audios]

    def _centroid(self, audio: torch.Tensor) -> float | None:
        import torch  # only the scoring process has it

        spectrum = torch.fft.rfft(audio).abs()
        if not float(spectrum.sum()):
            return None
        return float((spectrum * torch.linspace(0, self.sample_rate / 2000, len(spectrum))).sum() / spectrum.sum())


def _open(model: str, device: str) -> Brightness:
    return Brightness()


SPEC = ScorerSpec(
    name="brightness",
    asks="how bright is it?",
    scores=("brightness",),
    model="none",
    open=_open,
    install="pip install torch",
)
