"""What a step asks of a GPU, counted without one: kernels, bytes, waits, and on paper the time that makes.

    python benchmarks/launches.py --shape small --clips 1 16 64 256

Torch runs the step on tensors that have a device, a type and a shape but no numbers, and every operation is counted:
AudioCraft's loop at one clip a call, then Soundmill's at so many guided clips. `--filled` keys stand in each
row's cache, which on average over a mixed sweep is half of the longest.

The time is bytes / bandwidth + kernels · gap: in a recorded graph a small kernel that waits for the one before costs
about the gap, however little it does; launched one by one from Python it costs `--launch-us`, and the bytes hide
behind it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import torch

from soundmill.engine.decoder.loop import GPU_BATCHES, GPU_KEYS, Decoder
from throughput import SHAPES, checkpoint

# isort: split
from audiocraft.utils import utils

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support import fake_gpu

KINDS = {
    "linear": "products",
    "scaled_dot_product_attention": "attention",
    "layer_norm": "norms",
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


def soundmill(shape: checkpoint.Shape, clips: int, filled: int) -> tuple[fake_gpu.Watch, Decoder]:
    """One step of `clips` guided clips of which the longest has `filled` keys."""
    with fake_gpu.fake_gpu():
        lm = fake_gpu.language_model(shape)
        batch, rows = (next(size for size in GPU_BATCHES if size >= count) for count in (clips, 2 * clips))
        decoder = Decoder(lm, clips, int(shape.window_s * shape.frame_rate), None)
        decoder.slots.settle()
        with fake_gpu.Watch() as watch:
            decoder.step(batch, rows, -(-filled // GPU_KEYS) * GPU_KEYS, shape.cardinality)
    return watch, decoder


def line(name: str, watch: fake_gpu.Watch, ms: float, weights: int, cache: int, frames_a_s: float) -> str:
    """A row of the table; a step of `ms` makes `frames_a_s` frames of one second."""
    kinds: Counter[str] = Counter()
    for seen in watch.operations:
        kinds[KINDS.get(seen.name, "rest")] += seen.kernels
    moved = sum(seen.bytes for seen in watch.operations)
    cells = [name, watch.kernels, *(kinds[kind] for kind in columns()), watch.waits]
    cells += [f"{size / 1e6:.0f}" for size in (weights, cache, moved - weights - cache)]
    return "| " + " | ".join(map(str, cells)) + f" | {ms:.2f} | {1000 / ms * frames_a_s:.0f} |"


def columns() -> list[str]:
    return [*dict.fromkeys(KINDS.values()), "rest"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--clips", type=int, nargs="+", default=[1, 16, 64, 256], help="guided clips a step")
    parser.add_argument("--filled", type=int, default=768, help="keys in a row's cache")
    parser.add_argument("--bandwidth", type=float, default=3.35, help="of the GPU's memory, TB/s")
    parser.add_argument("--gap-us", type=float, default=1.5, help="of a kernel in a recorded graph")
    parser.add_argument("--launch-us", type=float, default=7.0, help="of a kernel launched from Python")
    args = parser.parse_args()
    shape = SHAPES[args.shape]
    print(f"musicgen-{args.shape}'s shape, {args.filled} keys filled, {args.bandwidth} TB/s\n")
    sizes = "weights MB | cache MB | rest MB"
    print(f"| step | kernels | {' | '.join(columns())} | waits | {sizes} | ms on paper | audio-s per s |")
    print("|---|" + "---|" * (len(columns()) + 7))
    key = 2 * shape.layers * shape.dim * 2  # bytes that a key and its value take in all layers, in float16
    watch = audiocraft(shape, args.filled)
    weights = products(watch)
    print(
        line(
            "AudioCraft, 1 clip",
            watch,
            watch.kernels * args.launch_us / 1e3,
            weights,
            2 * args.filled * key,
            1 / shape.frame_rate,
        )
    )
    for clips in args.clips:
        watch, _ = soundmill(shape, clips, args.filled)
        weights, moved = products(watch), sum(seen.bytes for seen in watch.operations)
        ms = moved / args.bandwidth / 1e9 + watch.kernels * args.gap_us / 1e3
        cache = 2 * clips * args.filled * key
        print(line(f"Soundmill, {clips} clips", watch, ms, weights, cache, clips / shape.frame_rate))


def products(watch: fake_gpu.Watch) -> int:
    return sum(seen.bytes for seen in watch.operations if seen.name == "linear")


if __name__ == "__main__":
    main()
