"""What a request brings along, held against what the model can do."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import Field, fields
from pathlib import Path

import numpy as np
import soundfile
import torch

from soundmill.disk import is_below, open_below
from soundmill.engine.failures import text_of
from soundmill.engine.models import ModelSpec
from soundmill.errors import BadParameter, MissingInput
from soundmill.jobs import GenerationRequest
from soundmill.music.asked import asked_tempo_key

MOST_SAMPLES_PER_S = 8 * 192_000  # of all channels: a header that says more is no recording's
UNKNOWN_S = 2.0**40  # libsndfile's length of a stream that does not say is 2⁶³ - 1 frames


def check(request: GenerationRequest, spec: ModelSpec) -> None:
    """Raises BadParameter for what this model cannot do."""
    wanted = request.parameters
    if not 0 < wanted.duration <= spec.max_duration_s:  # also refuses NaN
        raise BadParameter(f"duration: {wanted.duration:g} s; {spec.short} makes up to {spec.max_duration_s:g} s")
    if wanted.loop and not wanted.made_s <= spec.max_duration_s:
        beyond = wanted.made_s - wanted.duration
        raise BadParameter(
            f"loop: {spec.short} makes up to {spec.max_duration_s:g} s, and a loop takes {beyond:g} s more than "
            f"its length: ask for {spec.max_duration_s - beyond:g} s or less"
        )
    for field in fields(wanted):
        _check_bounds(field, getattr(wanted, field.name))
    if request.melody is not None and not spec.takes_melody:
        raise BadParameter(f"melody: {spec.short} takes none; use musicgen-melody or musicgen-stereo-melody")
    if request.melody is not None and request.continue_from is not None:
        raise BadParameter("melody and continue_from: AudioCraft takes one or the other")
    if request.continue_from is not None and not spec.family.continues:
        raise BadParameter(f"continue_from: {spec.short} does not continue audio; use a MusicGen or AudioGen model")


def text_for(request: GenerationRequest) -> str:
    """What the model is told: the prompt, and the tempo where the job asks for one that the prompt does not speak of.

    In the words of MusicGen's training (AudioCraft 1.3.0, `augment_music_info_description` of its music_dataset).
    """
    bpm = request.parameters.bpm
    if not bpm or asked_tempo_key(request.prompt, {}).bpm is not None:
        return request.prompt
    return f"{request.prompt.rstrip('. ')}. bpm: {bpm:g}"


def _check_bounds(field: Field[float], value: float) -> None:
    least, most = field.metadata.get("least", -math.inf), field.metadata.get("most", math.inf)
    if math.isfinite(value) and least <= value <= most:
        return
    lowest = f"{least:g} (off)" if least == field.metadata.get("off") else f"{least:g}"
    right = f"from {lowest} to {most:g}" if most < math.inf else f"{lowest} or more"
    raise BadParameter(f"{field.name}: {value:g}; must be {right if least > -math.inf else 'a finite number'}")


def read_audio(
    file: Path, longest_s: float | None = None, folders: tuple[Path, ...] | None = None
) -> tuple[torch.Tensor, int]:
    """The first `longest_s` of an audio file: float32 [channels, time], and its sample rate in Hz.

    With `folders`, it must be in one of these. Raises MissingInput when it is not there, not audio, or empty.
    """
    with _opened(file, folders) as stream:
        frames = -1 if longest_s is None else math.ceil(longest_s * stream.samplerate)
        samples = stream.read(frames, dtype="float32", always_2d=True)
        rate = int(stream.samplerate)
    if not len(samples):
        raise MissingInput(f"{file}: holds no audio")
    return torch.from_numpy(np.ascontiguousarray(samples.T)), rate


def read_beginning(file: Path, clip_s: float, folders: tuple[Path, ...] | None = None) -> tuple[torch.Tensor, int]:
    """As read_audio, of what a clip, or its first window, of `clip_s` is to begin with.

    Raises BadParameter, by what the file's header says, when it is no shorter than that.
    """
    with _opened(file, folders) as stream:
        length_s = stream.frames / stream.samplerate
    if clip_s <= length_s < UNKNOWN_S:
        raise BadParameter(
            f"continue_from: {file} is {length_s:.1f} s long; it and what follows must fit into {clip_s:g} s: "
            "ask for a longer duration, or give less audio"
        )
    return read_audio(file, clip_s, folders)


@contextmanager
def _opened(file: Path, folders: tuple[Path, ...] | None) -> Iterator[soundfile.SoundFile]:
    """An audio file, opened so that no link, however it is raced into place, leads out of `folders`, and no pipe put in
    its place is waited for. Raises MissingInput."""
    if folders is not None and not is_below(file, folders):
        raise MissingInput(f"{file}: is in no folder that audio may be taken from (inbox.input_folders)")
    try:
        handle = open_below(Path("/"), Path(os.path.realpath(file)).parts[1:])
        try:
            with soundfile.SoundFile(handle, closefd=False) as stream:
                if stream.samplerate * stream.channels > MOST_SAMPLES_PER_S:
                    raise MissingInput(
                        f"{file}: has {stream.channels} channels of {stream.samplerate:,} Hz; "
                        "save it with one or two of at most 192,000 Hz"
                    )
                yield stream
        finally:
            os.close(handle)
    except (OSError, soundfile.SoundFileError) as error:
        reason = text_of(error) if file.is_file() else "not a plain file" if file.exists() else "no such file"
        raise MissingInput(f"{file}: cannot be read as audio ({reason})") from error


def whole_frames(duration_s: float, frame_rate: float) -> float:
    """The duration for which AudioCraft's `int(duration * frame_rate)` covers all of `duration_s`.

    Left alone it would round 2.3 s at 50 Hz, 114.99… frames, down.
    """
    frames = math.ceil(duration_s * frame_rate - 1e-6)
    rounded = frames / frame_rate
    return rounded if int(rounded * frame_rate) == frames else math.nextafter(rounded, math.inf)
