"""The engine room, host: the inside of an engine process, a composition root.

One loop steps the backend; a thread takes in commands meanwhile, and a few more finish clips (fade, normalise,
encode, measure what was delivered) while the next ones decode.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import cast

import numpy as np

from soundmill.engine import models
from soundmill.engine.backend import Backend, Clip
from soundmill.engine.process.lifeline import tie_to
from soundmill.engine.process.wire import (
    Answer,
    Cancel,
    Command,
    Load,
    Loaded,
    LoadFailed,
    ReduceSlots,
    Stop,
    Submit,
    as_engine_error,
    kind_of,
    one_line,
)
from soundmill.engine.protocol import Event
from soundmill.errors import BadParameter, EngineError, MissingInput, OutOfMemory
from soundmill.jobs import FailureKind, Generated, GenerationFailed, GenerationRequest, ModelInfo, Progress

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
    # finish() needs scipy. It is imported now, on the main thread: imports on two threads at once can meet
    # half a module, and torch's libraries import a good deal while they work.
    import soundmill.audio.loudness  # noqa: F401
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
            commands.put(conn.recv())
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

    def _load(self, model: str) -> Answer:
        self._drop_backend()  # first: two models may not fit
        try:
            self._backend = resolve_opener(self._backend_for)(model, self._device, self._slots)
            return Loaded(info=self._backend.info)
        except Exception as error:
            if not isinstance(error, EngineError):
                traceback.print_exc()
            known = as_engine_error(error) or EngineError(f"{model}: loading failed ({one_line(error)})")
            self._drop_backend()
            return LoadFailed(error=known)

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
                self._send(result)
            return
        self._forget(key)
        if isinstance(result, Clip):
            self._room.acquire()
            self._finishers.submit(self._finish, result, backend.info)
        else:
            self._send(result)

    def _finish(self, clip: Clip, info: ModelInfo) -> None:
        """Runs on a finisher's thread."""
        try:
            event: Event = finish(clip, info)
        except Exception as error:
            if not isinstance(error, EngineError):
                traceback.print_exc()
            event = failed(clip.request, error)
        finally:
            self._room.release()
        self._send(event)

    def _fail(self, request: GenerationRequest, error: Exception) -> None:
        self._forget(request.key)
        self._send(failed(request, error))

    def _forget(self, key: tuple[int, int]) -> None:
        self._running.pop(key, None)
        self._progress_at.pop(key, None)

    def _send(self, message: Answer | Event) -> None:
        with self._sending, suppress(OSError):  # nobody is there any more: Stop is on its way
            self._conn.send(message)


def finish(clip: Clip, info: ModelInfo) -> Generated:
    """Fade, normalise, encode, and measure the samples that come out of the encoded bytes.

    Raises BadParameter when the format cannot hold the clip.
    """
    # Here and not above: scipy takes longer to import than all else here, and a load that fails can do without.
    from soundmill.audio.decode import decode
    from soundmill.audio.encode import encode
    from soundmill.audio.fade import fade
    from soundmill.audio.loudness import meter, normalize
    from soundmill.quality.measure import measure

    request, raw = clip.request, clip.samples
    # First, so that a peak or loudness that the fade takes away does not set the gain.
    faded = fade(raw, clip.sample_rate, request.fade_s, start=request.continue_from is None)
    normalized = normalize(faded, clip.sample_rate, request.normalization, request.normalization_target)
    audio = encode(normalized, clip.sample_rate, request.format, tags_of(request, info))
    try:
        delivered, sample_rate = decode(audio)
    except MissingInput as error:
        raise EngineError(f"the encoded clip cannot be read back: {error}") from error
    broken = ~np.isfinite(raw)
    if broken.any() and broken.shape == delivered.shape:
        delivered[broken] = np.nan  # the file has 0 there; the measurement is to count and place them
    read = meter(delivered, sample_rate)
    measured = measure(
        delivered,
        sample_rate,
        requested_s=request.parameters.duration,
        loudness_lufs=read.loudness_lufs,
        before=raw,
        meter=asdict(read),
    )
    return Generated(
        job_id=request.job_id,
        attempt=request.attempt,
        audio=audio,
        format=request.format,
        sample_rate=sample_rate,
        channels=delivered.shape[0],
        duration_s=delivered.shape[1] / sample_rate,
        generation_s=clip.generation_s,
        device_s=clip.device_s,
        row_steps=clip.row_steps,
        measurements=measured.values,
        versions=info.versions,
        licence=info.licence,
        defects=measured.defects,
    )


def tags_of(request: GenerationRequest, info: ModelInfo) -> dict[str, str]:
    """What is written into the file: how to make this clip again, and under which licence it stands."""
    parameters = request.parameters
    inputs = {"melody": request.melody, "continue_from": request.continue_from}
    return {
        **request.tags,
        "prompt": request.prompt,
        "model": info.name,
        "seed": str(request.seed),
        "duration": f"{parameters.duration:g}",
        "temperature": f"{parameters.temperature:g}",
        "top_k": str(parameters.top_k),
        "top_p": f"{parameters.top_p:g}",
        "cfg_coef": f"{parameters.cfg_coef:g}",
        **{name: Path(path).name for name, path in inputs.items() if path is not None},
        **({"fade_s": str(request.fade_s)} if request.fade_s else {}),
        "licence": info.licence,
        **{f"version_{name}": version for name, version in sorted(info.versions.items())},
    }


def failed(request: GenerationRequest, error: Exception) -> GenerationFailed:
    known = as_engine_error(error)
    if known is not None:
        kind = kind_of(known)
    else:
        kind = FailureKind.IO if isinstance(error, OSError) else FailureKind.INTERNAL
    return GenerationFailed(
        job_id=request.job_id, attempt=request.attempt, kind=kind, message=one_line(known or error) or kind.value
    )


def resolve_opener(path: str) -> OpenBackend:
    """The callable an import path names, as package.module:callable."""
    module, _, name = path.partition(":")
    return cast("OpenBackend", getattr(importlib.import_module(module), name))


def run(argv: list[str]) -> int:
    """The process's entry: device, import path of the backend, slots or auto, and the numbers of the two pipes."""
    device, backend_for, slots, conn, lifeline = argv
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for fd in (int(conn), int(lifeline)):
        os.set_inheritable(fd, False)  # a helper process of the backend must not keep them open
    tie_to(int(lifeline))
    faulthandler.enable()
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    try:
        main(Connection(int(conn)), device, backend_for, None if slots == "auto" else int(slots))
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    status = run(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the device's libraries may hang or crash in their own clean-up
