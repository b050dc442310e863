"""Which clip sits in which slot, and what the step function must know of each.

The step function works on slots 0..b and rows 0..r, so clips are kept dense: when one leaves and
none takes its place, the last one moves down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soundmill.engine.audiocraft.conditioning import Conditions, Window
from soundmill.engine.decoder.sampling import SETTINGS, uniforms
from soundmill.engine.decoder.surprise import COLUMNS, steps_kept
from soundmill.engine.decoder.transformer import Transformer
from soundmill.errors import BadParameter
from soundmill.jobs import GenerationRequest

UNKNOWN = -1  # a place in the token sequence that is still to be decided
NO_TEXT = -1


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One clip on its way. `draws` are its random numbers, [steps due, codebooks]; `at` is the place in
    the current window's sequence whose token goes in next, `last` the last place of that window."""

    request: GenerationRequest
    windows: list[Window]
    melody: Tensor | None
    tokens: Tensor  # finished frames, int64 [codebooks, frames], on the CPU
    draws: NDArray[np.float32]
    due: int
    started: float
    device_s: float = 0.0  # so far; see jobs.Generated
    done: int = 0
    window: int = 0
    at: int = 0
    last: int = 0
    rows: list[int] = field(default_factory=list)  # the conditional row, then the unconditional if any
    offsets: list[int] = field(default_factory=list)  # length of each row's prefix

    @property
    def guided(self) -> bool:
        return self.request.parameters.cfg_coef != 1.0


class Pattern:
    """The model's own interleaving of codebooks, for a clip of `frames` with the first `prompt` given."""

    def __init__(self, lm: Any, frames: int, prompt: int) -> None:
        self.pattern = lm.pattern_provider.get_pattern(frames)
        self.frames, self.codebooks, self.special = frames, int(lm.n_q), int(lm.card)
        self.length = len(self.pattern.layout)
        self.start: int = self.pattern.get_first_step_with_timesteps(prompt)

    @property
    def steps(self) -> int:
        return self.length - self.start

    def spread(self, prompt: Tensor) -> Tensor:
        """Tokens [codebooks, prompt] as a sequence [codebooks, length] with UNKNOWN where none is given."""
        codes = torch.full((1, self.codebooks, self.frames), UNKNOWN, dtype=torch.long)
        codes[0, :, : prompt.shape[1]] = prompt
        sequence: Tensor = self.pattern.build_pattern_sequence(codes, self.special)[0][0]
        return sequence

    def gather(self, sequence: Tensor) -> Tensor:
        """A filled sequence [codebooks, length] back to tokens [codebooks, frames]."""
        codes: Tensor = self.pattern.revert_pattern_sequence(sequence[None].contiguous(), UNKNOWN)[0][0]
        return codes[:, : self.frames]


def plan_run(
    lm: Any, request: GenerationRequest, windows: list[Window], melody: Tensor | None, prompt: Tensor, now: float
) -> Run:
    """A clip ready to be placed; `prompt` are the tokens it begins with, [codebooks, frames]."""
    due = sum(Pattern(lm, window.frames, window.prompt).steps for window in windows)
    draws = uniforms(request.seed, due, int(lm.n_q))
    return Run(request=request, windows=windows, melody=melody, tokens=prompt.cpu(), draws=draws, due=due, started=now)


Number = TypeVar("Number")  # an int of one clip or row; a column on the device, int64, of all of them


class Seat(NamedTuple, Generic[Number]):
    """What the step function knows of a clip."""

    at: Number  # `at` and `last` of its Run
    last: Number
    conditional: Number  # its rows
    unconditional: Number


class Stream(NamedTuple, Generic[Number]):
    """What the step function knows of a row."""

    clip: Number
    offset: Number  # length of its prefix
    cross: Number  # the clip whose text it attends to, or NO_TEXT


EMPTY = Stream(clip=0, offset=-(1 << 30), cross=NO_TEXT)  # so far back that it stays at its first position
_settings_of = attrgetter(*SETTINGS)


class Slots:
    """The tables behind the step function, for `count` clips in `transformer`'s caches.

    `seat` has columns [clips], `stream` columns [rows], and `settings` a column [clips], float32, under each name of
    jobs.Parameters. sequence [clips, codebooks, places], uniform [clips, places, codebooks]; fresh as
    sequence, where a token is to be chosen; logits [steps kept, rows, codebooks, cardinality]; told [clips, codebooks,
    surprise.COLUMNS], sums so far.
    """

    def __init__(self, transformer: Transformer, lm: Any, count: int, places: int) -> None:
        self.transformer, self.lm, self.count = transformer, lm, count
        device, clips = transformer.device, transformer.clips
        self.runs: list[Run | None] = [None] * count
        self.taken: list[bool] = [False] * transformer.rows
        self.sequence = torch.zeros(clips, transformer.codebooks, places, dtype=torch.long, device=device)
        self.uniform = torch.zeros(clips, places, transformer.codebooks, device=device)
        kept = (
            steps_kept(transformer.rows, transformer.codebooks, transformer.cardinality) if device.type == "cpu" else 1
        )
        self.logits = torch.zeros(kept, transformer.rows, transformer.codebooks, transformer.cardinality, device=device)
        self.fresh = torch.zeros_like(self.sequence, dtype=torch.bool)
        self.told = torch.zeros(clips, transformer.codebooks, COLUMNS, device=device)
        self._seats = torch.zeros(len(Seat._fields), clips, dtype=torch.long, device=device)
        self._streams = torch.zeros(len(Stream._fields), transformer.rows, dtype=torch.long, device=device)
        self._settings = torch.zeros(len(SETTINGS), clips, device=device)
        self.seat = Seat(*self._seats)
        self.stream = Stream(*self._streams)
        self.settings = dict(zip(SETTINGS, self._settings, strict=True))

    @property
    def active(self) -> list[Run]:
        return [run for run in self.runs if run is not None]

    @property
    def free(self) -> int:
        return self.runs.count(None)

    @property
    def rows_used(self) -> int:
        return sum(self.taken)

    def place(self, run: Run, conditions: Conditions) -> None:
        """Give `run` the lowest free slot and rows, and make it ready for its next window's first step."""
        slot = self.runs.index(None)
        self.runs[slot] = run
        self.told[slot] = 0
        for _ in range(2 if run.guided else 1):
            row = self.taken.index(False)
            self.taken[row] = True
            run.rows.append(row)
        self.open_window(run, conditions)

    def open_window(self, run: Run, conditions: Conditions) -> None:
        """Write a window's known tokens and random numbers; read its text, prefix and prompt.

        Raises BadParameter.
        """
        slot, window, t = self.runs.index(run), run.windows[run.window], self.transformer
        pattern = Pattern(self.lm, window.frames, window.prompt)
        prompt = run.tokens[:, run.tokens.shape[1] - window.prompt :]
        sequence = pattern.spread(prompt)
        run.at, run.last = pattern.start - 1, pattern.length - 1
        run.offsets = [len(prefix) for prefix in conditions.prefixes[: len(run.rows)]]
        if max(run.offsets) + pattern.length > t.steps:
            raise BadParameter(f"prompt and melody take {max(run.offsets)} steps, more than this model has room for")
        t.reserve(max(run.offsets) + pattern.length)
        self.sequence[slot, :, : pattern.length] = sequence.to(t.device)
        self.fresh[slot, :, : pattern.length] = self.sequence[slot, :, : pattern.length] < 0
        draws = torch.from_numpy(run.draws[run.done : run.done + pattern.steps])
        self.uniform[slot, pattern.start : pattern.length] = draws.to(t.device)
        if conditions.text is not None:
            t.read_text(slot, conditions.text.to(t.device, t.dtype))
        known = t.embed(sequence[:, : run.at].T.to(t.device))
        for row, prefix, cross in zip(run.rows, conditions.prefixes, (0, NO_TEXT), strict=False):
            self._read(torch.cat([prefix.to(known), known])[None], row, slot, cross)

    def _read(self, x: Tensor, row: int, slot: int, cross: int) -> None:
        """Fill a row's cache from what precedes its first step, x [1, length, dim]; a fresh clip has nothing."""
        length = x.shape[1]
        if length:
            where = (torch.full((1,), index, device=x.device) for index in (row, slot, 0, cross))
            row_index, slot_index, conditional, source = where
            positions = torch.arange(length, device=x.device)[None]
            self.transformer.forward(x, positions, row_index, slot_index, conditional, source, length)

    def close_window(self, run: Run) -> bool:
        """Keep what the finished window made; True when it was the clip's last one."""
        window = run.windows[run.window]
        pattern = Pattern(self.lm, window.frames, window.prompt)
        sequence = self.sequence[self.runs.index(run), :, : pattern.length].cpu()
        made = pattern.gather(sequence)
        run.tokens = torch.cat([run.tokens, made[:, window.prompt :]], dim=1)
        run.window += 1
        self._wipe(run)
        return run.window == len(run.windows)

    def remove(self, run: Run) -> None:
        self._wipe(run)
        self.runs[self.runs.index(run)] = None
        for row in run.rows:
            self.taken[row] = False

    def _wipe(self, run: Run) -> None:
        with torch.inference_mode():
            for row, offset in zip(run.rows, run.offsets, strict=False):
                self.transformer.wipe_row(row, run.at + offset)
        run.at = 0

    def settle(self) -> None:
        """Close the gaps that left clips made, and tell the device who sits where."""
        self._close_gaps()
        seats: dict[int, Seat[int]] = {}
        streams = dict.fromkeys(range(len(self.taken)), EMPTY)
        for slot, run in enumerate(self.active):
            # An unguided clip takes its one row for both: u + (c - u) · cfg is then c, exactly.
            seats[slot] = Seat(at=run.at, last=run.last, conditional=run.rows[0], unconditional=run.rows[-1])
            for row, offset, cross in zip(run.rows, run.offsets, (slot, NO_TEXT), strict=False):
                streams[row] = Stream(clip=slot, offset=offset, cross=cross)
        settings = {slot: _settings_of(run.request.parameters) for slot, run in enumerate(self.active)}
        for table, rows in ((self._seats, seats), (self._streams, streams), (self._settings, settings)):
            _write(table, rows)

    def _close_gaps(self) -> None:
        owner = {row: (run, side) for run in self.active for side, row in enumerate(run.rows)}
        while (row := self.taken.index(False) if False in self.taken else len(self.taken)) < self.rows_used:
            source = max(owner)
            run, side = owner.pop(source)
            self.transformer.move_row(source, row, run.at + run.offsets[side])
            self.transformer.wipe_row(source, run.at + run.offsets[side])
            run.rows[side], owner[row] = row, (run, side)
            self.taken[source], self.taken[row] = False, True
        while None in self.runs and (slot := self.runs.index(None)) < len(self.active):
            source = max(index for index, run in enumerate(self.runs) if run is not None)
            self.transformer.move_text(source, slot)
            for table in (self.sequence, self.uniform, self.fresh, self.told):
                table[slot] = table[source]
            self.runs[slot], self.runs[source] = self.runs[source], None


def _write(table: Tensor, rows: Mapping[int, Sequence[float]]) -> None:
    """Put the numbers of each place into the columns, 0 where there is none, and bring them to the device in one go."""
    numbers = np.zeros(table.shape, np.float32 if table.is_floating_point() else np.int64)
    for place, row in rows.items():
        numbers[:, place] = row
    table.copy_(torch.from_numpy(numbers))
