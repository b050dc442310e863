"""The decode loop: many clips of different lengths and parameters, one token of each at every step.

MusicGen and AudioGen make a clip token by token, and how many it takes is known beforehand. So clips
join and leave the batch at any step, and what AudioCraft takes once per call (temperature, filters,
guidance, seed) is a number per clip here. What a clip becomes does not depend on who is beside it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from soundmill.engine.decoder import exactness
from soundmill.engine.decoder.graphs import Recorder, Recording
from soundmill.engine.decoder.sampling import candidates, sample
from soundmill.engine.decoder.slots import Slots
from soundmill.engine.decoder.surprise import EVERY, surprise
from soundmill.engine.decoder.transformer import ROOM_STEP, Transformer, attend
from soundmill.engine.failures import text_of

if TYPE_CHECKING:
    from soundmill.engine.decoder.fused import Fused

log = logging.getLogger(__name__)

PREFIX_ROOM = 512  # steps kept for a prompt and a melody that stand before the first token
GPU_KEYS = 256  # keys a captured graph reads grow in these steps; divides ROOM_STEP
GPU_BATCHES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
CPU_ROOM = 48  # every tile of exactness.ROW_TILES divides this


class Decoder:
    """The step function over one model's transformer and slots.

    With a `record` (engine/decoder/graphs.py) every shape of step is recorded when first met and replayed from then on.
    """

    def __init__(self, lm: Any, slots: int, window_frames: int, record: Recorder | None) -> None:
        prefix = PREFIX_ROOM if lm.fuser.fuse2cond.get("prepend") else 0
        self.lm, self.places = lm, len(lm.pattern_provider.get_pattern(window_frames).layout)
        steps = _up(self.places + prefix, ROOM_STEP)
        self.transformer = Transformer(lm, steps)
        self.cpu = self.transformer.device.type == "cpu"
        self.record, self.text_room = record, 0
        self.fused: Fused | None = None
        self.recordings: dict[tuple[int, ...], Recording] = {}
        self.resize(slots)

    def fuse(self) -> None:
        """Take steps by fused.py from now on, where its kernels can be had and pass their trial on this device."""
        try:
            from soundmill.engine.decoder import trial  # here, because Triton comes only with torch's builds for CUDA

            self.fused = trial.passed(self.transformer)
        except Exception as error:  # whatever a compiler on somebody's machine may raise: there is another way
            log.warning("%s: steps take torch's own kernels: %s", self.transformer.device, text_of(error)[:500])

    def resize(self, slots: int) -> None:
        """Drop every clip and start again with `slots`."""
        self.recordings.clear()  # they read and write the tables that are replaced now
        self.row_tile, self.key_tile = self._probe(_up(2 * slots, CPU_ROOM)) if self.cpu else (1, GPU_KEYS)
        self.transformer.allocate(self._batch(2 * slots), self._batch(slots))
        self.slots = Slots(self.transformer, self.lm, slots, self.places)
        self.untold: list[Tensor] = []  # the places that steps chose whose logits are kept, [clips] each
        self.due = False  # whether those of the next step are to be

    def release(self) -> None:
        """Give the device's memory back."""
        self.recordings.clear()
        self.fused = None  # it holds the transformer
        del self.transformer, self.slots, self.lm

    def step(self, clips: int, rows: int, extent: int, likeliest: int) -> None:
        """Decide the next token of slots 0..clips, whose streams are rows 0..rows and reach `extent` keys at most.

        Reads and writes tables on the device only and never waits for it, so on a GPU all of it is one graph.
        """
        s, t = self.slots, self.transformer
        if self.fused is not None:
            self.fused.step(s, clips, rows, extent)
            return
        every = torch.arange(clips, device=t.device)
        at, last, conditional, unconditional = (column[:clips] for column in s.seat)
        clip, offset, cross = (column[:rows] for column in s.stream)

        x = t.embed(s.sequence[every, :, at])[clip][:, None]
        positions = (at[clip] + offset).clamp(min=0)[:, None]
        x = t.forward(x, positions, slice(0, rows), slice(0, clips), conditional, cross, extent)
        logits = t.predict(x[:, 0]).float()
        if self.due or not self.cpu:
            s.logits[len(self.untold), :rows] = logits
        given, absent = logits[conditional], logits[unconditional]
        logits = absent + (given - absent) * s.settings["cfg_coef"][:clips, None, None]

        place = torch.minimum(at + 1, last)
        uniform = s.uniform[every, place]
        token = sample(logits, uniform, s.settings, likeliest)
        known = s.sequence[every, :, place]  # a given token, or the pattern's filler, stays what it is
        s.sequence[every, :, place] = torch.where(known < 0, token, known)
        s.seat.at[:clips] = place
        if not self.cpu:  # where a step is recorded, all of it is in one recording
            s.told[:clips] += self.tell(torch.zeros_like(every), every, place)

    def tell(self, step: Tensor, clip: Tensor, place: Tensor) -> Tensor:
        """What kept logits say of tokens [n, codebooks, COLUMNS]: of these steps, clips and the places chosen in them,
        each [n]; nothing of places that are passed over, or that were given."""
        s, t = self.slots, self.transformer
        tokens = s.sequence[clip, :, place].clamp(0, t.cardinality - 1)  # a filler is none of them
        rows = s.seat.conditional[clip], s.seat.unconditional[clip]
        said = [surprise(s.logits[step, row], tokens) for row in rows]
        both = [each[at] for at in range(2) for each in said]
        counts = s.fresh[clip, :, place] & (place % EVERY == 0)[:, None]
        return torch.where(counts[..., None], torch.stack([*both, torch.ones_like(both[0])], dim=-1), 0.0)

    def catch_up(self) -> None:
        """Have everything in `told` that a CPU's steps have put off; before any clip changes its place."""
        if not self.untold:
            return
        with torch.inference_mode():
            at = pad_sequence(self.untold, batch_first=True, padding_value=1)  # clips that came later have no place
            step, clip = (at % EVERY == 0).nonzero(as_tuple=True)
            self.slots.told.index_add_(0, clip, self.tell(step, clip, at[step, clip]))
        self.untold.clear()

    def advance(self, steps: int) -> None:
        """Take `steps` steps of all clips in the slots; none of them may end before."""
        runs = self.slots.active
        likeliest = candidates([run.request.parameters for run in runs], self.transformer.cardinality)
        clips = min(self._batch(len(runs)), self.transformer.clips)
        rows = min(self._batch(self.slots.rows_used), self.transformer.rows)
        for _ in range(steps):
            furthest = max(run.at + max(run.offsets) for run in runs) + 1
            seen = likeliest if self.cpu else self.transformer.cardinality  # fewer shapes to record
            self.due = self.cpu and self.fused is None and any((run.at + 1) % EVERY == 0 for run in runs)
            shape = clips, rows, _up(furthest, self.key_tile), seen
            self.step(*shape) if self.record is None else self.replay(shape, self.record)
            if self.due:
                self.untold.append(self.slots.seat.at[: len(runs)].clone())
                if len(self.untold) == len(self.slots.logits):
                    self.catch_up()
            for run in runs:
                run.at += 1
                run.done += 1

    def replay(self, shape: tuple[int, int, int, int], record: Recorder) -> None:
        """Take a step of this shape from its recording, made when the shape is first met."""
        if self.text_room != self.transformer.text_keys.shape[3]:  # a longer text moved the cache of all texts
            self.text_room = self.transformer.text_keys.shape[3]
            self.recordings.clear()
        if shape not in self.recordings:
            kept = self.slots.seat.at.clone(), self.slots.sequence.clone(), self.slots.told.clone()
            recording = record(lambda: self.step(*shape), next(iter(self.recordings.values()), None))
            self.slots.seat.at.copy_(kept[0])
            self.slots.sequence.copy_(kept[1])
            self.slots.told.copy_(kept[2])
            self.recordings[shape] = recording
        self.recordings[shape].replay()

    def _batch(self, count: int) -> int:
        """How many rows are computed, and have room, for `count`: whole tiles on a CPU, a recorded size on a GPU."""
        return _up(count, self.row_tile) if self.cpu else next(size for size in GPU_BATCHES if size >= count)

    def _probe(self, most: int) -> tuple[int, int]:
        """The row and key tiles of this machine for batches of up to `most` rows."""
        t = self.transformer
        with torch.inference_mode():
            row_tile = exactness.row_tile(t.products(), most)
            return row_tile, exactness.key_tile(attend, t.heads, t.width, t.steps)


def _up(number: int, step: int) -> int:
    """The least multiple of `step` that is not below `number`."""
    return -(-number // step) * step
