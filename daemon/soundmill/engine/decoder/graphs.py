"""Records a GPU's work once, as a CUDA graph, to be launched again as a whole.

A step launches some thousand small kernels; launching them one by one takes longer than they take to run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import torch


class Recording(Protocol):
    """Work that was recorded; `replay` launches it again on the current stream, over the same tensors."""

    def replay(self) -> None: ...


class Recorder(Protocol):
    def __call__(self, work: Callable[[], None], sibling: Recording | None) -> Recording:
        """Record `work`. It is run for real once beforehand, so the caller restores what running it changes.

        `sibling` is a recording still kept, whose memory this one may share: the two are never replayed at
        once, and neither leaves anything in it.
        """
        ...


class CudaRecorder:
    """Recorder for one GPU.

    `alone` is held while recording. Torch's allocator cannot give back memory during a capture, so another thread that
    allocates on the same GPU meanwhile would run out of memory that is there.
    """

    def __init__(self, device: torch.device, alone: AbstractContextManager[object]) -> None:
        self._device, self._alone = device, alone
        # One stream for all: the allocator keeps what each stream freed for that stream.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self, work: Callable[[], None], sibling: Recording | None) -> torch.cuda.CUDAGraph:
        pool = sibling.pool() if isinstance(sibling, torch.cuda.CUDAGraph) else None
        graph = torch.cuda.CUDAGraph()
        caller = torch.cuda.current_stream(self._device)
        # The outer `stream` puts the caller's stream back even where a capture that failed does not.
        with self._alone, torch.cuda.device(self._device), torch.cuda.stream(self._stream):
            self._stream.wait_stream(caller)
            work()  # the libraries set up their handles and workspaces, which a capture must not do
            # Other threads may go on using the GPU: only what this one does can spoil the capture.
            with torch.cuda.graph(graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"):
                work()
        caller.wait_stream(self._stream)
        return graph
