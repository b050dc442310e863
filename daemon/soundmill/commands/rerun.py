"""`soundmill rerun`: generate a take again from its row, and say whether the samples are the same."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from soundmill.catalog.reader import Reader
from soundmill.catalog.rows import parameters_of
from soundmill.commands import terminal as show
from soundmill.config import Config, load
from soundmill.engine.devices import find_devices
from soundmill.engine.protocol import Engine
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home
from soundmill.jobs import AudioFormat, Generated, GenerationFailed, GenerationRequest, Normalization
from soundmill.service import wiring

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`identical`: every delivered sample is the same; of a take whose file was `pruned` the hash alone can tell.
    `largest_difference`: of full scale, None when the shapes differ or nobody can know. `changed`: what differs between
    then and now, as {name: (then, now)}; "" is unknown. `made_on` is the device, of another machine too."""

    job: str
    identical: bool
    same_file: bool
    largest_difference: float | None
    changed: Mapping[str, tuple[str, str]]
    pruned: bool = False
    made_on: str = ""

    def __str__(self) -> str:
        if self.identical:
            same = f"{self.job}: identical" + ("" if self.same_file else " samples (only the tags differ)")
            return f"{same}; made on {self.made_on}" if self._elsewhere else same
        if self.pruned:
            what = "made again, but not the same file, and the pruned one cannot be compared sample by sample"
        elif self.largest_difference is None:
            what = "another length or sample rate"
        else:
            what = f"samples differ by up to {self.largest_difference:.2g} of full scale"
        where = [f"made on {self.made_on}"] if self._elsewhere else []
        return "; ".join([f"{self.job}: {what}", *where, *self._reasons()])

    @property
    def _elsewhere(self) -> bool:
        return "/" in self.made_on

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


def rerun(home: Home, job: str, save: Path | None, *, as_json: bool) -> None:
    """Generate a job's take again, where it can on the device that made it, and print the comparison.

    The new audio is kept in `save`. Raises UsageError where it cannot be, SoundmillError when the samples differ,
    and as `again` does.
    """
    if save and not save.absolute().parent.is_dir():
        raise UsageError(f"{save}: there is no such folder to keep it in")
    config = load(home)
    with Reader.open(home.catalog) as reader:
        row = reader.attempt_for_rerun(job)
    devices = find_devices(config.engine.devices)
    device = str(row["device"]) if row["device"] in devices else devices[0]
    with contextlib.closing(wiring.engine_for(config)(device)) as engine:
        comparison, audio = again(row, config, home, engine)
    comparison = replace(comparison, made_on=str(row["device"] or ""))
    if save:
        save.write_bytes(audio)
    if as_json:
        show.print_json(asdict(comparison))
    else:
        print(comparison)
    if not comparison.identical:
        raise SoundmillError("the samples are not the same")


def request_of(row: Row, config: Config, file_tags: Mapping[str, str] | None) -> GenerationRequest:
    """The request that made the take of a row of Reader.attempt_for_rerun, whose file holds `file_tags`; None where it
    was pruned."""
    output = _mapping(row["output"])
    request = wiring.request_of(
        config,
        (int(_number(row["id"])), int(_number(row["number"]))),
        prompt=str(row["prompt"]),
        parameters=parameters_of(row),
        seed=int(_number(row["seed"])),
        format=AudioFormat(str(output["format"])),
        melody=_path(row["melody"]),
        continue_from=_path(row["continue_from"]),
        tags={"batch": str(row["batch"]), "job": str(row["name"])},
    )
    fade_s = _faded(output, file_tags)
    return replace(  # finished as it was then, whatever soundmill.yaml says now
        request,
        normalization=Normalization(str(output["normalization"])),
        normalization_target=_number(output["normalization_target"]),
        fade_s=request.fade_s if fade_s is None else fade_s,
    )


def _faded(output: Row, file_tags: Mapping[str, str] | None) -> float | None:
    if output.get("fade_s") is not None:
        return _number(output["fade_s"])
    if file_tags is None:
        return None  # made before it was recorded, and pruned
    return float(file_tags.get("fade_s", 0.0))  # files without the tag were made without a fade


def again(row: Row, config: Config, home: Home, engine: Engine) -> tuple[Comparison, bytes]:
    """Generate the take of `row` on `engine`; the comparison with the file on disk, or with its hash where it was
    pruned, and the new audio.

    Raises SoundmillError when the file is gone otherwise or generation fails.
    """
    from soundmill.audio.tags import read_tags

    output = _mapping(row["output"])
    label = f"{row['batch']}/{row['name']}"
    file = home.outputs / str(output["path"])
    try:
        former = file.read_bytes()
    except OSError as error:
        if output["pruned_at"] is None:
            raise SoundmillError(
                f"{file}: cannot be read ({error.strerror}), so there is nothing to compare with"
            ) from error
        former = b""
    engine.load(str(row["model"]))
    engine.submit([request_of(row, config, read_tags(former) if former else None)])
    while True:
        for event in engine.poll(1.0):
            if isinstance(event, GenerationFailed):
                raise SoundmillError(f"{label}: {event.message}")
            if isinstance(event, Generated):
                then = _texts(output["versions"])
                if former:
                    return compare(label, former, event, then), event.audio
                same = hashlib.sha256(event.audio).hexdigest() == output["sha256"]
                found = Comparison(
                    job=label,
                    identical=same,
                    same_file=same,
                    largest_difference=None,
                    changed=_changed(then, event.versions),
                    pruned=True,
                )
                return found, event.audio


def compare(label: str, former: bytes, clip: Generated, then: Mapping[str, str]) -> Comparison:
    import numpy as np

    from soundmill.audio.decode import decode

    (old, old_rate), (new, new_rate) = decode(former), decode(clip.audio)
    comparable = old.shape == new.shape and old_rate == new_rate
    return Comparison(
        job=label,
        identical=comparable and bool(np.array_equal(old, new)),
        same_file=former == clip.audio,
        largest_difference=float(np.abs(old - new).max(initial=0.0)) if comparable else None,
        changed=_changed(then, clip.versions),
    )


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    names = sorted(then.keys() | now.keys())
    return {name: (then.get(name, ""), now.get(name, "")) for name in names if then.get(name) != now.get(name)}


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
