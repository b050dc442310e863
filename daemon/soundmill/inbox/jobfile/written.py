"""Inbox: the pydantic models of what people write — a row, a YAML job file. Names, types, units, ranges.

Everything else is drawn from here: how a cell is read (cells.py), the messages about it, the JSON
Schema that editors use and the parameter table in the README (schema.py).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from soundmill.jobs import AudioFormat, QcAction, QualityKind

LONGEST_PROMPT = 2000  # characters
LONGEST_ID = 100  # characters
LONGEST_DURATION_S = 300.0
# Numbers above 2**53 lose their last digits in JSON, spreadsheets and JavaScript.
LARGEST_SEED = 2**53 - 1

Level = str | int | float
LEVEL_DESIGNS = ("full_factorial", "one_factor_at_a_time")
SAMPLED_DESIGNS = ("latin_hypercube", "sobol")
MOST_POINTS = 10_000  # of a sampled design


def unit(name: str) -> dict[str, Any]:
    return {"unit": name}


class Settings(BaseModel):
    """What a job may set beside its prompt, and a file for all its jobs."""

    model_config = ConfigDict(defer_build=True)

    model: str | None = Field(
        None,
        max_length=500,
        description="short name (musicgen-small, audiogen-medium, tiny), Hugging Face id or folder",
    )
    duration: float | None = Field(
        None,
        ge=0.5,
        le=LONGEST_DURATION_S,
        allow_inf_nan=False,
        json_schema_extra=unit("s"),
        description="length of the clip; no longer than the model can make",
    )
    temperature: float = Field(
        1.0,
        ge=0,
        le=4,
        allow_inf_nan=False,
        description="how adventurous the sampling is; 0 always takes the likeliest",
    )
    top_k: int = Field(
        250, ge=0, le=4096, json_schema_extra=unit("tokens"), description="sample from the k likeliest tokens; 0 is off"
    )
    top_p: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="sample from the likeliest tokens that together have this probability; 0 is off",
    )
    cfg_coef: float = Field(
        3.0, ge=0, le=20, allow_inf_nan=False, description="how strictly the clip follows the prompt; 1 is no guidance"
    )
    loop: bool = Field(False, description="made so that it can be played over and over without a seam")
    bpm: float = Field(
        0.0,
        ge=0,
        le=300,
        allow_inf_nan=False,
        json_schema_extra=unit("bpm"),
        description="tempo to ask for and to hold the clip against; 0 is off",
    )
    bars: int = Field(
        0,
        ge=0,
        le=128,
        json_schema_extra=unit("bars"),
        description="length in bars of four beats at `bpm`, in place of `duration`; 0 is off",
    )
    seed: int | None = Field(
        None, ge=0, le=LARGEST_SEED, description="start of the random stream; the same seed makes the same clip"
    )
    count: int = Field(
        1, ge=1, le=10_000, json_schema_extra=unit("clips"), description="how many takes, each with a seed of its own"
    )
    keep_best: int | None = Field(
        None,
        ge=1,
        le=10_000,
        json_schema_extra=unit("clips"),
        description="how many of the `count` takes to keep, by score",
    )
    priority: int = Field(0, ge=-1000, le=1000, description="higher runs earlier")
    quality: QualityKind | None = Field(
        None, description="whose thresholds judge it: music, sound_effects or custom; by the model where not given"
    )
    format: AudioFormat | None = Field(None, description="kind of audio file")
    melody: str | None = Field(
        None, max_length=1000, description="audio file whose tune the clip follows; only for melody models"
    )
    continue_from: str | None = Field(None, max_length=1000, description="audio file that the clip continues")


class JobRow(Settings):
    """One clip, or `count` clips that differ only in their seed. Other keys are kept as labels."""

    model_config = ConfigDict(defer_build=True, extra="allow", title="Job")
    __pydantic_extra__: dict[str, str | int | float | None] = Field(init=False)

    id: str | None = Field(
        None, max_length=LONGEST_ID, description="name of the clip and of its file, unique in the job file"
    )
    prompt: str = Field(min_length=1, max_length=LONGEST_PROMPT, description="what the clip should sound like")


class Defaults(Settings):
    """Values for every job of the file that gives none of its own; in an experiment, the controls."""

    model_config = ConfigDict(defer_build=True, extra="forbid", title="Defaults")

    prompt: str | None = Field(
        None, max_length=LONGEST_PROMPT, description="prompt of jobs without one; in an experiment, with {placeholders}"
    )


class FactorRange(BaseModel):
    """Numbers between two bounds, for a sampled design."""

    model_config = ConfigDict(defer_build=True, extra="forbid", title="Range")

    min: float = Field(allow_inf_nan=False, description="lowest level")
    max: float = Field(allow_inf_nan=False, description="highest level")
    scale: Literal["linear", "log"] = Field(
        "linear", description="log gives each doubling the same number of levels; min must then be above 0"
    )
    step: float | None = Field(
        None,
        ge=0.0001,
        le=1e9,
        allow_inf_nan=False,
        description="distance of the levels; 1 for whole numbers, else a digit finer than a thousandth of the range",
    )


class Experiment(BaseModel):
    """A designed experiment: factors, each with its levels; every condition gets the same seeds."""

    model_config = ConfigDict(defer_build=True, extra="forbid", title="Experiment")

    prompt: str | None = Field(
        None, max_length=LONGEST_PROMPT, description="prompt of every condition; {name} takes a factor's level"
    )
    factors: dict[str, Annotated[list[Level], Field(min_length=1)] | FactorRange] = Field(
        min_length=1,
        description="factor: [levels], or in a sampled design {min, max}; "
        "a factor is a field of a job or a {placeholder} of the prompt",
    )
    design: Literal["full_factorial", "one_factor_at_a_time", "latin_hypercube", "sobol"] = Field(
        "full_factorial",
        description="full_factorial: every combination; one_factor_at_a_time: the baseline and each other level alone; "
        "latin_hypercube, sobol: n conditions drawn from ranges",
    )
    n: int | None = Field(
        None,
        ge=1,
        le=MOST_POINTS,
        json_schema_extra=unit("conditions"),
        description="how many conditions a sampled design has; for sobol best a power of two",
    )
    baseline: dict[str, Level] = Field(
        default={}, description="level of each factor in the baseline condition; the first level where not given"
    )
    replicates: int = Field(1, ge=1, le=10_000, json_schema_extra=unit("clips"), description="clips for each condition")
    extends: str | None = Field(
        None, max_length=200, description="earlier batch of the same experiment; only what it lacks is made"
    )


class Deliver(BaseModel):
    """What becomes of the takes when the batch ends, as by soundmill deliver."""

    model_config = ConfigDict(defer_build=True, extra="forbid", title="Delivery")

    profile: str = Field(min_length=1, max_length=50, description="game, wwise, unity, unreal, film, web or your own")
    to: str | None = Field(
        None, max_length=1000, description="folder below the home's deliveries; one of the batch's name where not given"
    )
    zip: bool = Field(False, description="pack the folder into a zip file beside it, too")


class JobFile(BaseModel):
    """A YAML job file: `jobs`, `template` with `variables`, `experiment`, or several of them."""

    model_config = ConfigDict(defer_build=True, extra="forbid", title="Soundmill job file")

    name: str | None = Field(
        None,
        max_length=200,
        description="name of the batch, the file's name where not given; with {fields} in it, as clip_name",
    )
    clip_name: str | None = Field(
        None,
        max_length=200,
        description="pattern of the clips' names, as in MX_{place}_{take:02}; {field} is a column, factor or setting",
    )
    priority: int = Field(0, ge=-1000, le=1000, description="for jobs that give none; higher runs earlier")
    on_qc_fail: QcAction | None = Field(None, description="what happens to a clip whose quality checks fail")
    deliver: str | Deliver | None = Field(
        None, description="the profile that the takes are delivered by when the batch ends, or a mapping with profile"
    )
    defaults: Defaults = Field(default_factory=lambda: Defaults(), description="values for jobs that give none")
    jobs: list[str | JobRow] = Field(default=[], description="a list of prompts, or of jobs with their own fields")
    template: str | None = Field(
        None, max_length=LONGEST_PROMPT, description="a prompt with {placeholders}; every combination becomes a job"
    )
    variables: dict[str, Annotated[list[Level], Field(min_length=1)]] = Field(
        default={}, description="what the placeholders stand for: name: [values]; a field of a job may vary too"
    )
    experiment: Experiment | None = Field(None, description="a designed experiment")
