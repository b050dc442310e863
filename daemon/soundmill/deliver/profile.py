"""Deliver, profiles: how the files of a delivery are made. Built in, or written under `profiles` in soundmill.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from soundmill.errors import UsageError
from soundmill.words import closest, did_you_mean

Table = Literal["wwise", "unity", "unreal"]
LOSSY_RATES = {
    "opus": (8_000, 12_000, 16_000, 24_000, 48_000),  # RFC 6716, section 2
    "mp3": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
}
SUFFIXES = {"wav": "wav", "bwf": "wav", "flac": "flac", "ogg": "ogg", "opus": "opus", "mp3": "mp3"}
BLOCK = r"^[A-Za-z0-9][A-Za-z0-9 -]*$"  # of a UCS name, whose blocks an underscore separates


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)


class Ucs(Part):
    """Names by the Universal Category System: CatID_FXName_CreatorID_SourceID."""

    creator: str = Field(pattern=BLOCK, max_length=40, description="CreatorID: who made the sounds")
    source: str = Field(pattern=BLOCK, max_length=40, description="SourceID: the project or library")
    category: str | None = Field(
        None, max_length=100, description="column that holds the CatID; where it is blank, it is found from the prompt"
    )


class Profile(Part):
    """How the files of a delivery are made."""

    like: str | None = Field(None, description="another profile, whose settings hold where this one gives none")
    format: Literal["wav", "bwf", "flac", "ogg", "opus", "mp3"] = Field(
        "bwf", description="kind of file; bwf is WAV with bext and iXML"
    )
    sample_rate: int = Field(48_000, ge=8_000, le=192_000, description="Hz")
    bits: Literal[16, 24, 32] = Field(
        24, description="of a sample in wav, bwf and flac; 32 are floats, wav and bwf only"
    )
    channels: Literal["keep", "mono", "stereo"] = Field("keep", description="keep, or make all of them mono or stereo")
    level: Literal["each", "together", "as_made"] = Field(
        "each",
        description="each: every file at the loudness; together: all by one gain, so that differences stay; "
        "as_made: no gain",
    )
    loudness_lufs: float = Field(-23.0, ge=-70, le=0, description="integrated loudness (ITU-R BS.1770-4)")
    true_peak_dbtp: float = Field(-1.0, ge=-20, le=0, description="ceiling of the true peak")
    most_limiting_db: float = Field(12.0, ge=0, le=40, description="most that the limiter may take back")
    trim_dbfs: float | None = Field(
        None, ge=-120, le=-20, description="cut what is quieter than this at both ends; none keeps it"
    )
    trim_before_ms: float = Field(5.0, ge=0, le=10_000, description="kept before the first sound")
    trim_after_ms: float = Field(100.0, ge=0, le=10_000, description="kept after the last sound")
    fade_in_ms: float = Field(0.0, ge=0, le=60_000, description="fade at the beginning")
    fade_out_ms: float = Field(0.0, ge=0, le=60_000, description="fade at the end")
    loop: bool = Field(
        False,
        description="deliver of every take the best loop that is found in it; what was made as a loop stays whole",
    )
    folder: str = Field(
        "{batch}", max_length=400, description="folders below the delivery's, as in {scene}/{mood}; blank for none"
    )
    name: str = Field("{job}", max_length=200, description="pattern of the names, as in MX_{scene}_{take:02}")
    ucs: Ucs | None = Field(None, description="names by the Universal Category System in place of `name`")
    tables: tuple[Table, ...] = Field((), description="import tables to write: wwise, unity, unreal")
    object_path: str = Field(
        "\\Actor-Mixer Hierarchy\\Default Work Unit", max_length=400, description="where Wwise's table puts the sounds"
    )
    content_path: str = Field("/Game/Audio", max_length=400, description="where Unreal's table looks for the sounds")
    sign: bool = Field(False, description="sign the files by the certificate under c2pa (wav, bwf, flac, mp3)")
    commercial: bool = Field(False, description="refuse takes whose model's licence does not allow selling them")

    @model_validator(mode="after")
    def _the_format_can(self) -> Self:
        rates = LOSSY_RATES.get(self.format)
        if rates is not None and self.sample_rate not in rates:
            raise ValueError(f"{self.format} has no {self.sample_rate} Hz; it has {', '.join(map(str, rates))}")
        if self.bits == 32 and self.format == "flac":
            raise ValueError("flac holds no floats; 24 bits lose nothing one could hear, or take bwf")
        if self.sign and self.format in ("ogg", "opus"):
            raise ValueError(f"{self.format} cannot carry a signature; wav, bwf, flac and mp3 can")
        engines = {"wwise": ("wav", "bwf"), "unreal": ("wav", "bwf"), "unity": ("wav", "bwf", "ogg", "mp3")}
        for table in self.tables:
            if self.format not in engines[table]:
                raise ValueError(f"{table} imports no {self.format}; it takes {' and '.join(engines[table])}")
        if not self.content_path.startswith("/"):
            raise ValueError("content_path begins with /, as in /Game/Audio")
        return self

    @property
    def suffix(self) -> str:
        return SUFFIXES[self.format]


# Loudness: ASWG-R001 (Sony, "Average loudness and peak levels of audio content on Sony Computer Entertainment
# platforms", 2013) asks for -23 LUFS and -1 dBTP of games; EBU R 128 the same of programmes; streaming sites play at
# -14.
BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    "game": {"trim_dbfs": -60.0, "fade_out_ms": 5.0},
    "wwise": {"like": "game", "tables": ("wwise",)},
    "unity": {"like": "game", "format": "wav", "bits": 16, "tables": ("unity",)},
    "unreal": {"like": "game", "format": "wav", "bits": 16, "tables": ("unreal",)},
    "film": {"folder": "", "channels": "stereo"},
    "web": {"format": "ogg", "loudness_lufs": -14.0, "channels": "stereo", "fade_out_ms": 10.0, "trim_dbfs": -60.0},
}


def merged(written: Mapping[str, object]) -> dict[str, object]:
    """The profiles that people wrote, each with the settings of the one it is `like`, one of a built-in's name with
    that one's. What is no mapping is left as it is, for pydantic to say so. Raises ValueError."""
    return {name: _whole(name, written, ()) for name in written}


def find(profiles: Mapping[str, Profile], name: str) -> Profile:
    """A profile of soundmill.yaml, or a built-in one. Raises UsageError with a suggestion."""
    if name in profiles:
        return profiles[name]
    known = sorted({*BUILT_IN, *profiles})
    if name not in BUILT_IN:
        guess = did_you_mean(closest(name, known)) or f": there are {', '.join(known)}"
        raise UsageError(f"profile {name}: there is none of that name{guess}")
    written = {each: profile.model_dump(exclude={"like"}) for each, profile in profiles.items()}
    return Profile.model_validate(_whole(name, written, ()))


def _whole(name: str, written: Mapping[str, object], seen: tuple[str, ...]) -> object:
    """The settings of a profile with those it takes over; where it is written under a built-in's name, that one's."""
    built_in = BUILT_IN.get(name)
    own = written.get(name, built_in) if name not in seen else built_in
    if own is None:
        raise ValueError(f"like {name}: there is no such profile{did_you_mean(closest(name, {*BUILT_IN, *written}))}")
    if not isinstance(own, Mapping):
        return own
    like = own.get("like") or (name if built_in is not None and own is not built_in else None)
    if like is None:
        return dict(own)
    if seen.count(like) or (like == name and built_in is None):
        raise ValueError(f"{name}: like {like} leads back to itself")
    base = _whole(str(like), written, (*seen, name))
    return {**base, **own} if isinstance(base, Mapping) else own
