"""A CLAP checkpoint in transformers' own format with few, random weights: it is loaded and asked like a real one."""

from __future__ import annotations

from pathlib import Path

WORDS = ["calm piano in a cave", "loud drums", "dark synth", "fast guitar", "rain on a roof"]


def save(folder: Path, *, fusion: bool = False, seed: int = 0) -> Path:
    """A checkpoint in `folder`, as save_pretrained of the model and its processor leave one."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor, RobertaTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    pieces = ByteLevelBPETokenizer()
    pieces.train_from_iterator(
        WORDS * 5,
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        show_progress=False,
    )
    pieces.save_model(str(folder))
    tokenizer = RobertaTokenizer.from_pretrained(str(folder))
    torch.manual_seed(seed)
    model = ClapModel(
        ClapConfig(
            projection_dim=16,
            text_config={
                "vocab_size": len(tokenizer),
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 32,
                "max_position_embeddings": 90,
                "projection_dim": 16,
                "pad_token_id": tokenizer.pad_token_id,
            },
            audio_config={
                "patch_embeds_hidden_size": 8,
                "depths": [1, 1],
                "num_attention_heads": [2, 2],
                "hidden_size": 16,
                "projection_dim": 16,
                "num_classes": 5,
                "enable_fusion": fusion,
            },
        )
    )
    model.save_pretrained(folder)
    extractor = ClapFeatureExtractor(truncation="fusion" if fusion else "rand_trunc", padding="repeatpad")
    ClapProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder
