"""Loads a model with AudioCraft's own loader, from the built-in `tiny`, a folder or the hub."""

from __future__ import annotations

import os
import pickle
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from audiocraft.models.genmodel import BaseGenModel
from audiocraft.modules.transformer import set_efficient_attention_backend

from soundmill.engine import hub
from soundmill.engine.audiocraft import attention, text_encoder
from soundmill.engine.digest import digest_of
from soundmill.engine.failures import is_out_of_memory, one_line, text_of
from soundmill.engine.models import BUILT_IN, CHECKPOINT_FILES, UNKNOWN, Family, ModelSpec, family_of
from soundmill.engine.quiet import quiet
from soundmill.errors import EngineError, ModelUnavailable, OutOfMemory

LM_FILE, CODEC_FILE = CHECKPOINT_FILES

_T5_FILES = ("config.json", "model.safetensors")
_T5_ALSO = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "spiece.model")
_DRAWING = ("uniform_", "normal_", "erfinv_")  # what the methods of torch.nn.init come down to
_CODEC_FILES = ("config.json", "model.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model on its device. `spec` has what the checkpoint says in place of what the table said; `weights` is the
    digest of the files it was loaded from (digest.py)."""

    spec: ModelSpec
    model: BaseGenModel
    device: str
    folder: Path
    weights: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` found: each file with its size in bytes, a line for everything wrong, and as `weights` the digest
    that takes of this model record (digest.py), "" where something is wrong with the files."""

    name: str
    folder: Path | None
    files: tuple[tuple[str, int], ...]
    weights: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        if self.problems:
            return "; ".join(self.problems)
        files = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in self.files)
        return f"whole: {files} in {self.folder}; weights {self.weights}"


def load(
    spec: ModelSpec,
    device: str,
    *,
    source: hub.Hub | None = None,
    report: hub.Report | None = None,
) -> LoadedModel:
    """Read the model onto `device` ("cpu", "cuda", "cuda:1", "mps"): float16 on a GPU, float32 on the CPU.

    `source` is the hub to ask.

    Raises ModelUnavailable, UnknownModel, OutOfMemory.
    """
    folder, files = _gather(spec, source, report)
    config = read_config(folder / LM_FILE)
    family = spec.family if spec.family is not UNKNOWN else family_of(config)
    # xformers' compiled kernels do not match this torch.
    set_efficient_attention_backend("torch")
    attention.install()
    try:
        weights = digest_of(files)
        with quiet(), hub.offline(), _undrawn():
            loader: type[BaseGenModel] = pkgutil.resolve_name(family.loader)
            model = loader.get_pretrained(str(folder), device=_place(device))
    except EngineError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory(f"model {spec.short}: does not fit on {device} ({text_of(error)})") from error
        raise ModelUnavailable(
            f"model {spec.short}: AudioCraft cannot read {folder} ({one_line(error)}); "
            f"run `soundmill models verify {spec.name}`"
        ) from error
    spec = _as_loaded(spec, family, model, config)
    return LoadedModel(spec=spec, model=model, device=device, folder=folder, weights=weights)


@contextmanager
def _undrawn() -> Iterator[None]:
    """New tensors keep what their memory held. Modules draw random weights as they are made, which takes most of the
    time of loading; AudioCraft then demands every one of them of the checkpoint."""

    def keep(tensor: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        return tensor

    for name in _DRAWING:
        setattr(torch.Tensor, name, keep)
    try:
        yield
    finally:
        for name in _DRAWING:
            delattr(torch.Tensor, name)  # the method that it inherits shows again


def pull(spec: ModelSpec, *, source: hub.Hub | None = None, report: hub.Report | None = None) -> Path:
    """Have everything `load` will need on this machine; returns the checkpoint's folder.

    Raises ModelUnavailable, UnknownModel.
    """
    return _gather(spec, source, report)[0]


def repositories(spec: ModelSpec) -> list[Path]:
    """The folders of the hub's cache that hold what `load` needs, which must be here. Raises as `pull` does."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE).absolute()
    with hub.offline():
        files = _gather(spec, None, None)[1]
    found = {file.absolute().relative_to(cache).parts[0] for file in files if file.absolute().is_relative_to(cache)}
    return [cache / name for name in sorted(found)]


def _gather(spec: ModelSpec, source: hub.Hub | None, report: hub.Report | None) -> tuple[Path, list[Path]]:
    """The checkpoint's folder, and the files that decide what the model says: the checkpoint's, its text encoder's
    and its codec's. What a melody is heard through is Demucs's own, and not among them."""
    source = source if source is not None else hub.Hub()
    if spec.path == "own":
        raise ModelUnavailable(f"model {spec.short}: the plugin that brings it has its weights, not AudioCraft")
    if spec.is_built_in:
        folder = BUILT_IN
    elif spec.is_hub:
        folder = _with_audiocrafts_cache(source).fetch(spec.name, CHECKPOINT_FILES, report)
    else:
        folder = Path(spec.name)
    files = [folder / name for name in CHECKPOINT_FILES]
    config = read_config(folder / LM_FILE)
    for name in text_encoder.names(config):
        local = folder / name
        if not (local / "config.json").is_file():
            local = source.fetch(name, _T5_FILES, report, also=_T5_ALSO)
        text_encoder.register(name, local)
        files += [local / file for file in (*_T5_FILES, *_T5_ALSO) if (local / file).is_file()]
    codec = _read(folder / CODEC_FILE)
    if "pretrained" in codec:
        files += _codec_files(codec["pretrained"], source, report)
    if _takes_melody(config):
        _pull_stem_separator(source)
    return folder, files


def _codec_files(pretrained: str, source: hub.Hub, report: hub.Report | None) -> list[Path]:
    """Of a codec that a checkpoint names instead of holding it: a file, a folder of AudioCraft's, or the hub's."""
    import transformers  # noqa: F401  reads the hub's, and is silenced only once it is imported

    local = Path(pretrained)
    if local.exists():
        return [local if local.is_file() else local / CODEC_FILE]
    folder = source.fetch(pretrained, _CODEC_FILES, report)
    return [folder / file for file in _CODEC_FILES]


def verify(spec: ModelSpec, *, source: hub.Hub | None = None) -> Verification:
    """Check that a model is here whole: its files are present and load as plain weights.

    Loads nothing onto a device and downloads nothing that is here; never raises for a broken model.
    """
    problems: list[str] = []
    files: list[tuple[str, int]] = []
    folder: Path | None = None
    weights = ""
    try:
        folder, read = _gather(spec, source, None)
        for name in CHECKPOINT_FILES:
            package = _read(folder / name)
            files.append((name, (folder / name).stat().st_size))
            if "pretrained" not in package and not package.get("best_state"):
                problems.append(f"{name}: holds no weights")
        weights = digest_of(read)
    except (EngineError, OSError) as error:
        problems.append(str(error))
    return Verification(name=spec.name, folder=folder, files=tuple(files), weights=weights, problems=tuple(problems))


def set_threads(count: int | None) -> int:
    """Let torch compute with `count` CPU threads (None: one per core this process may use); returns them."""
    threads = count if count is not None else len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    torch.set_num_threads(max(1, threads or os.cpu_count() or 1))
    return torch.get_num_threads()


def read_config(file: Path) -> dict[str, Any]:
    """The `xp.cfg` of a checkpoint file, as plain data. Raises ModelUnavailable."""
    try:
        config = yaml.safe_load(_read(file)["xp.cfg"])
        if isinstance(config, dict):
            return config
    except (KeyError, TypeError, yaml.YAMLError):
        pass
    raise ModelUnavailable(f"{file}: has no xp.cfg, so AudioCraft did not export it")


def _read(file: Path) -> dict[str, Any]:
    """A checkpoint file's package; its tensors stay on the disk until they are used."""
    try:
        package = torch.load(file, map_location="cpu", weights_only=True, mmap=_is_zip(file))
    except FileNotFoundError as error:
        raise ModelUnavailable(f"{file}: missing") from error
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, ValueError, KeyError) as error:
        raise ModelUnavailable(
            f"{file}: damaged or not a checkpoint ({text_of(error)[:120]}); delete it and fetch it again"
        ) from error
    if not isinstance(package, dict):
        raise ModelUnavailable(f"{file}: holds no checkpoint")
    return package


def _is_zip(file: Path) -> bool:
    with file.open("rb") as stream:  # torch maps only the format it writes today
        return stream.read(4) == b"PK\x03\x04"


def _as_loaded(spec: ModelSpec, family: Family, model: BaseGenModel, config: Mapping[str, Any]) -> ModelSpec:
    fuser = config.get("fuser") or {}
    into_the_input = any(fuser.get(way) for way in ("sum", "input_interpolate"))
    delayed = (config.get("codebooks_pattern") or {}).get("modeling") == "delay"
    window_s = float(model.max_duration)
    return replace(
        spec,
        family=family,
        sample_rate=int(model.sample_rate),
        channels=int(model.audio_channels),
        takes_melody=_takes_melody(config),
        window_s=window_s,
        max_duration_s=window_s if family.fixed_length else spec.max_duration_s,
        parameters_m=spec.parameters_m or round(sum(p.numel() for p in model.lm.parameters()) / 1e6),
        path="decoder" if delayed and not into_the_input and not family.fixed_length else "audiocraft",
    )


def _place(device: str) -> str:
    """AudioCraft compares the device's name and hands it to autocast, so it must carry no number."""
    kind, _, index = device.partition(":")
    if kind == "cuda" and index:
        torch.cuda.set_device(int(index))
    return kind


def _with_audiocrafts_cache(source: hub.Hub) -> hub.Hub:
    """People who moved AudioCraft's downloads did so with this variable; what lies there is used."""
    moved = os.environ.get("AUDIOCRAFT_CACHE_DIR")
    return replace(source, cache=Path(moved)) if moved and source.cache is None else source


def _takes_melody(config: Mapping[str, Any]) -> bool:
    return "self_wav" in (config.get("conditioners") or {})


def _pull_stem_separator(source: hub.Hub) -> None:
    """Melody models hear the melody through Demucs, which fetches its own weights."""
    from demucs import hf, pretrained

    try:
        with hub.offline():
            hf.get_hf_model("htdemucs")
    except Exception:  # whatever a cache miss looks like in this release
        source.require_network("htdemucs, which melody models need")
        try:
            pretrained.get_model("htdemucs")
        except Exception as error:
            raise ModelUnavailable(
                f"htdemucs, which melody models need: download failed ({text_of(error)}); "
                + hub.mend("facebook/musicgen-melody")
            ) from error
