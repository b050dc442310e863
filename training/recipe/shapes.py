"""The sizes of models, and the configurations that AudioCraft builds such models from: plain data."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

TEXT_ENCODER = "text_encoder"  # the folder beside the weights, as text_encoder.py calls it, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of a model. Defaults are those of the published MusicGen checkpoints."""

    dim: int
    layers: int
    heads: int
    codebooks: int = 4  # per channel: a stereo model interleaves twice as many
    cardinality: int = 2048
    sample_rate: int = 32_000  # Hz
    ratios: tuple[int, ...] = (8, 5, 4, 4)  # the codec's strides; their product is samples per frame
    filters: int = 64
    codec_dim: int = 128
    codec_lstm: int = 2
    channels: Literal[1, 2] = 1
    text_dim: int = 768
    text_layers: int = 2
    text_heads: int = 12
    family: Literal["musicgen", "audiogen", "magnet"] = "musicgen"
    melody: bool = False  # hears a melody; text and melody then stand before the first step
    window_s: float = 30.0  # longest clip the model was made for; longer ones slide
    two_step_cfg: bool = False
    half: bool = False  # store weights as float16, as the published checkpoints do

    @property
    def frame_rate(self) -> int:
        """Frames per second of the codec, Hz."""
        return self.sample_rate // math.prod(self.ratios)

    @property
    def streams(self) -> int:
        """Codebooks the language model predicts at each step."""
        return self.codebooks * self.channels

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with any size."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:12]


TINY = Shape(  # the built-in model's
    dim=128,
    layers=4,
    heads=4,
    codebooks=6,
    cardinality=256,
    sample_rate=16_000,
    ratios=(2, 2, 160),
    filters=32,
    codec_dim=244,  # 228 that say how it sounds, and 16 signs of noise bursts (training/recipe/codec.py)
    codec_lstm=0,
    text_dim=64,
    text_layers=1,
    text_heads=4,
)
MUSICGEN_SMALL = Shape(dim=1024, layers=24, heads=16, half=True)
MUSICGEN_MEDIUM = Shape(dim=1536, layers=48, heads=24, half=True)
MUSICGEN_LARGE = Shape(dim=2048, layers=48, heads=32, half=True)
AUDIOGEN_MEDIUM = Shape(
    dim=1536,
    layers=48,
    heads=24,
    sample_rate=16_000,
    ratios=(8, 5, 4, 2),
    text_dim=1024,
    text_heads=16,
    family="audiogen",
    window_s=10.0,
    half=True,
)

# As small as the modules allow: a second of audio is 25 steps.
_SMALLEST: dict[str, Any] = {
    "dim": 32,
    "layers": 2,
    "heads": 4,
    "cardinality": 64,
    "sample_rate": 16_000,
    "ratios": (10, 8, 8),
    "filters": 2,
    "codec_dim": 16,
    "codec_lstm": 0,
    "text_dim": 16,
    "text_layers": 1,
    "text_heads": 2,
}
TEST_MUSICGEN = Shape(**_SMALLEST)
TEST_STEREO = Shape(**_SMALLEST, channels=2)
TEST_AUDIOGEN = Shape(**_SMALLEST, family="audiogen", window_s=3.0)
TEST_TWO_STEP = Shape(**_SMALLEST, two_step_cfg=True)
TEST_MELODY = Shape(**_SMALLEST, melody=True)
TEST_MAGNET = Shape(**_SMALLEST, family="magnet", window_s=3.0)


def codec_config(shape: Shape) -> dict[str, Any]:
    """AudioCraft's `xp.cfg` of an EnCodec; keys that only training reads are left out."""
    return {
        "solver": "compression",
        "device": "cpu",
        "sample_rate": shape.sample_rate,
        "channels": 1,
        "compression_model": "encodec",
        "encodec": {
            "autoencoder": "seanet",
            "quantizer": "rvq",
            "sample_rate": shape.sample_rate,
            "channels": 1,
            "causal": False,
            "renormalize": False,
        },
        "seanet": {
            "dimension": shape.codec_dim,
            "channels": 1,
            "causal": False,
            "n_filters": shape.filters,
            "n_residual_layers": 1,
            "ratios": list(shape.ratios),
            "activation": "ELU",
            "activation_params": {"alpha": 1.0},
            "norm": "weight_norm",
            "norm_params": {},
            "kernel_size": 7,
            "residual_kernel_size": 3,
            "last_kernel_size": 7,
            "dilation_base": 2,
            "pad_mode": "constant",
            "true_skip": True,
            "compress": 2,
            "lstm": shape.codec_lstm,
            "disable_norm_outer_blocks": 0,
            "decoder": {"trim_right_ratio": 1.0, "final_activation": None, "final_activation_params": None},
            "encoder": {},
        },
        "rvq": {
            "n_q": shape.codebooks,
            "q_dropout": False,
            "bins": shape.cardinality,
            "decay": 0.99,
            "kmeans_init": True,
            "kmeans_iters": 50,
            "threshold_ema_dead_code": 2,
            "orthogonal_reg_weight": 0.0,
            "orthogonal_reg_active_codes_only": False,
        },
    }


def language_model_config(shape: Shape) -> dict[str, Any]:
    """AudioCraft's `xp.cfg` of a MusicGen or AudioGen; keys that only training reads are left out."""
    # A stereo model's left and right codes of one frame share their delay.
    delays = [codebook for codebook in range(shape.codebooks) for _ in range(shape.channels)]
    pattern: dict[str, Any] = {
        "modeling": "delay",
        "delay": {"delays": delays, "flatten_first": 0, "empty_initial": 0},
    }
    text = {"name": TEXT_ENCODER, "finetune": False, "word_dropout": 0.3, "normalize_text": False}
    conditioners: dict[str, Any] = {
        "args": {"merge_text_conditions_p": 0.25, "drop_desc_p": 0.5},
        "description": {"model": "t5", "t5": text},
    }
    if shape.melody:
        chroma = {"sample_rate": shape.sample_rate, "n_chroma": 12, "radix2_exp": 14, "argmax": True}
        conditioners["self_wav"] = {"model": "chroma_stem", "chroma_stem": chroma}
    window_s = int(shape.window_s) if shape.window_s.is_integer() else shape.window_s  # MAGNeT counts with it
    magnet = shape.family == "magnet"
    if magnet:
        pattern = {"modeling": "parallel", "parallel": {"empty_initial": -1}}
    return {
        "solver": shape.family,
        "device": "cpu",
        "dtype": "float32",
        "sample_rate": shape.sample_rate,
        "channels": shape.channels,
        "compression_model_checkpoint": None,
        "compression_model_n_q": None,
        "interleave_stereo_codebooks": {"use": shape.channels == 2, "per_timestep": False},
        "max_duration": window_s,
        "dataset": {"segment_duration": window_s},
        "lm_model": "transformer_lm_magnet" if magnet else "transformer_lm",
        "transformer_lm": {
            "n_q": shape.streams,
            "card": shape.cardinality,
            "dim": shape.dim,
            "num_layers": shape.layers,
            "num_heads": shape.heads,
            "hidden_scale": 4,
            "dropout": 0.0,
            "emb_lr": None,
            "activation": "gelu",
            "norm": "layer_norm",
            "norm_first": True,
            "bias_ff": False,
            "bias_attn": False,
            "bias_proj": False,
            "past_context": None,
            "causal": not magnet,
            "custom": False,
            "memory_efficient": True,
            "attention_as_float32": False,
            "layer_scale": None,
            "positional_embedding": "sin",
            "xpos": False,
            "checkpointing": "none",
            "weight_init": "gaussian",
            "depthwise_init": "current",
            "zero_bias_init": True,
            "cross_attention": False,  # AudioCraft turns it on because the fuser has a cross condition
            "qk_layer_norm": False,
            "qk_layer_norm_cross": False,
            "attention_dropout": None,
            "kv_repeat": 1,
            "two_step_cfg": shape.two_step_cfg,
        },
        "codebooks_pattern": pattern,
        "masking": {"span_len": 3},
        "classifier_free_guidance": {"training_dropout": 0.3, "inference_coef": 3.0},
        "attribute_dropout": {},
        "fuser": {
            "cross_attention_pos_emb": False,
            "cross_attention_pos_emb_scale": 1,
            "sum": [],
            "prepend": ["self_wav", "description"] if shape.melody else [],
            "cross": [] if shape.melody else ["description"],
            "input_interpolate": [],
        },
        "conditioners": conditioners,
    }
