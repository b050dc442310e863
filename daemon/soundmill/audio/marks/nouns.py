"""Marks, nouns: what is written into a delivered file beside its samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# IPTC NewsCodes, Digital Source Type: "media created algorithmically using a model derived from sampled content".
MADE_BY_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A stretch to be played over and over: its first sample and its last, both in it."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    at: int  # sample
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Everything that is said in a file; each format says of it what it can.

    `tags` lead back to the take; `created_at` is when that was made (Unix seconds); `identifier` is the batch's ulid,
    job and attempt, unique in the world; `history` lists what was done to the samples, a line for each coding. `aswg`
    are fields of the ASWG-G006 extension of iXML.
    """

    title: str
    description: str
    creator: str
    licence: str
    project: str
    identifier: str
    created_at: float
    tags: Mapping[str, str]
    history: tuple[str, ...] = ()
    aswg: Mapping[str, str] = field(default_factory=dict)
    loudness_lufs: float | None = None
    loudness_range_lu: float | None = None
    loudness_momentary_max_lufs: float | None = None
    loudness_short_term_max_lufs: float | None = None
    true_peak_dbtp: float | None = None
    loop: Loop | None = None
    markers: tuple[Marker, ...] = ()
