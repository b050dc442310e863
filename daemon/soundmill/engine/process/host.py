"""The engine room, host: the inside of an engine process.

One loop steps the backend; a thread takes in commands meanwhile, and a few more finish clips (engine/finishing.py)
while the next ones decode.
"""

from __future__ import annotations

import gc
import importlib
import logging
import pkgutil
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import cast

from soundmill.engine import models
from soundmill.engine.backend import Backend, Clip
from soundmill.engine.failures import as_engine_error, failure, one_line
from soundmill.engine.process.lifeline import begin, end
from soundmill.engine.process.wire import (
    Cancel,
    Command,
    Load,
    Loaded,
    LoadFailed,
    ReduceSlots,
    Stop,
    Submit,
    pack,
    unpack,
)
from soundmill.errors import BadParameter, EngineError, OutOfMemory
from soundmill.jobs import GenerationFailed, GenerationRequest, ModelInfo, Progress

log = logging.getLogger(__name__)

OpenBackend = Callable[[str, str, int | None], Backend]

FINISHERS = 2
FINISHING_LIMIT = 8  # clips; raw samples of more would pile up in memory
PROGRESS_INTERVAL_S = 0.5
OOM_SCORE = "300"  # when memory runs out, the kernel should rather take an engine than the daemon


def open_backend(model: str, device: str, slots: int | None) -> Backend:
    """Load a model of engine/models.py onto `device`; `slots` None takes what fits.

    Raises UnknownModel, ModelUnavailable, OutOfMemory.
    """
    spec = models.resolve(model)
    # It needs scipy, and is imported now, on the main thread: imports on two threads at once can meet half a module,
    # and torch's libraries import a good deal while they work.
    import soundmill.engine.finishing  # noqa: F401

    opened: Backend = pkgutil.resolve_name(spec.family.opened_by)(spec, device, slots)
    return opened


def open_audiocraft(spec: models.ModelSpec, device: str, slots: int | None) -> Backend:
    """A checkpoint of AudioCraft's in our decode loop, or where that cannot run it in AudioCraft's own."""
    from soundmill.engine.audiocraft import loading

    loading.set_threads(None)
    loaded = loading.load(spec, device)
    if spec.path == "decoder":
        from soundmill.engine.decoder.backend import DecoderBackend

        try:
            return DecoderBackend(spec, device, slots, loaded=loaded)
        except BadParameter as error:  # an architecture that a folder or somebody's hub id did not announce
            log.warning("%s", one_line(error))
    from soundmill.engine.audiocraft.static_backend import AudioCraftBackend

    return AudioCraftBackend(spec, device, slots, loaded=loaded)


def main(conn: Connection, device: str, backend_for: str, slots: int | None) -> None:
    """Serve the daemon at the other end of `conn` until it says Stop or hangs up."""
    commands: SimpleQueue[Command] = SimpleQueue()
    threading.Thread(target=_take_in, args=(conn, commands), name="commands", daemon=True).start()
    with ThreadPoolExecutor(FINISHERS, thread_name_prefix="finish") as finishers:
        _Host(conn, device, backend_for, slots, finishers).serve(commands)


def _take_in(conn: Connection, commands: SimpleQueue[Command]) -> None:
    """Empty the pipe at all times, so the daemon never blocks on a long step."""
    with suppress(EOFError, OSError):
        while True:
            commands.put(cast("Command", unpack(conn.recv_bytes())))
    commands.put(Stop())


class _Host:
    def __init__(
        self, conn: Connection, device: str, backend_for: str, slots: int | None, finishers: ThreadPoolExecutor
    ) -> None:
        self._conn = conn
        self._sending = threading.Lock()
        self._device = device
        self._backend_for = backend_for
        self._slots = slots
        self._finishers = finishers
        self._room = threading.BoundedSemaphore(FINISHING_LIMIT)
        self._backend: Backend | None = None
        self._running: dict[tuple[int, int], GenerationRequest] = {}
        self._progress_at: dict[tuple[int, int], float] = {}
        self._halvings = 0  # asked for, not yet done

    def serve(self, commands: SimpleQueue[Command]) -> None:
        while True:
            while self._backend is None or not self._backend.busy or not commands.empty():
                command = commands.get()
                if isinstance(command, Stop):
                    self._drop_backend()
                    return
                self._obey(command)
            self._step(self._backend)

    def _obey(self, command: Load | Submit | Cancel | ReduceSlots) -> None:
        match command:
            case Load(model=model):
                self._send(self._load(model))
            case Submit(requests=requests):
                for request in requests:
                    self._submit(request)
            case Cancel(job_ids=job_ids):
                mine = [key for key in self._running if key[0] in job_ids]
                for key in mine:
                    self._forget(key)
                if self._backend is not None and mine:
                    self._backend.cancel([key[0] for key in mine])
            case ReduceSlots():
                self._halvings += 1
        self._halve()

    # -- loading ----------------------------------------------------------------------------

    def _load(self, model: str) -> bytes:
        self._drop_backend()  # first: two models may not fit
        try:
            self._backend = resolve_opener(self._backend_for)(model, self._device, self._slots)
            return pack(Loaded(info=self._backend.info))
        except Exception as error:
            if not isinstance(error, EngineError):
                traceback.print_exc()
            known = as_engine_error(error) or EngineError(f"{model}: loading failed ({one_line(error)})")
            self._drop_backend()
            return pack(LoadFailed(error=known))

    def _drop_backend(self) -> None:
        self._running.clear()
        self._progress_at.clear()
        self._halvings = 0
        if self._backend is not None:
            backend, self._backend = self._backend, None
            backend.close()
            del backend
            gc.collect()  # modules that point at each other hold on to device memory until then

    # -- generating -------------------------------------------------------------------------

    def _submit(self, request: GenerationRequest) -> None:
        self._running[request.key] = request
        try:
            if self._backend is None:
                raise EngineError("no model is loaded")
            self._backend.submit([request])
        except Exception as error:
            if not isinstance(error, EngineError):
                traceback.print_exc()
            self._fail(request, error)

    def _step(self, backend: Backend) -> None:
        try:
            results = backend.step()
        except Exception as error:
            # Anything but a lack of memory may have broken the device's state: the process ends, and
            # the clips are tried one by one in fresh ones. A clip that is alone answers for itself.
            known = as_engine_error(error)
            if not isinstance(known, OutOfMemory) and not (known is not None and len(self._running) == 1):
                raise
            lost = list(self._running.values())
            backend.cancel([request.job_id for request in lost])
            for request in lost:
                self._fail(request, known)
            return
        for result in results:
            self._pass_on(backend, result)
        if not backend.busy:
            for request in list(self._running.values()):
                self._fail(request, EngineError("the model never answered for this clip"))
        self._halve()

    def _halve(self) -> None:
        """Once nothing is decoding: a backend may lose what it has when its slots change. The daemon already keeps to
        the smaller number."""
        while self._halvings and self._backend is not None and not self._running:
            self._halvings -= 1
            self._backend.reduce_slots()

    def _pass_on(self, backend: Backend, result: Clip | GenerationFailed | Progress) -> None:
        key = result.request.key if isinstance(result, Clip) else result.key
        if key not in self._running:
            return
        if isinstance(result, Progress):
            now = time.monotonic()
            if now - self._progress_at.get(key, -PROGRESS_INTERVAL_S) >= PROGRESS_INTERVAL_S:
                self._progress_at[key] = now
                self._send(pack(result))
            return
        self._forget(key)
        if isinstance(result, Clip):
            self._room.acquire()
            self._finishers.submit(self._finish, result, backend.info)
        else:
            self._send(pack(result))

    def _finish(self, clip: Clip, info: ModelInfo) -> None:
        """Runs on a finisher's thread."""
        # Here and not above: scipy takes longer to import than all else here, and a load that fails can do without.
        from soundmill.engine.finishing import finish

        try:
            answer = pack(finish(clip, info))
        except Exception as error:
            if not isinstance(error, EngineError):
                traceback.print_exc()
            answer = pack(failure(clip.request, error))
        finally:
            self._room.release()
        self._send(answer)

    def _fail(self, request: GenerationRequest, error: Exception) -> None:
        self._forget(request.key)
        self._send(pack(failure(request, error)))

    def _forget(self, key: tuple[int, int]) -> None:
        self._running.pop(key, None)
        self._progress_at.pop(key, None)

    def _send(self, message: bytes) -> None:
        with self._sending, suppress(OSError):  # nobody is there any more: Stop is on its way
            self._conn.send_bytes(message)


def resolve_opener(path: str) -> OpenBackend:
    """The callable an import path names, as package.module:callable."""
    module, _, name = path.partition(":")
    return cast("OpenBackend", getattr(importlib.import_module(module), name))


def run(argv: list[str]) -> int:
    """The process's entry: device, import path of the backend, slots or auto, and the numbers of the two pipes."""
    device, backend_for, slots, conn, lifeline = argv
    daemon = begin(conn, lifeline, OOM_SCORE)
    try:
        main(daemon, device, backend_for, None if slots == "auto" else int(slots))
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    end(run(sys.argv[1:]))
