"""The recursive filter made of matrix products answers as the sample-by-sample one does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import sosfilt

from soundmill.audio.blockwise import BLOCK, block_filter
from soundmill.audio.loudness import integrated_loudness, k_weighting


@pytest.mark.parametrize(
    "rate", [1_000, 3_000, 8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000, 384_000]
)
def test_filtering_by_blocks_equals_filtering_by_samples_at_every_rate(rate: int) -> None:
    """An offset is what the high-pass cancels, so rounding shows there first."""
    sound = np.random.default_rng(rate).uniform(-0.5, 0.5, 100_003).astype(np.float32) + np.float32(0.4)
    expected = sosfilt(k_weighting(rate), sound.astype(np.float64))
    np.testing.assert_allclose(block_filter(k_weighting(rate))(sound), expected, rtol=0, atol=2e-6)


def test_nothing_filtered_is_nothing() -> None:
    assert block_filter(k_weighting(32_000))(np.zeros(0, np.float32)).shape == (0,)


@pytest.mark.parametrize("length", [1, BLOCK - 1, BLOCK, BLOCK + 1, 7 * BLOCK])
def test_a_clip_need_not_fill_its_last_block(length: int) -> None:
    sound = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    filtered = block_filter(k_weighting(32_000))(sound)
    assert filtered.shape == sound.shape
    np.testing.assert_allclose(filtered, sosfilt(k_weighting(32_000), sound.astype(np.float64)), rtol=0, atol=2e-6)


def test_what_has_rung_out_leaves_silence() -> None:
    sound = np.zeros(64_000, np.float32)
    sound[:1000] = 0.8
    assert np.abs(block_filter(k_weighting(32_000))(sound)[-32_000:]).max() < 1e-9


def test_samples_far_beyond_full_scale_have_a_loudness() -> None:
    """A model that ran away, in float32 up to 1e38: what is squared must not overflow."""
    noise = np.random.default_rng(1).uniform(-1, 1, (2, 64_000)).astype(np.float32)
    plain, huge = integrated_loudness(noise, 32_000), integrated_loudness(noise * np.float32(1e37), 32_000)
    assert plain is not None
    assert huge == pytest.approx(plain + 740, abs=1e-3)
