"""What can end between a daemon and its engines, on a real cluster: gateway, actor, network, and the engine itself."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from soundmill.engine.remote.engine import RayEngine
from soundmill.errors import EngineNotStarted
from soundmill.jobs import FailureKind, Generated, GenerationFailed, GenerationRequest
from support import ray_cluster
from support.conformance import answers_to, generate, is_alive, make_request, wait_until

_lines = itertools.count()


@pytest.fixture
def engine() -> Iterator[RayEngine]:
    _, link = ray_cluster.shared()
    ray_cluster.until(lambda: bool(link.nodes))
    engine = ray_cluster.open_engine(
        link, "head", f"head/test:{next(_lines)}", slots=2, backend_for="support.faulty_backend:open_backend",
        load_deadline_s=120.0,
    )  # fmt: skip
    engine.load("tone")
    yield engine
    engine.close()


def actors() -> list[psutil.Process]:
    cluster, _ = ray_cluster.shared()
    return [each for each in cluster.processes("head") if "EngineActor" in each.name() + " ".join(each.cmdline())]


def must_be_no_fault_of_the_job(engine: RayEngine, request: GenerationRequest) -> float:
    """Seconds until it was known."""
    began = time.monotonic()
    (answer,) = answers_to(engine, [request])
    assert isinstance(answer, GenerationFailed) and answer.kind is FailureKind.NODE_LOST, answer
    return time.monotonic() - began


def must_work_again(engine: RayEngine) -> None:
    def loads() -> bool:
        try:
            engine.load("tone")
        except EngineNotStarted:
            return False
        return True

    assert wait_until(loads, 90.0)
    request = make_request()
    assert isinstance(generate(engine, request)[request.key], Generated)


def test_a_gateway_that_is_killed_is_replaced_and_no_job_is_to_blame(engine: RayEngine) -> None:
    _, link = ray_cluster.shared()
    request = make_request("slow")
    engine.submit([request])
    assert link.pid is not None
    os.kill(link.pid, signal.SIGKILL)
    must_be_no_fault_of_the_job(engine, request)
    must_work_again(engine)


def test_an_actor_that_is_killed_is_no_fault_of_the_job_and_its_engine_process_ends_with_it(engine: RayEngine) -> None:
    cluster, _ = ray_cluster.shared()
    request = make_request("slow")
    engine.submit([request])
    (process,) = ray_cluster.engine_processes(cluster, "head")
    (actor,) = actors()
    actor.kill()
    must_be_no_fault_of_the_job(engine, request)
    assert wait_until(lambda: not is_alive(process.pid), 10.0)
    must_work_again(engine)


def test_an_actor_that_stands_still_is_given_up_within_ten_seconds_and_ends_itself_afterwards(
    engine: RayEngine,
) -> None:
    request = make_request("slow")
    engine.submit([request])
    (actor,) = actors()
    actor.suspend()
    try:
        assert must_be_no_fault_of_the_job(engine, request) < 10.0
    finally:
        actor.resume()
    assert wait_until(lambda: not is_alive(actor.pid), 40.0)
    must_work_again(engine)


def test_a_melody_goes_by_its_content_and_failures_speak_of_the_users_file(engine: RayEngine, tmp_path: Path) -> None:
    melody = tmp_path / "hum.wav"
    melody.write_bytes(b"this is no audio")
    request = make_request("reading", continue_from=melody, input_folders=(tmp_path,))
    engine.submit([request])
    (answer,) = answers_to(engine, [request])
    assert isinstance(answer, GenerationFailed) and answer.kind is FailureKind.MISSING_INPUT
    assert answer.message.startswith(str(melody))
    cluster, _ = ray_cluster.shared()
    (there,) = (cluster.folder / "cache").rglob("hum.wav")
    assert there.read_bytes() == b"this is no audio"
