"""How fast a mixed sweep of clips becomes audio: AudioCraft one by one, AudioCraft grouped, and Soundmill.

    python benchmarks/throughput.py --shape small --clips 48 --device cpu --sample 6

The checkpoint has random weights and a published model's shape, which costs the same time. Each way
runs in a process of its own, one after the other, on the same clips:

a  one clip per `generate` call: the usual loop
b  AudioCraft's best static batching: clips with equal sampling parameters share a call, made as long as the
   longest of them and trimmed
c  Soundmill's decode loop, all clips at once
d  (--peers) Hugging Face transformers' MusicGen of the same shape, random weights too, grouped as b

--sample N measures a and b on every Nth clip or group and extrapolates by steps; the table says so.

    python benchmarks/throughput.py --goals --device cuda:0

measures all that is asked of a GPU, one shape after the other: 256 clips of 5 to 30 s each of the ways above, and
then benchmarks/alone.py.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from soundmill.engine import models
from soundmill.engine.audiocraft import loading
from soundmill.engine.process.child import QUIET_WAITING
from soundmill.jobs import AudioFormat, GenerationRequest, Normalization, Parameters

# The recipe of `tiny` makes checkpoints of random weights, too.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))
from recipe import checkpoint

SHAPES = {
    "tiny": checkpoint.TINY,
    "small": checkpoint.MUSICGEN_SMALL,
    "medium": checkpoint.MUSICGEN_MEDIUM,
    "large": checkpoint.MUSICGEN_LARGE,
}
WAYS = {
    "a": "AudioCraft, one clip per call",
    "b": "AudioCraft, grouped by parameters",
    "c": "Soundmill",
    "d": "transformers, grouped by parameters",
}
CLIPS, DURATIONS = 48, (1.0, 2.0, 3.0)  # seconds
GOAL_CLIPS, GOAL_DURATIONS = 256, (5.0, 10.0, 15.0, 20.0, 25.0, 30.0)
GOAL_SHAPES = ("small", "medium", "large")
THEMES = (
    "calm piano in the rain",
    "fast drums and brass for a chase",
    "low drone",
    "old waltz on a music box, far away",
)


def sweep(clips: int, durations: tuple[float, ...]) -> list[GenerationRequest]:
    """A mixed sweep: the levels of all factors, interleaved so that no prefix of it is one-sided."""
    levels = itertools.product((0.7, 1.0, 1.3), (2.0, 3.0, 4.0), (50, 250))
    settings = list(levels)
    return [
        GenerationRequest(
            job_id=index,
            attempt=1,
            prompt=THEMES[index % len(THEMES)],
            parameters=Parameters(
                duration=durations[(index * 7 + index // 5) % len(durations)],
                temperature=settings[index % len(settings)][0],
                cfg_coef=settings[index % len(settings)][1],
                top_k=settings[index % len(settings)][2],
                top_p=0.0,
            ),
            seed=index,
            format=AudioFormat.WAV,
            normalization=Normalization.NONE,
            normalization_target=0.0,
            deadline_s=1e6,
        )
        for index in range(clips)
    ]


def groups(jobs: list[GenerationRequest]) -> list[list[GenerationRequest]]:
    """Clips that a static batch can make together, each group as long as its longest clip."""
    sorted_by: Callable[[GenerationRequest], Any] = lambda job: (  # noqa: E731
        job.parameters.temperature,
        job.parameters.cfg_coef,
        job.parameters.top_k,
    )
    return [list(group) for _, group in itertools.groupby(sorted(jobs, key=sorted_by), key=sorted_by)]


def frames(job: GenerationRequest, frame_rate: float) -> int:
    return int(job.parameters.duration * frame_rate)


def static(
    jobs: list[GenerationRequest],
    sample: int,
    together: bool,
    frame_rate: float,
    call: Callable[[list[GenerationRequest], float], None],
) -> dict[str, float]:
    """Time `call` on every `sample`th group and extrapolate to all of them by the steps each takes."""
    calls = groups(jobs) if together else [[job] for job in jobs]
    measured = calls[sample // 2 :: sample] or calls[:1]
    call(measured[0][:1], 0.2)  # not counted: the first call of a process allocates and warms up
    took: list[float] = []
    for group in measured:
        began = time.perf_counter()
        call(group, max(job.parameters.duration for job in group))
        took.append(time.perf_counter() - began)
    steps = [max(frames(job, frame_rate) for job in group) for group in calls]
    measured_steps = steps[sample // 2 :: sample] or steps[:1]
    seconds = sum(took) / sum(measured_steps) * sum(steps)
    useful = sum(frames(job, frame_rate) for job in jobs) / sum(
        size * len(group) for size, group in zip(steps, calls, strict=True)
    )
    return {"seconds": seconds, "useful": useful, "measured_s": sum(took), "measured": len(measured), "of": len(calls)}


def run_audiocraft(
    folder: Path, device: str, jobs: list[GenerationRequest], sample: int, grouped: bool
) -> dict[str, float]:
    model: Any = loading.load(models.resolve(str(folder)), device).model

    def call(group: list[GenerationRequest], duration: float) -> None:
        p = group[0].parameters
        model.set_generation_params(duration=duration, temperature=p.temperature, top_k=p.top_k, cfg_coef=p.cfg_coef)
        model.generate([job.prompt for job in group]).cpu()

    return static(jobs, sample, grouped, float(model.frame_rate), call)


def run_soundmill(folder: Path, device: str, jobs: list[GenerationRequest], slots: int | None) -> dict[str, float]:
    from soundmill.engine.backend import Clip
    from soundmill.engine.decoder.backend import DecoderBackend

    spec = models.resolve(str(folder))
    backend = DecoderBackend(spec, device, slots, loaded=loading.load(spec, device))
    drain(backend, [sweep(1, (0.2,))[0]])
    decoder: Any = backend._decoder
    advance = decoder.advance
    used = had = busy_used = busy_had = 0

    def counted(steps: int) -> None:
        nonlocal used, had, busy_used, busy_had
        active = len(decoder.slots.active)
        used, had = used + active * steps, had + backend.info.slots * steps
        if backend._waiting:
            busy_used, busy_had = busy_used + active * steps, busy_had + backend.info.slots * steps
        advance(steps)

    decoder.advance = counted
    began = time.perf_counter()
    results = drain(backend, jobs)
    seconds = time.perf_counter() - began
    assert sum(isinstance(result, Clip) for result in results) == len(jobs), results
    return {
        "seconds": seconds,
        "useful": busy_used / busy_had if busy_had else used / had,
        "slots": backend.info.slots,
        "threads": torch.get_num_threads(),
    }


def drain(backend: Any, jobs: list[GenerationRequest]) -> list[Any]:
    from soundmill.jobs import Progress

    backend.submit(jobs)
    results: list[Any] = []
    while backend.busy:
        results += [event for event in backend.step() if not isinstance(event, Progress)]
    return results


def run_transformers(
    shape: checkpoint.Shape, device: str, jobs: list[GenerationRequest], sample: int
) -> dict[str, float]:
    from transformers import (
        EncodecConfig,
        MusicgenConfig,
        MusicgenDecoderConfig,
        MusicgenForConditionalGeneration,
        T5Config,
    )

    text = T5Config(d_model=shape.text_dim, num_layers=shape.text_layers, num_heads=shape.text_heads, vocab_size=1000)
    codec = EncodecConfig(
        sampling_rate=shape.sample_rate,
        upsampling_ratios=list(shape.ratios),
        num_filters=shape.filters,
        hidden_size=shape.codec_dim,
        codebook_dim=shape.codec_dim,
        codebook_size=shape.cardinality,
        target_bandwidths=[2.2],
        normalize=False,
        use_causal_conv=False,
    )
    decoder = MusicgenDecoderConfig(
        hidden_size=shape.dim,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        ffn_dim=4 * shape.dim,
        vocab_size=shape.cardinality,
        num_codebooks=shape.streams,
        pad_token_id=shape.cardinality,
        bos_token_id=shape.cardinality,
    )
    config = MusicgenConfig(text_encoder=text, audio_encoder=codec, decoder=decoder)
    model: Any = MusicgenForConditionalGeneration(config).to(device).eval()
    if device != "cpu":
        model = model.half()

    def call(group: list[GenerationRequest], duration: float) -> None:
        p = group[0].parameters
        tokens = torch.randint(5, 900, (len(group), 8), device=device)
        made = model.generate(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            do_sample=True,
            temperature=p.temperature,
            top_k=p.top_k,
            guidance_scale=p.cfg_coef,
            max_new_tokens=int(duration * shape.frame_rate) + shape.streams,
            decoder_start_token_id=shape.cardinality,
            pad_token_id=shape.cardinality,
        )
        made.cpu()

    return static(jobs, sample, True, float(shape.frame_rate), call)


def measure(way: str, args: argparse.Namespace, folder: Path, jobs: list[GenerationRequest]) -> dict[str, float]:
    if args.threads:
        torch.set_num_threads(args.threads)
    shape = SHAPES[args.shape]
    with torch.inference_mode():
        if way == "c":
            result = run_soundmill(folder, args.device, jobs, args.slots)
        elif way == "d":
            result = run_transformers(shape, args.device, jobs, args.sample)
        else:
            result = run_audiocraft(folder, args.device, jobs, args.sample, way == "b")
    cuda = args.device.startswith("cuda")
    peak = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {**result, "peak_gb": peak / 1e9}


def table(results: dict[str, dict[str, float]], jobs: list[GenerationRequest], frame_rate: float) -> str:
    audio_s = sum(job.parameters.duration for job in jobs)
    steps = sum(frames(job, frame_rate) for job in jobs)
    lines = [
        "| way | clips/h | clip-steps/s | s per s of audio | useful slot-steps | peak memory | measured | vs a |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for way, result in results.items():
        seconds = result["seconds"]
        part = f"{result['measured']:.0f} of {result['of']:.0f} calls" if "of" in result else "all"
        ratio = f"{results['a']['seconds'] / seconds:.1f}×" if "a" in results else ""
        lines.append(
            f"| {way} {WAYS[way]} | {len(jobs) / seconds * 3600:.0f} | {steps / seconds:.1f} | {seconds / audio_s:.2f} "
            f"| {result['useful']:.0%} | {result['peak_gb']:.1f} GB | {part} | {ratio} |"
        )
    return "\n".join(lines)


def goals(args: argparse.Namespace) -> None:
    """The sweep and benchmarks/alone.py for every shape, each in a process of its own."""
    longest = max(args.durations or GOAL_DURATIONS)
    for shape in args.shapes:
        sweep_of = ["--clips", args.clips or GOAL_CLIPS, "--durations", *(args.durations or GOAL_DURATIONS)]
        common = ["--shape", shape, "--device", args.device, *(["--slots", args.slots] if args.slots else [])]
        commands = [
            [__file__, *common, *sweep_of, "--sample", args.sample, "--peers"],
            [str(Path(__file__).with_name("alone.py")), *common, "--seconds", longest],
        ]
        for command in commands:
            subprocess.run([sys.executable, *map(str, command)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--clips", type=int, default=None, help=f"default: {CLIPS}, with --goals {GOAL_CLIPS}")
    parser.add_argument("--durations", type=float, nargs="+", default=None, help="seconds")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--slots", type=int, default=None, help="Soundmill's; default: what fits")
    parser.add_argument("--sample", type=int, default=6, help="measure a, b and d on every Nth clip or group")
    parser.add_argument("--threads", type=int, default=None, help="torch threads; default: torch's own choice")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["a", "b", "c"])
    parser.add_argument("--peers", action="store_true", help="measure transformers too")
    parser.add_argument("--folder", type=Path, default=None, help="where the checkpoint is made and kept")
    parser.add_argument("--goals", action="store_true", help="measure all that is asked of a GPU")
    parser.add_argument("--shapes", choices=SHAPES, nargs="+", default=GOAL_SHAPES, help="with --goals")
    parser.add_argument("--only", choices=WAYS, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.goals:
        goals(args)
        return
    jobs = sweep(args.clips or CLIPS, tuple(args.durations or DURATIONS))
    folder = args.folder or Path(tempfile.gettempdir()) / f"soundmill-benchmark-{SHAPES[args.shape].digest}"
    if args.only:
        print(json.dumps(measure(args.only, args, folder, jobs)))
        return
    if not (folder / checkpoint.LM_FILE).is_file():
        checkpoint.build(folder, SHAPES[args.shape], 0)
    results: dict[str, dict[str, float]] = {}
    for way in args.ways + (["d"] if args.peers and "d" not in args.ways else []):
        again = [sys.executable, __file__, *sys.argv[1:], "--folder", str(folder), "--only", way]
        env = QUIET_WAITING | os.environ if way == "c" else None  # as the daemon starts its engines
        done = subprocess.run(again, check=True, stdout=subprocess.PIPE, text=True, env=env)
        results[way] = json.loads(done.stdout.splitlines()[-1])
        print(f"{way}: {results[way]}", file=sys.stderr, flush=True)
    mean = statistics.mean(job.parameters.duration for job in jobs)
    device = (
        torch.cuda.get_device_name() if args.device.startswith("cuda") else f"{torch.get_num_threads()} CPU threads"
    )
    print(f"\n{len(jobs)} clips of {mean:.2f} s on average, musicgen-{args.shape}'s shape, {device}\n")
    print(table(results, jobs, float(SHAPES[args.shape].frame_rate)))


if __name__ == "__main__":
    main()
