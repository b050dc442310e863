"""The engines that tests/engine/test_conformance.py holds to soundmill.engine.protocol, and how to drive one.

A fake one, a process around a light backend, the same behind a Ray cluster, and processes around the real backends; a
further engine is one more Case.
`scripted` engines understand the prompts "hang", "oom" and "failing".
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from soundmill.engine.process.engine import ProcessEngine
from soundmill.engine.protocol import Engine, Event
from soundmill.engine.remote.engine import RayEngine
from soundmill.errors import EngineError, UnknownModel
from soundmill.jobs import (
    AudioFormat,
    FailureKind,
    Generated,
    GenerationFailed,
    GenerationRequest,
    Normalization,
    Parameters,
    Progress,
)
from support import ray_cluster
from support.fake_engine import FakeEngine

SLOTS = 4
POLL_S = 0.05
PATIENCE_S = 60.0  # for a clip of the slowest engine on a busy machine
LOAD_PATIENCE_S = 180.0  # AudioCraft alone takes six seconds of a core to import, and may get a tenth of one

_job_ids = itertools.count(1)
_lines = itertools.count()


@dataclass(frozen=True)
class Case:
    name: str
    open: Callable[[], Engine]
    kill: Callable[[Engine], None]  # as if from outside
    model: str
    other_model: str
    unknown_model: str
    duration: float = 0.5  # seconds, of the clips asked for
    scripted: bool = False
    quick_to_start: bool = True  # importing AudioCraft takes ten seconds: those are not killed over and over


def make_request(prompt: str = "rain on a tin roof", *, seed: int = 1, **changes: object) -> GenerationRequest:
    """A request with a job id of its own; `changes` replace its fields, `duration` its parameters'."""
    duration = changes.pop("duration", 0.5)
    assert isinstance(duration, float | int)
    fields: dict[str, object] = {
        "job_id": next(_job_ids),
        "attempt": 1,
        "prompt": prompt,
        "parameters": Parameters(duration=duration, temperature=1.0, top_k=250, top_p=0.0, cfg_coef=3.0),
        "seed": seed,
        "format": AudioFormat.WAV,
        "normalization": Normalization.LOUDNESS,
        "normalization_target": -14.0,
        "deadline_s": PATIENCE_S,
    }
    return GenerationRequest(**(fields | changes))  # type: ignore[arg-type]


def events_until(engine: Engine, enough: Callable[[list[Event]], bool]) -> list[Event]:
    events: list[Event] = []
    until = time.monotonic() + PATIENCE_S
    while not enough(events):
        assert time.monotonic() < until, f"still waiting; so far {[type(event).__name__ for event in events]}"
        events += engine.poll(POLL_S)
    return events


def answers_to(engine: Engine, requests: Iterable[GenerationRequest]) -> list[Generated | GenerationFailed]:
    """Poll until every request is answered; every answer that came, in its order."""
    due = {request.key for request in requests}
    return answers_in(events_until(engine, lambda events: due <= {event.key for event in answers_in(events)}))


def answers_in(events: Iterable[Event]) -> list[Generated | GenerationFailed]:
    return [event for event in events if not isinstance(event, Progress)]


def generate(engine: Engine, *requests: GenerationRequest) -> dict[tuple[int, int], Generated | GenerationFailed]:
    engine.submit(requests)
    return {answer.key: answer for answer in answers_to(engine, requests)}


def wait_until(true: Callable[[], bool], timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.01)
    return true()


def is_alive(pid: int) -> bool:
    """Whether any of its threads runs; the first one is a zombie while the others still end."""
    try:
        tasks = [task.name for task in Path(f"/proc/{pid}/task").iterdir()]
        return len(tasks) > 1 or Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _kill_fake(engine: Engine) -> None:
    assert isinstance(engine, FakeEngine)
    engine.kill()


def _kill_process(engine: Engine) -> None:
    assert isinstance(engine, ProcessEngine) and engine.pid is not None
    pid = engine.pid
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not is_alive(pid), 10.0)


def _open_far() -> Engine:
    _, link = ray_cluster.shared()
    return ray_cluster.open_engine(
        link, "head", f"head/cpu:{next(_lines)}", slots=SLOTS, backend_for="support.faulty_backend:open_backend",
        load_deadline_s=LOAD_PATIENCE_S,
    )  # fmt: skip


def _kill_far(engine: Engine) -> None:
    """The engine process on the node, of which there is one at a time, once it has what was asked for: what is on its
    way there yet would not die with it. That it is dead is heard of a little later."""
    assert isinstance(engine, RayEngine)
    assert wait_until(lambda: engine.alive and {event.key for event in engine._pending} >= set(engine._in_flight), 10.0)
    cluster, _ = ray_cluster.shared()
    (process,) = ray_cluster.engine_processes(cluster, "head")
    process.kill()
    assert wait_until(lambda: not is_alive(process.pid) and not engine.alive, 10.0)


def _failure_by_prompt(request: GenerationRequest) -> FailureKind | None:
    by_prompt = {
        "hang": FailureKind.TIMED_OUT,
        "oom": FailureKind.OUT_OF_MEMORY,
        "failing": FailureKind.MISSING_INPUT,
    }
    return by_prompt.get(request.prompt)


def _unknown(model: str) -> EngineError | None:
    return UnknownModel(f"model {model}: no such model") if model == "unknown" else None


def _process(backend_for: str) -> Callable[[], Engine]:
    return lambda: ProcessEngine("cpu", backend_for=backend_for, slots=SLOTS, load_deadline_s=LOAD_PATIENCE_S)


ENGINES: list[Case] = [
    Case(
        name="fake",
        open=lambda: FakeEngine(slots=SLOTS, polls_per_clip=4, failure=_failure_by_prompt, load_failure=_unknown),
        kill=_kill_fake,
        model="tone",
        other_model="other-tone",
        unknown_model="unknown",
        scripted=True,
    ),
    Case(
        name="process",
        open=_process("support.faulty_backend:open_backend"),
        kill=_kill_process,
        model="tone",
        other_model="other-tone",
        unknown_model="unknown",
        scripted=True,
    ),
    Case(
        name="ray",
        open=_open_far,
        kill=_kill_far,
        model="tone",
        other_model="other-tone",
        unknown_model="unknown",
        scripted=True,
    ),
    *(
        Case(
            name=name,
            open=_process(f"support.real_backends:open_{name}"),
            kill=_kill_process,
            model="tiny",
            other_model="other-checkpoint",
            unknown_model="unknown",
            quick_to_start=False,
        )
        for name in ("audiocraft", "decoder")
    ),
]
