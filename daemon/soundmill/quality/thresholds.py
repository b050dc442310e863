"""The quality room, limits: what the checks compare with. No numpy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from soundmill.jobs import QualityKind

RULE_VERSION = 3  # rises when a rule or the score changes its meaning, so that old takes are judged again


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The limits of the checks; a value exactly at its limit passes."""

    silence_share_max: float = 0.30  # share of 1024-sample windows below -60 dBFS RMS
    silence_head_max_s: float = 3.0
    silence_tail_max_s: float = 2.5
    silence_inside_max_s: float = 2.0
    dropout_max_s: float = 0.004  # summed length of abrupt silences
    clipping_share_max: float = 0.01  # share of samples over 0.99 of full scale
    flat_share_max: float = 0.002  # share of samples in flat tops at any level
    true_peak_max_dbtp: float = 2.0  # over full scale and the highest sample
    repetition_max: float = 0.95  # correlation of consecutive one-second segments
    loop_share_max: float = 0.5  # share of the clip that copies what was one period earlier
    spectral_range_min_db: float = 30.0  # range of the time-averaged spectrum
    noise_max_s: float = 1.0  # longest noise of any colour
    stuck_tone_max_s: float = 4.5
    clicks_max: int = 0
    level_step_max_db: float = 20.0  # sudden, lasting and the same in all bands
    loudness_min_lufs: float = -40.0
    channel_difference_max_db: float = 15.0
    opposite_phase_max: float = 0.7  # correlation of left with right turned over
    nonfinite_max: int = 0
    dc_offset_max: float = 0.02  # lasting offset of the wave, full scale = 1
    duration_tolerance_s: float = 0.10  # difference from the duration asked for


def ruleset(kind: QualityKind, thresholds: Thresholds) -> str:
    """A short name of the kind, rules and limits a judgement was made by: equal names, equal judgements."""
    limits = {name: float(limit) for name, limit in asdict(thresholds).items()}
    text = json.dumps([RULE_VERSION, kind.value, limits], sort_keys=True)
    return f"{kind.value}-{RULE_VERSION}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
