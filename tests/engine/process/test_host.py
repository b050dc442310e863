"""The inside of an engine process: who opens a model, and what the daemon is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from soundmill.engine.process.host import main, resolve_opener
from soundmill.engine.process.wire import Load, Loaded, ReduceSlots, Stop, Submit, pack, unpack
from soundmill.jobs import FailureKind, GenerationFailed
from support.conformance import make_request


def test_the_backend_is_named_by_its_import_path() -> None:
    assert resolve_opener("support.faulty_backend:open_backend")("tone", "cpu", 3).info.slots == 3
    with pytest.raises(AttributeError):
        resolve_opener("support.faulty_backend:nothing")


@pytest.fixture
def daemon_end() -> Iterator[Connection]:
    """The daemon's end of a pipe to a host that runs on a thread of this process."""
    ours, theirs = Pipe()
    host = threading.Thread(target=main, args=(theirs, "cpu", "support.faulty_backend:open_backend", 4))
    host.start()
    yield ours
    ours.close()
    host.join(10)
    theirs.close()
    assert not host.is_alive()


def test_a_host_ends_when_the_daemon_hangs_up_in_the_middle_of_a_clip(daemon_end: Connection) -> None:
    daemon_end.send_bytes(pack(Load(model="tone")))
    assert isinstance(unpack(daemon_end.recv_bytes()), Loaded)
    daemon_end.send_bytes(pack(Submit(requests=(make_request("slow"),))))


def test_requests_before_any_model_is_loaded_are_answered(daemon_end: Connection) -> None:
    request = make_request()
    daemon_end.send_bytes(pack(ReduceSlots()))
    daemon_end.send_bytes(pack(Submit(requests=(request,))))
    failure = unpack(daemon_end.recv_bytes())
    assert isinstance(failure, GenerationFailed)
    assert (failure.key, failure.kind) == (request.key, FailureKind.INTERNAL)
    daemon_end.send_bytes(pack(Stop()))


LIGHT = """
import json, sys
from pathlib import Path
from soundmill.engine.process.engine import ProcessEngine
from soundmill.engine.protocol import Generated
from support.conformance import answers_to, make_request

engine = ProcessEngine("cpu", slots=2, load_deadline_s=120.0)
try:
    info = engine.load("tiny")
    request = make_request(duration=0.5, deadline_s=60.0)
    engine.submit([request])
    (clip,) = answers_to(engine, [request])
finally:
    engine.close()
heavy = ("torch", "numpy", "scipy", "audiocraft")
mapped = Path("/proc/self/maps").read_text() if sys.platform == "linux" else ""
said = {
    "generated": isinstance(clip, Generated),
    "loaded": [info.slots, info.sample_rate, info.licence],
    "clip": [2, clip.sample_rate, clip.licence],
    "duration_s": clip.duration_s,
    "heavy": [n for n in heavy if n in sys.modules or f"/{n}/" in mapped],
}
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def asked() -> dict[str, Any]:
    """What a process that asks an engine for a clip of the built-in model was told, and what it has loaded then."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", LIGHT],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_the_built_in_model_makes_a_clip_in_a_process_of_its_own(asked: dict[str, Any]) -> None:
    assert asked["generated"]
    assert asked["loaded"] == asked["clip"]
    assert asked["duration_s"] == pytest.approx(0.5, abs=0.001)


def test_who_asks_for_clips_stays_light(asked: dict[str, Any]) -> None:
    """What the engine says of itself once made the daemon import torch, at ten times its memory."""
    assert asked["generated"]
    assert asked["heavy"] == []
