"""The step by kernels of our own: what torch's does, in half as many launches. Without a GPU Triton's interpreter runs
them, and its compiler shows what they are on one."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from recipe import checkpoint

from soundmill.engine.decoder import fused, kernels, trial
from soundmill.engine.decoder.loop import GPU_KEYS, Decoder
from soundmill.engine.decoder.transformer import PORTION, in_portions
from support import decoding, fake_gpu

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
JOBS = [
    decoding.request(0, duration=0.16, temperature=0.0, prompt="two words"),
    decoding.request(1, duration=0.08, cfg_coef=1.0, top_k=5),
    decoding.request(2, duration=0.04, temperature=1.3, top_p=0.7),
]


def sizes(dtype: torch.dtype, width: int) -> Any:
    """As much of a Transformer as a trial looks at."""
    heads, device = 2, torch.device(DEVICE)
    return SimpleNamespace(
        dtype=dtype, device=device, heads=heads, width=width, dim=heads * width, codebooks=2, cardinality=100,
        layers=[], products=list, last_norm=torch.nn.LayerNorm(heads * width),
    )  # fmt: skip


@pytest.mark.parametrize(("dtype", "width"), [(torch.float32, 24), (torch.float16, 64), (torch.bfloat16, 16)], ids=str)
def test_the_kernels_do_what_torch_does_and_a_row_keeps_its_bits_among_others(dtype: torch.dtype, width: int) -> None:
    assert trial.passed(sizes(dtype, width))


@pytest.mark.parametrize("shape", [checkpoint.TEST_MUSICGEN, checkpoint.TEST_MELODY], ids=["text", "melody"])
def test_fused_steps_make_the_tokens_that_torchs_make(
    tmp_path: Path, shape: checkpoint.Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding.separate_small(monkeypatch)
    recorder = decoding.Recorder(decoding.load(decoding.build(tmp_path, shape), DEVICE), slots=2, device=DEVICE)
    decoder = recorder.backend._decoder
    decoder.fused, decoder.row_tile = None, 1  # no rows that nobody needs: an interpreter takes its time
    recorder.run(JOBS[:2], JOBS[2:])
    plain = dict(recorder.tokens)
    decoder.fused = fused.Fused(decoder.transformer, 3)
    recorder.run(JOBS[:2], JOBS[2:])
    assert all(torch.equal(recorder.tokens[job], plain[job]) for job in plain)


@pytest.mark.parametrize(
    ("shape", "each_layer", "around"),
    [(checkpoint.TEST_MUSICGEN, 13, 7), (checkpoint.TEST_STEREO, 13, 7), (checkpoint.TEST_MELODY, 9, 7)],
    ids=["mono", "stereo", "melody"],
)
def test_a_step_launches_no_more_kernels_than_it_did_and_waits_for_none(
    shape: checkpoint.Shape, each_layer: int, around: int
) -> None:
    with fake_gpu.fake_gpu():
        decoder = Decoder(fake_gpu.language_model(shape), 4, 40, None)
        decoder.fused = fused.Fused(decoder.transformer, PORTION)
        decoder.slots.settle()
        with fake_gpu.Watch() as watch:
            decoder.step(2, 4, GPU_KEYS, shape.cardinality)
    assert watch.kernels == each_layer * shape.layers + around
    assert watch.waits == 0
    assert {device for seen in watch.operations for device in seen.devices} == {"cuda"}
    assert watch.types_of("linear") == watch.types_of("gelu") == {torch.float16}


@pytest.mark.parametrize("clips", [1, 2, 60, 64, 100, 256])
def test_on_a_gpu_every_product_has_one_shape_whatever_the_number_of_clips(clips: int) -> None:
    with fake_gpu.fake_gpu():
        decoder = Decoder(fake_gpu.language_model(checkpoint.TEST_MUSICGEN), clips, 40, None)
        decoder.fused = fused.Fused(decoder.transformer, PORTION)
        decoder.slots.settle()
        with fake_gpu.Watch() as watch:
            decoder.step(decoder._batch(clips), decoder._batch(2 * clips), GPU_KEYS, 64)
    assert {seen.shapes[0][0] for seen in watch.operations if seen.name == "linear"} == {PORTION}


def test_a_product_in_portions_is_the_product() -> None:
    x, weight, bias = torch.randn(2 * PORTION + 5, 32), torch.randn(48, 32), torch.randn(48)
    for offset in (None, bias):
        torch.testing.assert_close(in_portions(x, weight, offset), torch.nn.functional.linear(x, weight, offset))


def test_a_row_whose_place_shows_in_its_products_is_said(caplog: pytest.LogCaptureFixture) -> None:
    tried = sizes(torch.float32, 16)

    def product(x: torch.Tensor) -> torch.Tensor:
        return x + torch.arange(len(x), device=x.device)[:, None]

    tried.products = lambda: [(product, 32)]
    with caplog.at_level(logging.WARNING):
        assert trial.passed(tried)._portion == 1
    assert "the place of a row in a product shows in its last bits" in caplog.text


def test_a_kernel_that_fails_its_trial_leaves_the_step_to_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spec = decoding.build(tmp_path, checkpoint.TEST_MUSICGEN)
    decoder = Decoder(decoding.load(spec, DEVICE).model.lm, 2, 40, None)
    add_norm = kernels.add_norm

    def neighbourly(x: torch.Tensor, *rest: Any) -> None:
        add_norm(x, *rest)
        rest[-1].mul_(1 + len(x) * 1e-6)

    monkeypatch.setattr(kernels, "add_norm", neighbourly)
    with caplog.at_level(logging.WARNING):
        decoder.fuse()
    assert decoder.fused is None
    assert "steps take torch's own kernels: norms gives a row other bits among other rows" in caplog.text


COMPILE = """
import sys
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from soundmill.engine.decoder import programs

half, single, long, number = "*fp16", "*fp32", "*i64", "i32"
head = {"HEADS": 16, "WIDTH": 64, "BLOCK": 64}
CASES = [
    ("enter", [long] * 4 + [half] + [single] * 2 + [long] + [number] * 3, {"BOOKS": 4, "BLOCK": 2048}, 4),
    *(("add_norm", [single, half, long, half, single, single, half, number, "fp32"],
       {"CHANGES": changes, "GATHERS": gathers, "SCATTERS": scatters, "BLOCK": 2048}, 4)
      for changes, gathers, scatters in ((0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 0, 1))),
    ("attend", [half] * 3 + [long, single] + [number] * 3 + ["fp32"], {**head, "SPLIT": 128}, 4),
    ("merge", [single, long, half, number], {**head, "SPLIT": 128}, 4),
    ("attend_text", [half] * 3 + [long, half] + [number] * 2 + ["fp32"], {**head, "KEYS": 64}, 4),
    ("choose", [half] + [long] * 2 + [single] * 5 + [long] * 3 + [single, number],
     {"BOOKS": 4, "CARDINALITY": 2048, "BLOCK": 2048}, 8),
]
for name, types, sizes, warps in CASES:
    program = getattr(programs, name)
    names = program.arg_names
    signature = dict(zip(names, types)) | dict.fromkeys(sizes, "constexpr")
    even = {(at,): [["tt.divisibility", 16]] for at, kind in enumerate(types)
            if kind[0] == "*" or names[at] in ("row_stride", "head_stride", "dim")}
    source = ASTSource(program, signature, {(names.index(size),): value for size, value in sizes.items()}, even)
    ptx = compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps}).asm["ptx"]
    print(name, ptx.count(".local"), ptx.count("ld.global.v4"))
"""


def test_the_kernels_compile_for_an_h100_without_memory_of_their_own_and_read_16_bytes_at_a_time() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == 0, done.stderr
    compiled = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, *_ in compiled][5:] == ["attend", "merge", "attend_text", "choose"]
    assert [name for name, *_ in compiled][:5] == ["enter", *["add_norm"] * 4]
    assert all(int(spilt) == 0 for _, spilt, _ in compiled)
    wide = {name: int(loads) for name, _, loads in compiled}
    assert wide["attend"] >= 16 and wide["attend_text"] >= 8 and wide["add_norm"] >= 8 and wide["enter"] >= 2
