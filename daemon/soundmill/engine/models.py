"""The models Soundmill knows by name. Imports no torch, so the daemon may read it.

A model is named by its Hugging Face id, by a short name, or by a checkpoint folder.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from soundmill.errors import UnknownModel
from soundmill.words import closest

Route = Literal["decoder", "audiocraft", "own"]

# One checkpoint under two names: by the second its takes are judged as sound effects, as AudioGen's are.
TINY_NAME, TINY_EFFECTS_NAME = "tiny", "tiny-effects"
BUILT_IN = Path(__file__).parent / "weights" / "tiny"  # made by training/
META_LICENCE = "CC-BY-NC-4.0"
CHECKPOINT_FILES = ("state_dict.bin", "compression_state_dict.bin")

# The window slides, so length costs time, not memory; five minutes is as far as job files may ask.
MAX_DURATION_S = 300.0

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What models of one kind have in common.

    `opened_by` is the import path (module:callable) of what loads one in an engine process: (spec, device, slots) ->
    Backend. For checkpoints of AudioCraft's, `loader` is the path of its class, else empty, and `mark` a key with its
    value that only this family's configurations have.
    """

    name: str
    opened_by: str
    loader: str
    mark: tuple[str, str] | None
    makes_sound_effects: bool
    fixed_length: bool  # no clip is longer than the model's window
    continues: bool  # takes audio to go on with


def _audiocrafts(name: str, loader: str, mark: tuple[str, str] | None, **traits: bool) -> Family:
    opened_by = "soundmill.engine.process.host:open_audiocraft"
    usual = {"makes_sound_effects": False, "fixed_length": False, "continues": True}
    return Family(name=name, opened_by=opened_by, loader=loader, mark=mark, **(usual | traits))


MUSICGEN = _audiocrafts("musicgen", "audiocraft.models.musicgen:MusicGen", None)
AUDIOGEN = _audiocrafts(
    "audiogen", "audiocraft.models.audiogen:AudioGen", ("solver", "audiogen"), makes_sound_effects=True
)
MAGNET = _audiocrafts(
    "magnet",
    "audiocraft.models.magnet:MAGNeT",
    ("lm_model", "transformer_lm_magnet"),
    fixed_length=True,
    continues=False,
)
UNKNOWN = _audiocrafts("unknown", "", None)  # until its checkpoint is read


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """What is known of a model before it is loaded.

    For folders and for hub ids outside the table the numbers are MusicGen's usual ones; loading
    replaces them by what the checkpoint says.
    """

    name: str  # canonical: the hub id, that of a built-in model, or an absolute folder
    short: str
    family: Family
    sample_rate: int  # Hz
    channels: int
    takes_melody: bool
    max_duration_s: float
    window_s: float  # seconds the model hears at once; longer clips slide this window
    parameters_m: int | None  # millions, as published; None where nobody said
    gpu_gb: float | None  # about, float16 weights, text encoder and one clip
    download_gb: float | None  # about, with the text encoder
    licence: str
    path: Route  # our decode loop, AudioCraft's own generate, or its family's own backend

    @property
    def makes_sound_effects(self) -> bool:
        """AudioGen, the MAGNeT of the same data and tiny-effects, by their names; all else is taken for music."""
        called = self.short.lower()
        return self.family.makes_sound_effects or called.startswith(("audiogen", "audio-magnet", TINY_EFFECTS_NAME))

    @property
    def continues_s(self) -> float:
        """Audio to go on with must be shorter: it has to fit into what the model hears. 0 where it takes none, infinite
        where its checkpoint has yet to say."""
        if not self.family.continues:
            return 0.0
        return math.inf if self.family is UNKNOWN else self.window_s

    @property
    def is_built_in(self) -> bool:
        """Whether the weights came with the package."""
        return self.name in (TINY_NAME, TINY_EFFECTS_NAME)

    @property
    def is_hub(self) -> bool:
        """Whether the weights come from the Hugging Face hub."""
        return not (self.is_built_in or self.path == "own" or Path(self.name).is_absolute())


def _spec(
    short: str,
    family: Family,
    parameters_m: int,
    gpu_gb: float,
    download_gb: float,
    *,
    channels: int = 1,
    melody: bool = False,
    sample_rate: int = 32_000,
    window_s: float = 30.0,
) -> ModelSpec:
    return ModelSpec(
        name=f"facebook/{short}",
        short=short,
        family=family,
        sample_rate=sample_rate,
        channels=channels,
        takes_melody=melody,
        max_duration_s=window_s if family.fixed_length else MAX_DURATION_S,
        window_s=window_s,
        parameters_m=parameters_m,
        gpu_gb=gpu_gb,
        download_gb=download_gb,
        licence=META_LICENCE,
        path="audiocraft" if family.fixed_length else "decoder",  # our loop decodes left to right; MAGNeT does not
    )


TINY = ModelSpec(
    name=TINY_NAME,
    short=TINY_NAME,
    family=MUSICGEN,
    sample_rate=16_000,
    channels=1,
    takes_melody=False,
    max_duration_s=MAX_DURATION_S,
    window_s=30.0,
    parameters_m=1,
    gpu_gb=0.5,
    download_gb=0.0,
    licence="MIT",
    path="decoder",
)
TINY_EFFECTS = replace(TINY, name=TINY_EFFECTS_NAME, short=TINY_EFFECTS_NAME)

TABLE: tuple[ModelSpec, ...] = (
    _spec("musicgen-small", MUSICGEN, 300, 2.5, 2.0),
    _spec("musicgen-medium", MUSICGEN, 1500, 5.5, 4.8),
    _spec("musicgen-large", MUSICGEN, 3300, 9.0, 7.7),
    _spec("musicgen-melody", MUSICGEN, 1500, 5.5, 4.0, melody=True),
    _spec("musicgen-melody-large", MUSICGEN, 3300, 8.0, 6.2, melody=True),
    _spec("musicgen-stereo-small", MUSICGEN, 300, 2.5, 2.0, channels=2),
    _spec("musicgen-stereo-medium", MUSICGEN, 1500, 5.5, 4.8, channels=2),
    _spec("musicgen-stereo-large", MUSICGEN, 3300, 9.0, 7.7, channels=2),
    _spec("musicgen-stereo-melody", MUSICGEN, 1500, 5.5, 4.0, channels=2, melody=True),
    _spec("musicgen-stereo-melody-large", MUSICGEN, 3300, 8.0, 6.2, channels=2, melody=True),
    _spec("audiogen-medium", AUDIOGEN, 1500, 6.5, 6.9, sample_rate=16_000, window_s=10.0),
    _spec("magnet-small-10secs", MAGNET, 300, 2.5, 2.0, window_s=10.0),
    _spec("magnet-medium-10secs", MAGNET, 1500, 5.5, 4.8, window_s=10.0),
    _spec("magnet-small-30secs", MAGNET, 300, 2.5, 2.0),
    _spec("magnet-medium-30secs", MAGNET, 1500, 5.5, 4.8),
    _spec("audio-magnet-small", MAGNET, 300, 4.0, 4.0, sample_rate=16_000, window_s=10.0),
    _spec("audio-magnet-medium", MAGNET, 1500, 6.5, 6.9, sample_rate=16_000, window_s=10.0),
    TINY,
    TINY_EFFECTS,
)


def _by_name(specs: Iterable[ModelSpec]) -> dict[str, ModelSpec]:
    return {name: spec for spec in specs for name in (spec.name, spec.short)}


_BY_NAME = _by_name(TABLE)


@cache
def _from_plugins() -> tuple[ModelSpec, ...]:
    from soundmill import plugins  # here: 20 ms that only a name which is not built in needs

    return tuple(spec for _, spec in plugins.registered("register_models") if spec.name not in _BY_NAME)


def known() -> tuple[ModelSpec, ...]:
    """Every model that has a name: those of the table, then those of plugins."""
    return TABLE + _from_plugins()


def family_of(config: Mapping[str, Any]) -> Family:
    """The family of a checkpoint by its configuration; MusicGen's where nothing marks another one's."""
    families = dict.fromkeys(spec.family for spec in known())
    return next((each for each in families if each.mark and config.get(each.mark[0]) == each.mark[1]), MUSICGEN)


# Published after AudioCraft 1.3.0, whose loader does not know their conditioners.
_TOO_NEW = frozenset({"musicgen-style", "facebook/musicgen-style"})


def resolve(name: str) -> ModelSpec:
    """The model a job file means by `name`.

    Raises UnknownModel with the nearest known name, or with what a folder lacks.
    """
    wanted = name.strip()
    if known := _BY_NAME.get(wanted) or _BY_NAME.get(wanted.lower()):
        return known
    if wanted.lower() in _TOO_NEW:
        raise UnknownModel(f"model {wanted}: AudioCraft 1.3.0 cannot load it; use musicgen-melody instead")
    folder = Path(wanted).expanduser()
    if not wanted:
        raise UnknownModel("model (empty): name one of `soundmill models list`")
    if folder.is_absolute() or wanted.startswith((".", "~")) or folder.is_dir():
        return _folder(folder.absolute())
    if brought := _by_name(_from_plugins()).get(wanted):
        return brought
    if _HUB_ID.fullmatch(wanted):
        return _elsewhere(wanted, wanted.rpartition("/")[2], "as its publisher says")
    raise UnknownModel(f"model {wanted}: {_suggestion(wanted)}")


def _folder(folder: Path) -> ModelSpec:
    if not folder.is_dir():
        raise UnknownModel(f"model {folder}: no such folder")
    missing = [file for file in CHECKPOINT_FILES if not (folder / file).is_file()]
    if missing:
        raise UnknownModel(f"model {folder}: {' and '.join(missing)} missing; export the checkpoint with AudioCraft")
    return _elsewhere(str(folder), folder.name, "unknown")


def _elsewhere(name: str, short: str, licence: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        short=short,
        family=UNKNOWN,
        sample_rate=32_000,
        channels=1,
        takes_melody="melody" in short.lower(),
        max_duration_s=MAX_DURATION_S,
        window_s=30.0,
        parameters_m=None,
        gpu_gb=None,
        download_gb=None,
        licence=licence,
        path="decoder",
    )


def _suggestion(wanted: str) -> str:
    near = closest(wanted, [spec.short for spec in known()])
    guess = f"did you mean {near}? Name" if near else "name"
    return f"no such model; {guess} one of `soundmill models list`, owner/name on Hugging Face, or /a/folder"


def models_table() -> str:
    """The table as Markdown, for the README."""
    rows = [
        "| name | makes | rate | channels | parameters | GPU memory | download | licence |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| `{s.short}` | {_makes(s)} | {s.sample_rate // 1000} kHz | {'stereo' if s.channels == 2 else 'mono'} "
        f"| {_millions(s.parameters_m)} | {s.gpu_gb:g} GB | {f'{s.download_gb:g} GB' if s.download_gb else 'built in'} "
        f"| {s.licence} |"
        for s in TABLE
    ]
    return "\n".join(rows) + "\n"


def _makes(spec: ModelSpec) -> str:
    what = "sound effects" if spec.makes_sound_effects else "music"
    if spec.is_built_in:
        return f"{what}, small and rough"
    if spec.family.fixed_length:
        return f"{what}, up to {spec.window_s:g} s"
    return f"{what}, also after a melody" if spec.takes_melody else what


def _millions(parameters_m: int | None) -> str:
    if parameters_m is None:
        return "?"
    return f"{parameters_m / 1000:g} B" if parameters_m >= 1000 else f"{parameters_m} M"
