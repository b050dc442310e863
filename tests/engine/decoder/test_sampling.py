"""The sampler draws from just the distribution that AudioCraft's sampler draws from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest
import torch
from audiocraft.utils import utils as reference
from scipy.stats import chi2

from soundmill.engine.decoder import sampling
from soundmill.engine.decoder.sampling import WHOLE, candidates, running_sums, sample, uniforms, whole_sums
from soundmill.jobs import Parameters

DRAWS = 120_000
CARDINALITY = 40
LOGITS = torch.from_numpy(np.random.default_rng(5).normal(0, 2, CARDINALITY).astype(np.float32))
SETTINGS = [(1.0, 0, 0.0), (0.7, 0, 0.0), (1.4, 10, 0.0), (1.0, 1, 0.0), (1.0, 0, 0.6), (1.3, 5, 0.95), (1.0, 400, 0.0)]


def parameters(temperature: float, top_k: int, top_p: float) -> Parameters:
    return Parameters(duration=1.0, temperature=temperature, top_k=top_k, top_p=top_p, cfg_coef=1.0)


def columns(clips: Sequence[Parameters]) -> dict[str, torch.Tensor]:
    """As the decode loop's tables have them."""
    return {
        field.name: torch.tensor([float(getattr(clip, field.name)) for clip in clips]) for field in fields(Parameters)
    }


def ours(temperature: float, top_k: int, top_p: float, uniform: torch.Tensor) -> torch.Tensor:
    """One token for each uniform number, all from LOGITS."""
    rows = len(uniform)
    chosen = [parameters(temperature, top_k, top_p)] * rows
    return sample(LOGITS.expand(rows, 1, -1), uniform[:, None], columns(chosen), candidates(chosen, CARDINALITY))[:, 0]


def audiocrafts(temperature: float, top_k: int, top_p: float, rows: int) -> torch.Tensor:
    """What LMModel._sample_next_token does with the logits."""
    probs = torch.softmax(LOGITS.expand(rows, -1) / temperature, dim=-1)
    if top_p > 0:
        return reference.sample_top_p(probs, top_p)[:, 0]
    if top_k > 0:
        return reference.sample_top_k(probs, min(top_k, CARDINALITY))[:, 0]
    return reference.multinomial(probs, 1)[:, 0]


def distribution(temperature: float, top_k: int, top_p: float, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """The probabilities AudioCraft would draw from, by token: what it hands to `multinomial`."""
    handed: list[torch.Tensor] = []

    def catch(probs: torch.Tensor, num_samples: int) -> torch.Tensor:
        handed.append(probs.clone())
        return torch.arange(probs.shape[-1]).expand_as(probs)

    with monkeypatch.context() as patch:
        patch.setattr(reference, "multinomial", catch)
        probs = torch.softmax(LOGITS[None] / temperature, dim=-1)
        if top_p > 0:
            order = reference.sample_top_p(probs, top_p)
        elif top_k > 0:
            order = reference.sample_top_k(probs, min(top_k, CARDINALITY))
        else:
            order = catch(probs, 1)
    return torch.zeros(CARDINALITY).scatter(0, order[0], handed[0][0])


@pytest.mark.parametrize(("temperature", "top_k", "top_p"), SETTINGS)
def test_drawn_tokens_follow_audiocrafts_distribution(
    temperature: float, top_k: int, top_p: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    uniform = torch.from_numpy(uniforms(11, DRAWS, 1)[:, 0])
    counts = torch.bincount(ours(temperature, top_k, top_p, uniform), minlength=CARDINALITY).double()
    probs = distribution(temperature, top_k, top_p, monkeypatch).double()
    assert counts[probs == 0].sum() == 0
    expected = DRAWS * probs
    common = expected >= 5
    statistic = ((counts - expected)[common] ** 2 / expected[common]).sum().item()
    assert statistic <= chi2.ppf(0.999, max(1, int(common.sum()) - 1))

    torch.manual_seed(3)
    theirs = torch.bincount(audiocrafts(temperature, top_k, top_p, DRAWS), minlength=CARDINALITY).double()
    both = (counts + theirs) >= 10
    two_samples = ((counts - theirs)[both] ** 2 / (counts + theirs)[both]).sum().item()
    assert two_samples <= chi2.ppf(0.999, max(1, int(both.sum()) - 1))


@pytest.mark.parametrize(("temperature", "top_k", "top_p"), SETTINGS)
def test_a_uniform_number_picks_the_token_at_that_share_of_the_reference_distribution(
    temperature: float, top_k: int, top_p: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    uniform = torch.from_numpy(uniforms(12, 5000, 1)[:, 0])
    shares = distribution(temperature, top_k, top_p, monkeypatch).double().cumsum(0)
    tokens = ours(temperature, top_k, top_p, uniform)
    margin = 1e-6  # single precision: a number this near a boundary may fall on either side
    before = torch.cat([torch.zeros(1, dtype=torch.double), shares])[tokens]
    assert (before - margin <= uniform).all()
    assert (uniform < shares[tokens] + margin).all()


def test_a_temperature_of_zero_takes_the_likeliest_token_whatever_the_filters() -> None:
    uniform = torch.tensor([0.0, 0.5, 0.999999])
    assert (ours(0.0, 3, 0.2, uniform) == LOGITS.argmax()).all()


def test_the_largest_uniform_number_still_picks_an_allowed_token() -> None:
    uniform = torch.full((3,), 1 - 2**-24)
    tokens = ours(1.0, 4, 0.0, uniform)
    assert set(tokens.tolist()) <= set(LOGITS.topk(4).indices.tolist())


def test_every_row_keeps_its_own_settings_in_a_mixed_batch() -> None:
    """A row's token does not depend on what the other rows ask for."""
    uniform = torch.from_numpy(uniforms(13, len(SETTINGS), 1)[:, 0])
    settings = columns([parameters(*setting) for setting in SETTINGS])
    mixed = sample(LOGITS.expand(len(SETTINGS), 1, -1), uniform[:, None], settings, CARDINALITY)[:, 0]
    alone = [ours(*setting, uniform[i : i + 1]) for i, setting in enumerate(SETTINGS)]
    assert torch.equal(mixed, torch.cat(alone))


def test_whole_numbers_sum_to_what_the_shares_do_and_in_any_order_to_the_same() -> None:
    shares = torch.softmax(torch.randn(50, 2048, generator=torch.Generator().manual_seed(1)), dim=-1)
    torch.testing.assert_close(whole_sums(shares).float(), running_sums(shares), rtol=0, atol=1e-6)
    order = torch.randperm(2048, generator=torch.Generator().manual_seed(2))
    total = whole_sums(shares)[:, -1]
    assert torch.equal(whole_sums(shares[:, order])[:, -1], total)
    assert torch.equal(total * WHOLE, (total * WHOLE).round())  # no bit was lost


@pytest.mark.parametrize(("temperature", "top_k", "top_p"), SETTINGS)
def test_sums_of_whole_numbers_draw_the_same_tokens(
    temperature: float, top_k: int, top_p: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    uniform = torch.from_numpy(uniforms(3, 20_000, 1)[:, 0])
    plain = ours(temperature, top_k, top_p, uniform)
    monkeypatch.setattr(sampling, "running_sums", whole_sums)
    assert (ours(temperature, top_k, top_p, uniform) == plain).float().mean() > 0.9999
