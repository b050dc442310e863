"""The quality room, measuring: what can be said of a clip in numbers, and where in it something is wrong.

Pure numpy, run in the engine process. Every channel is judged and the worst one counts, so one broken
channel of a stereo clip is not hidden by a sound one; a measurement's description says what "worst" is for it.
Channels come in the order of a WAV file, see audio/channels.py.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.check import Defect, Found, QualityCheck, Values
from soundmill.quality.detectors.defects import bounded
from soundmill.quality.registry import BUILT_IN, all_checks
from soundmill.quality.sound import Sound, listen

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`values` has every measurement of every check, None where there is no number; `defects` are plain data
    {name, start_s, end_s, detail} in order of time, at most 100 (the longest ones)."""

    values: Values
    defects: tuple[Defect, ...]


def measure(
    samples: Samples,
    sample_rate: int,
    *,
    requested_s: float | None,
    loudness_lufs: float | None,
    before: Samples | None,
    meter: Mapping[str, float | None] = MappingProxyType({}),
    overwrite_samples: bool = False,
) -> Measured:
    """Measure delivered samples [channels, time] (float32, full scale = 1).

    `requested_s` is the duration asked for; `loudness_lufs`, and in `meter` what else audio/loudness.py measured,
    are passed through; `before` are the samples before normalisation, any length, for peak and clipping alone.
    Formulas: the measurements' descriptions. Peak-relative numbers (repetition, range, tilt) do not change with gain. A
    clip without samples counts as silent. Of six channels the fourth is the LFE, looked at for peaks and clipping
    alone; of more than two, those without any sound are left out unless all are. With `overwrite_samples` they are used
    up, which saves a third of the memory.

    Raises ValueError unless samples are 2-D and the sample rate positive; never for what the samples hold.
    """
    if samples.ndim != 2 or sample_rate <= 0:
        raise ValueError(f"samples of shape {samples.shape} at {sample_rate} Hz: must be [channels, time], above 0 Hz")
    sound = listen(
        np.ascontiguousarray(samples, dtype=np.float32),
        sample_rate,
        requested_s=requested_s,
        before=before,
        meter={**meter, "loudness_lufs": loudness_lufs},
        overwrite_samples=overwrite_samples,
    )
    found = [_found(check, sound) for check in all_checks()]
    return Measured(
        values={name: value for each in found for name, value in each.values.items()},
        defects=bounded([defect for each in found for defect in each.defects]),
    )


def _found(check: QualityCheck, sound: Sound) -> Found:
    """What a check measures. A plugin's that cannot costs its own numbers, not the clip."""
    try:
        return check.measure(sound)
    except Exception:  # it may be somebody else's code
        if check in BUILT_IN:
            raise
        log.warning("quality check %s of a plugin failed; its numbers are missing", check.name, exc_info=True)
        return Found(values=dict.fromkeys(check.measurements))
