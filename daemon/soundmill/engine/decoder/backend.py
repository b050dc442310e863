"""Continuous batching: seats clips as slots fall free, keeps the decode loop going, and hands out what is done."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from typing import Any

import psutil
import torch

from soundmill.engine.audiocraft import conditioning, loading
from soundmill.engine.audiocraft.info import info_of
from soundmill.engine.audiocraft.language_model import unsupported
from soundmill.engine.backend import Clip
from soundmill.engine.decoder.codec import TOGETHER_ON_GPU, Codec, Spent
from soundmill.engine.decoder.graphs import CudaRecorder
from soundmill.engine.decoder.loop import GPU_BATCHES, Decoder
from soundmill.engine.decoder.slots import Run, plan_run
from soundmill.engine.decoder.surprise import means
from soundmill.engine.failures import failure, is_out_of_memory, text_of
from soundmill.engine.inputs import check, read_beginning, text_for, whole_frames
from soundmill.engine.models import ModelSpec
from soundmill.errors import BadParameter, OutOfMemory
from soundmill.jobs import GenerationFailed, GenerationRequest, ModelInfo, Progress

# More slots gain nothing on a CPU, whose arithmetic is busy by then; see benchmarks/RESULTS.md.
MOST_SLOTS = {"cpu": 24, "cuda": 256}
MEMORY_SHARE = {"cpu": 0.8, "cuda": 0.85}  # of what the loaded model leaves, were all clips full-length
STEPS_AHEAD = 16  # launched on a GPU before it is waited for
TURN_S = 0.25  # how long one turn of the host's loop may take


class DecoderBackend:
    """One MusicGen or AudioGen on one device, behind engine/backend.py's Backend. The host's loop owns it."""

    def __init__(
        self,
        spec: ModelSpec,
        device: str,
        slots: int | None,
        *,
        loaded: loading.LoadedModel | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load the model unless it is given; `slots` None takes as many clips as the device's free memory holds.

        Raises UnknownModel, ModelUnavailable, OutOfMemory, and BadParameter for an architecture that
        only AudioCraft's own path can run.
        """
        if loaded is None:
            loading.set_threads(None)
            loaded = loading.load(spec, device)
        self._spec, self._device, self._weights, self._clock = loaded.spec, loaded.device, loaded.weights, clock
        self._model: Any = loaded.model
        if reason := unsupported(self._model.lm):
            raise BadParameter(f"model {spec.short}: the decode loop cannot run {reason}; use the audiocraft path")
        self._waiting: deque[GenerationRequest] = deque()
        self._decoding: dict[tuple[int, int], tuple[GenerationRequest, Future[Clip]]] = {}
        try:
            with torch.inference_mode():
                alone, place = threading.Lock(), torch.device(self._model.device)
                self._codec = Codec(self._model, alone)
                window = int(self._model.max_duration * self._model.frame_rate)
                self._cuda = place.type == "cuda"
                record = CudaRecorder(place, alone) if self._cuda else None
                self._decoder = Decoder(self._model.lm, 1, window, record)
                if self._cuda:
                    self._decoder.fuse()
                self._slots = min(slots or self._slots_that_fit(), MOST_SLOTS["cuda"])
                self._decoder.resize(self._slots)
        except Exception as error:
            raise _no_memory(error) or error from error

    @property
    def info(self) -> ModelInfo:
        return info_of(self._spec, self._model, self._slots, self._device, self._weights)

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._decoding or self._decoder.slots.active)

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        self._waiting.extend(requests)

    def step(self) -> list[Clip | GenerationFailed | Progress]:
        """Seat who waits, take some steps, let go who is done: a quarter of a second's work or so."""
        events: list[Clip | GenerationFailed | Progress] = []
        try:
            with torch.inference_mode():
                events += self._seat()
                slots = self._decoder.slots
                if slots.active:
                    slots.settle()
                    self._turn()
                    self._release()
                    events += [_progress(run) for run in slots.active]
        except Exception as error:
            if no_memory := _no_memory(error):
                self._forget_all()
                raise no_memory from error
            raise
        return events + self._collect(wait_s=0.0 if self._decoder.slots.active or self._waiting else TURN_S)

    def _turn(self) -> None:
        """Steps until a window ends or the time is up; a GPU takes them without being waited for.

        A step costs about as much for each of its rows, of which a guided clip has two.
        """
        runs = self._decoder.slots.active
        rows = sum(len(run.rows) for run in runs)
        start = self._clock()
        left = min(run.last - run.at for run in runs)
        while True:
            steps = min(left, STEPS_AHEAD) if self._cuda else 1
            self._decoder.advance(steps)
            if self._cuda:
                torch.cuda.current_stream().synchronize()
            left -= steps
            took = self._clock() - start
            if left == 0 or took >= TURN_S:
                break
        if left == 0:
            self._decoder.catch_up()
        for run in runs:
            run.device_s += took * len(run.rows) / rows

    def _seat(self) -> list[GenerationFailed]:
        failures: list[GenerationFailed] = []
        slots = self._decoder.slots
        while self._waiting and slots.free:
            request = self._waiting.popleft()
            run: Run | None = None
            try:
                run = self._plan(request)
                slots.place(run, self._conditions(run))
            except Exception as error:
                if run is not None and run in slots.active:
                    slots.remove(run)
                if _no_memory(error):
                    raise
                failures.append(failure(request, error))
        return failures

    def _plan(self, request: GenerationRequest) -> Run:
        model, parameters = self._model, request.parameters
        prompt = torch.zeros(int(model.lm.n_q), 0, dtype=torch.long)
        check(request, self._spec)
        duration_s, melody = whole_frames(parameters.made_s, model.frame_rate), None
        if request.continue_from is not None:
            given = read_beginning(request.continue_from, min(duration_s, model.max_duration), request.input_folders)
            prompt = conditioning.encode_prompt(model, conditioning.heard(given, model))
        if request.melody is not None:
            longest_s = max(model.max_duration, duration_s)
            melody = conditioning.read(request.melody, model, longest_s, request.input_folders)
        passes = conditioning.windows(
            duration_s, model.frame_rate, model.max_duration, model.extend_stride, prompt.shape[1]
        )
        return plan_run(model.lm, request, passes, melody, prompt, self._clock())

    def _conditions(self, run: Run) -> conditioning.Conditions:
        offset_s = run.windows[run.window].offset_s
        return conditioning.encode(self._model, text_for(run.request), run.melody, offset_s, len(run.windows) > 1)

    def _release(self) -> None:
        """Clips whose window ended go on to the next one, or leave their slot for the codec."""
        slots = self._decoder.slots
        for run in [run for run in slots.active if run.at == run.last]:
            if not slots.close_window(run):
                slots.open_window(run, self._conditions(run))
                continue
            spent = Spent(
                generation_s=self._clock() - run.started,
                device_s=run.device_s,
                row_steps=run.done * len(run.rows),
                surprise=means(slots.told[slots.runs.index(run)], run.guided),
            )
            slots.remove(run)
            future = self._codec.submit(run.request, run.tokens, spent)
            self._decoding[run.request.key] = run.request, future

    def _collect(self, wait_s: float) -> list[Clip | GenerationFailed | Progress]:
        if wait_s and self._decoding:
            wait([future for _, future in self._decoding.values()], wait_s, return_when="FIRST_COMPLETED")
        events: list[Clip | GenerationFailed | Progress] = []
        for key in [key for key, (_, future) in self._decoding.items() if future.done()]:
            request, future = self._decoding.pop(key)
            error = future.exception()
            if error is not None and (no_memory := _no_memory(error)):
                self._forget_all()
                raise no_memory from error
            events.append(failure(request, error) if error is not None else future.result())
        return events

    def cancel(self, job_ids: Iterable[int]) -> None:
        """Forget these jobs; their slots are free at once."""
        gone = set(job_ids)
        self._waiting = deque(request for request in self._waiting if request.job_id not in gone)
        self._decoder.catch_up()
        for run in self._decoder.slots.active:
            if run.request.job_id in gone:
                self._decoder.slots.remove(run)
        self._decoding = {key: work for key, work in self._decoding.items() if key[0] not in gone}

    def reduce_slots(self) -> None:
        """Halve the slots, never below one. Whatever is in flight is forgotten."""
        self._forget_all()
        self._slots = max(1, self._slots // 2)
        with torch.inference_mode():
            self._decoder.resize(self._slots)

    def close(self) -> None:
        self._forget_all()
        self._codec.close()
        self._decoder.release()
        del self._model, self._codec
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _forget_all(self) -> None:
        self._waiting.clear()
        self._decoding.clear()
        self._decoder.untold.clear()
        for run in self._decoder.slots.active:
            self._decoder.slots.remove(run)

    def _slots_that_fit(self) -> int:
        """How many full-length guided clips the free memory holds beside one pass of the codec over a full window."""
        each = self._decoder.transformer.slot_bytes()
        if not self._cuda:
            fit = int(psutil.virtual_memory().available * MEMORY_SHARE["cpu"]) // each
            return max(1, min(fit, MOST_SLOTS["cpu"]))
        device = self._model.device
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        window = int(self._model.max_duration * self._model.frame_rate)
        self._codec.decode(torch.zeros(1, int(self._model.lm.n_q), window, dtype=torch.long))
        codec = torch.cuda.max_memory_allocated(device) - before
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(device)
        return gpu_slots(int(free * MEMORY_SHARE["cuda"]) - codec * TOGETHER_ON_GPU, each)


def gpu_slots(room: int, each: int) -> int:
    """The most slots of `each` bytes that `room` bytes hold. A GPU's caches are as large as the batch that is computed,
    so anything between two of those sizes would take the larger one's memory."""
    return max((size for size in GPU_BATCHES if size <= MOST_SLOTS["cuda"] and size * each <= room), default=1)


def _progress(run: Run) -> Progress:
    return Progress(job_id=run.request.job_id, attempt=run.request.attempt, done=run.done, due=run.due)


def _no_memory(error: BaseException) -> OutOfMemory | None:
    return OutOfMemory(f"the device has no room ({text_of(error)[:120]})") if is_out_of_memory(error) else None
