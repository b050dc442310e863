"""Our encoder says what transformers' says, to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from soundmill.engine.audiocraft import t5
from soundmill.engine.quiet import quiet

SIZES = {"vocab_size": 300, "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 3, "num_heads": 4}


@pytest.mark.parametrize("how", ["relu", "gated-gelu", "gated-silu"])
def test_the_text_is_encoded_as_transformers_encodes_it(tmp_path: Path, how: str) -> None:
    """As in T5, as in Flan-T5, and one that AudioCraft names no model of: that is transformers' own. Prompts of one
    length, one far longer than the buckets of distance reach, a short one beside a long one, and an empty one."""
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(1)
    with quiet():
        T5EncoderModel(T5Config(**SIZES, feed_forward_proj=how)).save_pretrained(tmp_path)
        theirs = T5EncoderModel.from_pretrained(tmp_path).eval()
        ours = t5.load(str(tmp_path))
    assert isinstance(ours, t5.T5Encoder) is (how != "gated-silu")
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for lengths in ([5, 5], [300], [3, 40, 0]):
        ids = torch.randint(300, (len(lengths), max(lengths)))
        mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
        for half in (False, True):
            with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                found, expected = (
                    model(input_ids=ids, attention_mask=mask).last_hidden_state for model in (ours, theirs)
                )
            assert torch.equal(found, expected)


def test_sizes_that_a_config_leaves_out_are_those_of_the_first_t5() -> None:
    from transformers import T5Config

    sizes, theirs = t5.Sizes.of({"d_model": 768, "model_type": "t5"}), T5Config(d_model=768)
    assert {name: getattr(sizes, name) for name in sizes.__slots__} == {
        name: getattr(theirs, name) for name in sizes.__slots__
    }
