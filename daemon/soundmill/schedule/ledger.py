"""What a worker is handed to keep its work in: the catalogue's rows and the outputs folder, as far as it needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from soundmill.jobs import Attempt, FailureKind, Job, Judgement, ModelQueue, Output, Progress
from soundmill.schedule.storage import StorageGate


class Ledger(Protocol):
    """What a worker needs of the catalogue; each call is one transaction."""

    def model_queues(self) -> list[ModelQueue]: ...
    def claim(self, *, worker: str, device: str, model: str, limit: int, engine_idle: bool) -> list[Attempt]: ...
    def job(self, job_id: int) -> Job: ...
    def succeed(
        self,
        attempt: Attempt,
        output: Output,
        judgement: Judgement,
        *,
        retry_for_quality: bool,
        final_attempt: int | None = None,
    ) -> bool: ...
    def better_take(self, job_id: int, judgement: Judgement) -> int | None: ...
    def fail(
        self,
        attempt: Attempt,
        kind: FailureKind,
        message: str,
        *,
        retry_at: float | None,
        counts: bool,
        suspect: bool,
    ) -> bool: ...
    def knows_output(self, path: str) -> bool: ...
    def running(self, worker: str) -> list[Attempt]: ...
    def release(self, attempts: Sequence[Attempt], reason: str) -> int: ...
    def progress(self, progresses: Sequence[Progress]) -> None: ...
    def worker_state(
        self,
        name: str,
        *,
        device: str,
        model: str | None,
        status: str,
        slots: int,
        running: int,
        error: str | None = None,
        restarted: bool = False,
    ) -> None: ...


class Filed(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...


class Shelf(Protocol):
    """Where takes are filed."""

    def path_of(self, job: Job, *, quarantined: bool, attempt: int) -> str: ...
    def file(self, relative: str, audio: bytes, sidecar: Mapping[str, object]) -> Filed: ...
    def discard(self, relative: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Where work is kept: the catalogue's rows, the takes' files, and the gate that closes while they take nothing."""

    ledger: Ledger
    shelf: Shelf
    gate: StorageGate
