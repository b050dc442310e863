"""The audio room, encoding: samples to the bytes of a file, all through libsndfile, in memory."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundmill.audio.channels import to_vorbis
from soundmill.audio.tags import VORBIS_FIELDS, add_chunks, chunk, id3_tag, info_list, player_fields, sampler
from soundmill.errors import BadParameter, EngineError
from soundmill.jobs import AudioFormat

BLOCK_FRAMES = 16_384  # libsndfile's Vorbis encoder overflows the stack on long single writes
VORBIS_QUALITY = 0.6  # of 0 to 1: about 190 kbit/s for stereo at 44.1 kHz
OGG_SERIAL = 0x736D696C  # libsndfile draws one at random, which would make every file different

SUBTYPES = {
    AudioFormat.WAV: "PCM_16",
    AudioFormat.FLAC: "PCM_16",
    AudioFormat.OGG: "VORBIS",
    AudioFormat.MP3: "MPEG_LAYER_III",
}
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # MPEG-1, 2 and 2.5, layer III
MP3_CHANNELS = 2
MP3_BEST: Mapping[str, object] = {"compression_level": 0.0, "bitrate_mode": "VARIABLE"}


def encode(
    samples: NDArray[np.float32], sample_rate: int, format: AudioFormat, tags: Mapping[str, str], *, loops: bool = False
) -> bytes:
    """The bytes of an audio file holding samples [channels, time], full scale = 1, and the tags. Channels come in the
    order of a WAV file and stand in the file's own (see channels.py).

    WAV and FLAC hold 16-bit integers (rounded to nearest, so at most half a step off), OGG Vorbis at quality 0.6,
    MP3 at LAME's best variable bit rate. Samples beyond full scale are clipped and non-finite ones become 0, in the
    file only. The same samples and tags give the same bytes. Decoding returns as many samples as went in, for all
    four: Vorbis' last granule position and LAME's gapless header cut off what the encoder added. Of a clip that
    `loops`, a WAV file says so in a chunk `smpl`.

    Raises BadParameter when the format cannot hold this sample rate or channel count, EngineError for a clip
    without samples, ValueError unless samples are 2-D.
    """
    if samples.ndim != 2:
        raise ValueError(f"samples of shape {samples.shape}: must be [channels, time]")
    channels, length = samples.shape
    if channels == 0 or length == 0:
        raise EngineError(f"the clip has no samples ({channels} channels of {length}): nothing to encode")
    if format is AudioFormat.MP3 and (sample_rate not in MP3_RATES or channels > MP3_CHANNELS):
        raise BadParameter(f"mp3 cannot hold {channels} channels at {sample_rate} Hz: ask for wav, flac or ogg")

    fields = player_fields(tags)
    data = _frames(samples[to_vorbis(channels)] if format is AudioFormat.OGG else samples, format)
    options: Mapping[str, object] = {}
    if format is AudioFormat.OGG:
        options = {"compression_level": 1 - VORBIS_QUALITY}
    elif format is AudioFormat.MP3:
        options = MP3_BEST
    comments = fields if format in (AudioFormat.FLAC, AudioFormat.OGG) else {}
    encoded = contained(data, sample_rate, format.value.upper(), SUBTYPES[format], options, comments)
    if format is AudioFormat.OGG:
        return with_ogg_serial(encoded, OGG_SERIAL)
    if format is AudioFormat.WAV and (fields or loops):
        more = chunk(b"smpl", sampler(0, length - 1, sample_rate)) if loops else b""
        return add_chunks(encoded, more + (info_list(fields) if fields else b""))
    if format is AudioFormat.MP3 and fields:
        return id3_tag(fields) + encoded
    return encoded


def contained(
    data: NDArray[Any],
    sample_rate: int,
    container: str,
    subtype: str,
    options: Mapping[str, object],
    comments: Mapping[str, str],
) -> bytes:
    """The bytes of a file of libsndfile's `container` and `subtype` with samples [time, channels] and those of the
    comments it has a field for. Raises BadParameter when it cannot hold such samples."""
    file = io.BytesIO()
    try:
        with soundfile.SoundFile(file, "w", sample_rate, data.shape[1], subtype, format=container, **options) as sound:
            for name in VORBIS_FIELDS:
                if name in comments:
                    setattr(sound, name, comments[name])
            for at in range(0, len(data), BLOCK_FRAMES):
                sound.write(data[at : at + BLOCK_FRAMES])
    except soundfile.LibsndfileError as error:
        raise BadParameter(
            f"{container.lower()} cannot hold {data.shape[1]} channels at {sample_rate} Hz ({error.error_string})"
        ) from error
    return file.getvalue()


def _frames(samples: NDArray[np.float32], format: AudioFormat) -> NDArray[np.int16] | NDArray[np.float32]:
    """[time, channels] as the encoder takes it: int16 where the file holds integers, else float32 within full scale."""
    sound = samples.T
    if not np.isfinite(sound).all():
        sound = np.nan_to_num(sound, nan=0.0, posinf=0.0, neginf=0.0)
    if format in (AudioFormat.OGG, AudioFormat.MP3):
        return np.ascontiguousarray(np.clip(sound, -1.0, 1.0), dtype=np.float32)
    scaled = np.rint(sound * np.float32(32_768))  # the scale decoding divides by, so levels survive exactly
    return np.ascontiguousarray(np.clip(scaled, -32_768, 32_767).astype(np.int16))


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_crc(page: bytes) -> int:
    """The checksum of an Ogg page (RFC 3533, section 6): CRC-32 with the bits the other way round, starting from 0.

    Reversing the bits of every byte turns it into zlib's, whose inversions at start and end are undone.
    """
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


def with_ogg_serial(data: bytes, serial: int) -> bytes:
    """The Ogg file with this stream serial number on every page (RFC 3533, section 6), checksums made right."""
    pages = bytearray(data)
    at = 0
    while pages[at : at + 4] == b"OggS":
        header = at + 27 + pages[at + 26]
        end = header + sum(pages[at + 27 : header])
        struct.pack_into("<I", pages, at + 14, serial)
        struct.pack_into("<I", pages, at + 22, 0)
        struct.pack_into("<I", pages, at + 22, ogg_crc(bytes(pages[at:end])))
        at = end
    return bytes(pages)
