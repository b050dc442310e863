"""The engine room, far away: what Ray runs on a node. An engine process and the thread that works it.

The actor itself computes nothing and loads no torch: what crashes or hangs is the process that it watches, as a daemon
watches its own.
"""

from __future__ import annotations

import os
import pickle
import pkgutil
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

from soundmill.engine.process.engine import ProcessEngine
from soundmill.engine.protocol import Engine
from soundmill.engine.remote.contents import Store
from soundmill.engine.remote.messages import Call, OpenEngine, Reply
from soundmill.engine.remote.serving import Serving

# An engine whose daemon is not heard of for this long ends itself, so that no device stays taken behind a broken
# network. Longer than the daemon's own patience (gateway.py): by then its clips are somebody else's.
LEASE_S = 20.0
ROUND_S = 5.0  # a wait for the engine; whatever comes ends it


class NodeEngine(Engine, Protocol):
    """`pid` is None while there is no engine process."""

    @property
    def pid(self) -> int | None: ...


def process_engine(asked: OpenEngine, wake: int) -> NodeEngine:
    return ProcessEngine(
        "cuda:0" if asked.gpu else "cpu",
        backend_for=asked.backend_for,
        slots=asked.slots,
        load_deadline_s=asked.load_deadline_s,
        wake=wake,
    )


class EngineActor:
    """Calls come on several threads; the engine belongs to one of its own."""

    def __init__(self, asked: OpenEngine) -> None:
        # Ray has libraries compute with as many threads as an actor has CPUs. Clips are to be computed as a daemon's
        # own engine does, whose samples can differ with the number of threads.
        os.environ.pop("OMP_NUM_THREADS", None)
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        self._engine: NodeEngine = pkgutil.resolve_name(asked.engine_for)(asked, self._woken)
        self._serving = Serving(
            asked.session,
            self._engine,
            Store(cache_folder() / "inputs"),
            alive=lambda: self._engine.pid is not None,
            wake=self._wake,
            clock=time.monotonic,
        )
        threading.Thread(target=self._work, name="engine", daemon=True).start()
        threading.Thread(target=self._mind_the_lease, name="lease", daemon=True).start()

    def call(self, call: Call) -> Reply:
        return as_it_lies(self._serving.call(call))

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # it is full of reasons to wake up
            os.write(self._waker, b"\0")

    def _work(self) -> None:
        while True:
            with suppress(BlockingIOError):
                os.read(self._woken, 1 << 16)
            try:
                self._serving.work(ROUND_S)
            except BaseException:
                traceback.print_exc()
                os._exit(1)  # the daemon is told by Ray that this actor is gone, and no job answers for it

    def _mind_the_lease(self) -> None:
        while time.monotonic() - self._serving.called_at < LEASE_S:
            time.sleep(1.0)
        os._exit(0)  # the engine process ends with its lifeline


def as_it_lies(reply: Reply) -> Reply:
    """The reply with its clips for Ray to take from where they are: it would copy them twice more."""
    lying = tuple((number, cast("bytes", pickle.PickleBuffer(event))) for number, event in reply.events)
    return replace(reply, events=lying)


def as_bytes(reply: Reply) -> Reply:
    """The reply as it was; Ray's store gets its memory back."""
    return replace(reply, events=tuple((number, bytes(event)) for number, event in reply.events))


def cache_folder() -> Path:
    """Where a node keeps what it was sent: ~/.cache/soundmill, or as XDG_CACHE_HOME says."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "soundmill"
