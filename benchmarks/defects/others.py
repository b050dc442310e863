"""Other people's detectors on the same clips: the filters of ffmpeg, and Essentia in an environment of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

Samples = NDArray[np.float32]

HERE = Path(__file__).resolve().parent
# silencedetect's own limits; of astats what its manual says shows clipping, an offset and few bits
FILTERS = "silencedetect=n=-60dB:d=2,ebur128=peak=true,astats=measure_perchannel=none"
FLAT, OFFSET, TRUE_PEAK_DB, QUIET_LUFS = 4.0, 0.02, 2.0, -45.0


@dataclass(slots=True)
class Others:
    """essentia: a Python that has it; ffmpeg: its command; None for those that are not asked."""

    essentia: str | None
    ffmpeg: str | None
    scratch: Path
    _listener: Any = field(default=None)

    def names(self) -> list[str]:
        return ["classic", *(name for name in ("ffmpeg", "essentia") if getattr(self, name))]

    def none(self) -> Others:
        return replace(self, essentia=None, ffmpeg=None)

    def say(self, sound: Samples, rate: int) -> dict[str, frozenset[str]]:
        """By judge, the names of what it finds."""
        if not (self.essentia or self.ffmpeg):
            return {}
        path = self.scratch / f"{os.getpid()}.wav"
        soundfile.write(path, sound.T, rate, subtype="FLOAT")
        said = {"ffmpeg": _ffmpeg(self.ffmpeg, path)} if self.ffmpeg else {}
        return {**said, "essentia": self._essentia(path)} if self.essentia else said

    def _essentia(self, path: Path) -> frozenset[str]:
        if self._listener is None:
            assert self.essentia is not None
            self._listener = subprocess.Popen(
                [self.essentia, str(HERE / "in_essentia.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        self._listener.stdin.write(f"{path}\n")
        self._listener.stdin.flush()
        return frozenset(json.loads(self._listener.stdout.readline()))

    def __getstate__(self) -> dict[str, object]:
        return {"essentia": self.essentia, "ffmpeg": self.ffmpeg, "scratch": self.scratch, "_listener": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


def _ffmpeg(command: str, path: Path) -> frozenset[str]:
    done = subprocess.run(
        [command, "-hide_banner", "-nostats", "-i", str(path), "-af", FILTERS, "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stderr

    def number(name: str) -> float:
        found = re.findall(rf"{name}:\s+(-?[\d.]+|-?inf|nan)", said)
        return float(found[-1]) if found else float("nan")

    names = {"silencedetect"} if "silence_start" in said else set()
    names |= {"astats: flat factor"} if number("Flat factor") > FLAT else set()
    names |= {"astats: DC offset"} if abs(number("DC offset")) > OFFSET else set()
    names |= {"ebur128: loudness"} if number("I") < QUIET_LUFS else set()
    names |= {"ebur128: true peak"} if number("Peak") > TRUE_PEAK_DB else set()
    return frozenset(names)
