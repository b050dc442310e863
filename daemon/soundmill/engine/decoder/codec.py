"""Turns finished tokens into samples beside the loop, so that the next steps need not wait for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from soundmill.engine.backend import Clip
from soundmill.jobs import GenerationRequest

# On a GPU one clip leaves most of it idle. On a CPU it does not, and a convolution over several clips may
# take another path and give other last bits: there each clip is decoded alone.
TOGETHER_ON_GPU = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What the steps of a clip took, as in jobs.Generated, and what surprise.py has of them."""

    generation_s: float
    device_s: float
    row_steps: int
    surprise: Mapping[str, float]


class Codec:
    """AudioCraft's codec in a thread of its own, on a CUDA stream of its own.

    `alone` is held while it computes: see engine/decoder/graphs.py.
    """

    def __init__(self, model: Any, alone: AbstractContextManager[object]) -> None:
        self._codec, self._rate = model.compression_model, int(model.sample_rate)
        self._device = torch.device(model.device)
        self._alone = alone
        self._together = TOGETHER_ON_GPU if self._device.type == "cuda" else 1
        self._waiting: deque[tuple[GenerationRequest, Tensor, Spent, Future[Clip]]] = deque()
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="codec")
        self._stream: Any = None
        if self._device.type == "cuda":
            # One for all clips: torch's allocator keeps what each stream freed for that stream.
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            self._thread.submit(torch.cuda.set_device, self._device)  # each thread has a current device of its own

    def submit(self, request: GenerationRequest, tokens: Tensor, spent: Spent) -> Future[Clip]:
        """Decode tokens [codebooks, frames]; the clip's samples are trimmed to what was to be made."""
        future: Future[Clip] = Future()
        with self._lock:
            self._waiting.append((request, tokens, spent, future))
        self._thread.submit(self._decode_next)
        return future

    def close(self) -> None:
        with self._lock:
            self._waiting.clear()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens [clips, codebooks, frames] to samples [clips, channels, time]."""
        side = torch.cuda.stream(self._stream) if self._stream else nullcontext()
        with self._alone, torch.inference_mode(), side:
            samples: Tensor = self._codec.decode(tokens.to(self._device), None).float().cpu()
        return samples

    def _decode_next(self) -> None:
        with self._lock:
            batch = self._take()
        if not batch:
            return  # an earlier turn took it along
        try:
            samples = self.decode(torch.stack([tokens for _, tokens, _, _ in batch])).numpy()
            for (request, _, spent, future), clip in zip(batch, samples, strict=True):
                wanted = round(request.parameters.made_s * self._rate)
                trimmed = np.ascontiguousarray(clip[:, :wanted], dtype=np.float32)
                future.set_result(
                    Clip(
                        request=request,
                        samples=trimmed,
                        sample_rate=self._rate,
                        generation_s=spent.generation_s,
                        device_s=spent.device_s,
                        row_steps=spent.row_steps,
                        surprise=spent.surprise,
                    )
                )
        except Exception as error:
            for *_, future in batch:
                if not future.done():
                    future.set_exception(error)

    def _take(self) -> list[tuple[GenerationRequest, Tensor, Spent, Future[Clip]]]:
        """The clip waiting longest, with others of just its length: padding would change how a clip ends."""
        batch = [item for item in self._waiting if item[1].shape == self._waiting[0][1].shape][: self._together]
        for item in batch:
            self._waiting.remove(item)
        return batch
