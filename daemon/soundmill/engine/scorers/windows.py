"""The scoring room, windows: audio as the scorers' models hear it, in mono windows of ten seconds."""

from __future__ import annotations

from typing import cast

import torch
import torchaudio

WINDOW_S = 10.0  # what CLAP and Audiobox Aesthetics were trained on
AT_ONCE = 8  # windows in one pass of a model: it bounds the memory, whatever is scored


def mono(samples: torch.Tensor, sample_rate: int, wanted_rate: int) -> torch.Tensor:
    """Samples [channels, time] as one channel [time] at `wanted_rate` Hz: the mean of the channels, resampled."""
    mixed = torch.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0).mean(dim=0)
    if sample_rate == wanted_rate:
        return mixed
    return cast("torch.Tensor", torchaudio.functional.resample(mixed, sample_rate, wanted_rate))


def windows(audio: torch.Tensor, sample_rate: int) -> list[torch.Tensor]:
    """[time] cut into windows of ten seconds, one after the other; the last one holds what is left."""
    length = round(WINDOW_S * sample_rate)
    return [audio[at : at + length] for at in range(0, len(audio), length)]


def average(values: torch.Tensor, lengths: list[list[int]]) -> torch.Tensor:
    """Values of all windows [windows, …] as one per take [takes, …], each window weighted by its length.

    `lengths` are the windows' lengths by take, in the order of `values`.
    """
    counts = [len(of_take) for of_take in lengths]
    weights = torch.tensor([length for of_take in lengths for length in of_take], dtype=values.dtype)
    weighted = values * weights.reshape(-1, *[1] * (values.ndim - 1)).to(values.device)
    return torch.stack(
        [part.sum(dim=0) / sum(of_take) for part, of_take in zip(torch.split(weighted, counts), lengths, strict=True)]
    )
