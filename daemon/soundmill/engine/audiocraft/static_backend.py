"""Generates with AudioCraft's own `generate`, one static batch at a time.

For the models our decode loop does not do: MAGNeT, anything that is not plain left-to-right
text to audio. Requests that share everything AudioCraft sets per call run together.

The same clip, whoever its neighbours are: AudioCraft draws for all rows from one global stream and
pads every text to the longest. Here each row draws from a stream seeded by its own request, and only texts
of equal token length share a batch, so a row is computed from the same numbers as alone. A clip that
runs alone is the one that `torch.manual_seed(seed)` and AudioCraft's `generate` give. What remains is
the arithmetic: a matrix product may round the last bit differently for another batch size, and with
float16 on a GPU that can tip a draw now and then.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from audiocraft.utils import utils as draws

from soundmill.engine.audiocraft import loading
from soundmill.engine.audiocraft.circular import generate_loops
from soundmill.engine.audiocraft.info import info_of
from soundmill.engine.backend import Clip
from soundmill.engine.failures import failure, is_out_of_memory, text_of
from soundmill.engine.inputs import check, read_audio, read_beginning, text_for, whole_frames
from soundmill.engine.models import ModelSpec
from soundmill.errors import BadParameter, EngineError, OutOfMemory
from soundmill.jobs import GenerationFailed, GenerationRequest, ModelInfo, Parameters, Progress

Answer = Clip | GenerationFailed | Progress

STEP_S = 0.25  # longest that step() waits for the running batch
MOST_SLOTS = {"cpu": 8}  # more clips at once gain nothing there
MOST_SLOTS_GPU = 64
ROWS = 2  # of a clip in each step: AudioCraft computes the unguided one also where cfg_coef is 1 and it changes nothing

# MAGNeT anneals guidance from what is asked down to this; AudioCraft's own default.
_MAGNET_LEAST_GUIDANCE = 1.0


class _Cancelled(Exception):
    """Raised inside AudioCraft's progress callback once nobody wants the batch."""


@dataclass(frozen=True, slots=True)
class _Group:
    """What AudioCraft sets once per call; requests that agree on all of it may share one."""

    parameters: Parameters
    text_tokens: int
    melody: Path | None
    continue_from: Path | None
    input_folders: tuple[Path, ...] | None


@dataclass(slots=True)
class _Batch:
    """One call of AudioCraft's on a thread of its own, so that it can be watched and left."""

    group: _Group
    requests: list[GenerationRequest]
    answers: queue.SimpleQueue[Answer | BaseException | None] = field(default_factory=queue.SimpleQueue)
    dropped: set[int] = field(default_factory=set)  # job ids
    steps: int = 0  # taken so far
    thread: threading.Thread | None = None

    @property
    def unwanted(self) -> bool:
        return all(request.job_id in self.dropped for request in self.requests)


class AudioCraftBackend:
    """engine/backend.py's Backend over one loaded model. `slots` None takes what fits.

    Raises UnknownModel, ModelUnavailable and OutOfMemory from loading, unless `loaded` is given.
    """

    def __init__(
        self,
        spec: ModelSpec,
        device: str,
        slots: int | None,
        *,
        loaded: loading.LoadedModel | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if loaded is None:
            loading.set_threads(None)
            loaded = loading.load(spec, device)
        self._spec = loaded.spec
        self._device = loaded.device
        self._model: Any = loaded.model
        self._takes = frozenset(signature(self._model.set_generation_params).parameters)
        self._weights = loaded.weights
        self._slots = slots if slots is not None else fitting_slots(loaded)
        self._clock = clock
        self._queue: list[tuple[_Group, GenerationRequest]] = []
        self._refused: list[GenerationFailed] = []
        self._batch: _Batch | None = None

    @property
    def info(self) -> ModelInfo:
        return info_of(self._spec, self._model, self._slots, self._device, self._weights)

    @property
    def busy(self) -> bool:
        return bool(self._queue) or bool(self._refused) or self._batch is not None

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Queue requests; what this model cannot do is answered by the next step."""
        for request in requests:
            try:
                self._queue.append((self._group(request), request))
            except EngineError as error:
                self._refused.append(failure(request, error))

    def step(self) -> list[Answer]:
        """Start the oldest request's group if nothing runs, and wait a moment for what comes of it.

        Raises OutOfMemory, and whatever AudioCraft raises when the device itself is broken; all
        that was queued or running is then dropped.
        """
        if self._refused:
            refused, self._refused = self._refused, []
            return list(refused)
        if self._batch is None:
            if not self._queue:
                return []
            self._batch = self._start()
        batch = self._batch
        results: list[Answer] = []
        try:
            answer = batch.answers.get(timeout=STEP_S)
            while True:
                if answer is None:
                    self._batch = None
                    break
                if isinstance(answer, BaseException):
                    self._batch = None
                    results += self._failures(batch, answer)
                    break
                results.append(answer)
                answer = batch.answers.get_nowait()
        except queue.Empty:
            pass
        return [result for result in results if _job_id(result) not in batch.dropped]

    def cancel(self, job_ids: Iterable[int]) -> None:
        unwanted = set(job_ids)
        self._queue = [(group, request) for group, request in self._queue if request.job_id not in unwanted]
        self._refused = [failure for failure in self._refused if failure.job_id not in unwanted]
        if self._batch is not None:
            self._batch.dropped |= unwanted

    def reduce_slots(self) -> None:
        self._slots = max(1, self._slots // 2)

    def close(self) -> None:
        self._queue.clear()
        if self._batch is not None and self._batch.thread is not None:
            self._batch.dropped |= {request.job_id for request in self._batch.requests}
            self._batch.thread.join()
        self._batch = None
        self._model = None
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()

    # -- one batch --------------------------------------------------------------------------

    def _group(self, request: GenerationRequest) -> _Group:
        check(request, self._spec)
        for parameter in fields(request.parameters):
            off = parameter.metadata.get("off")
            if (
                off is not None
                and parameter.name not in self._takes
                and getattr(request.parameters, parameter.name) != off
            ):
                raise BadParameter(f"{parameter.name}: {self._spec.short} has no such setting; {off:g} turns it off")
        tokens = 1
        for conditioner in self._model.lm.condition_provider.conditioners.values():
            if hasattr(conditioner, "t5_tokenizer"):
                tokens = len(conditioner.t5_tokenizer(text_for(request))["input_ids"])
        return _Group(request.parameters, tokens, request.melody, request.continue_from, request.input_folders)

    def _start(self) -> _Batch:
        group = self._queue[0][0]
        chosen = [request for its, request in self._queue if its == group][: self._slots]
        taken = {id(request) for request in chosen}
        self._queue = [entry for entry in self._queue if id(entry[1]) not in taken]
        batch = _Batch(group, chosen)
        batch.thread = threading.Thread(target=self._run, args=(batch,), name="audiocraft", daemon=True)
        batch.thread.start()
        return batch

    def _run(self, batch: _Batch) -> None:
        try:
            if self._device.startswith("cuda"):
                torch.cuda.set_device(self._model.device)  # the current device is each thread's own
            began = self._clock()
            samples = self._generate(batch)
            took = self._clock() - began
            for request, clip in zip(batch.requests, samples, strict=True):
                batch.answers.put(
                    Clip(
                        request=request,
                        samples=clip,
                        sample_rate=self._spec.sample_rate,
                        generation_s=took,
                        device_s=took / len(batch.requests),
                        row_steps=ROWS * (batch.steps or 1),
                    )
                )
            batch.answers.put(None)
        except _Cancelled:
            batch.answers.put(None)
        except BaseException as error:
            batch.answers.put(error)

    def _generate(self, batch: _Batch) -> Iterable[np.ndarray[Any, np.dtype[np.float32]]]:
        model, group = self._model, batch.group
        prompts = [text_for(request) for request in batch.requests]
        self._set_parameters(group.parameters)

        frames = round(model.duration * model.frame_rate)
        calls = itertools.count(1)

        def progress(done: int, due: int) -> None:
            if batch.unwanted:
                raise _Cancelled
            batch.steps += 1
            if model.duration > model.max_duration:  # AudioCraft counts each window for itself
                done, due = min(next(calls), frames), frames
            for request in batch.requests:
                batch.answers.put(Progress(job_id=request.job_id, attempt=request.attempt, done=done, due=due))

        model.set_custom_progress_callback(progress)
        with row_streams([request.seed for request in batch.requests], model.device):
            if group.melody is not None:
                longest_s = max(model.max_duration, group.parameters.made_s)
                wav, rate = read_audio(group.melody, longest_s, group.input_folders)
                audio = model.generate_with_chroma(prompts, [wav] * len(prompts), rate, progress=True)
            elif group.continue_from is not None:
                longest_s = min(group.parameters.made_s, self._model.max_duration)
                wav, rate = read_beginning(group.continue_from, longest_s, group.input_folders)
                audio = model.generate_continuation(wav.expand(len(prompts), -1, -1), rate, prompts, progress=True)
            elif group.parameters.loop and self._spec.family.fixed_length:
                audio = generate_loops(model, prompts, round(group.parameters.duration * self._spec.sample_rate))
            else:
                audio = model.generate(prompts, progress=True)
        length = round(group.parameters.made_s * self._spec.sample_rate)
        return audio[..., :length].float().cpu().numpy()  # type: ignore[no-any-return]

    def _set_parameters(self, wanted: Parameters) -> None:
        sampling: dict[str, Any] = {name: value for name, value in asdict(wanted).items() if name in self._takes}
        sampling["use_sampling"] = wanted.temperature > 0
        # A filter as wide as the codebook lets everything through, but AudioCraft fails on a wider one.
        sampling["top_k"] = min(wanted.top_k, self._model.lm.card)
        if not self._spec.family.fixed_length:
            sampling["duration"] = whole_frames(wanted.made_s, self._model.frame_rate)
        else:  # MAGNeT: the clip is cut, and its guidance falls
            sampling["max_cfg_coef"] = wanted.cfg_coef
            sampling["min_cfg_coef"] = min(_MAGNET_LEAST_GUIDANCE, wanted.cfg_coef)
        self._model.set_generation_params(**sampling)

    def _failures(self, batch: _Batch, error: BaseException) -> list[Answer]:
        if is_out_of_memory(error):
            self._queue.clear()
            traceback.clear_frames(error.__traceback__)  # they hold the tensors that did not fit
            if self._device.startswith("cuda"):
                torch.cuda.empty_cache()
            raise OutOfMemory(
                f"{self._device}: no room for {len(batch.requests)} clips of "
                f"{batch.group.parameters.duration:g} s at once ({text_of(error)[:120]})"
            )
        if not isinstance(error, Exception) or isinstance(error, torch.AcceleratorError):
            self._queue.clear()
            raise error  # the device's state is unknown; the process is of no more use
        return [failure(request, error) for request in batch.requests]


def _job_id(answer: Answer) -> int:
    return answer.request.job_id if isinstance(answer, Clip) else answer.job_id


@contextmanager
def row_streams(seeds: Sequence[int], device: torch.device | str) -> Iterator[None]:
    """Make AudioCraft draw each row's tokens from a stream of its own, seeded by `seeds[row]`.

    AudioCraft's top-k, top-p and plain sampling all end in its `multinomial`; probabilities come as
    [rows, codebooks, cardinality] (MAGNeT: one more axis for time), tokens leave as [..., 1].
    """
    generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
    together = draws.multinomial

    def multinomial(
        input: torch.Tensor, num_samples: int, replacement: bool = False, *, generator: object = None
    ) -> torch.Tensor:
        rows = zip(input, generators, strict=True)
        return torch.stack([together(row, num_samples, replacement, generator=own) for row, own in rows])

    draws.multinomial = multinomial
    try:
        yield
    finally:
        draws.multinomial = together


def fitting_slots(loaded: loading.LoadedModel) -> int:
    """How many clips of one window fit beside the model, from the memory that is free now."""
    model: Any = loaded.model
    kind = loaded.device.partition(":")[0]
    if kind == "cuda":
        torch.cuda.empty_cache()
        free, number_bytes = torch.cuda.mem_get_info()[0], 2
    else:
        free, number_bytes = psutil.virtual_memory().available, 4
    transformer = model.lm.transformer
    steps = model.max_duration * model.frame_rate
    # Keys and values of a clip and of its unconditional twin; AudioCraft copies them as they grow.
    cache = 2 * 2 * 1.3 * len(transformer.layers) * model.lm.dim * steps * number_bytes
    # The codec's last layers hold a few float32 tensors of 64 channels at the full sample rate.
    codec = 4 * 4 * 64 * model.max_duration * model.sample_rate * model.audio_channels
    return max(1, min(MOST_SLOTS.get(kind, MOST_SLOTS_GPU), int(0.7 * free / (cache + codec))))
