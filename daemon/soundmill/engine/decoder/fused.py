"""The step with kernels of its own (kernels.py) between the products: half as many launches as torch's, and no key read
that is not there yet.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import Identity, LayerNorm

from soundmill.engine.decoder import kernels, programs
from soundmill.engine.decoder.sampling import SETTINGS
from soundmill.engine.decoder.slots import Slots
from soundmill.engine.decoder.transformer import Transformer


def lacking(t: Transformer) -> str | None:
    """What of this model or of its jobs the kernels cannot do, or None."""
    if unknown := set(SETTINGS) - set(programs.SETTINGS):
        return f"the kernels do not sample by {', '.join(sorted(unknown))}"
    blocks = [layer.module for layer in t.layers]
    scales = [getattr(block, f"layer_scale_{name}", Identity()) for block in blocks for name in ("1", "2", "cross")]
    if not all(isinstance(scale, Identity) for scale in scales):
        return "the model scales its layers"
    if not all(isinstance(norm, LayerNorm) for block in blocks for norm in (block.norm1, block.norm2, t.last_norm)):
        return "the model has other norms than layer norms"
    return None


class Fused:
    """`step` does what Decoder.step does, over `transformer`'s weights and caches.

    Products are of a multiple of `portion` rows, whatever stands in those that nobody needs.
    """

    def __init__(self, transformer: Transformer, portion: int) -> None:
        self._t, self._portion = transformer, portion
        blocks = [layer.module for layer in transformer.layers]
        self._norms = [(_affine(block.norm1), _affine(block.norm2)) for block in blocks]
        self._cross_norms = [_affine(block.norm_cross) if block.cross_attention else None for block in blocks]
        self._last_norm = _affine(transformer.last_norm)

    def step(self, slots: Slots, clips: int, rows: int, extent: int) -> None:
        """Decide the next token of slots 0..clips, whose streams are rows 0..rows and reach `extent` keys at most."""
        t = self._t
        at, last, conditional, unconditional = (column[:clips] for column in slots.seat)
        clip, offset, cross = (column[:rows] for column in slots.stream)
        x = torch.empty(rows, t.dim, dtype=torch.float32, device=t.device)
        positions = torch.empty_like(clip)
        kernels.enter(slots.sequence, at, clip, offset, t.embedding, t.sines, x, positions)
        asked, lengths = self._room(clips).zero_(), t.text_lengths[:clips]  # a place that no clip takes stays zero
        change: tuple[Tensor | None, Tensor | None, Tensor | None] = None, None, None  # still to be added to x
        for i, layer in enumerate(t.layers):
            (norm, last_norm), cross_norm = self._norms[i], self._cross_norms[i]
            normed, seen = self._room(rows), self._room(rows)
            kernels.add_norm(x, *change, None, *norm, normed)
            kernels.attend_filled(layer.qkv(normed), t.keys[i], t.values[i], positions, extent, seen)
            change = layer.out(seen), None, None
            if cross_norm and layer.cross_q and layer.cross_out and layer.null is not None:
                # Only rows with text attend to it, each at its clip's place; the others get AudioCraft's constant.
                told = self._room(clips)
                kernels.add_norm(x, *change, cross, *cross_norm, asked)
                kernels.attend_text(layer.cross_q(asked), t.text_keys[i], t.text_values[i], lengths, told)
                change = layer.cross_out(told), cross, layer.null[0, 0]
            kernels.add_norm(x, *change, None, *last_norm, normed)
            change = layer.down(layer.module.activation(layer.up(normed))), None, None
        normed = self._room(rows)
        kernels.add_norm(x, *change, None, *self._last_norm, normed)
        settings = [slots.settings[name] for name in programs.SETTINGS]
        tables = slots.uniform, slots.sequence, at, last, slots.told
        kernels.choose(t.logits(normed), conditional, unconditional, settings, *tables)
        torch.minimum(at + 1, last, out=at)

    def _room(self, rows: int) -> Tensor:
        rows = -(-rows // self._portion) * self._portion
        return torch.empty(rows, self._t.dim, dtype=self._t.dtype, device=self._t.device)


def _affine(norm: Any) -> tuple[Tensor, Tensor, float]:
    """Weight and bias of a LayerNorm, float32, and its epsilon."""
    return norm.weight.detach().float(), norm.bias.detach().float(), norm.eps
