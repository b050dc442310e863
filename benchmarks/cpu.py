"""Which arithmetic, how many threads and how many slots a step on a CPU should have.

    python benchmarks/cpu.py --shape small

Three tables. One product by its kernel and rows. What each kernel does to the model's choice of tokens: the share of
positions of random token sequences where the likeliest token is the one of single precision. One step by threads
and clips. Ways are timed in turn, round after
round, and the best round counts: on a busy machine only the ratios mean anything.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import linear

from soundmill.engine import models
from soundmill.engine.audiocraft import loading
from soundmill.engine.decoder import transformer
from soundmill.engine.decoder.loop import Decoder
from soundmill.engine.decoder.transformer import Linear
from throughput import SHAPES, checkpoint

Pack = Callable[[Tensor, Tensor | None], Linear]


def plain(weight: Tensor, bias: Tensor | None) -> Linear:
    weight = weight.detach().clone()  # the model's own is emptied once it was packed
    return lambda x: linear(x, weight, bias)


def bfloat16(weight: Tensor, bias: Tensor | None) -> Linear:
    half, half_bias = weight.detach().bfloat16(), None if bias is None else bias.bfloat16()
    return lambda x: linear(x.bfloat16(), half, half_bias).float()


def float16(weight: Tensor, bias: Tensor | None) -> Linear:
    half, half_bias = weight.detach().half(), None if bias is None else bias.half()
    return lambda x: linear(x.half(), half, half_bias).float()


def _scales(weight: Tensor) -> Tensor:
    return weight.detach().abs().amax(1).clamp(min=1e-8) / 127


def int8_weights(weight: Tensor, bias: Tensor | None) -> Linear:
    """Weights in 8 bits, one scale per output; sums in single precision."""
    scales = _scales(weight)
    small = (weight.detach() / scales[:, None]).round().to(torch.int8)
    return lambda x: torch._weight_int8pack_mm(x, small, scales) if bias is None else _raise_bias()


def _raise_bias() -> Tensor:
    raise ValueError("these shapes have no biases")


def int8_dynamic(weight: Tensor, bias: Tensor | None) -> Linear:
    """Weights and inputs in 8 bits, the inputs by one scale for the whole batch: a row depends on its neighbours."""
    scales = _scales(weight)
    zeros = torch.zeros(len(scales), dtype=torch.long)
    small = torch.quantize_per_channel(weight.detach().float().contiguous(), scales, zeros, 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(small, bias)
    # 7 bits for the inputs: without VNNI, two products of 8 bits overflow the 16 bits they are added up in.
    return lambda x: torch.ops.quantized.linear_dynamic(x, packed, reduce_range=True)


KERNELS: Mapping[str, Pack] = {
    "linear (MKL)": plain,
    "oneDNN packed": transformer.pack,
    "bfloat16": bfloat16,
    "float16": float16,
    "int8 weights": int8_weights,
    "int8 dynamic": int8_dynamic,
}


def best_ms(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The best of `rounds` times of each way, taken in turn, milliseconds; one round before them is not counted."""
    best = dict.fromkeys(ways, float("inf"))
    for turn in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            took = 1000 * (time.perf_counter() - began)
            if turn:
                best[name] = min(best[name], took)
    return best


def products(shape: checkpoint.Shape, rows: list[int], rounds: int) -> None:
    print("\n| weight | kernel | " + " | ".join(f"{count} rows" for count in rows) + " |")
    print("|---|---|" + "---|" * len(rows))
    for outputs, inputs in ((3 * shape.dim, shape.dim), (4 * shape.dim, shape.dim), (shape.dim, 4 * shape.dim)):
        weight = torch.randn(outputs, inputs) / inputs**0.5
        kernels = {name: pack(weight, None) for name, pack in KERNELS.items()}
        times: dict[str, list[float]] = {name: [] for name in kernels}
        for count in rows:
            x = torch.randn(count, inputs)
            ways = {name: (lambda kernel=kernel, x=x: kernel(x)) for name, kernel in kernels.items()}
            for name, took in best_ms(ways, rounds).items():
                times[name].append(took)
        for name, row in times.items():
            print(f"| {outputs} × {inputs} | {name} | " + " | ".join(f"{took:.2f}" for took in row) + " |")


def read(decoder: Decoder, tokens: Tensor) -> Tensor:
    """Logits [rows, steps, codebooks, cardinality] for tokens [rows, codebooks, steps], without text."""
    t, (n, _, steps) = decoder.transformer, tokens.shape
    positions = torch.arange(steps).expand(n, -1)
    nobody, none = torch.zeros(1, dtype=torch.long), torch.full((n,), -1)
    x = t.forward(t.embed(tokens.transpose(1, 2)), positions, slice(0, n), slice(0, 1), nobody, none, steps)
    return t.predict(x.reshape(n * steps, -1)).view(n, steps, t.codebooks, t.cardinality)


def agreement(folder: Path, rows: int, steps: int) -> None:
    generator = torch.Generator().manual_seed(0)
    reference: Tensor | None = None
    print("\n| kernel | likeliest token as in single precision | mean difference of logits, in their deviations |")
    print("|---|---|---|")
    for name, pack in KERNELS.items():
        decoder = open_decoder(folder, rows, pack)
        t = decoder.transformer
        if reference is None:
            tokens = torch.randint(t.cardinality, (rows, t.codebooks, steps), generator=generator)
        logits = read(decoder, tokens)
        decoder.release()
        if reference is None:
            reference = logits
        same = (logits.argmax(-1) == reference.argmax(-1)).float().mean().item()
        apart = ((logits - reference).abs().mean() / reference.std()).item()
        print(f"| {name} | {same:.2%} | {apart:.2e} |", flush=True)


def open_decoder(folder: Path, slots: int, pack: Pack) -> Decoder:
    transformer.pack = pack
    model = loading.load(models.resolve(str(folder)), "cpu").model
    return Decoder(model.lm, slots, int(model.max_duration * model.frame_rate), None)


def steps(folder: Path, clips: list[int], threads: list[int], extent: int, rounds: int) -> None:
    decoder = open_decoder(folder, max(clips), transformer.pack)
    t = decoder.transformer
    t.reserve(extent)
    print(f"\n| clips | {' | '.join(f'{count} threads: ms per step | clip-steps/s' for count in threads)} |")
    print("|---|" + "---|---|" * len(threads))

    def step(count: int, use: int) -> None:
        torch.set_num_threads(use)
        tile = decoder.row_tile
        rows = min(t.rows, -(-2 * count // tile) * tile)
        decoder.step(min(t.clips, -(-count // tile) * tile), rows, extent, 250)

    for count in clips:
        ways = {str(use): (lambda use=use, count=count: step(count, use)) for use in threads}
        took = best_ms(ways, rounds)
        cells = (f"{ms:.0f} | {1000 * count / ms:.1f}" for ms in took.values())
        print(f"| {count} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--tables", nargs="+", choices=("products", "agreement", "steps"), default=None)
    parser.add_argument("--rows", type=int, nargs="+", default=[2, 6, 16, 48])
    parser.add_argument("--clips", type=int, nargs="+", default=[1, 4, 8, 16, 24])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--extent", type=int, default=256, help="keys that every row reads in a step")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--folder", type=Path, default=None, help="where the checkpoint is made and kept")
    args = parser.parse_args()
    shape, tables = SHAPES[args.shape], args.tables or ["products", "agreement", "steps"]
    torch.set_num_threads(max(args.threads))
    print(f"musicgen-{args.shape}'s shape, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    folder = args.folder or Path(tempfile.gettempdir()) / f"soundmill-benchmark-{shape.digest}"
    with torch.inference_mode():
        if "products" in tables:
            products(shape, args.rows, args.rounds)
        if not (folder / checkpoint.LM_FILE).is_file() and len(tables) > ("products" in tables):
            with torch.inference_mode(False):
                checkpoint.build(folder, shape, 0)
        if "agreement" in tables:
            agreement(folder, 4, 64)
            transformer.pack = KERNELS["oneDNN packed"]
        if "steps" in tables:
            steps(folder, args.clips, args.threads, args.extent, args.rounds)
    print(f"\nload at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
