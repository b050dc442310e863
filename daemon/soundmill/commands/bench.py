"""`soundmill bench`: how fast this machine makes clips, measured through the engine that the daemon would use."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from soundmill.commands import terminal as show
from soundmill.config import Config, load
from soundmill.engine.devices import find_devices
from soundmill.engine.protocol import Engine
from soundmill.errors import SoundmillError
from soundmill.home import Home, daemon_running
from soundmill.jobs import Generated, GenerationFailed, GenerationRequest, Parameters
from soundmill.service.wiring import engine_for, request_of
from soundmill.words import span

# Rows of a sweep differ, so these do too; what a prompt says costs nothing, how long it is hardly anything.
PROMPTS = ("calm piano, 90 bpm", "driving techno with drums", "heavy rain", "bright strings over a slow march")
TEMPERATURES = (0.7, 1.0, 1.3)
CFG_COEFS = (2.0, 3.0, 4.0)
POLL_S = 1.0

COLUMNS = {
    "device": "device",
    "model": "model",
    "slots": "slots",
    "load_s": "load s",
    "alone_s": "one clip s",
    "clips_per_h": "clips/h",
    "real_time_factor": "s per s of audio",
    "gain": "gain of slots",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What one device did. `alone_s` is the wall time of one clip without neighbours, from its request to its
    encoded file, `wall_s` that of `clips` clips with all slots kept full."""

    device: str
    model: str
    slots: int
    load_s: float
    alone_s: float
    clips: int
    duration_s: float
    wall_s: float

    @property
    def clips_per_h(self) -> float:
        return 3600 * self.clips / self.wall_s

    @property
    def real_time_factor(self) -> float:
        """Seconds of wall time for a second of audio; below one is faster than listening."""
        return self.wall_s / (self.clips * self.duration_s)

    @property
    def gain(self) -> float:
        """How many times the clips of one after the other are made by all slots together."""
        return self.alone_s * self.clips / self.wall_s

    def row(self) -> Mapping[str, object]:
        return {
            "device": self.device,
            "model": self.model,
            "slots": self.slots,
            "load_s": round(self.load_s, 1),
            "alone_s": round(self.alone_s, 2),
            "clips_per_h": round(self.clips_per_h),
            "real_time_factor": round(self.real_time_factor, 3),
            "gain": round(self.gain, 1),
        }


def bench(home: Home, model: str | None, clips: int | None, duration_s: float, *, as_json: bool) -> None:
    """Measure one device after the other, each with an engine of its own, and print what each did.

    Raises as `measure` does.
    """
    config = load(home)
    if daemon_running(home):
        print("a daemon works in this home: what it does meanwhile slows the figures down", file=sys.stderr)
    model = model or config.default_model
    speeds = []
    for device in find_devices(config.engine.devices):
        with contextlib.closing(engine_for(config)(device)) as engine:
            speeds.append(measure(engine, config, device, model, clips, duration_s, clock=time.monotonic))
    show.table([speed.row() for speed in speeds], COLUMNS, "no device", as_json=as_json)
    if not as_json:
        together = sum(speed.clips_per_h for speed in speeds)
        print(f"300 clips of {duration_s:g} s would take about {span(round(300 * 3600 / together))}")


def measure(
    engine: Engine,
    config: Config,
    device: str,
    model: str,
    clips: int | None,
    duration_s: float,
    *,
    clock: Callable[[], float],
) -> Speed:
    """Load `model`, make one clip to warm up and one alone, then `clips` of them (None: three for each slot).

    Raises SoundmillError when the model cannot be loaded or a clip fails.
    """
    begun = clock()
    info = engine.load(model)
    load_s = clock() - begun
    count = clips if clips is not None else 3 * info.slots
    requests = [_request(config, number, duration_s) for number in range(count + 2)]
    _make(engine, requests[:1], 1, clock)
    alone_s = _make(engine, requests[1:2], 1, clock)
    wall_s = _make(engine, requests[2:], info.slots, clock)
    return Speed(
        device=device,
        model=info.name,
        slots=info.slots,
        load_s=load_s,
        alone_s=alone_s,
        clips=count,
        duration_s=duration_s,
        wall_s=wall_s,
    )


def _request(config: Config, number: int, duration_s: float) -> GenerationRequest:
    return request_of(
        config,
        (number + 1, 1),
        prompt=PROMPTS[number % len(PROMPTS)],
        parameters=Parameters(
            duration=duration_s,
            temperature=TEMPERATURES[number % len(TEMPERATURES)],
            top_k=250,
            top_p=0.0,
            cfg_coef=CFG_COEFS[number // len(TEMPERATURES) % len(CFG_COEFS)],
        ),
        seed=number,
        format=config.audio.format,
    )


def _make(engine: Engine, requests: list[GenerationRequest], slots: int, clock: Callable[[], float]) -> float:
    """Seconds until all of them are done, `slots` at a time; a slot is filled again as soon as it is free."""
    waiting, running = list(reversed(requests)), 0
    begun = clock()
    while waiting or running:
        free = [waiting.pop() for _ in range(min(slots - running, len(waiting)))]
        if free:
            engine.submit(free)
            running += len(free)
        for event in engine.poll(POLL_S):
            if isinstance(event, GenerationFailed):
                raise SoundmillError(f"bench: a clip failed ({event.kind.value}): {event.message}")
            running -= isinstance(event, Generated)
    return clock() - begun
