"""Inbox: turns the cells of one row into checked settings, whichever kind of file it stood in."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from soundmill.disk import is_below
from soundmill.errors import MissingInput, UnknownModel
from soundmill.inbox.jobfile.cells import JOB_FIELDS, SETTING_FIELDS, Wrong, read_prompt
from soundmill.inbox.jobfile.context import ModelTraits, Rules
from soundmill.inbox.jobfile.naming.safe import name_from_id
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.written import LARGEST_SEED, LONGEST_DURATION_S, Settings
from soundmill.jobs import BEATS, AudioFormat, Parameters, QualityKind, bars_s
from soundmill.words import count, span

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
# Models hear half a minute, or the clip's length, of a melody: a whole concert or a day's recording is a mistake.
LONGEST_MELODY_S = 3600.0
SLOWEST_BPM = 20.0
SAME_LENGTH_S = 0.001
# Columns mostly hold few different values; choices are some 300 bytes each.
MOST_REMEMBERED = 16384

# What rows have in common: all settings but the seed, which mostly differs.
SHARED_FIELDS = tuple(name for name in SETTING_FIELDS if name != "seed")

_FILE_FIELDS = {"melody", "continue_from"}
_SAMPLING = {each.name: Settings.model_fields[each.name].default for each in fields(Parameters)}

K = TypeVar("K")
V = TypeVar("V")


class Fault(NamedTuple):
    """A Problem that does not know its line yet."""

    field: str
    value: str | None
    message: str


class WrongLength(Wrong):
    """The settings that say how long a clip is to be do not go together; `field` is which of them is at fault."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Choice(NamedTuple):
    """The settings of a row, read and checked against its model."""

    model: str
    parameters: Parameters
    takes: int
    keep_best: int | None
    priority: int
    quality: QualityKind | None
    format: AudioFormat
    melody: Path | None
    continue_from: Path | None


class Row(NamedTuple):
    """One good row: a job for each of its replicates. `name` (its id) and `seed` are None where the file gives none."""

    line: int
    position: int
    prompt: str
    name: str | None
    seed: int | None
    choice: Choice
    labels: Mapping[str, str]
    condition: Mapping[str, str]
    # In an experiment, the ulid of the batch whose seeds it uses: a replicate has the same in every condition.
    seeds_of: str | None = None
    done: frozenset[int] = frozenset()  # replicates that the batch it extends has already

    @property
    def replicates(self) -> Sequence[int]:
        """The numbers of the replicates to make."""
        every = range(1, self.choice.takes + 1)
        return [number for number in every if number not in self.done] if self.done else every


class RowReader:
    """Reads rows against one set of rules; remembers what it has read, up to a limit."""

    def __init__(self, rules: Rules, file_priority: int = 0) -> None:
        self._rules = rules
        self._file_priority = file_priority
        self._choices: dict[tuple[str, ...], Choice | tuple[Fault, ...]] = {}
        self._models: dict[str, ModelTraits | str] = {}

    def read(
        self,
        *,
        lines: Mapping[str, int],
        line: int,
        position: int,
        prompt: str,
        id_text: str,
        seed_text: str,
        shared: tuple[str, ...],
        labels: Mapping[str, str],
        condition: Mapping[str, str],
        problems: Problems,
    ) -> Row | None:
        """A row from its texts ("" for blank), or None after telling `problems` what is wrong.

        `shared` has one text for each of SHARED_FIELDS; `lines` says where a field stands if not at `line`.
        """
        faults: list[Fault] = []
        name = seed = None
        try:
            prompt = read_prompt(prompt)
        except Wrong as wrong:
            faults.append(Fault("prompt", prompt or None, str(wrong)))
        if id_text:
            try:
                name = name_from_id(_without_ending(id_text))
            except Wrong as wrong:
                faults.append(Fault("id", id_text, str(wrong)))
        choice = self.choice(shared)
        if seed_text:
            try:
                seed = JOB_FIELDS["seed"].read(seed_text)
                if isinstance(choice, Choice) and seed + choice.takes - 1 > LARGEST_SEED:
                    raise Wrong(f"leaves no room for {choice.takes} takes below {LARGEST_SEED:,}")
            except Wrong as wrong:
                faults.append(Fault("seed", seed_text, str(wrong)))
        if not isinstance(choice, Choice):
            faults.extend(choice)
        elif not faults:
            return Row(line, position, prompt, name, seed, choice, labels, condition)
        for fault in faults:
            problems.add(fault.message, lines.get(fault.field, line), fault.field, fault.value)
        return None

    def choice(self, shared: tuple[str, ...]) -> Choice | tuple[Fault, ...]:
        """The settings for these texts, or what is wrong with them."""
        found = self._choices.get(shared)
        if found is None:
            found = self._choose(shared)
            remember(self._choices, shared, found)
        return found

    def _choose(self, shared: tuple[str, ...]) -> Choice | tuple[Fault, ...]:
        faults: list[Fault] = []
        given: dict[str, Any] = {}
        for field, text in zip(SHARED_FIELDS, shared, strict=True):
            if text:
                try:
                    given[field] = JOB_FIELDS[field].read(text)
                except Wrong as wrong:
                    faults.append(Fault(field, text, str(wrong)))
        name = given.get("model") or self._rules.default_model
        model = self._model(name)
        files: dict[str, Path] = {}
        duration = given.get("duration")
        if isinstance(model, str):
            faults.append(Fault("model", name, model))
        else:
            try:
                duration = self._duration(given, model)
            except WrongLength as wrong:
                value = given.get(wrong.field)
                faults.append(Fault(wrong.field, None if value is None else f"{value:g}", str(wrong)))
            if "melody" in given and not model.takes_melody:
                message = (
                    f"{model.name} follows no melody; use a melody model such as musicgen-melody, or leave it blank"
                )
                faults.append(Fault("melody", given["melody"], message))
        if given.get("keep_best", 1) > given.get("count", 1):
            message = f"is more than there will be ({count(given.get('count', 1), 'take')}); raise count"
            faults.append(Fault("keep_best", str(given["keep_best"]), message))
        if given.keys() >= _FILE_FIELDS:
            message = "a clip follows a melody or continues a file, not both; leave one of them blank"
            faults.append(Fault("melody", given["melody"], message))
        for field in sorted(_FILE_FIELDS & given.keys()):
            try:
                files[field] = self._audio_file(given[field])
                self._check_length(field, files[field], duration, model)
            except Wrong as wrong:
                faults.append(Fault(field, given[field], str(wrong)))
        if faults:
            return tuple(faults)
        assert not isinstance(model, str) and duration is not None
        given["duration"] = duration
        return Choice(
            model=model.name,
            parameters=Parameters(**{name: given.get(name, usual) for name, usual in _SAMPLING.items()}),
            takes=given.get("count", 1),
            keep_best=given.get("keep_best"),
            priority=given.get("priority", self._file_priority),
            quality=given.get("quality"),
            format=given.get("format") or self._rules.default_format,
            melody=files.get("melody"),
            continue_from=files.get("continue_from"),
        )

    def _duration(self, given: Mapping[str, Any], model: ModelTraits) -> float:
        """The clip's length in seconds, by its bars where it has any. Raises WrongLength."""
        duration, bpm, bars, loop = (given.get(name) or 0 for name in ("duration", "bpm", "bars", "loop"))
        longest = min(model.max_duration_s, LONGEST_DURATION_S)
        spare = Parameters(**_SAMPLING | {"duration": 0.0, "bpm": bpm, "loop": bool(loop)}).made_s
        if 0 < bpm < SLOWEST_BPM:
            raise WrongLength("bpm", f"must be 0 for none, or from {SLOWEST_BPM:g} to 300")
        field, length = "duration", float(duration)
        if bars:
            if not bpm:
                raise WrongLength("bars", "needs bpm: how long a bar is goes by the tempo")
            field, length = "bars", bars_s(bars, bpm)
            if duration and abs(duration - length) > SAME_LENGTH_S:
                raise WrongLength("duration", f"{bars} bars at {bpm:g} bpm are {length:.6g} s; leave one of them blank")
        elif not duration:
            length = min(self._rules.default_duration, longest - spare)
            if loop and bpm:  # whole bars, so that the beat goes on
                length = bars_s(max(1, int(length / bars_s(1, bpm) + 1e-9)), bpm)
        elif loop and bpm and abs(duration - bars_s(round(duration * bpm / 60) / BEATS, bpm)) > SAME_LENGTH_S:
            whole = int(duration / bars_s(1, bpm))
            ways = " or ".join(f"{each} ({bars_s(each, bpm):.4g} s)" for each in (whole, whole + 1) if each)
            raise WrongLength(
                "duration",
                f"is {duration * bpm / 60:.4g} beats at {bpm:g} bpm, so a loop of it would stumble; "
                f"write bars in its place: {ways}",
            )
        if length > longest - spare:
            raise WrongLength(field, _not_so_long(model.name, length, longest, spare, bars, bpm))
        return length

    def _model(self, name: str) -> ModelTraits | str:
        """The model of that name, or why there is none."""
        found = self._models.get(name)
        if found is None:
            try:
                found = self._rules.resolve_model(name)
            except UnknownModel as error:
                found = str(error)
            remember(self._models, name, found)
        return found

    def _audio_file(self, text: str) -> Path:
        if not text.isprintable():
            raise Wrong("must be the path of an audio file, on one line")
        path = Path(os.path.normpath(self._rules.folder / text))
        if path.suffix.lower() not in AUDIO_SUFFIXES:
            raise Wrong(f"must be an audio file ({', '.join(AUDIO_SUFFIXES)})")
        # First, so that nobody learns what there is elsewhere.
        if self._rules.input_folders is not None and not is_below(path, self._rules.input_folders):
            raise Wrong(
                "is in no folder that audio may be taken from: put it into the inbox, or name its folder under "
                "inbox.input_folders in soundmill.yaml"
            )
        try:
            regular = stat.S_ISREG(path.stat().st_mode)
        except FileNotFoundError:
            raise Wrong(f"there is no such file (looked for it in {path.parent})") from None
        except OSError as error:
            raise Wrong(f"cannot be looked at: {error.strerror or error}") from None
        if not regular:
            raise Wrong("is not a file; name an audio file")
        return path

    def _check_length(self, field: str, file: Path, duration: float | None, model: ModelTraits | str) -> None:
        """By what the file's header tells; what it doesn't is left to the engine. Raises Wrong."""
        try:
            length = self._rules.length_of(file)
        except MissingInput as error:
            raise Wrong(str(error)) from None
        if length is not None and length <= 0:
            raise Wrong("holds no sound: its length is 0 s")
        if field == "melody":
            if length is not None and length > LONGEST_MELODY_S:
                raise Wrong(f"is {span(round(length))} long; cut out the passage that the clip is to follow")
        elif not isinstance(model, str) and duration is not None:
            if not model.continues_s:
                raise Wrong(f"{model.name} continues no audio; use a MusicGen or AudioGen model, or leave it blank")
            if length is None or length < min(duration, model.continues_s):
                return
            if length >= min(model.continues_s, model.max_duration_s):
                most = min(model.continues_s, duration)
                raise Wrong(
                    f"is {length:.4g} s long, and {model.name} goes on from less than {most:g} s; give less of it"
                )
            raise Wrong(
                f"is {length:.4g} s long, and the clip, which begins with it, {duration:g} s; "
                f"ask for a duration above {length:.4g}, or give less of it"
            )


def _not_so_long(model: str, length: float, longest: float, spare: float, bars: int, bpm: float) -> str:
    lead = f"{bars} bars at {bpm:g} bpm are {length:.4g} s; " if bars else ""
    if spare:
        return (
            f"{lead}{model} makes loops of at most {longest - spare:.4g} s: they are folded out of {spare:.3g} s more"
        )
    return f"{lead}{model} makes clips of at most {longest:g} s"


def _without_ending(wanted: str) -> str:
    """An id without the ending of an audio file: the clip gets one by its format."""
    stem, dot, ending = wanted.rpartition(".")
    return stem if stem and dot + ending.lower() in AUDIO_SUFFIXES else wanted


def remember(memory: dict[K, V], key: K, value: V) -> None:
    if len(memory) >= MOST_REMEMBERED:
        memory.clear()
    memory[key] = value
