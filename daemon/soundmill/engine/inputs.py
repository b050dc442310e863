"""What a request brings along, held against what the model can do."""

from __future__ import annotations

import math
from dataclasses import Field, fields
from pathlib import Path

import numpy as np
import soundfile
import torch

from soundmill.engine.failures import text_of
from soundmill.engine.models import ModelSpec
from soundmill.errors import BadParameter, MissingInput
from soundmill.jobs import GenerationRequest


def check(request: GenerationRequest, spec: ModelSpec) -> None:
    """Raises BadParameter for what this model cannot do."""
    wanted = request.parameters
    if not 0 < wanted.duration <= spec.max_duration_s:  # also refuses NaN
        raise BadParameter(f"duration: {wanted.duration:g} s; {spec.short} makes up to {spec.max_duration_s:g} s")
    for field in fields(wanted):
        _check_bounds(field, getattr(wanted, field.name))
    if request.melody is not None and not spec.takes_melody:
        raise BadParameter(f"melody: {spec.short} takes none; use musicgen-melody or musicgen-stereo-melody")
    if request.melody is not None and request.continue_from is not None:
        raise BadParameter("melody and continue_from: AudioCraft takes one or the other")
    if request.continue_from is not None and not spec.family.continues:
        raise BadParameter(f"continue_from: {spec.short} does not continue audio; use a MusicGen or AudioGen model")


def _check_bounds(field: Field[float], value: float) -> None:
    least, most = field.metadata.get("least", -math.inf), field.metadata.get("most", math.inf)
    if math.isfinite(value) and least <= value <= most:
        return
    lowest = f"{least:g} (off)" if least == field.metadata.get("off") else f"{least:g}"
    right = f"from {lowest} to {most:g}" if most < math.inf else f"{lowest} or more"
    raise BadParameter(f"{field.name}: {value:g}; must be {right if least > -math.inf else 'a finite number'}")


def read_audio(file: Path, longest_s: float | None = None) -> tuple[torch.Tensor, int]:
    """The first `longest_s` of an audio file: float32 [channels, time], and its sample rate in Hz.

    Raises MissingInput when it is not there, not audio, or empty.
    """
    try:
        with soundfile.SoundFile(file) as stream:
            frames = -1 if longest_s is None else math.ceil(longest_s * stream.samplerate)
            samples = stream.read(frames, dtype="float32", always_2d=True)
            rate = int(stream.samplerate)
    except (OSError, soundfile.SoundFileError) as error:
        reason = text_of(error) if file.is_file() else "no such file"
        raise MissingInput(f"{file}: cannot be read as audio ({reason})") from error
    if not len(samples):
        raise MissingInput(f"{file}: holds no audio")
    return torch.from_numpy(np.ascontiguousarray(samples.T)), rate


def whole_frames(duration_s: float, frame_rate: float) -> float:
    """The duration for which AudioCraft's `int(duration * frame_rate)` covers all of `duration_s`.

    Left alone it would round 2.3 s at 50 Hz, 114.99… frames, down.
    """
    frames = math.ceil(duration_s * frame_rate - 1e-6)
    rounded = frames / frame_rate
    return rounded if int(rounded * frame_rate) == frames else math.nextafter(rounded, math.inf)
