"""A small numpy backend that does, inside a real engine process, what a prompt's first word says.

Models: "tone" and "other-tone" load; "unknown", "unavailable", "no-memory", "broken", "aborting", "hanging"
and "chatty" do what they are called. Any prompt that does not start with a word of `FaultyBackend.step` is a tone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundmill.engine.backend import Clip
from soundmill.errors import BadParameter, MissingInput, ModelUnavailable, OutOfMemory, UnknownModel
from soundmill.jobs import FailureKind, GenerationFailed, GenerationRequest, ModelInfo, Progress

SAMPLE_RATE = 8000  # Hz
STEPS = 4
SLOW_STEPS = 1_000_000  # not done in a test's time


@dataclass(slots=True)
class _Row:
    request: GenerationRequest
    done: int = 0

    @property
    def word(self) -> str:
        return self.request.prompt.split()[0]

    @property
    def due(self) -> int:
        held = self.word in ("held", "reading") and Path(os.environ["HOLD"]).exists()
        return SLOW_STEPS if held or self.word in ("slow", "parting") else STEPS


def open_backend(model: str, device: str, slots: int | None) -> FaultyBackend:
    match model:
        case "unknown":
            raise UnknownModel("model unknown: no such model")
        case "unavailable":
            raise ModelUnavailable("model unavailable: its weights are not here")
        case "no-memory":
            raise OutOfMemory("no room for the weights")
        case "broken":
            raise RuntimeError("the weights are\nfrom another planet")
        case "aborting":
            os.abort()
        case "hanging":
            while True:
                time.sleep(0.01)
        case "chatty":
            for number in range(20_000):
                print(f"line {number} of what nobody asked for", flush=False)
            os.write(1, b"\x80\xff garbage \x00 on stdout\n")
    return FaultyBackend(model, device, slots if slots is not None else 4)


class FaultyBackend:
    def __init__(self, model: str, device: str, slots: int) -> None:
        self._model = model
        self._device = device
        self._slots = slots
        self._rows: list[_Row] = []

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(
            name=f"test/{self._model}",
            sample_rate=SAMPLE_RATE,
            channels=1,
            frame_rate=50.0,
            slots=self._slots,
            device=self._device,
            licence="CC0-1.0",
            versions={"cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES", "unset"), "seen": self._device},
        )

    @property
    def busy(self) -> bool:
        return bool(self._rows)

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        for request in requests:
            if request.prompt.startswith("refused"):
                raise BadParameter("this model cannot do that")
            if request.prompt.startswith("puzzling"):
                raise KeyError("a mistake of ours")
            self._rows.append(_Row(request))

    def step(self) -> list[Clip | GenerationFailed | Progress]:
        results: list[Clip | GenerationFailed | Progress] = []
        for row in list(self._rows):
            row.done += 1
            request = row.request
            results.append(Progress(job_id=request.job_id, attempt=request.attempt, done=row.done, due=row.due))
            if row.done >= 2:
                self._misbehave(row)
            if row.done >= row.due:
                self._rows.remove(row)
                results += self._answers(row)
        time.sleep(0.002)
        return results

    def _misbehave(self, row: _Row) -> None:
        match row.word:
            case "hang":
                while True:
                    time.sleep(0.01)
            case "deaf":  # holds the interpreter lock, in one C call that takes hours
                sum(range(10**13))
            case "abort":
                os.abort()
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                sys.exit(7)
            case "reading" if row.done >= row.due:
                from soundmill.engine.inputs import read_audio  # here: it loads torch

                assert row.request.continue_from is not None
                read_audio(row.request.continue_from, 1.0, row.request.input_folders)
            case "parting" if row.done > STEPS:
                sys.exit(7)
            case "oom":
                self._rows.clear()
                raise OutOfMemory("no room for another step")
            case "greedy":
                raise MemoryError
            case "crash":
                raise RuntimeError("device-side assert triggered")
            case "missing":
                raise MissingInput("melody.wav: no such file")
            case "leaving":  # a helper that outlives its parent's interest, holding on to its output
                helper = subprocess.Popen(["sleep", "600"])
                Path(row.request.tags["pid_file"]).write_text(str(helper.pid))
                os._exit(5)

    def _answers(self, row: _Row) -> list[Clip | GenerationFailed | Progress]:
        request = row.request
        if row.word == "lost":
            return []
        if row.word == "failing":
            kind, message = FailureKind.MISSING_INPUT, "a file is missing"
            return [GenerationFailed(job_id=request.job_id, attempt=request.attempt, kind=kind, message=message)]
        if row.word == "chatty":
            print("a word on stdout")
            os.write(1, b"\x80\xff garbage \x00 on stdout\n" * 5000)
        clip = Clip(
            request=request,
            samples=samples_of(request),
            sample_rate=SAMPLE_RATE,
            generation_s=0.01,
            device_s=0.01,
            row_steps=50,
        )
        return [clip, clip] if row.word == "twice" else [clip]

    def cancel(self, job_ids: Iterable[int]) -> None:
        dropped = set(job_ids)
        self._rows = [row for row in self._rows if row.request.job_id not in dropped]

    def reduce_slots(self) -> None:
        self._slots = max(1, self._slots // 2)

    def close(self) -> None:
        self._rows.clear()


def samples_of(request: GenerationRequest) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """float32 [1, time]: a noisy tone by the seed; half silent, with NaN, or empty when the prompt asks for it."""
    count = round(request.parameters.duration * SAMPLE_RATE)
    random = np.random.default_rng(request.seed)
    time_s = np.arange(count) / SAMPLE_RATE
    tone = 0.3 * np.sin(2 * np.pi * random.uniform(200, 2000) * time_s) + 0.05 * random.standard_normal(count)
    samples = tone.astype(np.float32)[None, :]
    word = request.prompt.split()[0]
    if word == "loud":
        samples[0, :100] = 1.7
    elif word == "nan":
        samples[0, 100:150] = np.nan
    elif word == "silent":
        samples[:] = 0
    elif word == "empty":
        samples = samples[:, :0]
    return samples
