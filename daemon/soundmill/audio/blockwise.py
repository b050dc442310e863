"""The audio room, filtering: a recursive filter as products of matrices, three times as fast as sample by sample.

A recursive filter has to wait for each sample's result before the next one. Cut into blocks it hardly waits: what a
block answers to its own samples is a product with the impulse response, and what still rings from before the block is
the filter's state, two numbers per section. Only the state goes from block to block, and every block's part in it is a
product too. (C. S. Burrus, "Block realization of digital filters", IEEE Trans. Audio Electroacoustics 20, 1972.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

BLOCK = 48  # samples: longer ones multiply more, shorter ones wait more often
AT_ONCE = 16_384  # blocks: of a long clip, what the filter works on is not all there at once

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFilter:
    """A cascade of second-order sections, one complex pole per section with its conjugate.

    answer: a block's samples, then the state before it, to the block's filtered samples [BLOCK + states, BLOCK]
    leaves: a block's samples to what they add to the state after it [BLOCK, states]
    modes, heard: the state to the coordinates of the poles, where each pole's number only turns and shrinks from
        block to block, and back [states, states]
    poles: each to the power of BLOCK [states / 2]
    """

    answer: Samples
    leaves: Samples
    modes: NDArray[np.float64]
    heard: NDArray[np.float64]
    poles: NDArray[np.complex128]

    def __call__(self, channel: Samples) -> Samples:
        """The filtered samples [time] of one channel that was silent before. The products are made in float32: errors
        are some 10⁻⁷ of the loudest sample."""
        if channel.size == 0:
            return channel
        count = -(-channel.size // BLOCK)
        blocks = channel if channel.size == count * BLOCK else np.pad(channel, (0, count * BLOCK - channel.size))
        blocks = blocks.reshape(count, BLOCK)
        added = (blocks @ self.leaves) @ self.modes
        states = np.empty_like(added)
        for at, pole in enumerate(self.poles):
            pair = slice(2 * at, 2 * at + 2)
            mode = np.ascontiguousarray(added[:, pair]).view(np.complex128)[:, 0]
            states[:, pair] = lfilter([0, 1], [1, -pole], mode)[:, None].view(np.float64)
        filtered = np.empty((count, BLOCK), dtype=np.float32)
        for start in range(0, count, AT_ONCE):
            here = slice(start, start + AT_ONCE)
            rows = np.concatenate((blocks[here], (states[here] @ self.heard).astype(np.float32)), axis=1)
            np.matmul(rows, self.answer, out=filtered[here])
        return filtered.ravel()[: channel.size]


def block_filter(sections: NDArray[np.float64]) -> BlockFilter:
    """From second-order sections [sections, 6] as scipy's sosfilt takes them; their poles must be complex and all
    different."""
    poles = np.array([np.roots(section[3:])[0] for section in sections])
    every = np.concatenate((poles, poles.conj()))
    # The impulse response is Σ residue · poleⁿ from n = 1 on; of a pole and its conjugate that is twice the real part.
    residues = np.array(
        [
            np.prod([np.polyval(section[:3], pole) / pole**2 for section in sections])
            / np.prod([1 - other / pole for other in every if other != pole])
            for pole in poles
        ]
    )
    powers = poles ** np.arange(BLOCK + 1)[:, None]
    rings = 2 * residues * powers[1:]  # of a state, over the block that follows
    impulse = np.concatenate(([np.prod(sections[:, 0])], rings.real.sum(axis=1)[: BLOCK - 1]))
    own = np.array([np.concatenate((np.zeros(at), impulse[: BLOCK - at])) for at in range(BLOCK)])
    free = np.stack((rings.real, -rings.imag), axis=2).reshape(BLOCK, -1)
    left = powers[BLOCK - 1 :: -1]  # of each sample, when the block ends
    leaves = np.stack((left.real, left.imag), axis=2).reshape(BLOCK, -1)
    # The high-pass's poles nearly meet and ring nearly alike: large numbers that cancel. In orthogonal coordinates of
    # what is heard of them nothing cancels, so float32 is enough.
    rings_on, turned = np.linalg.qr(free)
    return BlockFilter(
        answer=np.concatenate((own, rings_on.T)).astype(np.float32),
        leaves=(leaves @ turned.T).astype(np.float32),
        modes=np.linalg.inv(turned).T,
        heard=turned.T,
        poles=powers[BLOCK],
    )
