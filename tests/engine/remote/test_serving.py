"""The node's side and the daemon's, with a way between them that the test goes step by step."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundmill.engine.process.wire import pack, unpack
from soundmill.engine.remote.contents import Store
from soundmill.engine.remote.engine import RayEngine
from soundmill.engine.remote.messages import Call, FarCommand, FarEvent, Lost
from soundmill.engine.remote.numbered import Incoming, Outgoing
from soundmill.engine.remote.serving import Serving
from soundmill.errors import EngineDied, EngineNotStarted
from soundmill.jobs import FailureKind, Generated, GenerationFailed, GenerationRequest
from support.conformance import make_request
from support.fake_engine import FakeEngine


class Way:
    """engine.Line to a fake engine on a node in the same thread; `cut` is a network that is gone."""

    def __init__(self, store: Path) -> None:
        self.store = Store(store)
        self.sessions = 0
        self.cut = False
        self.seen: list[GenerationRequest] = []
        self.contents = 0

    def open(self) -> None:
        if self.cut:
            raise EngineNotStarted("ws2: no way there")
        self.sessions += 1
        self.far = FakeEngine(slots=4, polls_per_clip=2, wait=lambda _: None)
        self.serving = Serving(
            str(self.sessions), self.far, self.store, alive=lambda: self.far._info is not None, clock=lambda: 0.0
        )
        self.commands, self.events, self.waiting = Outgoing(), Incoming(), list[bytes]()

    def send(self, command: FarCommand) -> None:
        self.commands.add(pack(command))

    def receive(self, timeout_s: float) -> FarEvent | Lost | None:
        if self.cut:
            return Lost(reason="nothing was heard of it for 8 s")
        if not self.waiting:
            for _ in range(2):  # there, and what comes of it
                reply = self.serving.call(self._call())
                self.commands.forget(reply.heard)
                self.waiting += self.events.take(reply.events)
                self.serving.work(0.0)
        return unpack(self.waiting.pop(0)) if self.waiting else None  # type: ignore[return-value]

    def _call(self) -> Call:
        return Call(
            session=str(self.sessions), heard=self.events.heard, commands=self.commands.after(0), room_bytes=10**9,
            wait_s=0.0,
        )  # fmt: skip

    def close(self) -> None:
        pass


@pytest.fixture
def way(tmp_path: Path) -> Way:
    return Way(tmp_path / "store")


@pytest.fixture
def engine(way: Way) -> RayEngine:
    ticks = iter(range(10**6))
    engine = RayEngine("ws2", way, load_deadline_s=60.0, clock=lambda: next(ticks) / 1000, rest=lambda _: None)
    engine.load("tone")
    return engine


def answers(engine: RayEngine) -> list[Generated | GenerationFailed]:
    found: list[Generated | GenerationFailed] = []
    for _ in range(50):
        found += [e for e in engine.poll(0.001) if isinstance(e, Generated | GenerationFailed)]
    return found


def test_clips_of_a_machine_that_is_lost_are_no_fault_of_their_jobs(engine: RayEngine, way: Way) -> None:
    requests = [make_request(), make_request()]
    engine.submit(requests)
    way.cut = True
    lost = answers(engine)
    assert {each.key for each in lost} == {each.key for each in requests}
    assert {each.kind for each in lost if isinstance(each, GenerationFailed)} == {FailureKind.NODE_LOST}
    with pytest.raises(EngineDied):
        engine.submit([make_request()])
    with pytest.raises(EngineNotStarted):
        engine.load("tone")
    way.cut = False
    engine.load("tone")
    assert way.sessions == 2


def test_a_late_answer_of_an_earlier_attempt_is_not_taken(engine: RayEngine, way: Way) -> None:
    request = make_request()
    engine.submit([request])
    way.cut = True
    engine.poll(0.0)
    way.cut = False
    former = way.serving
    engine.load("tone")
    former.work(0.0)
    reply = former.call(
        Call(session=str(way.sessions), heard=0, commands=(), room_bytes=10**9, wait_s=0.0)
    )  # asked by the session of now
    assert reply.events == ()
    assert answers(engine) == []


def test_an_input_goes_to_a_machine_once_and_by_its_content(engine: RayEngine, way: Way, tmp_path: Path) -> None:
    melody = tmp_path / "hum.wav"
    melody.write_bytes(b"RIFF")
    first, second = make_request(melody=melody), make_request(melody=melody)
    engine.submit([first])
    assert [type(each) for each in answers(engine)] == [Generated]
    (here,) = way.store.folder.rglob("hum.wav")
    assert here.read_bytes() == b"RIFF"
    here.chmod(0o400)  # a second copy would fail
    inode = here.stat().st_ino
    engine.submit([second])
    assert [type(each) for each in answers(engine)] == [Generated]
    assert here.stat().st_ino == inode


def test_an_input_that_is_not_there_fails_its_own_clip_alone(engine: RayEngine, tmp_path: Path) -> None:
    missing, fine = make_request(melody=tmp_path / "gone.wav"), make_request()
    engine.submit([missing, fine])
    found = {each.key: each for each in answers(engine)}
    failed = found[missing.key]
    assert isinstance(failed, GenerationFailed) and failed.kind is FailureKind.MISSING_INPUT
    assert str(tmp_path / "gone.wav") in failed.message
    assert isinstance(found[fine.key], Generated)


def test_other_weights_than_the_first_machine_has_are_refused(way: Way) -> None:
    engine = RayEngine(
        "ws3", way, load_deadline_s=60.0, same_weights=lambda model, _: f"ws3: has other weights of {model}",
        rest=lambda _: None,
    )  # fmt: skip
    with pytest.raises(EngineNotStarted, match="other weights of tone"):
        engine.load("tone")
    with pytest.raises(EngineDied):
        engine.submit([make_request()])
