"""The files of a published copy: takes as OGG or MP3, or as they are; one that an earlier copy has is taken over."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from soundmill.audio.decode import decode
from soundmill.audio.encode import MP3_CHANNELS, MP3_RATES, encode
from soundmill.audio.peaks import peaks
from soundmill.catalog.keeping.freezing import Chosen
from soundmill.errors import SoundmillError
from soundmill.jobs import AudioFormat
from soundmill.words import count, listed

AS_IS = "as-is"
LOSSY = ("ogg", "mp3")  # these are not made worse by another encoding
MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The file of a take in a copy: where it lies below the copy's audio folder, what it is, of which bytes it was made
    and how, and what players draw of it where the catalogue had nothing."""

    path: str
    format: str
    sha256: str
    size_bytes: int
    recipe: str
    peaks: str | None = None  # hexadecimal


def can_encode(name: str) -> bool:
    """Whether libsndfile has the encoder; a distribution's own may lack MP3."""
    import soundfile

    wanted = {"mp3": "MPEG_LAYER_III", "ogg": "VORBIS"}.get(name)
    return wanted is None or wanted in soundfile.available_subtypes(name.upper())


def make(
    chosen: Sequence[Chosen],
    tags: Mapping[int, Mapping[str, str]],
    outputs: Path,
    into: Path,
    wanted: str,
    *,
    former: Mapping[int, Shown],
    former_folder: Path,
    workers: int,
    progress: Callable[[int, int], None],
) -> tuple[dict[int, Shown], int]:
    """Write each take's file below `into`; what they are, and how many were taken over. Raises SoundmillError when
    some are gone or another than the catalogue says: a copy has all of its takes, or is none."""
    made, failed, stood = dict[int, Shown](), list[str](), 0

    def one(take: Chosen) -> tuple[Shown, bool] | SoundmillError:
        try:
            return _one(take, tags[take.output_id], outputs, into, wanted, former.get(take.output_id), former_folder)
        except SoundmillError as error:
            return error

    progress(0, len(chosen))
    with ThreadPoolExecutor(workers) as pool:  # libsndfile lets go of the interpreter's lock
        for take, found in zip(chosen, pool.map(one, chosen), strict=True):
            if isinstance(found, SoundmillError):
                failed.append(str(found))
            else:
                made[take.output_id], taken_over = found
                stood += taken_over
            progress(len(made), len(chosen))
    if failed:
        more = f"; and {count(len(failed) - MOST_NAMED, 'more take')}" if len(failed) > MOST_NAMED else ""
        raise SoundmillError(f"nothing was published: {listed(failed[:MOST_NAMED])}{more}")
    return made, stood


def _one(
    take: Chosen,
    tags: Mapping[str, str],
    outputs: Path,
    into: Path,
    wanted: str,
    former: Shown | None,
    former_folder: Path,
) -> tuple[Shown, bool]:
    """The file of a take, and whether it was taken over."""
    target_format = take.format if wanted == AS_IS or take.format in LOSSY else wanted
    recipe = hashlib.sha256(repr((take.sha256, target_format, take.telling, sorted(tags.items()))).encode()).hexdigest()
    if former is not None and former.recipe == recipe and _taken_over(former, former_folder, into):
        return former, True
    source = outputs / take.path
    try:
        data = source.read_bytes()
    except OSError as error:
        raise SoundmillError(f"{source}: cannot be read ({error.strerror or error})") from error
    if hashlib.sha256(data).hexdigest() != take.sha256:
        raise SoundmillError(f"{source}: is not the file that the catalogue knows: put it back, or reject the take")
    drawn = None
    if target_format != take.format or take.telling or not take.drawn:
        sound, rate = decode(data)
        sound = np.nan_to_num(sound, nan=0.0, posinf=0.0, neginf=0.0)
        if not take.drawn:
            drawn = peaks(sound, rate).hex()
        if target_format == "mp3" and (rate not in MP3_RATES or len(sound) > MP3_CHANNELS):
            target_format = "ogg"
        if target_format != take.format or take.telling:
            data = encode(sound, rate, AudioFormat(target_format), tags)
    path = str(PurePosixPath(take.path).with_suffix(f".{target_format}"))
    target = into / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    shown = Shown(
        path=path,
        format=target_format,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        recipe=recipe,
        peaks=drawn,
    )
    return shown, False


def _taken_over(former: Shown, folder: Path, into: Path) -> bool:
    """Whether the file of the copy before is as it was made, and now stands in this one too."""
    source, target = folder / former.path, into / former.path
    try:
        if hashlib.sha256(source.read_bytes()).hexdigest() != former.sha256:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # no links there
            os.link(source, target)
            return True
        shutil.copyfile(source, target)
    except OSError:
        return False
    return True


def as_list(made: Mapping[int, Shown]) -> dict[str, dict[str, Any]]:
    return {str(number): asdict(shown) for number, shown in made.items()}
