"""Deliver, making: one take to one delivered file, in a process of the pool.

The composition root of those processes: of all in deliver/ only this imports the stage audio/.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.decode import decode
from soundmill.audio.fade import fade_ends
from soundmill.audio.loudness import meter
from soundmill.audio.marks.nouns import Loop, Marks
from soundmill.audio.marks.write import FLOAT_BITS, LOSSY, write
from soundmill.audio.master import Mastered, master
from soundmill.audio.musical.loop import found_loop
from soundmill.audio.musical.seam import loop_seam
from soundmill.audio.resample import resample, resample_loop
from soundmill.audio.trim import sounding
from soundmill.deliver.profile import Profile
from soundmill.deliver.signing import Signing, sign
from soundmill.disk import unavailable, write_whole
from soundmill.errors import SoundmillError
from soundmill.jobs import derive_seed

CEILING_TOLERANCE_DB = 0.1
MOST_ENCODINGS = 4
MONO, STEREO = 1, 2
ROUND_S = 2.0  # of a loop, before and after it, that the limiter and the meter hear as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One file to be made. `gain_db` is the gain of a delivery that keeps the differences between its files; `looped`
    says that the take was made as a loop; `about` is what is known of the take, as plain data; `recipe` names
    everything that the file depends on."""

    source: Path
    target: Path
    sha256: str  # of the source, as the catalogue has it
    profile: Profile
    gain_db: float
    looped: bool
    recipe: str
    title: str
    prompt: str
    licence: str
    project: str
    identifier: str
    created_at: str
    model: str
    signing: Signing | None
    tags: Mapping[str, str]
    aswg: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of an order: the file's digest and size, what was done to the sound, and what it measures now;
    `loop_seam` as audio/musical/seam.py says it, None for what is no loop."""

    sha256: str
    size_bytes: int
    sample_rate: int
    channels: int
    duration_s: float
    trimmed_start_s: float
    trimmed_end_s: float
    gain_db: float
    limited_db: float
    limited_share: float
    loudness_asked_lufs: float | None
    loudness_lufs: float | None
    short_by_lu: float | None
    true_peak_dbtp: float | None
    loop_seam: float | None


def make(order: Order) -> Made:
    """Write the file of an order, whole or not at all.

    Raises SoundmillError when the source is gone or another one than the catalogue says, StorageUnavailable when the
    target cannot be written, BadParameter when the format cannot hold the sound.
    """
    profile = order.profile
    sound, rate = _read(order)
    cut = _cut(sound, rate, order)
    part = _channels(cut.samples, profile.channels)
    if cut.loops:
        part = resample_loop(part, rate, profile.sample_rate)
    else:
        part = fade_ends(
            resample(part, rate, profile.sample_rate),
            profile.sample_rate,
            profile.fade_in_ms / 1000,
            profile.fade_out_ms / 1000,
        )
    history = (
        _coding(rate, 16, len(sound), "Soundmill"),
        _coding(profile.sample_rate, profile.bits, len(part), "soxr VHQ"),
    )
    data, mastered = _encoded(part, order, history, loops=cut.loops)
    if order.signing is not None:
        data = sign(data, profile.format, order.signing, title=order.title, model=order.model)
    try:
        order.target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(order.target, data, durable=False)  # the manifest waits until all of them are on the disk
    except OSError as error:
        raise unavailable(order.target, error) from error
    asked = profile.loudness_lufs if profile.level == "each" else None
    return Made(
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        sample_rate=profile.sample_rate,
        channels=len(part),
        duration_s=part.shape[1] / profile.sample_rate,
        trimmed_start_s=cut.start / rate,
        trimmed_end_s=(sound.shape[1] - cut.start - cut.samples.shape[1]) / rate,
        gain_db=mastered.gain_db,
        limited_db=mastered.reduction_db,
        limited_share=mastered.worked_share,
        loudness_asked_lufs=asked,
        loudness_lufs=mastered.loudness_lufs,
        short_by_lu=None if asked is None or mastered.loudness_lufs is None else asked - mastered.loudness_lufs,
        true_peak_dbtp=mastered.true_peak_dbtp,
        loop_seam=loop_seam(mastered.samples, profile.sample_rate) if cut.loops else None,
    )


def _read(order: Order) -> tuple[NDArray[np.float32], int]:
    try:
        data = order.source.read_bytes()
    except OSError as error:
        raise SoundmillError(f"{order.source}: cannot be read ({error.strerror or error})") from error
    if hashlib.sha256(data).hexdigest() != order.sha256:
        raise SoundmillError(
            f"{order.source}: is not the file that the catalogue knows: it was changed; put it back, or leave it out"
        )
    sound, rate = decode(data)
    return np.nan_to_num(sound, nan=0.0, posinf=0.0, neginf=0.0), rate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """What of a take is delivered: samples [channels, time], where in it they begin, and whether they are a loop."""

    samples: NDArray[np.float32]
    start: int
    loops: bool


def _cut(sound: NDArray[np.float32], rate: int, order: Order) -> _Cut:
    """A loop is all of what was made as one, or the best that is found; what is too short or silent has none."""
    profile = order.profile
    if order.looped:
        return _Cut(samples=sound, start=0, loops=True)
    start, end = 0, sound.shape[1]
    if profile.trim_dbfs is not None:
        start, end = sounding(
            sound, rate, profile.trim_dbfs, profile.trim_before_ms / 1000, profile.trim_after_ms / 1000
        )
    part = sound[:, start:end]
    if profile.loop and (loop := found_loop(part, rate)) is not None:
        return _Cut(samples=loop.samples, start=start + loop.first, loops=True)
    return _Cut(samples=part, start=start, loops=False)


def _mastered(
    part: NDArray[np.float32], order: Order, target: float | None, ceiling: float, *, loops: bool
) -> Mastered:
    """A loop is heard as it is played, after itself and before itself, so that its gain goes on over the seam, too."""
    rate, length = order.profile.sample_rate, part.shape[1]
    around = round(ROUND_S * rate) if loops else 0
    heard = np.take(part, np.arange(-around, length + around), axis=1, mode="wrap") if around else part
    mastered = master(
        heard,
        rate,
        target_lufs=target,
        ceiling_dbtp=ceiling,
        most_reduction_db=order.profile.most_limiting_db,
        gain_db=order.gain_db,
    )
    if not around:
        return mastered
    return replace(mastered, samples=np.ascontiguousarray(mastered.samples[:, around : around + length]))


def _channels(sound: NDArray[np.float32], wanted: str) -> NDArray[np.float32]:
    """One channel is the mean of all; two are the one twice, or of more the first two, left and right."""
    if wanted == "mono" and len(sound) > MONO:
        mixed: NDArray[np.float32] = sound.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
        return mixed
    if wanted == "stereo" and len(sound) != STEREO:
        return np.ascontiguousarray(np.repeat(sound, STEREO, axis=0) if len(sound) == MONO else sound[:STEREO])
    return sound


def _encoded(
    part: NDArray[np.float32], order: Order, history: tuple[str, ...], *, loops: bool
) -> tuple[bytes, Mastered]:
    """The file's bytes and how its sound was brought to its level.

    A lossy codec changes both loudness and peaks, so what comes out of one is measured again, and what it adds to the
    ceiling is taken off before.
    """
    profile, lossy = order.profile, order.profile.format in LOSSY
    target = profile.loudness_lufs if profile.level == "each" else None
    ceiling = profile.true_peak_dbtp
    for last in range(MOST_ENCODINGS):
        mastered = _mastered(part, order, target, ceiling, loops=loops)
        bits = FLOAT_BITS if lossy else profile.bits
        marks = _marks(order, mastered, history, loops=loops)
        data = write(mastered.samples, profile.sample_rate, profile.format, bits, marks, seed=derive_seed(order.recipe))
        if not lossy:
            return data, mastered
        heard = meter(*decode(data))
        excess = 0.0 if heard.true_peak_dbtp is None else heard.true_peak_dbtp - profile.true_peak_dbtp
        if excess <= CEILING_TOLERANCE_DB or last == MOST_ENCODINGS - 1:
            break
        ceiling -= excess
    return data, Mastered(
        samples=mastered.samples,
        gain_db=mastered.gain_db,
        reduction_db=mastered.reduction_db,
        worked_share=mastered.worked_share,
        loudness_lufs=heard.loudness_lufs,
        true_peak_dbtp=heard.true_peak_dbtp,
        short_by_lu=None,
        bounded=mastered.bounded,
    )


def _marks(order: Order, mastered: Mastered, history: tuple[str, ...], *, loops: bool) -> Marks:
    read = meter(mastered.samples, order.profile.sample_rate) if order.profile.format == "bwf" else None
    return Marks(
        title=order.title,
        description=order.prompt,
        creator="Soundmill",
        licence=order.licence,
        project=order.project,
        identifier=order.identifier,
        created_at=datetime.fromisoformat(order.created_at).timestamp(),
        tags=order.tags,
        history=history,
        aswg=order.aswg,
        loudness_lufs=mastered.loudness_lufs,
        loudness_range_lu=None if read is None else read.loudness_range_lu,
        loudness_momentary_max_lufs=None if read is None else read.loudness_momentary_max_lufs,
        loudness_short_term_max_lufs=None if read is None else read.loudness_short_term_max_lufs,
        true_peak_dbtp=mastered.true_peak_dbtp,
        loop=Loop(first=0, last=mastered.samples.shape[1] - 1) if loops else None,
    )


def _coding(sample_rate: int, bits: int, channels: int, by: str) -> str:
    """A line of the coding history of EBU R 98."""
    mode = {MONO: "mono", STEREO: "stereo"}.get(channels, "multitrack")
    return f"A=PCM,F={sample_rate},W={bits},M={mode},T={by}"
