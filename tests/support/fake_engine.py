"""An engine without a model, a process or numpy: deterministic tones in stdlib WAV, failing on request.

It keeps every promise of soundmill.engine.protocol.Engine (tests/engine/test_conformance.py holds it
to them), so tests of the scheduler, the workers and the service can run on it:

    engine = FakeEngine(slots=2, failure=lambda request: FailureKind.OUT_OF_MEMORY if request.attempt == 1 else None)

What a clip sounds like follows from its request alone: a tone by its seed and prompt, or digital silence
when the prompt contains "silence". The bytes are WAV whatever format is asked for. A clip takes
`polls_per_clip` calls of poll(); every one but the last reports Progress. Nothing sleeps unless nothing
is to be reported, and then through `wait`, so a test with its own clock never waits.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import time
import wave
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from soundmill.engine.protocol import Event
from soundmill.errors import EngineDied, EngineError
from soundmill.jobs import FailureKind, Generated, GenerationFailed, GenerationRequest, ModelInfo, Progress
from soundmill.quality.registry import measurements

SAMPLE_RATE = 8000  # Hz: small files
PEAK = 0.25  # of full scale


@dataclass(slots=True)
class _Flight:
    request: GenerationRequest
    due_at: float
    polls: int = 0


def tone(request: GenerationRequest) -> bytes:
    """The request's clip as 16-bit mono WAV: one period of a sine, repeated."""
    count = round(request.parameters.duration * SAMPLE_RATE)
    if "silence" in request.prompt:
        frames = bytes(2 * count)
    else:
        digest = hashlib.blake2b(f"{request.seed}\x1f{request.prompt}\x1f{request.parameters}".encode()).digest()
        period = 16 + digest[0] % 64
        amplitude = PEAK * 32767 * (1 - digest[1] / 1024)
        cycle = [round(amplitude * math.sin(2 * math.pi * n / period)) for n in range(period)]
        frames = (struct.pack(f"<{period}h", *cycle) * (count // period + 1))[: 2 * count]
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(frames)
    return file.getvalue()


def measured(request: GenerationRequest) -> dict[str, float | None]:
    """Every measurement there is, as a healthy tone (or digital silence) gives them; None where nothing hangs on it."""
    silent = "silence" in request.prompt
    peak = None if silent else 20 * math.log10(PEAK)
    return {
        **dict.fromkeys(measurements()),
        "silence_share": 1.0 if silent else 0.0,
        "clipping_share": 0.0,
        "repetition_correlation": 0.0,
        "spectral_range_db": 0.0 if silent else 60.0,
        "spectral_tilt_db_per_octave": 0.0 if silent else -4.0,
        "loudness_lufs": None if silent else -16.0,
        "peak_dbfs": peak,
        "peak_before_dbfs": peak,
        "clipping_share_before": 0.0,
        "rms_dbfs": None if silent else 20 * math.log10(PEAK / math.sqrt(2)),
        "dc_offset": 0.0,
        "nonfinite_samples": 0.0,
        "duration_s": request.parameters.duration,
        "duration_error_s": 0.0,
        "silence_head_s": request.parameters.duration if silent else 0.0,
        "silence_tail_s": request.parameters.duration if silent else 0.0,
        "silence_inside_s": 0.0,
        "dropout_s": 0.0,
        "flat_share": 0.0,
        "flat_share_before": 0.0,
        "true_peak_dbtp": peak,
        "loudness_range_lu": None,
        "loudness_momentary_max_lufs": None if silent else -16.0,
        "loudness_short_term_max_lufs": None,
        "loop_share": 0.0,
        "loop_period_s": None,
        "stuck_tone_s": 0.0,
        "stuck_tone_hz": None,
        "noise_s": 0.0,
        "clicks": 0.0,
        "level_step_db": 0.0,
        "channel_difference_db": None,
        "stereo_correlation": None,
    }


class FakeEngine:
    """See the module's docstring.

    `failure(request)` names how a request fails, None for not at all. OUT_OF_MEMORY takes every clip in
    flight with it; ENGINE_DIED kills the engine (load() brings it back); TIMED_OUT makes the clip hang
    until its deadline has passed on `clock`, and then kills the engine. Any other kind fails that clip alone.
    `load_failure(model)` returns what load() raises, or None. `measurements(request)` overrides some numbers.
    What was asked of the engine is kept in `loads`, `submitted`, `cancelled` and `most_in_flight`.
    """

    def __init__(
        self,
        device: str = "cpu",
        *,
        slots: int = 4,
        polls_per_clip: int = 1,
        failure: Callable[[GenerationRequest], FailureKind | None] = lambda request: None,
        load_failure: Callable[[str], EngineError | None] = lambda model: None,
        measurements: Callable[[GenerationRequest], Mapping[str, float | None]] = lambda request: {},
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self.loads: list[str] = []
        self.submitted: list[GenerationRequest] = []
        self.cancelled: list[int] = []
        self.most_in_flight = 0
        self.closed = False
        self._device = device
        self._slots = slots
        self._polls_per_clip = polls_per_clip
        self._failure = failure
        self._load_failure = load_failure
        self._measurements = measurements
        self._clock = clock
        self._wait = wait
        self._info: ModelInfo | None = None
        self._flights: dict[tuple[int, int], _Flight] = {}
        self._pending: list[Event] = []

    def load(self, model: str) -> ModelInfo:
        if self._flights:
            raise RuntimeError("load called with clips in flight")
        self.closed = False
        if self._info is not None and self._info.name == model:
            return self._info
        self._info = None
        self.loads.append(model)
        if (error := self._load_failure(model)) is not None:
            raise error
        self._info = ModelInfo(
            name=model,
            sample_rate=SAMPLE_RATE,
            channels=1,
            frame_rate=50.0,
            slots=self._slots,
            device=self._device,
            licence="CC0-1.0",
            versions={"engine": "fake"},
        )
        return self._info

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        if self._info is None:
            raise EngineDied(f"{self._device}: no model is loaded; load one first")
        for request in requests:
            self._flights[request.key] = _Flight(request, self._clock() + request.deadline_s)
            self.submitted.append(request)
        self.most_in_flight = max(self.most_in_flight, len(self._flights))

    def poll(self, timeout_s: float) -> list[Event]:
        events, self._pending = self._pending, []
        for flight in list(self._flights.values()):
            if flight.request.key in self._flights:  # an earlier one may have taken this one with it
                events += self._advance(flight)
        if not events:
            self._wait(timeout_s)
        return events

    def _advance(self, flight: _Flight) -> list[Event]:
        request, kind = flight.request, self._failure(flight.request)
        if kind is FailureKind.TIMED_OUT:
            if self._clock() < flight.due_at:
                return []
            self._info = None
            return [
                self._fail(request, kind, "no clip before its deadline; the engine was killed"),
                *self._fail_all(FailureKind.ENGINE_DIED, "the engine was killed: another clip hung"),
            ]
        flight.polls += 1
        if flight.polls < self._polls_per_clip:
            done, due = flight.polls, self._polls_per_clip
            return [Progress(job_id=request.job_id, attempt=request.attempt, done=done, due=due)]
        if kind is FailureKind.OUT_OF_MEMORY:
            return self._fail_all(kind, "the device is out of memory")
        if kind is FailureKind.ENGINE_DIED:
            self._info = None
            return self._fail_all(kind, "the engine was killed by signal 9")
        if kind is not None:
            return [self._fail(request, kind, f"made to fail: {kind}")]
        return [self._generate(request)]

    def _generate(self, request: GenerationRequest) -> Generated:
        assert self._info is not None
        del self._flights[request.key]
        return Generated(
            job_id=request.job_id,
            attempt=request.attempt,
            audio=tone(request),
            format=request.format,
            sample_rate=SAMPLE_RATE,
            channels=1,
            duration_s=round(request.parameters.duration * SAMPLE_RATE) / SAMPLE_RATE,
            generation_s=0.01 * request.parameters.duration,
            device_s=0.002 * request.parameters.duration,
            row_steps=100,
            measurements=measured(request) | dict(self._measurements(request)),
            versions=self._info.versions,
            licence=self._info.licence,
        )

    def _fail(self, request: GenerationRequest, kind: FailureKind, message: str) -> GenerationFailed:
        del self._flights[request.key]
        return GenerationFailed(job_id=request.job_id, attempt=request.attempt, kind=kind, message=message)

    def _fail_all(self, kind: FailureKind, message: str) -> list[Event]:
        return [self._fail(flight.request, kind, message) for flight in list(self._flights.values())]

    def cancel(self, job_ids: Iterable[int]) -> None:
        dropped = set(job_ids)
        self.cancelled += sorted(dropped)
        self._flights = {key: flight for key, flight in self._flights.items() if key[0] not in dropped}
        self._pending = [event for event in self._pending if event.job_id not in dropped]

    def reduce_slots(self) -> ModelInfo:
        if self._info is None:
            raise EngineDied(f"{self._device}: no model is loaded; load one first")
        self._info = replace(self._info, slots=max(1, self._info.slots // 2))
        return self._info

    def kill(self) -> None:
        """Die as a process would: what is in flight fails at the next poll, and load() starts afresh."""
        self._info = None
        self._pending += self._fail_all(FailureKind.ENGINE_DIED, "the engine was killed by signal 9")

    def close(self) -> None:
        self._info = None
        self._flights.clear()
        self._pending.clear()
        self.closed = True
