"""AudioCraft's language model, read for one purpose: the next token of many clips at once.

The weights are the model's own. What differs from AudioCraft's forward pass: the key/value cache is
allocated once instead of being concatenated every step, the text's keys and values are computed once
per clip, and an unguided or unconditional row costs nothing it does not need.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import embedding, layer_norm, linear, pad, scaled_dot_product_attention

from soundmill.engine.audiocraft.language_model import sines

Linear = Callable[[Tensor], Tensor]
Rows = slice | Tensor  # which rows of a cache: a slice is read in place, an index is copied

# Rows a packed weight is laid out for; others work too. Laid out for 48 or fewer, oneDNN's AVX-512 kernels want another
# layout from 16 rows on and make it at every call, four times as slow; for 96 one layout serves all. AVX2 has but one.
PACK_ROWS = 96
# Rows that a GPU multiplies at once: its libraries choose a product's way of adding by its shape, so one shape for all
# is one way. As many as cost no more time than reading the weights does.
PORTION = 128
ROOM_STEP = 256  # a CPU's cache grows in these steps; every multiple that exactness.py may find divides it
GROWTH_ROOM = 2.2  # a cache that grows is there twice for a moment, and the values grow after the keys
TEXT_STEP = 64  # text keys are allocated in multiples of this many tokens


def packs(weight: Tensor) -> bool:
    """Whether `pack` makes a copy of this weight in a layout of its own."""
    onednn = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return onednn and weight.device.type == "cpu" and weight.dtype == torch.float32


def pack(weight: Tensor, bias: Tensor | None) -> Linear:
    """`x @ weight.T + bias` for x [rows, in], with the weight laid out for this device once."""
    if packs(weight):
        # oneDNN reorders a plain weight at every call; done once, a step of 48 rows takes a quarter less time.
        ops = torch.ops.mkldnn
        packed = ops._reorder_linear_weight(weight.detach().contiguous(), PACK_ROWS)

        def product(x: Tensor) -> Tensor:
            y: Tensor = ops._linear_pointwise(x, packed, bias, "none", [], "")
            return y

        return product
    if weight.is_cuda:
        return lambda x: in_portions(x, weight, bias)
    return lambda x: linear(x, weight, bias)


def in_portions(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`x @ weight.T + bias`, PORTION rows at a time. Whoever needs the same bits whatever the number of rows gives a
    multiple of as many."""
    if len(x) <= PORTION:
        return linear(x, weight, bias)
    made = x.new_empty(len(x), len(weight))
    for first in range(0, len(x), PORTION):
        rows = slice(first, first + PORTION)
        linear(x[rows], weight, bias, out=made[rows])  # type: ignore[call-arg]
    return made


def attend(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor) -> Tensor:
    """Attention of q [n, heads, s, d] over k, v [n, heads, t, d]; `hidden` [n, 1, s or 1, t] comes from `hide`."""
    if q.is_cuda:
        # Of torch's kernels the one that takes a mask and adds up the keys in one order, however many are hidden.
        with sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
            return scaled_dot_product_attention(q, k, v, attn_mask=hidden)
    # Written out, because torch's fused CPU kernel gives a row other bits in another batch; this does not.
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return torch.softmax(scores.masked_fill_(hidden, -math.inf), dim=-1) @ v


def hide(unseen: Tensor, dtype: torch.dtype) -> Tensor:
    """What `attend` takes to hide the keys where `unseen` is True: on CUDA, where its kernel adds a mask to the
    scores, the numbers to add, made once for all layers."""
    if not unseen.is_cuda:
        return unseen
    return torch.zeros(unseen.shape, dtype=dtype, device=unseen.device).masked_fill_(unseen, -math.inf)


def normalizer(norm: Any, dtype: torch.dtype) -> Linear:
    """AudioCraft's LayerNorm `norm` for a residual stream x of float32, giving `dtype` to the products that follow.

    With float16 weights this is what AudioCraft's autocast does: sums and norms in float32, products in float16.
    """
    if dtype == torch.float32:
        return lambda x: norm(x)
    weight, bias = norm.weight.detach().float(), norm.bias.detach().float()
    return lambda x: layer_norm(x, norm.normalized_shape, weight, bias, norm.eps).to(dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One block: AudioCraft's module for what is cheap, packed weights for what is not."""

    module: Any
    norms: tuple[Linear, Linear | None, Linear]  # before self-attention, cross-attention and the products
    qkv: Linear
    out: Linear
    cross_q: Linear | None
    cross_kv: Linear | None
    cross_out: Linear | None
    null: Tensor | None  # [1, 1, dim]: what cross-attention gives a row that has no text
    up: Linear
    down: Linear


def _layer(module: Any) -> Layer:
    def projections(attention: Any) -> tuple[Tensor, Tensor | None, Any]:
        owner = attention if attention.custom else attention.mha
        return owner.in_proj_weight, owner.in_proj_bias, owner.out_proj

    weight, bias, out = projections(module.self_attn)
    cross: dict[str, Any] = {"cross_q": None, "cross_kv": None, "cross_out": None, "null": None}
    if module.cross_attention is not None:
        cw, cb, cross_out = projections(module.cross_attention)
        dim = cw.shape[1]
        # No text is a zero vector: every value is then the bias, whatever the weights of the attention.
        value = torch.zeros_like(cw[0]) if cb is None else cb[2 * dim :]
        cross = {
            "cross_q": pack(cw[:dim], None if cb is None else cb[:dim]),
            "cross_kv": pack(cw[dim:], None if cb is None else cb[dim:]),
            "cross_out": pack(cross_out.weight, cross_out.bias),
            "null": linear(value, cross_out.weight, cross_out.bias).detach()[None, None],
        }
    dtype = weight.dtype
    cross_norm = None if module.cross_attention is None else normalizer(module.norm_cross, dtype)
    return Layer(
        module=module,
        norms=(normalizer(module.norm1, dtype), cross_norm, normalizer(module.norm2, dtype)),
        qkv=pack(weight, bias),
        out=pack(out.weight, out.bias),
        up=pack(module.linear1.weight, module.linear1.bias),
        down=pack(module.linear2.weight, module.linear2.bias),
        **cross,
    )


def _shed(copied: Iterable[Tensor]) -> None:
    """Empty the model's own tensors once they were copied: both would double what a model takes of the memory."""
    for weight in copied:
        weight.data = weight.data.new_empty(0)


class Transformer:
    """The model with its caches, once `allocate` made them. It takes the weights over from `lm`, which is of no
    more use for generating.

    Self-attention: keys and values [layers, rows, heads, steps, d]; text: [layers, clips, heads, tokens, d].
    Two rows serve a guided clip, one an unguided.
    """

    def __init__(self, lm: Any, steps: int) -> None:
        weight = lm.emb[0].weight
        self.device, self.dtype = weight.device, weight.dtype
        self.dim, self.cardinality, self.codebooks = int(lm.dim), int(lm.card), int(lm.n_q)
        self.heads = int(lm.transformer.layers[0].self_attn.num_heads)
        self.width = self.dim // self.heads
        self.layers: list[Layer] = []
        for module in lm.transformer.layers:
            self.layers.append(_layer(module))
            _shed(weight for weight in module.parameters() if weight.dim() == 2 and packs(weight))
        # One table and one matrix for all codebooks: one lookup and one product instead of `codebooks` each.
        self.embedding = torch.cat([emb.weight.detach() for emb in lm.emb])
        self.first = torch.arange(self.codebooks, device=self.device) * (self.cardinality + 1)
        biases = [linear.bias for linear in lm.linears]
        self.logits = pack(
            torch.cat([linear.weight.detach() for linear in lm.linears]),
            None if biases[0] is None else torch.cat(biases).detach(),
        )
        self.last_norm = lm.out_norm
        self.out_norm = None if lm.out_norm is None else normalizer(lm.out_norm, self.dtype)
        self.sines = sines(lm, steps, self.device)
        self.steps = steps
        _shed([*lm.emb.parameters(), *lm.linears.parameters()])

    def allocate(self, rows: int, clips: int) -> None:
        """Forget everything cached and make room for `rows` streams of `steps` tokens and `clips` texts."""
        self.rows, self.clips = rows, clips
        self.keys = self.values = self.text_keys = self.text_values = torch.empty(0)  # free before taking
        # A GPU's captured graphs need their cache to stay where it is; a CPU's grows with the longest clip met.
        room = min(self.steps, ROOM_STEP) if self.device.type == "cpu" else self.steps
        shape = (len(self.layers), rows, self.heads, room, self.width)
        self.keys, self.values = self._zeros(shape), self._zeros(shape)
        text = (len(self.layers), clips, self.heads, TEXT_STEP, self.width)
        self.text_keys, self.text_values = self._zeros(text), self._zeros(text)
        self.text_lengths = torch.ones(clips, dtype=torch.long, device=self.device)

    def products(self) -> list[tuple[Linear, int]]:
        """One of each kind of product with the width that it takes: of the first layer, and the logits."""
        layer = self.layers[0]
        narrow = [layer.qkv, layer.out, layer.up, layer.cross_q, layer.cross_out, self.logits]
        wide = int(layer.module.linear2.in_features)
        return [(product, self.dim) for product in narrow if product is not None] + [(layer.down, wide)]

    def _zeros(self, shape: tuple[int, ...]) -> Tensor:
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def reserve(self, steps: int) -> None:
        """Have room for streams of `steps` tokens."""
        more = -(-(steps - self.keys.shape[3]) // ROOM_STEP) * ROOM_STEP
        if more > 0:
            # Asked beforehand: a kernel that runs out of memory kills processes, and not always the right one.
            new = self.keys[..., :1, :].nbytes * (self.keys.shape[3] + more)
            if new * GROWTH_ROOM > psutil.virtual_memory().available:
                raise MemoryError(f"{new / 1e9:.1f} GB for the keys of {self.rows} streams of {steps} tokens")
            self.keys = pad(self.keys, (0, 0, 0, more))
            self.values = pad(self.values, (0, 0, 0, more))

    def slot_bytes(self) -> int:
        """Bytes of cache that one guided clip of full length takes."""
        per_token: int = len(self.layers) * 2 * self.dim * self.dtype.itemsize
        return per_token * (2 * self.steps + TEXT_STEP)

    def embed(self, tokens: Tensor) -> Tensor:
        """tokens [..., codebooks] to their summed embeddings [..., dim], float32."""
        return embedding(tokens + self.first, self.embedding).sum(-2, dtype=torch.float32)

    def forward(
        self, x: Tensor, positions: Tensor, rows: Rows, clips: Rows, conditional: Tensor, cross: Tensor, extent: int
    ) -> Tensor:
        """Run x [n, s, dim], tokens at `positions` [n, s] of `rows`, through all layers: float32 [n, s, dim].

        `conditional` [c] says which of the n rows speak for the c `clips`; `cross` [n] is a row's place
        among those, or -1 for a row without text. Nothing beyond `extent` keys is read.
        """
        n, s, dim = x.shape
        index = torch.arange(self.rows, device=self.device)[rows][:, None]
        unseen = hide(torch.arange(extent, device=self.device) > positions[:, None, :, None], self.dtype)
        lengths = self.text_lengths[clips][:, None, None, None]
        no_text = hide(torch.arange(self.text_keys.shape[3], device=self.device) >= lengths, self.dtype)
        x = x + self.sines[positions]
        for i, layer in enumerate(self.layers):
            block, (norm, cross_norm, last_norm) = layer.module, layer.norms
            q, k, v = layer.qkv(norm(x).view(n * s, dim)).view(n, s, 3, self.heads, -1).unbind(2)
            self.keys[i][index, :, positions] = k
            self.values[i][index, :, positions] = v
            keys, values = self.keys[i][rows, :, :extent], self.values[i][rows, :, :extent]
            y = attend(q.transpose(1, 2), keys, values, unseen).transpose(1, 2).reshape(n * s, dim)
            x = x + block.layer_scale_1(layer.out(y).view(n, s, dim))
            if cross_norm and layer.cross_q and layer.cross_out and layer.null is not None:
                # Only rows with text attend to it; the others get the constant that AudioCraft would compute.
                q = layer.cross_q(cross_norm(x)[conditional].view(-1, dim)).view(-1, s, self.heads, dim // self.heads)
                y = attend(q.transpose(1, 2), self.text_keys[i][clips], self.text_values[i][clips], no_text)
                y = layer.cross_out(y.transpose(1, 2).reshape(-1, dim)).view(-1, s, dim)
                x = x + block.layer_scale_cross(torch.cat([y, layer.null.expand(1, s, dim)])[cross])
            y = layer.up(last_norm(x).view(n * s, dim))
            x = x + block.layer_scale_2(layer.down(block.activation(y)).view(n, s, dim))
        return x

    def predict(self, x: Tensor) -> Tensor:
        """Hidden states [n, dim] to logits [n, codebooks, cardinality]."""
        x = x if self.out_norm is None else self.out_norm(x)
        return self.logits(x).view(len(x), self.codebooks, self.cardinality)

    def read_text(self, clip: int, text: Tensor) -> None:
        """Compute and keep the keys and values of a clip's text [tokens, dim]."""
        tokens, room = len(text), self.text_keys.shape[3]
        if tokens > room:
            more = -(-(tokens - room) // TEXT_STEP) * TEXT_STEP
            self.text_keys, self.text_values = (
                pad(cache, (0, 0, 0, more)) for cache in (self.text_keys, self.text_values)
            )
        self.text_lengths[clip] = tokens
        for cache in (self.text_keys, self.text_values):
            cache[:, clip, :, tokens:] = 0  # as in wipe_row
        for i, layer in enumerate(self.layers):
            if layer.cross_kv is not None:
                k, v = layer.cross_kv(text).view(tokens, 2, self.heads, -1).unbind(1)
                self.text_keys[i, clip, :, :tokens] = k.transpose(0, 1)
                self.text_values[i, clip, :, :tokens] = v.transpose(0, 1)

    def move_row(self, source: int, target: int, filled: int) -> None:
        for cache in (self.keys, self.values):
            cache[:, target, :, :filled] = cache[:, source, :, :filled]

    def move_text(self, source: int, target: int) -> None:
        for cache in (self.text_keys, self.text_values):
            cache[:, target] = cache[:, source]
        self.text_lengths[target] = self.text_lengths[source]

    def wipe_row(self, row: int, filled: int) -> None:
        """Zero what a clip left behind: hidden keys weigh nothing, but nothing times infinity is not a number."""
        for cache in (self.keys, self.values):
            cache[:, row, :, :filled] = 0
