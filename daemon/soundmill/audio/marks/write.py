"""Marks, writing: samples and all that is said of them to the bytes of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.channels import to_vorbis
from soundmill.audio.encode import MP3_BEST, OGG_SERIAL, VORBIS_QUALITY, contained
from soundmill.audio.marks.nouns import MADE_BY_A_MODEL, Marks
from soundmill.audio.marks.vorbis import with_flac_comments, with_ogg_comments
from soundmill.audio.marks.wave import wave
from soundmill.audio.marks.xml import xmp
from soundmill.audio.quantize import quantize
from soundmill.audio.tags import id3_tag, player_fields

FLOAT_BITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Lossy:
    container: str
    subtype: str
    options: Mapping[str, object]


LOSSY = {
    "ogg": Lossy(container="OGG", subtype="VORBIS", options={"compression_level": 1 - VORBIS_QUALITY}),
    "opus": Lossy(container="OGG", subtype="OPUS", options={"compression_level": 1 - VORBIS_QUALITY}),
    "mp3": Lossy(container="MP3", subtype="MPEG_LAYER_III", options=MP3_BEST),
}


def write(samples: NDArray[np.float32], sample_rate: int, format: str, bits: int, marks: Marks, *, seed: int) -> bytes:
    """The bytes of a file of samples [channels, time], full scale = 1, in the order of channels of a WAV file.

    `format`: wav, bwf (WAV with bext and iXML), flac, ogg, opus or mp3; `bits`: 16 or 24, dithered from `seed`, or in a
    WAV file 32 for floats. The lossy formats take floats, whatever `bits` says. The same arguments give the same bytes.
    Non-finite samples must have been removed. Raises BadParameter when the format cannot hold such samples.
    """
    if format in LOSSY:
        how = LOSSY[format]
        order = slice(None) if format == "mp3" else to_vorbis(len(samples))
        sound = np.ascontiguousarray(np.clip(samples[order].T, -1.0, 1.0), dtype=np.float32)
        encoded = contained(sound, sample_rate, how.container, how.subtype, how.options, {})
        if format == "mp3":
            more = {"DIGITALSOURCETYPE": MADE_BY_A_MODEL, "IDENTIFIER": marks.identifier}
            return id3_tag(player_fields(marks.tags), more, xmp(marks)) + encoded
        return with_ogg_comments(encoded, _comments(marks), OGG_SERIAL)
    if bits == FLOAT_BITS:
        return wave(np.ascontiguousarray(samples.T), sample_rate, bits, marks, broadcast=format == "bwf")
    steps = quantize(samples, bits, seed)
    if format == "flac":
        return with_flac_comments(contained(steps, sample_rate, "FLAC", f"PCM_{bits}", {}, {}), _comments(marks))
    return wave(steps, sample_rate, bits, marks, broadcast=format == "bwf")


def _comments(marks: Marks) -> dict[str, str]:
    """The Vorbis comments: the names of the Vorbis I specification, section 5.2.2, and those that have none there."""
    loop = {} if marks.loop is None else {"LOOPSTART": str(marks.loop.first), "LOOPLENGTH": str(_length(marks))}
    return {
        **player_fields(marks.tags),
        "description": marks.description,
        "digitalsourcetype": MADE_BY_A_MODEL,
        "identifier": marks.identifier,
        **loop,
    }


def _length(marks: Marks) -> int:
    return 0 if marks.loop is None else marks.loop.last - marks.loop.first + 1
