"""MAGNeT's loops: clips whose end goes on at their beginning.

MAGNeT fills in the frames of a clip all together, each from those on both sides. Here it is shown the loop over and
over in its window and asked for one turn in the middle, so that the last frame is what comes before the first; LoopGen
(arXiv 2504.04466) pads in this way. The codec decodes as many turns, for its filters reach over the join as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from scipy.signal import resample


def generate_loops(model: Any, prompts: Sequence[str], length: int) -> torch.Tensor:
    """One loop of `length` samples for each prompt: [rows, channels, length], full scale = 1, by the model's generation
    parameters. The loop must be shorter than the model's window."""
    window = int(model.duration * model.frame_rate)
    hop = round(model.sample_rate / model.frame_rate)
    turn = max(1, round(length / hop))
    attributes, _ = model._prepare_tokens_and_attributes(prompts, None)
    spans = -(-turn // model.lm.span_len)  # MAGNeT masks whole ones, and drops frames that make none
    with torch.no_grad(), going_round(model.lm, turn, window), model.autocast:
        tokens = model.lm.generate(
            None,
            attributes,
            max_gen_len=spans * model.lm.span_len,
            callback=model._progress_callback,
            **model.generation_params,
        )
    audio = model.generate_audio(tokens[..., _frames(turn, window, tokens.device)])
    began = _before(turn, window) * hop
    once = audio[..., began : began + turn * hop].float().cpu().numpy()
    return torch.from_numpy(resample(once, length, axis=-1))  # by half a frame at most; exact, for it is periodic


@contextmanager
def going_round(lm: Any, turn: int, window: int) -> Iterator[None]:
    """Have the model see the first `turn` frames of what it is given over and over, in a window of `window` frames."""
    forward, before = lm.forward, _before(turn, window)

    def around(sequence: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        logits: torch.Tensor = forward(sequence[..., _frames(turn, window, sequence.device)], *arguments, **options)
        return logits[:, :, before : before + sequence.shape[-1]]  # [rows, codebooks, frames, cardinality]

    lm.forward = around
    try:
        yield
    finally:
        lm.forward = forward


def _before(turn: int, window: int) -> int:
    """Frames of the window before the turn that is asked for."""
    return (window - turn) // 2


def _frames(turn: int, window: int, device: torch.device) -> torch.Tensor:
    return (torch.arange(window, device=device) - _before(turn, window)) % turn
