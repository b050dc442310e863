"""Trains the language model with its text encoder: AudioCraft's LMModel on the codec's tokens.

The modules and the delay pattern are AudioCraft's. The forward pass over them is written out here, because
AudioCraft's does not hide the padding of shorter captions from cross-attention, and always starts
at position 0, whereas a crop from a clip's middle should keep its place in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from audiocraft.modules.transformer import create_sin_embedding
from recipe import corpus, settings, text
from recipe.captions import describe
from recipe.progress import Curves, Progress, learning_rate, read, save, write_curve
from recipe.settings import Settings
from torch import Tensor
from torch.nn import functional

HELD_OUT_CLIPS = 96
CODEBOOK_WEIGHTS = (2.0, 1.0, 0.6, 0.4, 0.3, 0.3)  # the first codebook holds most of what is heard


def build(folder: Path, trainable: bool) -> Any:
    """The language model with the text encoder in `folder`; as AudioCraft would build it from the checkpoint."""
    from audiocraft.models import builders
    from audiocraft.modules.transformer import set_efficient_attention_backend
    from omegaconf import OmegaConf

    from soundmill.engine.audiocraft import text_encoder

    set_efficient_attention_backend("torch")
    text_encoder.register(text_encoder.FOLDER, folder)
    config = settings.language_model_config()
    config["conditioners"]["description"]["t5"] |= {"finetune": trainable, "word_dropout": 0.0}
    return builders.get_lm_model(OmegaConf.create(config))


def encode_text(lm: Any, captions: list[str]) -> tuple[Tensor, Tensor]:
    """Captions to vectors [B, L, dim] and a mask [B, L] of which are there."""
    conditioner = lm.condition_provider.conditioners["description"]
    inputs = conditioner.t5_tokenizer([caption.lower() for caption in captions], return_tensors="pt", padding=True)
    embeddings = conditioner.output_proj(conditioner.t5(**inputs).last_hidden_state)
    mask = inputs["attention_mask"].bool()
    return embeddings * mask[..., None], mask


def logits(
    lm: Any, codes: Tensor, given: Tensor, mask: Tensor, keep: Tensor, offset: Tensor, heard: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Logits [B, K, T, card] for codes [B, K, T], and which of them count [K, T].

    `given`, `mask`: the text; `keep` [B]: rows that hear it; `offset` [B]: the time step of a crop's first frame;
    `heard` [B, 1 + T]: one for the steps that enter the model, of which the first is the start, zero for silenced ones.
    """
    pattern = lm.pattern_provider.get_pattern(codes.shape[2])
    sequence, _, _ = pattern.build_pattern_sequence(codes.contiguous(), lm.special_token_id, keep_only_valid_steps=True)
    x = sum(lm.emb[k](sequence[:, k]) for k in range(lm.n_q))
    b, s, dim = x.shape
    if heard is not None:
        x = x * heard[:, :s, None]
    heads = lm.transformer.layers[0].self_attn.num_heads
    positions = (torch.arange(s)[None] + offset[:, None])[..., None]
    x = x + lm.transformer.positional_scale * create_sin_embedding(positions, dim, lm.transformer.max_period)

    def split(y: Tensor, parts: int) -> list[Tensor]:
        return [part.view(b, -1, heads, dim // heads).transpose(1, 2) for part in y.chunk(parts, dim=-1)]

    for layer in lm.transformer.layers:
        attention = layer.self_attn
        q, k, v = split(functional.linear(layer.norm1(x), attention.in_proj_weight), 3)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + attention.out_proj(y.transpose(1, 2).reshape(b, s, dim))
        attention = layer.cross_attention
        (q,) = split(functional.linear(layer.norm_cross(x), attention.in_proj_weight[:dim]), 1)
        k, v = split(functional.linear(given, attention.in_proj_weight[dim:]), 2)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        x = x + keep[:, None, None] * attention.out_proj(y.transpose(1, 2).reshape(b, s, dim))
        x = x + layer.linear2(layer.activation(layer.linear1(layer.norm2(x))))
    x = lm.out_norm(x)
    scores = torch.stack([linear(x) for linear in lm.linears], dim=1)
    reverted, _, valid = pattern.revert_pattern_logits(scores.permute(0, 3, 1, 2), 0.0, keep_only_valid_steps=True)
    return reverted.permute(0, 2, 3, 1), valid


def loss_of(scores: Tensor, codes: Tensor, valid: Tensor) -> Tensor:
    """Cross-entropy in nats of each codebook [K]."""
    each = functional.cross_entropy(scores.reshape(-1, scores.shape[-1]), codes.reshape(-1), reduction="none")
    each = each.view(codes.shape) * valid[None]
    return each.sum((0, 2)) / (valid.sum(1) * len(codes))


@dataclass(frozen=True, slots=True)
class Batch:
    codes: Tensor  # [B, K, T], crops of clips
    captions: list[str]
    keep: Tensor  # [B], one for the rows that hear their caption
    offset: Tensor  # [B], the time steps at which the crops start
    heard: Tensor  # [B, 1 + T], one for the steps of its past, start included, that the model hears


def batch(chosen: Settings, tokens: Tensor, specs: list[Any], step: int) -> Batch:
    rng = np.random.default_rng((chosen.seed, 2, step))
    # Short crops teach how a clip begins, which its caption tells most about; long ones that a beat goes on.
    frames = (chosen.lm_frames, 2 * chosen.lm_frames, tokens.shape[2])[step % 3]
    count = chosen.lm_batch * chosen.lm_frames // frames
    rows = rng.integers(0, len(tokens), count)
    # A piece begins on its first beat: from there the tempo alone says where all others are.
    starts = rng.integers(0, tokens.shape[2] - frames + 1, count) * (rng.random(count) < 0.4)
    # Some are set past the end of all clips: longer ones will be asked for. Before it, a place in time means a place
    # in the bar, and stays true.
    late = (starts > 0) * (rng.random(count) < 0.3) * rng.integers(tokens.shape[2], 500, count)
    codes = torch.stack([tokens[r, :, s : s + frames] for r, s in zip(rows, starts, strict=True)]).long()
    captions = [describe(specs[row], rng) for row in rows]
    keep = torch.from_numpy((rng.random(count) >= chosen.text_dropout).astype(np.float32))
    # What was just heard tells nearly all of what comes next. Half of the rows lose some of it, so that the caption
    # and the place in time are listened to as well.
    lost = (rng.random(count) < 0.5) * rng.uniform(0.1, 0.7, count)
    heard = torch.from_numpy((rng.random((count, frames + 1)) >= lost[:, None]).astype(np.float32))
    return Batch(codes, captions, keep, torch.from_numpy(starts + late), heard)


def train(chosen: Settings, work: Path) -> Path:
    """Train for `chosen.lm_steps` steps, from the last checkpoint in `work` on; returns its file."""
    file = work / "lm.pt"
    state = read(file)
    if state and state["step"] >= chosen.lm_steps:
        return file
    torch.manual_seed(chosen.seed)
    folder = work / "text_encoder"
    if not state or not folder.exists():
        text.make(folder)
    lm = build(folder, trainable=True).train()
    optimizer = torch.optim.AdamW(lm.parameters(), lr=chosen.lm_rate, betas=(0.9, 0.97), weight_decay=0.02)
    step = 0
    curves: Curves = {"training loss": [], "held-out loss": [], "held-out loss without text": []}
    if state:
        lm.load_state_dict(state["lm"])
        optimizer.load_state_dict(state["optimizer"])
        step, curves = state["step"], state["curves"]
    tokens = torch.from_numpy(np.load(corpus.tokenise(chosen, work)))
    specs = corpus.specs(chosen, work)
    unheard, unheard_specs = tokens[-HELD_OUT_CLIPS:], specs[-HELD_OUT_CLIPS:]
    tokens, specs = tokens[:-HELD_OUT_CLIPS], specs[:-HELD_OUT_CLIPS]
    progress = Progress("lm", chosen.lm_steps, step)
    recent: list[float] = []
    weights = torch.tensor(CODEBOOK_WEIGHTS) / sum(CODEBOOK_WEIGHTS)
    while step < chosen.lm_steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, chosen.lm_steps, chosen.lm_rate)
        some = batch(chosen, tokens, specs, step)
        scores, valid = logits(lm, some.codes, *encode_text(lm, some.captions), some.keep, some.offset, some.heard)
        loss = (loss_of(scores, some.codes, valid) * weights).sum()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(lm.parameters(), 1.0)
        optimizer.step()
        step += 1
        recent.append(float(loss.detach()))
        progress.show(step, f"loss {recent[-1]:.3f}")
        if step % chosen.save_every == 0 or step == chosen.lm_steps:
            curves["training loss"].append((step, float(np.mean(recent))))
            recent.clear()
            for name, hears in (("held-out loss", 1.0), ("held-out loss without text", 0.0)):
                curves[name].append((step, held_out_loss(lm, unheard, unheard_specs, hears)))
            save(file, {"lm": lm.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "curves": curves})
            write_curve(work, "lm", curves)
            print("lm step", step, {name: round(points[-1][1], 3) for name, points in curves.items()}, flush=True)
    return file


def held_out_loss(lm: Any, tokens: Tensor, specs: list[Any], hears: float) -> float:
    """Weighted loss on the first five seconds of clips and captions that training never sees."""
    rng = np.random.default_rng(5)
    codes = tokens[:32, :, :125].long()
    captions = [describe(spec, rng) for spec in specs[:32]]
    weights = torch.tensor(CODEBOOK_WEIGHTS) / sum(CODEBOOK_WEIGHTS)
    with torch.no_grad():  # not inference mode: AudioCraft keeps the pattern's index tensors for later training steps
        keep, offset = torch.full((len(codes),), hears), torch.zeros(len(codes), dtype=torch.long)
        scores, valid = logits(lm, codes, *encode_text(lm, captions), keep, offset)
        return float((loss_of(scores, codes, valid) * weights).sum())
