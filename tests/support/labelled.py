"""The labelled audio: clean clips and the same clips with a defect, measured as the engine measures a take.

`python tests/support/labelled.py [SEEDS]` prints what is found, and what the four classic checks find on the same
files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":  # pytest has the folder on its path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soundmill.audio.loudness import Loudness, meter, normalize
from soundmill.jobs import Judgement, Normalization, QualityKind
from soundmill.quality.judging import judge
from soundmill.quality.limits import Limits, limits_of
from soundmill.quality.measure import measure
from support.clean import CLEAN, RATE, clean
from support.defective import INJECTIONS, Injection

Samples = NDArray[np.float32]

SEEDS = 4
METERS = frozenset({"loudness", "true_peak"})  # checks that say what the loudness meter measured, a fifth of the work
METERED = tuple(field.name for field in fields(Loudness))
CLASSIC = ("silence", "clipping", "repetition", "spectral_balance")
KINDS: Mapping[str, Limits] = {kind: limits_of(QualityKind(kind)) for kind in ("music", "sound_effects")}
# As delivered and published: an over between the samples and a level below full scale are gone once a clip is
# normalised.
AS_IT_IS = frozenset(
    {"over between samples", "over full scale", "clipping below full scale", "heavy, below full scale"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A clean clip by the name of its sound, and whose thresholds judge it."""

    sound: str
    kind: str
    samples: Samples
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the checks said of one clip. `defect` is "" for a clean one; `failed` is by the thresholds of its kind,
    `classic` by the four classic checks and their numbers."""

    sound: str
    kind: str
    defect: str
    strength: float
    failed: tuple[str, ...]
    classic: tuple[str, ...]  # a check that failed on the clean clip finds nothing in the defective one


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Of the clips with one defect at one strength, how many were found."""

    defect: str
    strength: float
    unit: str
    clips: int
    found: int
    classic: int

    @property
    def recall(self) -> float:
        return self.found / self.clips


def clips(seeds: Iterable[int]) -> Iterator[Clip]:
    for seed in seeds:
        for sound, (kind, _) in CLEAN.items():
            yield Clip(sound=sound, kind=kind, samples=clean(sound, seed), rate=RATE)


def taken(
    raw: Samples, rate: int, requested_s: float, kind: str, how: Normalization, metered: bool
) -> tuple[Judgement, Judgement]:
    """What the daemon says of a clip it was handed, by the thresholds of `kind` and by the classic ones. Unless it is
    `metered`, it says nothing of loudness and true peak."""
    delivered = normalize(raw, rate, how, -14.0)
    if how is not Normalization.NONE:  # what is published as it is may be floats
        delivered = np.clip(delivered, -1, 1)
    delivered = np.where(np.isfinite(delivered), np.round(delivered * 32767) / 32768, np.nan)
    delivered = delivered.astype(np.float32)
    read = asdict(meter(delivered, rate)) if metered else dict.fromkeys(METERED)
    found = measure(
        delivered, rate, requested_s=requested_s, loudness_lufs=read["loudness_lufs"], before=raw, meter=read
    )
    return (
        judge(found.values, KINDS[kind], found.defects, QualityKind(kind)),
        judge(found.values, limits_of(QualityKind.CUSTOM), found.defects),
    )


def _failed(judgement: Judgement) -> tuple[str, ...]:
    return tuple(check.name for check in judgement.checks if not check.passed)


def examine(clip: Clip, injections: Sequence[Injection] = INJECTIONS) -> list[Found]:
    """The clean clip, and every defect its kind promises to find, at every strength."""
    requested = clip.samples.shape[1] / clip.rate

    def found(samples: Samples, defect: str, strength: float, finds: Collection[str]) -> Found:
        how = Normalization.NONE if defect in AS_IT_IS else Normalization.LOUDNESS
        own, classic = taken(samples, clip.rate, requested, clip.kind, how, not METERS.isdisjoint(finds))
        return Found(
            sound=clip.sound,
            kind=clip.kind,
            defect=defect,
            strength=strength,
            failed=_failed(own),
            classic=tuple(name for name in _failed(classic) if name in CLASSIC and name not in anyway),
        )

    anyway: tuple[str, ...] = ()
    rows = [found(clip.samples, "", 0.0, METERS)]
    anyway = rows[0].classic
    for number, injection in enumerate(injections):
        if clip.kind not in injection.kinds or clip.sound in injection.not_in:
            continue
        for strength in injection.strengths:
            rng = np.random.default_rng([number, round(100 * abs(strength)), clip.samples.shape[1]])
            broken = injection.inject(clip.samples.copy(), clip.rate, strength, rng)
            if broken is not None:
                rows.append(found(broken.astype(np.float32), injection.name, strength, injection.finds))
    return rows


def examine_all(every: Iterable[Clip]) -> list[Found]:
    return [row for rows in side_by_side(examine, every) for row in rows]


def side_by_side(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """`work` for each item, in order, on as many processors as this worker of a test run has to itself: a process more
    on one of the others' takes longer to start than it saves."""
    processes = (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes < 2:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, items)


def scores(rows: Sequence[Found]) -> list[Score]:
    """Per defect and strength; the classic checks are credited with any alarm they did not raise on the clean clip."""
    table = []
    for injection in INJECTIONS:
        for strength in injection.strengths:
            these = [row for row in rows if row.defect == injection.name and row.strength == strength]
            if these:
                table.append(
                    Score(
                        defect=injection.name,
                        strength=strength,
                        unit=injection.unit,
                        clips=len(these),
                        found=sum(bool(set(row.failed) & set(injection.finds)) for row in these),
                        classic=sum(bool(row.classic) for row in these),
                    )
                )
    return table


def alarms(rows: Sequence[Found]) -> tuple[int, int, int]:
    """(Clean clips, those with an alarm, those with an alarm of the classic checks)."""
    these = [row for row in rows if not row.defect]
    return len(these), sum(bool(row.failed) for row in these), sum(bool(row.classic) for row in these)


def table(rows: Sequence[Found]) -> str:
    lines = [f"{'defect':26} {'strength':>22} {'clips':>6} {'found':>7} {'classic':>8}"]
    lines += [
        f"{s.defect:26} {f'{s.strength:g} {s.unit}':>22} {s.clips:6} {s.recall:7.1%} {s.classic / s.clips:8.1%}"
        for s in scores(rows)
    ]
    count, ours, classic = alarms(rows)
    lines.append(f"{'false alarms (clean clips)':49} {count:6} {ours / count:7.1%} {classic / count:8.1%}")
    return "\n".join(lines)


if __name__ == "__main__":
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    rows = examine_all(clips(range(seeds)))
    print(table(rows))
    for row in rows:
        if not row.defect and row.failed:
            print("false alarm:", row.sound, row.failed)
