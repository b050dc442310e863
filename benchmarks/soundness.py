"""How sound published audio is said to be, and whether the same sound is as sound at every sample rate.

    python benchmarks/soundness.py [--every 6]

Every so-manyth file of the packages of tests/support/published.py, 30 s at most, resampled to 16 to 96 kHz (from no
lower than 16 kHz); the limits are those of its kind.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from soundmill.audio.loudness import meter
from soundmill.jobs import Judgement, QualityKind
from soundmill.quality.judging import judge
from soundmill.quality.limits import limits_of
from soundmill.quality.measure import measure

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.published import LISTENED_S, MUSIC_FROM_S, NO_MUSIC, cache, published

RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)


def judged(sound: NDArray[np.float64], rate: int, kind: QualityKind) -> Judgement:
    samples = np.ascontiguousarray(sound, dtype=np.float32)
    read = meter(samples, rate)
    found = measure(samples, rate, requested_s=None, loudness_lufs=read.loudness_lufs, before=None, meter=asdict(read))
    return judge(found.values, limits_of(kind), found.defects, kind)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=6)
    asked = parser.parse_args()
    spreads: list[float] = []
    scores: list[float] = []
    for path in published(cache())[:: asked.every]:
        try:
            with soundfile.SoundFile(path) as file:
                rate = file.samplerate
                sound = file.read(LISTENED_S * rate, always_2d=True).T
        except soundfile.LibsndfileError:
            continue
        if rate < RATES[0] or sound.shape[1] < rate // 20:
            continue
        music = sound.shape[1] >= MUSIC_FROM_S * rate and not NO_MUSIC.search(str(path))
        kind = QualityKind.MUSIC if music else QualityKind.SOUND_EFFECTS
        found = {}
        for other in RATES:
            both = math.gcd(rate, other)
            found[other] = judged(resample_poly(sound, other // both, rate // both, axis=1), other, kind)
        scores.append(judged(sound, rate, kind).score)
        spreads.append(max(one.score for one in found.values()) - min(one.score for one in found.values()))
        if spreads[-1] > 2:
            said = ", ".join(
                f"{at}: {one.score:.0f} {' '.join(check.name for check in one.checks if not check.passed)}".strip()
                for at, one in found.items()
            )
            print(f"{path.name} ({kind}) {said}")
    print(f"{len(scores)} files; soundness at their own rate: {sum(score > 98 for score in scores)} over 98, ", end="")
    print(f"{sum(score <= 49 for score in scores)} at 49 or less, percentiles 5, 10, 25, 50: ", end="")
    print(np.round(np.percentile(scores, [5, 10, 25, 50]), 1).tolist())
    print(f"at 16 to 96 kHz within 2 points: {sum(spread <= 2 for spread in spreads)}; ", end="")
    print(f"median {np.median(spreads):.2f}, 90 % {np.percentile(spreads, 90):.2f}, most {max(spreads):.0f}")


if __name__ == "__main__":
    main()
