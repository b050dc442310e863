"""The scoring room, CLAP: how well a take sounds like its prompt.

CLAP (Wu et al., "Large-scale Contrastive Language-Audio Pretraining with Feature Fusion and Keyword-to-Caption
Augmentation", ICASSP 2023) puts texts and sounds into one space. The score is the cosine of the angle between the
prompt's embedding and the take's, from -1 to 1. It compares takes of one prompt better than takes of different ones.

transformers' feature extractor hears a random ten seconds of a longer clip and, with a fusion checkpoint, marks a
random row of each batch as long. Here a longer clip is cut into windows, whose embeddings are averaged by length, and
no window is marked: the same take always gets the same score, whoever its neighbours are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from soundmill.engine.hub import Hub
from soundmill.engine.quiet import quiet
from soundmill.engine.scorers.registry import Scores
from soundmill.engine.scorers.weights import obtain
from soundmill.engine.scorers.windows import AT_ONCE, average, windows
from soundmill.errors import ModelUnavailable

TEXT_TOKENS = 77  # CLAP was trained on captions of at most so many; the rest of a longer prompt is not heard
TEXTS_REMEMBERED = 1000


class Clap:
    def __init__(self, model: Any, processor: Any, device: str) -> None:
        self.sample_rate = int(processor.feature_extractor.sampling_rate)
        self._model = model.to(device).eval()
        self._processor = processor
        self._device = device
        self._texts: dict[str, torch.Tensor] = {}

    @torch.inference_mode()
    def score(self, audios: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Scores]:
        """Audios [time] at `sample_rate`, and what each was generated from."""
        cut = [windows(audio, self.sample_rate) for audio in audios]
        heard = self._hear([window for of_take in cut for window in of_take])
        sounds = average(heard, [[len(window) for window in of_take] for of_take in cut])
        texts = torch.stack([self._read(prompt) for prompt in prompts])
        similarity = torch.nn.functional.cosine_similarity(sounds, texts)
        return [{"clap": float(value)} for value in similarity.tolist()]

    def _hear(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """Unit embeddings of windows [windows, dimensions]."""
        embeddings = []
        for at in range(0, len(parts), AT_ONCE):
            features = self._processor.feature_extractor(
                [part.numpy() for part in parts[at : at + AT_ONCE]],
                sampling_rate=self.sample_rate,
                return_tensors="pt",
            )
            mel = features["input_features"].to(self._device, torch.float32)
            none_longer = torch.zeros(len(mel), 1, dtype=torch.bool, device=self._device)
            output = self._model.get_audio_features(input_features=mel, is_longer=none_longer)
            embeddings.append(output.pooler_output)
        return torch.cat(embeddings)

    def _read(self, prompt: str) -> torch.Tensor:
        """The unit embedding of a prompt [dimensions]; takes of one prompt come together, so it is remembered."""
        if prompt not in self._texts:
            if len(self._texts) >= TEXTS_REMEMBERED:
                self._texts.clear()
            tokens = self._processor.tokenizer(
                [prompt], truncation=True, max_length=TEXT_TOKENS, return_tensors="pt"
            ).to(self._device)
            self._texts[prompt] = self._model.get_text_features(**tokens).pooler_output[0]
        return self._texts[prompt]


def load(model: str, device: str, source: Hub) -> Clap:
    """A CLAP checkpoint in transformers' format, from a folder or by its Hugging Face id. Raises ModelUnavailable."""

    def read(local_files_only: bool) -> Clap:
        if Path(model).is_dir() and not (Path(model) / "config.json").is_file():  # said before two seconds of imports
            raise FileNotFoundError("it holds no config.json")
        from transformers import ClapModel, ClapProcessor

        with quiet():
            found: Any = ClapModel.from_pretrained(model, local_files_only=local_files_only, output_loading_info=True)
            loaded, report = found
            # transformers fills what a checkpoint lacks with random numbers, and goes on.
            lacking = sorted(report["missing_keys"] & dict(loaded.named_parameters()).keys())
            if lacking:
                raise ModelUnavailable(f"scorer clap: {model} is no CLAP checkpoint: it lacks {lacking[0]}")
            processor = ClapProcessor.from_pretrained(model, local_files_only=local_files_only)
        return Clap(loaded, processor, device)

    return obtain(read, "clap", model, source)
