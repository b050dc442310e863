"""The engine room, finishing: a clip's raw samples to the file that is delivered, and what was measured on that.

The composition root of an engine process: of all in engine/ only this imports the stages audio/ and quality/.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from soundmill.audio.decode import decode
from soundmill.audio.encode import encode
from soundmill.audio.fade import fade
from soundmill.audio.fingerprint.fingerprint import fingerprint
from soundmill.audio.loudness import meter, normalize
from soundmill.audio.peaks import peaks
from soundmill.engine.backend import Clip
from soundmill.errors import EngineError, MissingInput
from soundmill.jobs import Generated, GenerationRequest, ModelInfo
from soundmill.quality.measure import measure


def finish(clip: Clip, info: ModelInfo) -> Generated:
    """Fade, normalise, encode, and measure the samples that come out of the encoded bytes.

    Raises BadParameter when the format cannot hold the clip.
    """
    request, raw = clip.request, clip.samples
    # First, so that a peak or loudness that the fade takes away does not set the gain.
    faded = fade(raw, clip.sample_rate, request.fade_s, start=request.continue_from is None)
    normalized = normalize(faded, clip.sample_rate, request.normalization, request.normalization_target)
    audio = encode(normalized, clip.sample_rate, request.format, tags_of(request, info))
    try:
        delivered, sample_rate = decode(audio)
    except MissingInput as error:
        raise EngineError(f"the encoded clip cannot be read back: {error}") from error
    drawn = peaks(delivered, sample_rate)
    known_by = fingerprint(delivered, sample_rate)
    broken = ~np.isfinite(raw)
    if broken.any() and broken.shape == delivered.shape:
        delivered[broken] = np.nan  # the file has 0 there; the measurement is to count and place them
    read = meter(delivered, sample_rate)
    measured = measure(
        delivered,
        sample_rate,
        requested_s=request.parameters.duration,
        loudness_lufs=read.loudness_lufs,
        before=raw,
        meter=asdict(read),
    )
    return Generated(
        job_id=request.job_id,
        attempt=request.attempt,
        audio=audio,
        format=request.format,
        sample_rate=sample_rate,
        channels=delivered.shape[0],
        duration_s=delivered.shape[1] / sample_rate,
        generation_s=clip.generation_s,
        device_s=clip.device_s,
        row_steps=clip.row_steps,
        measurements=measured.values,
        versions=info.versions,
        licence=info.licence,
        defects=measured.defects,
        peaks=drawn,
        fingerprint=known_by,
    )


def tags_of(request: GenerationRequest, info: ModelInfo) -> dict[str, str]:
    """What is written into the file: how to make this clip again, and under which licence it stands."""
    inputs = {"melody": request.melody, "continue_from": request.continue_from}
    return {
        **request.tags,
        "prompt": request.prompt,
        "model": info.name,
        "seed": str(request.seed),
        **{name: f"{value:g}" for name, value in asdict(request.parameters).items()},
        **{name: Path(path).name for name, path in inputs.items() if path is not None},
        **({"fade_s": str(request.fade_s)} if request.fade_s else {}),
        "licence": info.licence,
        **{f"version_{name}": version for name, version in sorted(info.versions.items())},
    }
