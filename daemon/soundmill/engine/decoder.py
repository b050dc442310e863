"""The decode loop: many clips of different lengths and parameters, one token of each at every step.

MusicGen and AudioGen make a clip token by token, and how many it takes is known beforehand. So clips
join and leave the batch at any step, and what AudioCraft takes once per call (temperature, filters,
guidance, seed) is a number per clip here. What a clip becomes does not depend on who is beside it.
"""

from __future__ import annotations

from typing import Any

import torch

from soundmill.engine import exactness
from soundmill.engine.sampling import candidates, sample
from soundmill.engine.slots import Slots
from soundmill.engine.transformer import ROOM_STEP, Transformer, attend

PREFIX_ROOM = 512  # steps kept for a prompt and a melody that stand before the first token
GPU_KEYS = 256  # keys a captured graph reads grow in these steps; divides ROOM_STEP
GPU_BATCHES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
CPU_ROOM = 48  # every tile of exactness.ROW_TILES divides this


class Decoder:
    """The step function over one model's transformer and slots."""

    def __init__(self, lm: Any, slots: int, window_frames: int) -> None:
        prefix = PREFIX_ROOM if lm.fuser.fuse2cond.get("prepend") else 0
        self.lm, self.places = lm, len(lm.pattern_provider.get_pattern(window_frames).layout)
        steps = _up(self.places + prefix, ROOM_STEP)
        self.transformer = Transformer(lm, steps)
        self.cuda = self.transformer.device.type == "cuda"
        self.graphs: dict[tuple[int, ...], torch.cuda.CUDAGraph] = {}
        self.resize(slots)

    def resize(self, slots: int) -> None:
        """Drop every clip and start again with `slots`."""
        self.graphs.clear()
        self.transformer.allocate(self._room(2 * slots), self._room(slots))
        self.row_tile, self.key_tile = (1, GPU_KEYS) if self.cuda else self._probe()
        if not self.cuda:  # the tile is known now, and rooms in whole tiles waste less memory
            self.transformer.allocate(_up(2 * slots, self.row_tile), _up(slots, self.row_tile))
        self.slots = Slots(self.transformer, self.lm, slots, self.places)

    def release(self) -> None:
        """Give the device's memory back."""
        self.graphs.clear()
        del self.transformer, self.slots, self.lm

    def step(self, clips: int, rows: int, extent: int, likeliest: int) -> None:
        """Decide the next token of slots 0..clips, whose streams are rows 0..rows and reach `extent` keys at most.

        Reads and writes tables on the device only: nothing here waits for the device, and on CUDA the
        whole of it is one captured graph.
        """
        s, t = self.slots, self.transformer
        every, at = torch.arange(clips, device=t.device), s.at[:clips]
        clip, conditional, unconditional = s.clip[:rows], s.conditional[:clips], s.unconditional[:clips]

        x = t.embed(s.sequence[every, :, at])[clip][:, None]
        positions = (at[clip] + s.offset[:rows])[:, None]
        x = t.forward(x, positions, slice(0, rows), slice(0, clips), conditional, s.cross[:rows], extent)
        logits = t.predict(x[:, 0]).float()
        given, absent = logits[conditional], logits[unconditional]
        logits = absent + (given - absent) * s.cfg[:clips, None, None]

        place = torch.minimum(at + 1, s.last[:clips])
        uniform = s.uniform[every, place]
        token = sample(logits, uniform, s.temperature[:clips], s.top_k[:clips], s.top_p[:clips], likeliest)
        known = s.sequence[every, :, place]  # a given token, or the pattern's filler, stays what it is
        s.sequence[every, :, place] = torch.where(known < 0, token, known)
        s.at[:clips] = place

    def advance(self, steps: int) -> None:
        """Take `steps` steps of all clips in the slots; none of them may end before."""
        runs = self.slots.active
        settings = [run.request.parameters for run in runs]
        likeliest = candidates([p.top_k for p in settings], [p.top_p for p in settings], self.transformer.cardinality)
        clips = min(self._batch(len(runs)), self.transformer.clips)
        rows = min(self._batch(self.slots.rows_used), self.transformer.rows)
        for _ in range(steps):
            furthest = max(run.at + max(run.offsets) for run in runs) + 1
            shape = clips, rows, _up(furthest, self.key_tile), self.transformer.cardinality if self.cuda else likeliest
            self.replay(shape) if self.cuda else self.step(*shape)
            for run in runs:
                run.at += 1
                run.done += 1

    def replay(self, shape: tuple[int, int, int, int]) -> None:
        """Run the step as a CUDA graph, captured when its shape is first met: the launches of a step's
        thousand small kernels take longer than the kernels."""
        key = *shape, self.transformer.text_keys.data_ptr()  # a longer text moves its cache: other graphs then
        graph = self.graphs.get(key)
        if graph is None:
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            kept = self.slots.at.clone(), self.slots.sequence.clone()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                self.step(*shape)  # allocates the libraries' workspaces, which capture must not do
            torch.cuda.current_stream().wait_stream(side)
            self.slots.at.copy_(kept[0])
            self.slots.sequence.copy_(kept[1])
            graph = self.graphs[key] = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self.step(*shape)
        graph.replay()

    def _batch(self, count: int) -> int:
        """How many rows are computed for `count`: whole tiles on a CPU, a captured size on a GPU."""
        return next(size for size in GPU_BATCHES if size >= count) if self.cuda else _up(count, self.row_tile)

    def _room(self, count: int) -> int:
        """Places allocated for `count`, so that whatever `_batch` pads to is there."""
        return next(size for size in GPU_BATCHES if size >= count) if self.cuda else _up(count, CPU_ROOM)

    def _probe(self) -> tuple[int, int]:
        t, layer = self.transformer, self.transformer.layers[0]
        wide = int(layer.module.linear2.in_features)
        narrow = [layer.qkv, layer.out, layer.up, layer.cross_q, layer.cross_out, t.logits]
        linears = [(linear, t.dim) for linear in narrow if linear is not None] + [(layer.down, wide)]
        size = t.dim // t.heads
        with torch.inference_mode():
            row_tile = exactness.row_tile(linears, t.rows)
            return row_tile, exactness.key_tile(attend, t.heads, size, t.steps)


def _up(number: int, step: int) -> int:
    """The least multiple of `step` that is not below `number`."""
    return -(-number // step) * step
