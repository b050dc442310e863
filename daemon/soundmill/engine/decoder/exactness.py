"""Finds out in which portions this machine computes a row alike whoever the other rows are.

A matrix product handles rows in tiles and a sum has an order; the last, unfinished tile may take another
path and give other bits. On the machines tried here oneDNN's single-precision kernels work in tiles of
six rows, and one or two left-over rows differ in the last bit. Which tile a processor likes
cannot be known beforehand, so it is measured when a model is loaded: the batch is then padded to whole tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Linear = Callable[[Tensor], Tensor]
ROW_TILES = (4, 6, 8, 12, 16, 24, 48)
KEY_TILES = (16, 32, 64, 128, 256)


def row_tile(linears: Sequence[tuple[Linear, int]], most: int) -> int:
    """The smallest batch quantum for which each row's product has the same bits in any batch.

    `linears` are functions of [rows, width] with their widths; `most` is the largest batch. Where no
    quantum does it the answer is `most`: always the full batch, so that at least its shape never changes.
    """
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(most + max(ROW_TILES), width, generator=generator) for _, width in linears]
    for tile in ROW_TILES:
        if tile < most and all(
            _rows_alike(linear, x, tile, most) for (linear, _), x in zip(linears, batches, strict=True)
        ):
            return tile
    return most


def _rows_alike(linear: Linear, x: Tensor, tile: int, most: int) -> bool:
    full = -(-most // tile) * tile
    reference = linear(x[:full])
    sizes = sorted({tile, 2 * tile, 3 * tile, 5 * tile, full // 2 // tile * tile, full - tile})
    if not all(torch.equal(linear(x[:size]), reference[:size]) for size in sizes if 0 < size <= full):
        return False
    shuffled = torch.randperm(full, generator=torch.Generator().manual_seed(1))
    return torch.equal(linear(x[:full][shuffled]), reference[shuffled])


def key_tile(attend: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor], heads: int, size: int, steps: int) -> int:
    """The smallest multiple to which keys may be padded, hidden, without changing a bit of the result.

    `attend` is transformer.attend; `size` is a head's width; `steps` the longest sequence.
    """
    generator = torch.Generator().manual_seed(0)
    longest = min(steps, 640)
    q = torch.randn(4, heads, 1, size, generator=generator)
    k, v = (torch.randn(4, heads, longest + max(KEY_TILES), size, generator=generator) for _ in range(2))

    def result(rows: int, filled: int, extent: int) -> Tensor:
        unseen = torch.arange(extent)[None, None, None] >= filled
        return attend(q[:rows], k[:rows, :, :extent], v[:rows, :, :extent], unseen)

    for tile in KEY_TILES:
        filled = sorted({1, 3, tile - 1, tile, tile + 1, 37, longest // 3, longest // 2, longest})
        if all(_padding_is_nothing(result, length, tile, longest) for length in filled if length <= longest):
            return tile
    return KEY_TILES[-1]


def _padding_is_nothing(result: Callable[[int, int, int], Tensor], filled: int, tile: int, longest: int) -> bool:
    least = -(-filled // tile) * tile
    alone = result(1, filled, least)
    extents = {least, least + tile, least + 2 * tile, -(-longest // tile) * tile}
    return all(torch.equal(result(4, filled, extent)[:1], alone) for extent in extents)
