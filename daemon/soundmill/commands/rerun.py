"""`soundmill rerun`: generate a take again from its row, and say whether the samples are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soundmill.config import Config
from soundmill.engine.protocol import Engine
from soundmill.errors import SoundmillError
from soundmill.home import Home
from soundmill.jobs import AudioFormat, Generated, GenerationFailed, GenerationRequest, Normalization, Parameters

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`identical`: every delivered sample is the same. `largest_difference`: of full scale, None when
    the shapes differ. `changed`: what differs between then and now, as {name: (then, now)}; "" is unknown."""

    job: str
    identical: bool
    same_file: bool
    largest_difference: float | None
    changed: Mapping[str, tuple[str, str]]

    def __str__(self) -> str:
        if self.identical:
            return f"{self.job}: identical" + ("" if self.same_file else " samples (only the tags differ)")
        if self.largest_difference is None:
            what = "another length or sample rate"
        else:
            what = f"samples differ by up to {self.largest_difference:.2g} of full scale"
        return "; ".join([f"{self.job}: {what}", *self._reasons()])

    def _reasons(self) -> list[str]:
        """Why they may differ. Other weights come first: they alone explain any difference."""
        changed = dict(self.changed)
        made_with, weights = changed.pop("weights", ("", ""))
        reasons = []
        if made_with:
            reasons.append(f"the weights differ: made with {made_with}, now {weights or 'unknown'}")
        if changed:
            pairs = ((name, then or "unknown", now or "unknown") for name, (then, now) in changed.items())
            reasons.append(
                "since then changed: " + ", ".join(f"{name} was {then} and is {now}" for name, then, now in pairs)
            )
        if weights and not made_with:  # rows of earlier releases have none
            reasons.append(f"the row does not say which weights made it; now they are {weights}")
        return reasons or ["device, versions and weights are the same"]


def request_of(row: Row, config: Config, file_tags: Mapping[str, str]) -> GenerationRequest:
    """The request that made the take of a row of Reader.attempt_for_rerun, whose file holds `file_tags`."""
    output = _mapping(row["output"])
    duration = _number(row["duration"])
    return GenerationRequest(
        job_id=int(_number(row["id"])),
        attempt=int(_number(row["number"])),
        prompt=str(row["prompt"]),
        parameters=Parameters(
            duration=duration,
            temperature=_number(row["temperature"]),
            top_k=int(_number(row["top_k"])),
            top_p=_number(row["top_p"]),
            cfg_coef=_number(row["cfg_coef"]),
        ),
        seed=int(_number(row["seed"])),
        format=AudioFormat(str(output["format"])),
        normalization=Normalization(str(output["normalization"])),
        normalization_target=_number(output["normalization_target"]),
        deadline_s=config.schedule.clip_deadline_s(duration),
        melody=_path(row["melody"]),
        continue_from=_path(row["continue_from"]),
        fade_s=float(file_tags.get("fade_s", 0.0)),  # files without the tag were made without a fade
        tags={"batch": str(row["batch"]), "job": str(row["name"])},
    )


def again(row: Row, config: Config, home: Home, engine: Engine) -> tuple[Comparison, bytes]:
    """Generate the take of `row` on `engine`; the comparison with the file on disk, and the new audio.

    Raises SoundmillError when the file is gone or generation fails.
    """
    from soundmill.audio.tags import read_tags

    output = _mapping(row["output"])
    label = f"{row['batch']}/{row['name']}"
    file = home.outputs / str(output["path"])
    try:
        former = file.read_bytes()
    except OSError as error:
        raise SoundmillError(
            f"{file}: cannot be read ({error.strerror}), so there is nothing to compare with"
        ) from error
    engine.load(str(row["model"]))
    engine.submit([request_of(row, config, read_tags(former))])
    while True:
        for event in engine.poll(1.0):
            if isinstance(event, GenerationFailed):
                raise SoundmillError(f"{label}: {event.message}")
            if isinstance(event, Generated):
                return compare(label, former, event, _texts(output["versions"])), event.audio


def compare(label: str, former: bytes, clip: Generated, then: Mapping[str, str]) -> Comparison:
    import numpy as np

    from soundmill.audio.decode import decode

    (old, old_rate), (new, new_rate) = decode(former), decode(clip.audio)
    comparable = old.shape == new.shape and old_rate == new_rate
    names = sorted(then.keys() | clip.versions.keys())
    return Comparison(
        job=label,
        identical=comparable and bool(np.array_equal(old, new)),
        same_file=former == clip.audio,
        largest_difference=float(np.abs(old - new).max(initial=0.0)) if comparable else None,
        changed={
            name: (then.get(name, ""), clip.versions.get(name, ""))
            for name in names
            if then.get(name) != clip.versions.get(name)
        },
    )


def _mapping(value: object) -> Row:
    assert isinstance(value, Mapping)
    return value


def _texts(value: object) -> Mapping[str, str]:
    return {str(name): str(text) for name, text in _mapping(value).items()}


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return value


def _path(value: object) -> Path | None:
    return Path(str(value)) if value else None
