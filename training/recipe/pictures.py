"""Spectrogram pictures as PNG, written with nothing but zlib."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from recipe.instruments import Wave, spectrogram

HEIGHT = 160  # pixels, linear from 0 to 8 kHz
FLOOR_DB = -70.0
# Dark to light by way of violet and orange, evenly spaced.
_COLOURS = np.array([[6, 8, 24], [66, 20, 96], [160, 40, 96], [236, 116, 44], [252, 244, 176]], dtype=np.float64)


def spectrogram_png(samples: Wave, file: Path) -> None:
    """Write a picture, one pixel per 20 ms, levels from FLOOR_DB below the clip's loudest to that."""
    magnitudes = spectrogram(samples)[::2]
    level = 20 * np.log10(magnitudes / max(float(magnitudes.max()), 1e-9) + 1e-9)
    shade = np.clip(1 - level / FLOOR_DB, 0, 1).T[::-1]
    rows = np.linspace(0, len(shade) - 1, HEIGHT).round().astype(int)
    file.write_bytes(_png(_coloured(shade[rows])))


def _coloured(shade: NDArray[np.float64]) -> NDArray[np.uint8]:
    place = shade * (len(_COLOURS) - 1)
    low = np.minimum(place.astype(int), len(_COLOURS) - 2)
    share = (place - low)[..., None]
    return np.asarray(_COLOURS[low] * (1 - share) + _COLOURS[low + 1] * share, dtype=np.uint8)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """An 8-bit RGB picture [height, width, 3] as PNG (ISO/IEC 15948): signature, IHDR, IDAT, IEND."""
    height, width, _ = pixels.shape
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
