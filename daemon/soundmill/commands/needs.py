"""What a batch needs of this machine: its models' weights, their memory, and how long it will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from soundmill.commands.doctor import free_gb_at, hub_cache, weights_cached
from soundmill.engine.devices import memory_gb
from soundmill.engine.models import resolve
from soundmill.words import span

CPU_TIMES_GPU = 2.0  # weights are float32 on a CPU, float16 on a GPU


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One model of a batch. Gigabytes are 10⁹ bytes; None: nobody says."""

    model: str
    jobs: int
    here: bool  # nothing needs to be downloaded
    download_gb: float | None  # about, where it is not here
    free_gb: float | None  # where it would be downloaded to
    licence: str
    memory_needed_gb: float | None  # about, on the devices of this machine
    memory_gb: float | None  # of the smallest of them
    fits: bool | None
    seconds: float | None  # about, at the speed measured here, with all devices at work

    def __str__(self) -> str:
        said = [f"{self.jobs} x {self.model}"]
        if not self.here:
            size = "size unknown" if self.download_gb is None else f"about {self.download_gb:g} GB"
            said.append(f"to be downloaded: {size}, {self.free_gb:.1f} GB free, licence: {self.licence}")
            if self.download_gb is not None and self.free_gb is not None and self.download_gb > self.free_gb:
                said.append(f"TOO LITTLE ROOM in {hub_cache()}")
        if self.fits is False:
            said.append(
                f"MAY NOT FIT: it needs about {self.memory_needed_gb:g} GB of memory, of {self.memory_gb:.1f} GB"
            )
        return "; ".join(said)


def needs(
    jobs: Mapping[str, int], audio_s: Mapping[str, float], speeds: Mapping[str, float], devices: Sequence[str]
) -> list[Need]:
    """What each model needs for its `jobs` with so many seconds of audio, the one with most jobs first."""
    memories = [memory for device in devices if (memory := memory_gb(device)) is not None]
    memory = min(memories, default=None)
    on_gpu = all(device.startswith("cuda") for device in devices)
    found = []
    for name, count in sorted(jobs.items(), key=lambda each: -each[1]):
        spec = resolve(name)
        here = not spec.is_hub or weights_cached(spec)
        needed = None if spec.gpu_gb is None else spec.gpu_gb * (1.0 if on_gpu else CPU_TIMES_GPU)
        found.append(
            Need(
                model=name,
                jobs=count,
                here=here,
                download_gb=None if here else spec.download_gb,
                free_gb=None if here else free_gb_at(hub_cache())[1],
                licence=spec.licence,
                memory_needed_gb=needed,
                memory_gb=memory,
                fits=None if needed is None or memory is None else needed <= memory,
                seconds=audio_s[name] * speeds[name] / len(devices) if name in speeds else None,
            )
        )
    return found


def duration(found: Sequence[Need]) -> tuple[float | None, str]:
    """Seconds that all of it will take, None where a model has not been measured, and what there is to say of it."""
    unmeasured = [each.model for each in found if each.seconds is None]
    seconds = sum(each.seconds for each in found if each.seconds is not None)
    if not unmeasured:
        return seconds, f"about {span(seconds)} of work at the speed measured here"
    if len(unmeasured) == len(found):
        return None, ""
    return (
        None,
        f"about {span(seconds)} of work at the speed measured here, and {', '.join(unmeasured)}, never timed here",
    )
