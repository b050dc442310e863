"""The audio room, decoding: the samples of audio files, all through libsndfile."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundmill.audio.announced import has_frame_count, sound_bytes, unclosed_at
from soundmill.audio.channels import from_vorbis
from soundmill.errors import MissingInput

UNKNOWN_FRAMES = 2**62  # libsndfile's for a stream that does not say is 2⁶³ - 1
# How many samples a byte of a file is believed to hold at first: a header may promise more than memory holds.
BELIEVED = 16
WITHOUT_LENGTH = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What could be read of an audio file.

    samples: [channels, time], full scale = 1, channels in the order of a WAV file
    share: how much that is of the sound its header promises; 1 where it promises none
    damaged: whether the decoder gave up before the end
    """

    samples: NDArray[np.float32]
    sample_rate: int
    share: float
    damaged: bool


def decode(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Samples [channels, time] (float32, full scale = 1, channels in the order of a WAV file) and sample rate in Hz of
    the bytes of an audio file.

    Raises MissingInput when they are not audio libsndfile can read to the end.
    """
    return _undamaged(_read(io.BytesIO(data), "the audio"), "the audio")


def read_audio(path: Path) -> tuple[NDArray[np.float32], int]:
    """The same of an audio file. Raises MissingInput also when there is no such file."""
    return _undamaged(read_recording(path), str(path))


def read_recording(path: Path) -> Recording:
    """As much of an audio file as can be read.

    Raises MissingInput when there is no such file or it is not audio libsndfile can read.
    """
    try:
        with path.open("rb") as file:
            return _read(file, str(path))
    except OSError as error:
        raise MissingInput(f"{path}: cannot be opened ({error.strerror or error})") from error


def samples_in(path: Path) -> int:
    """How many samples a file holds over all channels, by what libsndfile says; 0 when it cannot be read."""
    try:
        with path.open("rb") as file, soundfile.SoundFile(file) as sound:
            return int(sound.frames) * int(sound.channels)
    except (OSError, soundfile.LibsndfileError, TypeError):
        return 0


def _undamaged(recording: Recording, where: str) -> tuple[NDArray[np.float32], int]:
    if recording.damaged:
        raise MissingInput(f"{where}: cannot be read as audio to its end")
    return recording.samples, recording.sample_rate


def _read(file: BinaryIO, where: str, more: int = 1) -> Recording:
    size = file.seek(0, 2)
    file.seek(0)
    try:
        with soundfile.SoundFile(file) as sound:
            per_byte = more * (BELIEVED if sound.frames < UNKNOWN_FRAMES else WITHOUT_LENGTH)
            room = min(sound.frames, per_byte * size // sound.channels)
            frames, failed = _frames(sound, room)
            if len(frames) == room < sound.frames:
                del frames
                return _read(file, where, 4 * more)
            damaged = failed and len(frames) < sound.frames < UNKNOWN_FRAMES
            order = from_vorbis(sound.channels) if sound.subtype in ("VORBIS", "OPUS") else slice(None)
            recording = Recording(
                samples=np.ascontiguousarray(frames.T[order]),
                sample_rate=int(sound.samplerate),
                share=_promised_share(file, sound, len(frames), damaged),
                damaged=damaged,
            )
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: headerless formats ask for a rate
        reason = error.error_string.rstrip(".") if isinstance(error, soundfile.LibsndfileError) else "it has no header"
        raise MissingInput(f"{where}: cannot be read as audio; WAV, FLAC, OGG or MP3 would do ({reason})") from error
    if not recording.samples.size and (at := unclosed_at(file)) is not None:
        return _read(_without_length(file, at), where)
    return recording


def _frames(sound: soundfile.SoundFile, room: int) -> tuple[NDArray[np.float32], bool]:
    """Up to `room` frames [time, channels], and whether libsndfile failed.

    In one call, since python-soundfile seeks after each, which MP3 files do not survive to the sample. What a failing
    call had written by then is told from the rest by what stood there before.
    """
    out = np.full((room, sound.channels), np.nan, dtype=np.float32)
    try:
        return sound.read(out=out), False
    except soundfile.LibsndfileError:
        return out[: 1 + np.flatnonzero(~np.isnan(out[:, 0])).max(initial=-1)], True


def _promised_share(file: BinaryIO, sound: soundfile.SoundFile, frames: int, damaged: bool) -> float:
    """How much of the sound that the header promises was read, at most 1; 1 where it promises none."""
    promised, there = 0, frames
    if sound.format == "FLAC" or damaged or (sound.format == "MP3" and has_frame_count(file)):
        promised = sound.frames if sound.frames < UNKNOWN_FRAMES else 0
    elif sound.format in ("WAV", "WAVEX", "RF64", "AIFF"):
        promised, there = sound_bytes(file) or (0, 0)
    return min(1.0, there / promised) if promised else 1.0


def _without_length(file: BinaryIO, at: int) -> BinaryIO:
    """The WAV file with the length at this place replaced by one that says it is not known."""
    file.seek(0)
    data = bytearray(file.read())
    data[at : at + 4] = b"\xff" * 4
    return io.BytesIO(data)
