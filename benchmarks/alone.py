"""One clip alone, one step against the memory's speed, and whether a clip keeps its tokens among others.

    python benchmarks/alone.py --shape small --device cuda:0 --seconds 30

Three tables on a checkpoint with random weights and a published model's shape. How long one clip takes: AudioCraft's
own loop, Soundmill, and fast-musicgen where it is installed (a package for batch 1 with CUDA graphs, without a
codec of its own shape, hence "tokens only"). How many bytes of weights and filled cache a step reads in its time,
against what copying a large tensor on the same device reaches. Which share of a clip's tokens stays the same among
other neighbours, with the batch padded to one size and to another.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from soundmill.engine import models
from soundmill.engine.audiocraft import loading
from soundmill.engine.decoder.backend import DecoderBackend
from soundmill.engine.decoder.codec import Spent
from soundmill.engine.decoder.loop import GPU_KEYS
from soundmill.jobs import GenerationRequest
from throughput import SHAPES, checkpoint, drain, sweep

COPY_BYTES = {"cuda": 4 << 30, "cpu": 256 << 20}


def wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def median_s(way: Callable[[], object], device: str, rounds: int) -> float:
    """Median time of `way`, the device's work included; one round before is not counted."""
    took: list[float] = []
    for _ in range(rounds + 1):
        wait(device)
        began = time.perf_counter()
        way()
        wait(device)
        took.append(time.perf_counter() - began)
    return statistics.median(took[1:])


def job_of(seconds: float) -> GenerationRequest:
    job = sweep(1, (seconds,))[0]
    return replace(job, parameters=replace(job.parameters, temperature=1.0, top_k=250, cfg_coef=3.0))


def audiocraft_s(folder: Path, device: str, seconds: float, rounds: int) -> dict[str, float]:
    model: Any = loading.load(models.resolve(str(folder)), device).model
    model.set_generation_params(duration=seconds, temperature=1.0, top_k=250, cfg_coef=3.0)
    prompt = job_of(seconds).prompt
    attributes, _ = model._prepare_tokens_and_attributes([prompt], None)
    return {
        "tokens only": median_s(lambda: model._generate_tokens(attributes, None), device, rounds),
        "whole clip": median_s(lambda: model.generate([prompt]).cpu(), device, rounds),
    }


def soundmill_s(backend: DecoderBackend, device: str, seconds: float, rounds: int) -> dict[str, float]:
    generation: list[float] = []

    def one() -> None:
        (clip,) = drain(backend, [job_of(seconds)])
        generation.append(clip.generation_s)

    whole = median_s(one, device, rounds)
    return {"tokens only": statistics.median(generation[1:]), "whole clip": whole}


def fast_musicgen_s(shape: checkpoint.Shape, folder: Path, device: str, seconds: float, rounds: int) -> float:
    from fast_musicgen.lm import LMRunner
    from transformers import EncodecConfig, MusicgenConfig, MusicgenDecoderConfig, T5Config

    config = MusicgenConfig(
        text_encoder=T5Config(d_model=shape.text_dim),
        audio_encoder=EncodecConfig(codebook_size=shape.cardinality),
        decoder=MusicgenDecoderConfig(
            hidden_size=shape.dim,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            ffn_dim=4 * shape.dim,
            vocab_size=shape.cardinality,
            num_codebooks=shape.streams,
            bos_token_id=shape.cardinality,
        ),
    )
    with tempfile.TemporaryDirectory() as home:
        config.save_pretrained(home)
        (Path(home) / checkpoint.LM_FILE).symlink_to(folder / checkpoint.LM_FILE)
        runner = LMRunner(checkpoint_dir=home, device=device)
    text = torch.randn(1, 8, shape.text_dim, device=device, dtype=torch.float16)
    frames = int(seconds * shape.frame_rate)
    steps = min(frames + shape.streams - 1, runner.max_length)
    took = median_s(lambda: runner.generate_with_cuda_graph(text_x=text, max_steps=steps), device, rounds)
    torch.set_default_device("cpu")  # it leaves its own behind
    return took


def copy_speed(device: str, rounds: int) -> float:
    """Bytes read and written per second by a copy on the device."""
    kind = device.partition(":")[0]
    source = torch.rand(COPY_BYTES[kind] // 4, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / median_s(lambda: target.copy_(source), device, rounds)


def step_bytes(backend: DecoderBackend, clips: int, filled: int) -> int:
    """The fewest bytes a step of guided clips can read: every weight once, and the keys and values before it."""
    t = backend._decoder.transformer
    layer_weights = (4 + 8) * t.dim * t.dim + (2 * t.dim * t.dim if t.layers[0].cross_q else 0)
    weights = (len(t.layers) * layer_weights + t.codebooks * t.cardinality * t.dim) * t.dtype.itemsize
    per_token = len(t.layers) * 2 * t.dim * t.dtype.itemsize
    return weights + per_token * (2 * clips * filled + clips * 8)  # prompts of about eight tokens


def step_of(backend: DecoderBackend, clips: int, filled: int) -> Callable[[], None]:
    """One step of `clips` guided clips that have come `filled` places far, to be taken again and again."""
    decoder = backend._decoder
    t, s = decoder.transformer, decoder.slots
    t.reserve(filled + GPU_KEYS)
    s.settle()
    each = torch.arange(t.clips, device=t.device)
    s.sequence.zero_()
    s.seat.last.fill_(filled)
    s.seat.conditional.copy_(each.clamp(max=clips - 1))
    s.seat.unconditional.copy_((each + clips).clamp(max=2 * clips - 1))
    s.stream.clip[clips : 2 * clips] = each[:clips]
    s.stream.clip[:clips] = each[:clips]
    s.stream.cross[:clips] = each[:clips]
    for name, value in {"temperature": 1.0, "top_k": 250.0, "cfg_coef": 3.0}.items():
        s.settings[name].fill_(value)
    rows, batch = min(t.rows, decoder._batch(2 * clips)), min(t.clips, decoder._batch(clips))
    shape = batch, rows, -(-(filled + 1) // decoder.key_tile) * decoder.key_tile, t.cardinality

    def one() -> None:
        s.seat.at.fill_(filled - 1)
        decoder.replay(shape, decoder.record) if decoder.record else decoder.step(*shape)

    return one


def step_s(backend: DecoderBackend, device: str, clips: int, filled: int, rounds: int) -> float:
    """Time of one step of `clips` guided clips that have come `filled` places far."""
    return median_s(step_of(backend, clips, filled), device, rounds)


def tokens_of(backend: DecoderBackend, jobs: list[GenerationRequest]) -> dict[int, torch.Tensor]:
    """The tokens [codebooks, frames] of `jobs`, made together, by job id."""
    made: dict[int, torch.Tensor] = {}
    codec: Any = backend._codec
    submit = codec.submit

    def keep(request: GenerationRequest, tokens: torch.Tensor, spent: Spent) -> Any:
        made[request.job_id] = tokens
        return submit(request, tokens, spent)

    codec.submit = keep
    try:
        drain(backend, jobs)
    finally:
        codec.submit = submit
    return made


def tokens_among(backend: DecoderBackend, jobs: list[GenerationRequest]) -> torch.Tensor:
    """The tokens of the first of `jobs`, made together with the others."""
    return tokens_of(backend, jobs)[jobs[0].job_id]


def identity(backend: DecoderBackend, seconds: float) -> dict[str, float]:
    """Share of one clip's tokens that are the same among other neighbours."""
    slots = backend.info.slots
    clip = replace(job_of(seconds), job_id=10_000, seed=77)
    # All as long as the clip, so that the batch keeps one size from its first step to its last.
    others = [replace(job, seed=1000 + job.job_id) for job in sweep(2 * slots, (seconds,))]
    reference = tokens_among(backend, [clip, *others[: slots - 1]])
    again = tokens_among(backend, [clip, *others[slots : 2 * slots - 1]])
    alone = tokens_among(backend, [clip])
    return {
        f"{slots} clips, other neighbours": (again == reference).float().mean().item(),
        f"alone instead of among {slots}": (alone == reference).float().mean().item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the clip")
    parser.add_argument("--slots", type=int, default=None, help="Soundmill's; default: what fits")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where the checkpoint is made and kept")
    args = parser.parse_args()
    shape, device = SHAPES[args.shape], args.device
    folder = args.folder or Path(tempfile.gettempdir()) / f"soundmill-benchmark-{shape.digest}"
    if not (folder / checkpoint.LM_FILE).is_file():
        checkpoint.build(folder, shape, 0)

    times = {"AudioCraft": audiocraft_s(folder, device, args.seconds, args.rounds)}
    if device.startswith("cuda") and importlib.util.find_spec("fast_musicgen"):
        took = fast_musicgen_s(shape, folder, device, args.seconds, args.rounds)
        times["fast-musicgen"] = {"tokens only": took}
    spec = models.resolve(str(folder))
    one = DecoderBackend(spec, device, 1, loaded=loading.load(spec, device))
    times["Soundmill"] = soundmill_s(one, device, args.seconds, args.rounds)
    one.close()
    print(f"\n### One clip of {args.seconds:g} s, musicgen-{args.shape}'s shape, {device}\n")
    print("| way | tokens only | vs AudioCraft | whole clip | vs AudioCraft |\n|---|---|---|---|---|")
    first = times["AudioCraft"]
    for name, row in times.items():
        cells = [f"{row[k]:.2f} s | {first[k] / row[k]:.1f}×" if k in row else "|" for k in first]
        print(f"| {name} | {' | '.join(cells)} |")

    backend = DecoderBackend(spec, device, args.slots, loaded=loading.load(spec, device))
    with torch.inference_mode():
        reach = copy_speed(device, args.rounds)
        print(f"\nA copy on the device reads and writes {reach / 1e9:.0f} GB/s.\n")
        print(
            "| clips | places filled | ms per step | GB read at least | GB/s | of the copy |\n|---|---|---|---|---|---|"
        )
        window = int(args.seconds * shape.frame_rate)
        for clips in sorted({1, max(1, backend.info.slots // 8), backend.info.slots}):
            for filled in (window // 4, window - 1):
                took, read = step_s(backend, device, clips, filled, 5 * args.rounds), step_bytes(backend, clips, filled)
                speed = read / took
                print(
                    f"| {clips} | {filled} | {1000 * took:.2f} | {read / 1e9:.2f} | {speed / 1e9:.0f} "
                    f"| {speed / reach:.0%} |",
                    flush=True,
                )
        backend._decoder.resize(backend.info.slots)
    print("\n| a clip's tokens | the same |\n|---|---|")
    for name, share in identity(backend, min(args.seconds, 5.0)).items():
        print(f"| {name} | {share:.2%} |")
    backend.close()


if __name__ == "__main__":
    main()
