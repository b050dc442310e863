"""What a clip is made from: its text, its melody, the audio it continues, and the windows it takes.

Each request is encoded alone. AudioCraft pads the texts of a call to the longest of them and forgets the mask,
so a clip would hear how long its neighbours' prompts are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from audiocraft.data.audio_utils import convert_audio
from audiocraft.modules.conditioners import ClassifierFreeGuidanceDropout, WavCondition
from torch import Tensor

from soundmill.engine.inputs import read_audio
from soundmill.errors import BadParameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One pass of the model: `frames` codec frames from `offset_s` on, the first `prompt` of them given."""

    offset_s: float
    frames: int
    prompt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the conditional and the unconditional row of a clip are given.

    `text` [tokens, dim] for cross-attention, None where the model has none; `prefixes` two tensors
    [length, dim] that stand before the first token, of length 0 where the model has none.
    """

    text: Tensor | None
    prefixes: tuple[Tensor, Tensor]


def windows(duration_s: float, frame_rate: float, window_s: float, stride_s: float | None, prompt: int) -> list[Window]:
    """The passes AudioCraft would make for a clip of `duration_s` that begins with `prompt` given frames.

    A clip longer than the model's window slides: each pass starts `stride_s` later and is given what
    the one before made from there on. Source: AudioCraft 1.3.0, `genmodel.BaseGenModel._generate_tokens`,
    which counts in seconds and, for lengths such as 6.52 s, loses a frame and then fails; here the
    same passes are counted in frames. Raises BadParameter.
    """
    total = int(duration_s * frame_rate)
    if total < 1:
        raise BadParameter(f"duration {duration_s} s is less than one frame of this model; ask for more")
    if prompt >= int(min(duration_s, window_s) * frame_rate):
        raise BadParameter(
            f"continue_from: the given audio is {prompt / frame_rate:.1f} s long; it and what follows must fit into "
            f"{min(duration_s, window_s):g} s: ask for a longer duration, or give less audio"
        )
    if duration_s <= window_s:
        return [Window(offset_s=0.0, frames=total, prompt=prompt)]
    if stride_s is None or stride_s >= window_s:
        raise BadParameter(f"duration {duration_s} s: this model makes at most {window_s:g} s")
    stride = int(frame_rate * stride_s)
    passes: list[Window] = []
    offset = 0
    while offset + prompt < total:
        frames = min(total - offset, int(window_s * frame_rate))
        passes.append(Window(offset_s=offset / frame_rate, frames=frames, prompt=prompt))
        prompt = frames - stride
        offset += stride
    return passes


def read(file: Path, model: Any, longest_s: float | None = None, folders: tuple[Path, ...] | None = None) -> Tensor:
    """As `heard`, of an audio file; see inputs.read_audio. Raises MissingInput."""
    return heard(read_audio(file, longest_s, folders), model)


def heard(audio: tuple[Tensor, int], model: Any) -> Tensor:
    """Samples and their rate as the model hears them, [channels, time] at its rate, on its device."""
    samples, rate = audio
    wav: Tensor = convert_audio(samples, rate, model.sample_rate, model.audio_channels).to(model.device)
    return wav


def encode_prompt(model: Any, wav: Tensor) -> Tensor:
    """Audio [channels, time] to the codec's tokens, int64 [codebooks, frames]."""
    codes, scale = model.compression_model.encode(wav[None])
    if scale is not None:
        raise BadParameter("continue_from: this model's codec rescales its input and cannot continue audio")
    tokens: Tensor = codes[0]
    return tokens


def encode(model: Any, prompt: str, melody: Tensor | None, offset_s: float, long: bool) -> Conditions:
    """Run the model's own conditioners on one request, as AudioCraft does at batch size 1.

    `melody` is [channels, time] at the model's rate; in a `long` clip it repeats and each window hears
    its own part of it. Raises BadParameter.
    """
    lm = model.lm
    if melody is None:
        attributes, _ = model._prepare_tokens_and_attributes([prompt], None)
    else:
        if "self_wav" not in lm.condition_provider.conditioners:
            raise BadParameter("melody: this model takes none; use a melody model or leave the column empty")
        attributes, _ = model._prepare_tokens_and_attributes([prompt], None, [melody])
        if long:
            attributes[0].wav["self_wav"] = _melody_window(model, melody, offset_s)
    null = ClassifierFreeGuidanceDropout(p=1.0)(attributes)
    provider = lm.condition_provider
    if lm.two_step_cfg:
        both = [provider(provider.tokenize(part)) for part in (attributes, null)]
        given, absent = ({name: value[0][0] for name, value in part.items()} for part in both)
    else:
        joint = provider(provider.tokenize(attributes + null))
        given, absent = ({name: value[0][row] for name, value in joint.items()} for row in (0, 1))
    return Conditions(text=_text(lm, given, absent), prefixes=(_prefix(lm, given), _prefix(lm, absent)))


def _melody_window(model: Any, melody: Tensor, offset_s: float) -> WavCondition:
    length = int(model.max_duration * model.sample_rate)
    start = int(offset_s * model.sample_rate)
    positions = torch.arange(start, start + length) % melody.shape[-1]
    wav = melody[None][..., positions].to(model.device)
    return WavCondition(wav, torch.tensor([length], device=model.device), [model.sample_rate], [None], [0.0])


def _text(lm: Any, given: dict[str, Tensor], absent: dict[str, Tensor]) -> Tensor | None:
    names = [name for name in given if lm.fuser.cond2fuse[name] == "cross"]
    if not names:
        return None
    if any(bool(absent[name].count_nonzero()) for name in names):
        raise BadParameter("this model's empty prompt is not a zero vector; the decode loop relies on that")
    return torch.cat([given[name] for name in names])


def _prefix(lm: Any, conditions: dict[str, Tensor]) -> Tensor:
    # AudioCraft puts each further condition before the ones already there.
    parts = [value for name, value in conditions.items() if lm.fuser.cond2fuse[name] == "prepend"]
    weight = lm.emb[0].weight
    return torch.cat([part.to(weight) for part in reversed(parts)]) if parts else weight.new_zeros(0, lm.dim)
