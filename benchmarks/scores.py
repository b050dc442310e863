"""Published pieces whose tempo is known: the MIDI files of Debian's games, played by fluidsynth.

A composer wrote the tempo into each; where the notes do not keep to it, as of what was recorded from a keyboard, it is
left out. Freedoom's stand in its WAD files, as lumps.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.published import cache, fetched

PACKAGES = ("freedoom", "openttd-openmsx", "planetblupi-music-midi")
INSTRUMENTS = "timgm6mb-soundfont"
RATE = 32_000
SKIPPED_S = 5.0  # of a piece: introductions
GRIDS = (4, 6)  # of a beat: sixteenths, and those of triplets
NEAR_GRID = 1 / 32  # of a beat
LEAST_ON_GRID = 0.6  # of the notes; by chance a quarter or three eighths are
SET_TEMPO = 0x51  # the type of a meta event; a status is 0x80 or more
DEFAULT_US = 500_000  # for a quarter note, where a file says nothing


@dataclass(frozen=True, slots=True)
class Score:
    name: str
    midi: bytes

    def bpm(self, start_s: float, end_s: float) -> float | None:
        """The one tempo from one moment to another; None where it changes, or the notes do not keep to it."""
        if self.on_grid() < LEAST_ON_GRID:
            return None
        changes = _tempos(self.midi)
        inside = {
            round(60e6 / us, 3)
            for (at, us), (until, _) in pairwise([*changes, (float("inf"), 0)])
            if at < end_s and until > start_s
        }
        return inside.pop() if len(inside) == 1 else None

    def on_grid(self) -> float:
        """The share of its notes that begin near a sixteenth, or near a sixth of a beat, whichever is more. The grid
        may begin anywhere."""
        events = (each for track in _tracks(self.midi) for each in _events(track))
        notes = [tick for tick, status, data in events if status & 0xF0 == 0x90 and data[1] > 0]
        beats = np.array(notes) / _division(self.midi)
        return max(_share_near(beats * grid, NEAR_GRID * grid) for grid in GRIDS) if notes else 0.0


def _share_near(places: NDArray[np.float64], within: float) -> float:
    """Of places, within so much of whole numbers, or of all of them shifted alike."""
    shift = np.angle(np.exp(2j * np.pi * places).mean()) / (2 * np.pi)
    return float(np.mean(np.abs(places - shift - np.round(places - shift)) < within))


def scores() -> Iterator[Score]:
    """Every one once, whatever it is called. Raises support.published.Unavailable."""
    root = cache().with_name("scores")
    seen: set[bytes] = set()
    for path in fetched(root, PACKAGES, suffixes=(".mid", ".wad")):
        content = path.read_bytes()
        found = _lumps(content) if path.suffix == ".wad" else [(path.stem, content)]
        for name, midi in found:
            key = hashlib.sha256(midi).digest()
            if midi.startswith(b"MThd") and key not in seen:
                seen.add(key)
                yield Score(f"{path.relative_to(root).parts[0]}/{name}", midi)


def played(score: Score, seconds: float) -> NDArray[np.float32] | None:
    """So much of it after its introduction, [2, time] at 32 kHz; None where it is shorter. Raises FileNotFoundError
    without fluidsynth."""
    (instruments,) = fetched(cache().with_name("scores"), [INSTRUMENTS], suffixes=(".sf2",))
    wanted = round((SKIPPED_S + seconds) * RATE) * 2 * 4  # bytes
    with tempfile.NamedTemporaryFile(suffix=".mid") as file:
        file.write(score.midi)
        file.flush()
        sound = ["-r", str(RATE), "-T", "raw", "-O", "float", "-F", "/dev/stdout"]
        command = ["fluidsynth", "-niq", *sound, str(instruments), file.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as player:
            assert player.stdout is not None
            heard = player.stdout.read(wanted)
            player.kill()
    if len(heard) < wanted:
        return None
    samples = np.frombuffer(heard, "<f4").reshape(-1, 2).T
    return np.ascontiguousarray(samples[:, round(SKIPPED_S * RATE) :])


def _lumps(wad: bytes) -> list[tuple[str, bytes]]:
    """Names and contents of a WAD's lumps (the Doom Bible's layout: a directory of offset, size and name)."""
    count, directory = np.frombuffer(wad, "<i4", 2, 4)
    kind: Any = np.dtype([("at", "<i4"), ("size", "<i4"), ("name", "S8")])
    entries = np.frombuffer(wad, kind, count, directory)
    return [(str(name, "ascii"), wad[at : at + size]) for at, size, name in entries.tolist()]


def _tempos(midi: bytes) -> list[tuple[float, int]]:
    """When a tempo begins, in seconds, and what it is, in µs for a quarter note (Standard MIDI Files 1.0)."""
    told = [each for track in _tracks(midi) for each in _events(track) if each[1] == SET_TEMPO]
    found, at_s, before, current = [(0.0, DEFAULT_US)], 0.0, 0, DEFAULT_US
    for tick, _, data in sorted(told):
        at_s += (tick - before) * current / _division(midi) / 1e6
        before, current = tick, int.from_bytes(data, "big")
        if found[-1][0] == at_s:
            found.pop()
        found.append((at_s, current))
    return found


def _division(midi: bytes) -> int:
    """Ticks of a quarter note."""
    return int.from_bytes(midi[12:14], "big")


def _tracks(midi: bytes) -> Iterator[bytes]:
    at = 8 + int.from_bytes(midi[4:8], "big")
    while at + 8 <= len(midi):
        size = int.from_bytes(midi[at + 4 : at + 8], "big")
        if midi[at : at + 4] == b"MTrk":
            yield midi[at + 8 : at + 8 + size]
        at += 8 + size


def _events(track: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Tick, status (of a meta event its type) and data of each."""
    tick, at, status = 0, 0, 0
    while at < len(track):
        delta, at = _number(track, at)
        tick += delta
        if track[at] & 0x80:
            status, at = track[at], at + 1
        if status == 0xFF:
            kind, (size, at) = track[at], _number(track, at + 1)
        elif status in (0xF0, 0xF7):
            kind, (size, at) = status, _number(track, at)
        else:
            kind, size = status, 1 if status & 0xF0 in (0xC0, 0xD0) else 2
        yield tick, kind, track[at : at + size]
        at += size


def _number(track: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = 0
    while True:
        value = value << 7 | track[at] & 0x7F
        at += 1
        if not track[at - 1] & 0x80:
            return value, at
