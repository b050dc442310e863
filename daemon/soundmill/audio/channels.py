"""The audio room, channels: their order. Samples [channels, time] have that of a WAV file throughout Soundmill: left,
right, centre, LFE, left and right surround, and so on.

FLAC files and what else holds more than two channels have that order too (RFC 9639, section 9.1.3). Vorbis has one of
its own (Vorbis I specification, section 4.3.9: left, centre, right, left and right surround, LFE), and so has Opus
(RFC 7845, section 5.1.1.2); libsndfile passes channels on as they come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# By the number of channels, for each one of a WAV file, which one of a Vorbis or Opus stream it is.
IN_VORBIS: Mapping[int, Sequence[int]] = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 5, 3, 4),
    7: (0, 2, 1, 6, 5, 3, 4),
    8: (0, 2, 1, 7, 5, 6, 3, 4),
}


def from_vorbis(channels: int) -> list[int]:
    """Where in a Vorbis or Opus stream each channel of a WAV file is; WAV's own order for any other number."""
    return list(IN_VORBIS.get(channels, range(channels)))


def to_vorbis(channels: int) -> list[int]:
    """Where in a WAV file each channel of a Vorbis or Opus stream is."""
    order = from_vorbis(channels)
    return [order.index(channel) for channel in range(channels)]
