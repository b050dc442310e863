"""What a step does on a GPU between its products, each in one kernel of Triton's instead of several of torch's.

They are operations of torch's, so that what a step asks of a GPU can be followed without one. All write into tensors
that are given. Where the environment has TRITON_INTERPRET=1 they run on the CPU, slowly.
"""

import torch
import triton
from torch import Tensor

from soundmill.engine.decoder import programs

# Keys that one program reads, all at once: with more, one clip leaves a GPU idle; with fewer, their sums cost more.
SPLIT = 128
KEYS = 64  # of a text, at a time


def _block(size: int) -> int:
    return int(triton.next_power_of_2(size))


@torch.library.custom_op("soundmill::enter", mutates_args=("x", "positions"))
def enter(
    sequence: Tensor,
    at: Tensor,
    clip: Tensor,
    offset: Tensor,
    embedding: Tensor,
    sines: Tensor,
    x: Tensor,
    positions: Tensor,
) -> None:
    """Write what row r sees: x [rows, dim] float32 and its position, of the tokens at place `at` of its clip.

    sequence [clips, codebooks, places]; embedding [codebooks · (cardinality + 1), dim]; sines [steps, dim].
    """
    rows, dim = x.shape
    books, places = sequence.shape[1:]
    programs.enter[(rows,)](
        sequence, at, clip, offset, embedding, sines, x, positions, places, len(embedding) // books, dim,
        BOOKS=books, BLOCK=_block(dim),
    )  # fmt: skip


@torch.library.custom_op("soundmill::add_norm", mutates_args=("x", "out"))
def add_norm(
    x: Tensor, change: Tensor | None, source: Tensor | None, null: Tensor | None, target: Tensor | None,
    weight: Tensor, bias: Tensor, eps: float, out: Tensor,
) -> None:  # fmt: skip
    """Add `change` to x [rows, dim] float32, and write x's layer norm to `out` in its type.

    `change` row r is for row r of x, or with a `source` [rows] row source[r], and `null` [dim] where that is negative.
    With a `target` [rows], row r of the norm goes to row target[r] of `out`, and nowhere where that is negative.
    """
    rows, dim = x.shape
    place = source if source is not None else target if target is not None else x
    programs.add_norm[(rows,)](
        x, x if change is None else change, place, x if null is None else null, weight, bias, out, dim, eps,
        CHANGES=change is not None, GATHERS=source is not None, SCATTERS=target is not None, BLOCK=_block(dim),
    )  # fmt: skip


@torch.library.custom_op("soundmill::attend_filled", mutates_args=("keys", "values", "out"))
def attend_filled(qkv: Tensor, keys: Tensor, values: Tensor, filled: Tensor, extent: int, out: Tensor) -> None:
    """Put the key and value of each row of qkv [rows or more, 3 · dim] into the caches [rows, heads, steps, width] at
    place filled[r], and attend over the row's keys up to it. No row may have `extent` or more."""
    heads, width = keys.shape[1], keys.shape[3]
    rows, splits, block = len(filled), -(-extent // SPLIT), _block(width)
    parts = torch.empty(rows, heads, splits, block + 2, dtype=torch.float32, device=qkv.device)
    sizes = {"HEADS": heads, "WIDTH": width, "SPLIT": SPLIT, "BLOCK": block}
    programs.attend[(rows, heads, splits)](
        qkv, keys, values, filled, parts, keys.stride(0), keys.stride(1), splits, width**-0.5, **sizes
    )
    programs.merge[(rows, heads)](parts, filled, out, splits, **sizes)


@torch.library.custom_op("soundmill::attend_text", mutates_args=("out",))
def attend_text(q: Tensor, keys: Tensor, values: Tensor, lengths: Tensor, out: Tensor) -> None:
    """Attention of q [clips or more, dim] over the first lengths[c] keys of keys and values [clips, heads, tokens,
    width]; each clip has one at least."""
    heads, width = keys.shape[1], keys.shape[3]
    programs.attend_text[(len(lengths), heads)](
        q, keys, values, lengths, out, keys.stride(0), keys.stride(1), width**-0.5,
        HEADS=heads, WIDTH=width, KEYS=KEYS, BLOCK=_block(width),
    )  # fmt: skip


@torch.library.custom_op("soundmill::choose", mutates_args=("sequence", "told"))
def choose(
    logits: Tensor, conditional: Tensor, unconditional: Tensor, settings: list[Tensor], uniform: Tensor,
    sequence: Tensor, at: Tensor, last: Tensor, told: Tensor,
) -> None:  # fmt: skip
    """What sampling.sample picks from the guided logits, [rows, codebooks · cardinality], written to the place after
    `at` of each clip in `conditional` where its sequence [clips, codebooks, places] knows no token; and what
    surprise.surprise says of it, added to `told` [clips, codebooks, 5]."""
    books, places = sequence.shape[1:]
    cardinality = logits.shape[1] // books
    programs.choose[(len(conditional), books)](
        logits, conditional, unconditional, *settings, uniform, sequence, at, last, told, places,
        BOOKS=books, CARDINALITY=cardinality, BLOCK=_block(cardinality), num_warps=8,
    )  # fmt: skip
