"""How much each sign of a step of pitch counts: writes daemon/soundmill/quality/detectors/time/learned.py.

    python benchmarks/defects/learn.py

Fits a logistic regression to the moments that the detector looks at: in every clip of learn, test and fresh as it is,
and in 30 of each half that are played on faster or slower from some moment on, by half a semitone to four, at once or
within 20 ms. Steps are made by a recipe of its own, not the benchmark's. Prints how many steps of each half are told by
weights learned from the two others alone, and how many clean clips by mistake. Deterministic.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.optimize import minimize
from sounds import Clip, clips

from run import in_turn
from soundmill.quality.detectors.time import learned
from soundmill.quality.detectors.time.pitch import FEATURES, LIKELY_FROM, moments
from soundmill.quality.sound import listen

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]

FROM = ("learn", "test", "fresh")
PLANTED, TIMES = 30, 6  # clips of each half, and steps of each
SEMITONES = (-4, -3, -2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2, 3, 4)
NEAR_S, NEAR_SEMITONES = 0.3, 0.4  # of the step: what counts as found
PENALTY = 1.0  # on the squares of the weights of features that were brought to a spread of 1


@dataclass(frozen=True, slots=True)
class Example:
    """The moments of one clip: features [moments, FEATURES], and which of them are a step."""

    half: str
    stepped: bool
    features: Floats
    steps: NDArray[np.bool_]


def stepped(sound: Samples, rate: int, at: int, semitones: float, rng: np.random.Generator) -> Samples:
    """From `at` on played faster, or slower, read by straight lines or splines, joined at once or within 20 ms."""
    over = int(rng.choice([0, rate // 50]))
    places = at - over + np.arange(0, (sound.shape[1] - at + over) / 2 ** (semitones / 12) - 1) * 2 ** (semitones / 12)
    order = int(rng.choice([1, 3]))
    new = np.stack([map_coordinates(each, [places], order=order, mode="nearest") for each in sound])
    joined = min(over, new.shape[1])
    mix = np.linspace(0, 1, over)[:joined]
    new[:, :joined] = new[:, :joined] * mix + sound[:, at - over : at - over + joined] * (1 - mix)
    whole = np.concatenate((sound[:, : at - over], new), axis=1)
    return np.asarray(whole[:, : sound.shape[1]], np.float32)


def example(half: str, samples: Samples, rate: int, step: tuple[float, float] | None) -> Example | None:
    sound = listen(
        np.ascontiguousarray(samples, np.float32),
        rate,
        requested_s=None,
        before=None,
        meter={},
        overwrite_samples=False,
    )
    slow = sound.slow[sound.judged].mean(axis=0)
    found = moments(slow, rate / sound.slower, list(sound.spectra.values()))
    if not found:
        return None
    steps = [
        step is not None and abs(each.at_s - step[0]) < NEAR_S and abs(each.semitones - step[1]) < NEAR_SEMITONES
        for each in found
    ]
    return Example(half, step is not None, np.stack([each.features for each in found]), np.array(steps))


def examples() -> Iterator[Example]:
    for half in FROM:
        every: list[Clip] = list(clips(half))
        planted = in_turn(every, PLANTED)
        for number, clip in enumerate(every):
            one = example(half, clip.samples, clip.rate, None)
            if one:
                yield one
            for time in range(TIMES) if clip.name in planted else ():
                rng = np.random.default_rng([31, number, time])
                at, semitones = round(rng.uniform(0.3, 0.68) * clip.samples.shape[1]), float(rng.choice(SEMITONES))
                played = stepped(clip.samples, clip.rate, at, semitones, rng)
                one = example(half, played, clip.rate, (at / clip.rate, semitones))
                if one:
                    yield one


def fit(features: Floats, labels: NDArray[np.bool_]) -> Floats:
    """Weights of the features and, last, of 1."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    rows = np.column_stack(((features - mean) / spread, np.ones(len(features))))
    sign = np.where(labels, -1.0, 1.0)

    def loss(weights: Floats) -> tuple[float, Floats]:
        odds = sign * (rows @ weights)
        slope = sign / (1 + np.exp(-odds))
        kept = np.append(weights[:-1], 0) * PENALTY
        return float(np.logaddexp(0, odds).sum() + kept @ weights / 2), slope @ rows + kept

    found = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
    weights = found[:-1] / spread
    return np.append(weights, found[-1] - weights @ mean)


def weighed(every: Sequence[Example]) -> Floats:
    """The moments of clips that have no step, and those of the others that are one."""
    rows = np.concatenate([each.features if not each.stepped else each.features[each.steps] for each in every])
    labels = np.concatenate([each.steps if not each.stepped else each.steps[each.steps] for each in every])
    return fit(rows, labels)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    every = list(examples())
    for half in FROM:
        weights = weighed([each for each in every if each.half != half])
        found: dict[bool, list[float]] = {True: [], False: []}
        for each in every:
            if each.half == half:
                found[each.stepped].append(float((each.features @ weights[:-1] + weights[-1]).max()))
        told, wrong = (np.mean(np.array(found[stepped]) > LIKELY_FROM) for stepped in (True, False))
        print(f"{half}: {told:.0%} of {len(found[True])} steps told, {wrong:.1%} of {len(found[False])} clean clips")
    names = (*FEATURES, "bias")
    lines = "".join(f'    "{name}": {weight:.3f},\n' for name, weight in zip(names, weighed(every), strict=True))
    text = (
        '"""The quality room, what was learned: how much each sign of a step of pitch counts.\n\n'
        f"Written by benchmarks/defects/learn.py, from {len(every)} clips of {', '.join(FROM)}: the weights of a\n"
        'logistic regression, in the logarithm of the odds.\n"""\n\n'
        f"from collections.abc import Mapping\n\nPITCH_STEP: Mapping[str, float] = {{\n{lines}}}\n"
    )
    Path(learned.__file__).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
