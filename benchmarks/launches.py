"""What a step asks of a GPU, counted without one: kernels, bytes, waits, and on paper the time that makes.

    python benchmarks/launches.py --shape small --clips 1 16 64 256

Torch runs the step on tensors that have a device, a type and a shape but no numbers, and every operation is counted:
AudioCraft's loop at one clip a call, then Soundmill's at so many guided clips, with torch's kernels and with those of
engine/decoder/kernels.py, which read of a row's cache what is filled.

The time is bytes / bandwidth + kernels · gap: in a recorded graph a small kernel that waits for the one before costs
about the gap, however little it does; launched one by one from Python it costs `--launch-us`, and the bytes hide
behind it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from pathlib import Path

import torch

from soundmill.engine.decoder.fused import Fused
from soundmill.engine.decoder.loop import GPU_BATCHES, GPU_KEYS, Decoder
from soundmill.engine.decoder.transformer import PORTION
from throughput import SHAPES, checkpoint

# isort: split
from audiocraft.utils import utils

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support import fake_gpu

KINDS = {
    "linear": "products",
    "scaled_dot_product_attention": "attention",
    "attend_filled": "attention",
    "attend_text": "attention",
    "layer_norm": "norms",
    "add_norm": "norms",
    "to": "casts",
    "cat": "copies",
    "index": "copies",
    "index_put_": "copies",
}
TEXT_TOKENS = 16


def top_k(probs: torch.Tensor, k: int) -> torch.Tensor:
    """AudioCraft's `sample_top_k`, whose index [-1] is a list: brought to the GPU, and waited for, at every step."""
    least = torch.topk(probs, k, dim=-1)[0][..., -1:].clone()
    probs *= (probs >= least).float()
    probs.div_(probs.sum(dim=-1, keepdim=True))
    return utils.multinomial(probs, num_samples=1)


def audiocraft(shape: checkpoint.Shape, filled: int) -> fake_gpu.Watch:
    """One step of AudioCraft's `generate` for one guided clip, after `filled` steps."""
    with fake_gpu.fake_gpu():
        lm = fake_gpu.language_model(shape)
        text = torch.zeros(2, TEXT_TOKENS, shape.dim, dtype=torch.float16, device="cuda")
        given = {"description": (text, torch.ones(2, TEXT_TOKENS, device="cuda"))}
        utils.sample_top_k = top_k
        with fake_gpu.autocast(), lm.streaming():
            for steps in (filled, 1):
                tokens = torch.zeros(1, shape.streams, steps, dtype=torch.long, device="cuda")
                with fake_gpu.Watch() as watch:
                    lm._sample_next_token(tokens, given, {}, use_sampling=True, temp=1.0, top_k=250, cfg_coef=3.0)
    return watch


def soundmill(shape: checkpoint.Shape, clips: int, extent: int, fused: bool) -> fake_gpu.Watch:
    """One step of `clips` guided clips whose longest has no more than `extent` keys."""
    with fake_gpu.fake_gpu():
        window = int(shape.window_s * shape.frame_rate)
        decoder = Decoder(fake_gpu.language_model(shape), clips, window, None)
        decoder.fused = Fused(decoder.transformer, PORTION) if fused else None
        decoder.slots.settle()
        with fake_gpu.Watch() as watch:
            decoder.step(batch(clips), batch(2 * clips), extent, shape.cardinality)
    return watch


def line(name: str, watch: fake_gpu.Watch, ms: float, cache: int, rest: int, frames_a_s: float) -> str:
    """A row of the table; a step of `ms` makes `frames_a_s` frames of one second."""
    kinds: Counter[str] = Counter()
    for seen in watch.operations:
        kinds[KINDS.get(seen.name, "rest")] += seen.kernels
    cells = [name, watch.kernels, *(kinds[kind] for kind in columns()), watch.waits]
    cells += [f"{size / 1e6:.0f}" for size in (products(watch), cache, rest)]
    return "| " + " | ".join(map(str, cells)) + f" | {ms:.2f} | {1000 / ms * frames_a_s:.0f} |"


def columns() -> list[str]:
    return [*dict.fromkeys(KINDS.values()), "rest"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--clips", type=int, nargs="+", default=[1, 16, 64, 256], help="guided clips a step")
    parser.add_argument("--filled", type=int, default=1504, help="keys of the longest row: 30 s of a MusicGen")
    parser.add_argument("--mean", type=int, default=752, help="keys of all rows on average")
    parser.add_argument("--bandwidth", type=float, default=3.35, help="of the GPU's memory, TB/s")
    parser.add_argument("--gap-us", type=float, default=1.5, help="of a kernel in a recorded graph")
    parser.add_argument("--launch-us", type=float, default=7.0, help="of a kernel launched from Python")
    args = parser.parse_args()
    shape = SHAPES[args.shape]
    print(
        f"musicgen-{args.shape}'s shape, {args.filled} keys at most and {args.mean} on average, {args.bandwidth} TB/s\n"
    )
    sizes = "weights MB | cache MB | rest MB"
    print(f"| step | kernels | {' | '.join(columns())} | waits | {sizes} | ms on paper | audio-s per s |")
    print("|---|" + "---|" * (len(columns()) + 7))
    key = 2 * shape.layers * shape.dim * 2  # bytes that a key and its value take in all layers, in float16
    watch = audiocraft(shape, args.mean)
    cache, moved = 2 * args.mean * key, sum(seen.bytes for seen in watch.operations)
    rest = moved - products(watch) - cache
    print(line("AudioCraft, 1 clip", watch, watch.kernels * args.launch_us / 1e3, cache, rest, 1 / shape.frame_rate))
    extent = -(-args.filled // GPU_KEYS) * GPU_KEYS
    for clips, fused in itertools.product(args.clips, (False, True)):
        watch = soundmill(shape, clips, extent, fused)
        moved = sum(seen.bytes for seen in watch.operations)
        rows = batch(2 * clips)
        cache = key * (2 * clips * args.mean if fused else rows * extent)
        # Our kernels' cache is not among the bytes counted, because they read only what is filled.
        rest = moved - products(watch) - (0 if fused else cache)
        ms = (products(watch) + cache + rest) / args.bandwidth / 1e9 + watch.kernels * args.gap_us / 1e3
        name = f"{clips} clips, our kernels" if fused else f"{clips} clips, torch's kernels"
        print(line(name, watch, ms, cache, rest, clips / shape.frame_rate))


def batch(count: int) -> int:
    return next(size for size in GPU_BATCHES if size >= count)


def products(watch: fake_gpu.Watch) -> int:
    return sum(seen.bytes for seen in watch.operations if seen.name == "linear")


if __name__ == "__main__":
    main()
