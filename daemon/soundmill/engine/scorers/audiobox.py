"""The scoring room, Audiobox Aesthetics: how much people would enjoy a take, whatever it was meant to be.

Audiobox Aesthetics (Tjandra et al., "Meta Audiobox Aesthetics: Unified Automatic Quality Assessment for Speech, Music,
and Sound", 2025) predicts what listeners say on four axes from 1 to 10: content enjoyment (CE), content usefulness
(CU), production complexity (PC) and production quality (PQ). As in the authors' own tool a clip is cut into windows of
ten seconds, the last one filled up with silence that is masked, and the windows' predictions are averaged by length.

The model's code is Meta's package audiobox_aesthetics, which is not among Soundmill's dependencies; its weights are
CC-BY 4.0.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch

from soundmill.engine.hub import Hub
from soundmill.engine.quiet import quiet
from soundmill.engine.scorers.registry import Scores
from soundmill.engine.scorers.weights import obtain
from soundmill.engine.scorers.windows import AT_ONCE, WINDOW_S, average, windows

AXES = ("CE", "CU", "PC", "PQ")
SAMPLE_RATE = 16_000


class Audiobox:
    """`model` maps {"wav": [windows, 1, time], "mask": where there is sound} to normalised predictions [windows] by
    axis; its `target_transform` has the mean and std of each axis."""

    sample_rate = SAMPLE_RATE

    def __init__(self, model: Any, device: str) -> None:
        self._model = model
        self._device = device

    @torch.inference_mode()
    def score(self, audios: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Scores]:
        """Audios [time] at `sample_rate`; the prompts make no difference."""
        cut = [windows(audio, SAMPLE_RATE) for audio in audios]
        predicted = self._predict([window for of_take in cut for window in of_take])
        by_take = average(predicted, [[len(window) for window in of_take] for of_take in cut])
        names = [f"audiobox_{axis.lower()}" for axis in AXES]
        return [dict(zip(names, values, strict=True)) for values in by_take.tolist()]

    def _predict(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """Predictions from 1 to 10 for windows [windows, axes]."""
        length = round(WINDOW_S * SAMPLE_RATE)
        found = []
        for at in range(0, len(parts), AT_ONCE):
            some = parts[at : at + AT_ONCE]
            wav, mask = torch.zeros(len(some), 1, length), torch.zeros(len(some), 1, length, dtype=torch.bool)
            for row, part in enumerate(some):
                wav[row, 0, : len(part)] = part
                mask[row, 0, : len(part)] = True
            with warnings.catch_warnings():
                # The package hands torch a mask of numbers beside one of booleans, which torch is to drop one day.
                warnings.filterwarnings("ignore", message=".*mismatched key_padding_mask", category=UserWarning)
                normalised = self._model({"wav": wav.to(self._device), "mask": mask.to(self._device)})
            found.append(torch.stack([self._restored(axis, normalised[axis]) for axis in AXES], dim=1).float().cpu())
        return torch.cat(found)

    def _restored(self, axis: str, normalised: torch.Tensor) -> torch.Tensor:
        scale = self._model.target_transform[axis]
        return normalised * float(scale["std"]) + float(scale["mean"])


def load(model: str, device: str, source: Hub) -> Audiobox:
    """The published checkpoint, from a folder or by its Hugging Face id. Raises ModelUnavailable, and without Meta's
    package ImportError."""
    from audiobox_aesthetics.model.aes import AesMultiOutput

    def read(local_files_only: bool) -> Audiobox:
        with quiet():
            loaded = AesMultiOutput.from_pretrained(model, local_files_only=local_files_only, strict=True)
        return Audiobox(loaded.to(device).eval(), device)

    return obtain(read, "audiobox", model, source)
