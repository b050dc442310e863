"""Truth: that what is made is what AudioCraft makes, of its own prompt, and the same whoever else is in the batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import torch

from alone import step_s, tokens_among, tokens_of
from parts import engines
from parts.lease import Lease
from soundmill.engine.decoder.backend import DecoderBackend
from soundmill.engine.decoder.loop import GPU_BATCHES
from soundmill.engine.decoder.transformer import attend, hide
from soundmill.engine.inputs import whole_frames
from soundmill.jobs import GenerationRequest
from throughput import sweep

SLOTS = 64
PRODUCT_ROWS = 256  # most rows of the products that are compared
GUIDANCE = (3.0, 1.0, 2.0)  # of the greedy clips; 1 is unguided


def measure(lease: Lease) -> None:
    folder = lease.checkpoint("small")
    ours = engines.soundmill(folder, lease.device, SLOTS)
    with torch.inference_mode():
        prompts_matter(lease, ours)
    for name in ("float16", "float32") if lease.on_gpu else ("float32",):
        parity(lease, getattr(torch, name), name)
    with torch.inference_mode():
        exactness(lease, ours)
        products(lease, ours)
    ours.close()


def prompts_matter(lease: Lease, backend: DecoderBackend) -> None:
    """Recorded steps read what they are given: other prompts give other tokens, the same one the same."""
    alike = replace(_drawn(lease, 0), seed=5)
    calm, drums = (replace(alike, prompt=prompt) for prompt in ("calm piano", "fast drums"))
    first, other, again = (tokens_among(backend, [job]) for job in (calm, drums, calm))
    lease.say("replayed: tokens alike for two prompts", _alike(first, other))
    lease.say("replayed: tokens alike for one prompt twice", _alike(first, again))
    lease.say("replayed: steps recorded", len(backend._decoder.recordings))


def exactness(lease: Lease, backend: DecoderBackend) -> None:
    """One drawn clip's tokens alone and among others: with the batch sizes that the engine takes by itself, and with
    one size for all, which is what is left where a product's bits depend on how many rows it has."""
    own = _cases(lease, backend, "exact")
    filled = int(lease.work.drawn_s * float(backend._model.frame_rate))
    with _one_size(backend):
        fixed = _cases(lease, backend, "exact at one size")
        padded = {clips: step_s(backend, lease.device, clips, filled, lease.work.rounds) for clips in (1, 16)}
    costs = {n: took / step_s(backend, lease.device, n, filled, lease.work.rounds) - 1 for n, took in padded.items()}
    for clips, cost in costs.items():
        lease.say(f"exact at one size: cost of {clips} clips", cost)
    lease.say("exact: share of cases, at best", max(own, fixed))
    built_in = _cost_of_portions(lease, backend)
    if max(own, fixed) == 1.0:
        lease.say("exact: cost", built_in if own == 1.0 else max(costs.values()))
    engines.resize(backend, SLOTS)


def _cost_of_portions(lease: Lease, backend: DecoderBackend) -> float:
    """What it costs that a fused step's products have one shape, against products of as many rows as there are."""
    decoder: Any = backend._decoder
    fused = getattr(decoder, "fused", None)
    lease.say("fused kernels", "in use" if fused is not None else "not in use")
    if fused is None:
        return 0.0
    filled, costs = int(lease.work.drawn_s * float(backend._model.frame_rate)), []
    for clips in (1, 16, SLOTS):
        took = []
        for way in (fused, type(fused)(decoder.transformer, 1)):
            decoder.fused = way
            decoder.recordings.clear()
            took.append(step_s(backend, lease.device, clips, filled, lease.work.rounds))
        costs.append(took[0] / took[1] - 1)
        lease.say(f"exact: cost of one shape for products, {clips} clips", costs[-1])
    decoder.fused = fused
    return max(costs)


def _cases(lease: Lease, backend: DecoderBackend, way: str) -> float:
    """The share of cases in which a clip has all the tokens that it has alone."""
    clip, others = _drawn(lease, 10_000), [_drawn(lease, index) for index in range(1, 2 * SLOTS)]
    short = [replace(job, parameters=replace(job.parameters, duration=lease.work.drawn_s / 2)) for job in others]
    cases: dict[str, list[GenerationRequest]] = {
        "alone again": [clip],
        "at 2": [clip, others[0]],
        "at 16": [clip, *others[:15]],
        "at 64": [clip, *others[: SLOTS - 1]],
        "at 64, others beside it": [clip, *others[SLOTS : 2 * SLOTS - 1]],
        "at 64, in the last place": [*others[: SLOTS - 1], clip],
        "at 12, in the size of 16": [clip, *others[:11]],
        "at 64, most of them leave halfway": [clip, *short[: SLOTS - 1]],
        "at 64, twice as many wait": [*others[: SLOTS - 1], clip, *others[SLOTS:]],
    }
    alone = tokens_among(backend, [clip])
    shares: list[float] = []
    for name, jobs in cases.items():
        if lease.left_s < 1:
            break
        shares.append(_alike(alone, tokens_of(backend, jobs)[clip.job_id]))
        lease.say(f"{way}: {name}", shares[-1])
    return shares.count(1.0) / len(cases)


@contextlib.contextmanager
def _one_size(backend: DecoderBackend) -> Iterator[None]:
    """Every step is one of all slots, however many are taken."""
    decoder: Any = backend._decoder
    with mock.patch.object(decoder, "_batch", lambda count: max(count, decoder.transformer.rows)):
        yield


def products(lease: Lease, backend: DecoderBackend) -> None:
    """For every product and the attention of a step: which numbers of rows give the first row the same bits.

    "2 4 | 8 16" says that 2 and 4 rows agree, 8 and 16 agree, and the two do not. One group alone is exact.
    """
    t = backend._decoder.transformer
    layer, wide = t.layers[0], int(t.layers[0].module.linear2.in_features)
    named = {"qkv": layer.qkv, "out": layer.out, "cross q": layer.cross_q, "up": layer.up, "logits": t.logits}
    kernels: dict[str, Callable[[int], torch.Tensor]] = {}
    for name, linear in {**named, "down": layer.down}.items():
        if linear is not None:
            x = torch.randn(PRODUCT_ROWS, wide if name == "down" else t.dim, device=t.device).to(t.dtype)
            kernels[name] = lambda rows, linear=linear, x=x: linear(x[:rows])[:1]
    for keys in (40, 250):
        extent = 256
        q = torch.randn(PRODUCT_ROWS, t.heads, 1, t.width, device=t.device).to(t.dtype)
        k, v = (torch.randn(PRODUCT_ROWS, t.heads, extent, t.width, device=t.device).to(t.dtype) for _ in range(2))
        unseen = hide((torch.arange(extent, device=t.device) >= keys).expand(PRODUCT_ROWS, 1, 1, -1), t.dtype)
        kernels[f"attention to {keys}"] = lambda rows, q=q, k=k, v=v, unseen=unseen: attend(
            q[:rows], k[:rows], v[:rows], unseen[:rows]
        )[:1]
    sizes = [size for size in GPU_BATCHES if size <= PRODUCT_ROWS]
    for name, kernel in kernels.items():
        groups: list[tuple[torch.Tensor, list[int]]] = []
        for size in sizes:
            made = kernel(size)
            its = next((sizes_ for bits, sizes_ in groups if torch.equal(bits, made)), None)
            if its is None:
                groups.append((made, [size]))
            else:
                its.append(size)
        lease.say(f"same bits: {name}", " | ".join(" ".join(map(str, sizes_)) for _, sizes_ in groups))


def parity(lease: Lease, dtype: torch.dtype, name: str) -> None:
    """Greedy clips of a mixed batch against AudioCraft's `lm.generate` alone, both in `dtype`."""
    folder = lease.checkpoint("small")
    loaded = engines.load(folder, lease.device)
    theirs: Any = _in_precision(engines.load(folder, lease.device).model, dtype)
    _in_precision(loaded.model, dtype)
    ours = DecoderBackend(loaded.spec, lease.device, 16, loaded=loaded)
    greedy = list(_greedy(lease))
    drawn = [_drawn(lease, index) for index in range(1, 6)]
    made = tokens_of(ours, [greedy[0], *drawn[:2], *greedy[1:], *drawn[2:]])
    shares = []
    for job in greedy:
        if lease.left_s < 1:
            break
        alone = reference(theirs, job)
        shares.append(_alike(made[job.job_id], alone))
        differing = (made[job.job_id].cpu() != alone.cpu()).any(0).nonzero()
        first = int(differing[0]) if len(differing) else None
        where = "all" if first is None else f"the first {first}"
        lease.say(f"{name}: clip of {job.parameters.duration:g} s, guided by {job.parameters.cfg_coef:g}",
                  f"{where} of {alone.shape[1]} frames as AudioCraft's, {shares[-1]:.1%} of tokens")  # fmt: skip
    lease.say(f"{name}: greedy clips equal to AudioCraft's", f"{shares.count(1.0)} of {len(greedy)}")
    ours.close()


def _in_precision(model: Any, dtype: torch.dtype) -> Any:
    if dtype == torch.float32:
        model.lm.float()
        model.autocast = type(model.autocast)(enabled=False)
    return model


def reference(model: Any, job: GenerationRequest) -> torch.Tensor:
    """Greedy tokens [codebooks, frames] of AudioCraft's loop."""
    duration = whole_frames(job.parameters.duration, model.frame_rate)
    model.set_generation_params(use_sampling=False, duration=duration, cfg_coef=job.parameters.cfg_coef)
    attributes, _ = model._prepare_tokens_and_attributes([job.prompt], None)
    made: torch.Tensor = model._generate_tokens(attributes, None)[0]
    return made


def _greedy(lease: Lease) -> Iterator[GenerationRequest]:
    for index, (duration, cfg) in enumerate(zip(lease.work.greedy_s, GUIDANCE, strict=True)):
        job = sweep(index + 1, (duration,))[index]
        yield replace(
            job, job_id=500 + index, parameters=replace(job.parameters, temperature=0.0, cfg_coef=cfg, top_k=0)
        )


def _drawn(lease: Lease, job_id: int) -> GenerationRequest:
    """A clip of the usual settings with a seed of its own."""
    job = sweep(1, (lease.work.drawn_s,))[0]
    settings = replace(job.parameters, temperature=1.0, top_k=250, cfg_coef=3.0)
    return replace(job, job_id=job_id, seed=1000 + job_id, parameters=settings)


def _alike(made: torch.Tensor, alone: torch.Tensor) -> float:
    return (made.cpu() == alone.cpu()).float().mean().item()
