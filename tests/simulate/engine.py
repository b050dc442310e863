"""An engine whose clips cost nothing, and which breaks in every way that engines do.

What becomes of a clip follows from the seed, its job and its attempt, not from the order of things, so that a history
with fewer faults goes on as the longer one did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from simulate.world import Killed, World
from soundmill.engine.protocol import Event
from soundmill.errors import EngineDied, EngineNotStarted, ModelUnavailable, OutOfMemory
from soundmill.jobs import AudioFormat, FailureKind, Generated, GenerationFailed, GenerationRequest, ModelInfo, Progress

HEAD = b"soundmill simulated clip "
DIGEST = 16  # bytes
MADE_TO_DIE = "made to die"
# What a clip may meet, in the order in which its number is read.
TROUBLES = ("fail", "bad", "input", "die", "hang", "oom", "late", "twice")
FAILS = {"fail": FailureKind.INTERNAL, "bad": FailureKind.BAD_PARAMETER, "input": FailureKind.MISSING_INPUT}


def audio_of(request: GenerationRequest) -> bytes:
    """The clip's bytes, by which anybody can see whether they are whole."""
    body = HEAD + f"{request.key} {request.seed} {request.prompt} ".encode() + b"." * (request.seed % 61)
    return body + hashlib.blake2b(body, digest_size=DIGEST).digest()


def is_whole(data: bytes) -> bool:
    body, digest = data[:-DIGEST], data[-DIGEST:]
    return body.startswith(HEAD) and hashlib.blake2b(body, digest_size=DIGEST).digest() == digest


@dataclass(slots=True)
class _Flight:
    request: GenerationRequest
    trouble: str | None
    polls: int
    due: float


class SimulatedEngine:
    """`rates` are the shares of clips that meet each of TROUBLES; `submitted(request)` hears of each before its work
    begins. Where `dies()`, the worker's thread does."""

    def __init__(
        self,
        world: World,
        device: str,
        *,
        seed: int,
        slots: int,
        rates: Mapping[str, float],
        submitted: Callable[[GenerationRequest], None],
        dies: Callable[[], bool],
    ) -> None:
        self._world = world
        self._device = device
        self._seed = seed
        self._slots = slots
        self._rates = rates
        self._submitted = submitted
        self._dies = dies
        self._info: ModelInfo | None = None
        self._flights: dict[tuple[int, int], _Flight] = {}
        self._late: list[Event] = []
        self._loads = 0

    @property
    def has_model(self) -> bool:
        return self._info is not None

    def load(self, model: str) -> ModelInfo:
        self._live()
        if self._flights:
            raise RuntimeError("load called with clips in flight")
        if self._info is not None and self._info.name == model:
            return self._info
        self._info = None
        self._loads += 1
        self._may_not_load(model)
        self._info = ModelInfo(
            name=model, sample_rate=8000, channels=1, frame_rate=50.0, slots=self._slots, device=self._device,
            licence="CC0-1.0", versions={"engine": "simulated"},
        )  # fmt: skip
        return self._info

    def _may_not_load(self, model: str) -> None:
        number = self._number("load", model, self._loads, int(self._world.steady()))
        rate = self._rates.get("load", 0.0)
        for share, error in ((0.3, EngineNotStarted), (0.6, EngineDied), (0.9, OutOfMemory), (1.0, ModelUnavailable)):
            if number < rate * share:
                self._world.struck[f"engine load: {error.__name__}"] += 1
                raise error(f"{model}: made to fail")

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        self._live()
        if self._info is None:
            raise EngineDied(f"{self._device}: no model is loaded")
        if len(self._flights) + len(requests) > self._info.slots:
            raise RuntimeError("more clips than slots")
        for request in requests:
            self._submitted(request)
            number = self._number(request.prompt, request.attempt)
            trouble = self._trouble(number)
            polls = 1 + int(number * 1e6) % 3 + (20 if trouble == "late" else 0)
            due = self._world.steady() + request.deadline_s
            self._flights[request.key] = _Flight(request, trouble, polls, due)

    def poll(self, timeout_s: float) -> list[Event]:
        self._live()
        if self._dies():
            raise RuntimeError(MADE_TO_DIE)
        events, self._late = self._late, []
        for flight in list(self._flights.values()):
            if flight.request.key in self._flights:  # an earlier one may have taken this one with it
                events += self._advance(flight)
        return events

    def _advance(self, flight: _Flight) -> list[Event]:
        request, trouble = flight.request, flight.trouble
        if trouble == "hang":
            if self._world.steady() < flight.due:
                return []
            self._info = None
            self._struck(trouble)
            hung = self._failure(request, FailureKind.TIMED_OUT)
            return [hung, *self._all_fail(FailureKind.ENGINE_DIED)]
        flight.polls -= 1
        if flight.polls > 0:
            return [Progress(job_id=request.job_id, attempt=request.attempt, done=1, due=flight.polls + 1)]
        if trouble is not None:
            self._struck(trouble)
        if trouble == "oom":
            return self._all_fail(FailureKind.OUT_OF_MEMORY)
        if trouble == "die":
            self._info = None
            return self._all_fail(FailureKind.ENGINE_DIED)
        if trouble in FAILS:
            return [self._failure(request, FAILS[trouble])]
        del self._flights[request.key]
        clip = self._generated(request)
        if trouble == "twice":
            self._late.append(clip)
        return [clip]

    def _generated(self, request: GenerationRequest) -> Generated:
        quiet = self._number(request.prompt, request.seed) < self._rates.get("quiet", 0.0)
        return Generated(
            job_id=request.job_id, attempt=request.attempt, audio=audio_of(request), format=AudioFormat.WAV,
            sample_rate=8000, channels=1, duration_s=request.parameters.duration, generation_s=0.1, device_s=0.05,
            row_steps=100, versions={"engine": "simulated"}, licence="CC0-1.0",
            measurements={"silence_share": 0.9 if quiet else self._number(request.seed) / 3},
        )  # fmt: skip

    def _failure(self, request: GenerationRequest, kind: FailureKind) -> GenerationFailed:
        del self._flights[request.key]
        return GenerationFailed(job_id=request.job_id, attempt=request.attempt, kind=kind, message=f"made to {kind}")

    def _all_fail(self, kind: FailureKind) -> list[Event]:
        return [self._failure(flight.request, kind) for flight in list(self._flights.values())]

    def cancel(self, job_ids: Iterable[int]) -> None:
        """Now and then the answer was on its way already, and comes all the same."""
        for job_id in set(job_ids):
            for key in [key for key in self._flights if key[0] == job_id]:
                flight = self._flights.pop(key)
                if self._number("cancelled", *key) < 0.3:
                    self._world.struck["answer after a cancel"] += 1
                    self._late.append(self._generated(flight.request))

    def reduce_slots(self) -> ModelInfo:
        if self._info is None:
            raise EngineDied(f"{self._device}: no model is loaded")
        self._info = replace(self._info, slots=max(1, self._info.slots // 2))
        return self._info

    def close(self) -> None:
        self._info = None
        self._flights.clear()
        self._late.clear()

    def _live(self) -> None:
        if self._world.dead:
            raise Killed

    def _struck(self, trouble: str) -> None:
        self._world.struck[f"engine: {trouble}"] += 1

    def _trouble(self, number: float) -> str | None:
        for trouble in TROUBLES:
            number -= self._rates.get(trouble, 0.0)
            if number < 0:
                return trouble
        return None

    def _number(self, *parts: object) -> float:
        """In [0, 1), always the same for the same parts."""
        digest = hashlib.blake2b(f"{self._seed} {parts}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64
