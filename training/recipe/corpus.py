"""The language model's training set: clips on disk, what is known of each, and, once there is a codec, their tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recipe.clips import Spec, clip, from_json, to_json
from recipe.progress import Progress, read
from recipe.settings import SAMPLE_RATE, Settings

FIRST = 1_000  # numbers below are free for trying things out


def synthesise(chosen: Settings, work: Path) -> list[Path]:
    """Write the clips, int16 [shard, samples] per file, skipping what is there; returns the files."""
    files = []
    progress = Progress("clips", chosen.clips)
    for start in range(0, chosen.clips, chosen.shard):
        file = work / f"clips-{chosen.seed}-{start:05d}.npy"
        files.append(file)
        if file.exists():
            continue
        sounds, specs = [], []
        for number in range(start, min(chosen.clips, start + chosen.shard)):
            spec, samples = clip(chosen.seed, FIRST + number, chosen.clip_s)
            sounds.append((samples * 32_767).astype(np.int16))
            specs.append(json.dumps(to_json(spec)))
            progress.show(number + 1)
        file.with_suffix(".jsonl").write_text("\n".join(specs) + "\n", encoding="utf-8")
        part = file.with_suffix(".part.npy")
        np.save(part, np.stack(sounds))
        part.replace(file)
    return files


def tokenise(chosen: Settings, work: Path) -> Path:
    """Encode every clip once; returns the file of uint8 or int16 tokens [clips, codebooks, frames]."""
    target = work / "tokens.npy"
    if target.exists():
        return target
    from recipe import codec as codecs  # which reads clips from here

    state = read(codecs.begin(chosen, work))
    assert state is not None
    codec: Any = codecs.build()
    codec.load_state_dict(state["codec"])
    codec.eval()
    files = synthesise(chosen, work)
    progress = Progress("tokens", len(files))
    parts: list[NDArray[np.int16]] = []
    with torch.inference_mode():
        for done, file in enumerate(files, 1):
            part = file.with_name(file.stem.replace("clips", "tokens") + ".npy")
            if not part.exists():
                sounds = torch.from_numpy(np.load(file)).float()[:, None] / 32_767
                codes = torch.cat([codec.encode(some)[0] for some in torch.split(sounds, 10)])
                np.save(part, codes.numpy().astype(np.int16))
            parts.append(np.load(part))
            progress.show(done)
    np.save(target.with_suffix(".part.npy"), np.concatenate(parts))
    target.with_suffix(".part.npy").replace(target)
    return target


class Reader:
    """Reads crops of clips without holding the clips in memory."""

    def __init__(self, chosen: Settings, work: Path) -> None:
        self._shard = chosen.shard
        self._files = [np.load(file, mmap_mode="r") for file in synthesise(chosen, work)]

    def cut(self, number: int, start: int, end: int) -> torch.Tensor:
        """Samples [end - start] of a clip, full scale = 1."""
        some = self._files[number // self._shard][number % self._shard, start:end]
        return torch.from_numpy(some.astype(np.float32) / 32_767)


def sounds(chosen: Settings, work: Path, numbers: range) -> torch.Tensor:
    """Whole clips [clips, 1, samples]."""
    reader, length = Reader(chosen, work), round(chosen.clip_s * SAMPLE_RATE)
    return torch.stack([reader.cut(number, 0, length) for number in numbers])[:, None]


def specs(chosen: Settings, work: Path) -> list[Spec]:
    lines: list[str] = []
    for start in range(0, chosen.clips, chosen.shard):
        lines += (work / f"clips-{chosen.seed}-{start:05d}.jsonl").read_text(encoding="utf-8").splitlines()
    return [from_json(json.loads(line)) for line in lines]
