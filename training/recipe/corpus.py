"""The language model's training set: clips on disk, what is known of each, and, once there is a codec, their tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recipe.clips import Spec, clip, from_json, to_json
from recipe.progress import Progress
from recipe.settings import SAMPLE_RATE, Settings

FIRST = 1_000  # numbers below are free for trying things out


def shards(chosen: Settings, work: Path) -> list[Path]:
    """The files of clips, int16 [shard, samples] each, whether they are there yet or not."""
    return [work / f"clips-{chosen.seed}-{start:05d}.npy" for start in range(0, chosen.clips, chosen.shard)]


def synthesise(chosen: Settings, work: Path, processes: int = 1) -> list[Path]:
    """Write the clips that are not there yet; returns their files."""
    files = shards(chosen, work)
    missing = [(chosen, file, number * chosen.shard) for number, file in enumerate(files) if not file.exists()]
    _each(_synthesise, missing, "shards of clips", processes)
    return files


def _synthesise(chosen: Settings, file: Path, start: int) -> None:
    sounds, specs = [], []
    for number in range(start, min(chosen.clips, start + chosen.shard)):
        spec, samples = clip(chosen.seed, FIRST + number, chosen.clip_s)
        sounds.append((samples * 32_767).astype(np.int16))
        specs.append(json.dumps(to_json(spec)))
    file.with_suffix(".jsonl").write_text("\n".join(specs) + "\n", encoding="utf-8")
    _save(file, np.stack(sounds))


def tokenise(chosen: Settings, work: Path, processes: int = 1) -> Path:
    """Encode every clip once; returns the file of int16 tokens [clips, codebooks, frames]."""
    target = work / "tokens.npy"
    if target.exists():
        return target
    from recipe import codec as codecs  # which reads clips from here

    codec = codecs.begin(chosen, work)
    files = synthesise(chosen, work, processes)
    parts = [file.with_name(file.stem.replace("clips", "tokens") + ".npy") for file in files]
    missing = [(codec, file, part) for file, part in zip(files, parts, strict=True) if not part.exists()]
    _each(_tokenise, missing, "shards of tokens", processes)
    _save(target, np.concatenate([np.load(part) for part in parts]))
    return target


def _tokenise(trained: Path, file: Path, part: Path) -> None:
    from recipe import codec as codecs

    codec = codecs.begun(trained)
    with torch.inference_mode():
        sounds = torch.from_numpy(np.load(file)).float()[:, None] / 32_767
        codes = torch.cat([codec.encode(some)[0] for some in torch.split(sounds, 10)])
    _save(part, codes.numpy().astype(np.int16))


def _save(file: Path, array: NDArray[np.int16]) -> None:
    """By rename: what is there is whole."""
    part = file.with_suffix(".part.npy")
    np.save(part, array)
    part.replace(file)


def _each(do: Callable[..., None], calls: list[tuple[Any, ...]], what: str, processes: int) -> None:
    """Call `do` with each of `calls`, a few at a time, each process on one thread."""
    if not calls:
        return
    progress = Progress(what, len(calls))
    with ProcessPoolExecutor(processes, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for done, call in enumerate(as_completed([pool.submit(do, *call) for call in calls]), 1):
            call.result()
            progress.show(done)


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
    for file in shards(chosen, work):
        lines += file.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    return [from_json(json.loads(line)) for line in lines]
