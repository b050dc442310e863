"""What is found of defects planted into published audio, and what is said of that audio as it is.

    python benchmarks/defects/run.py [--half unseen] [--clips 60] [--essentia PYTHON] [--ffmpeg FFMPEG]

Fetches Debian's packages of benchmarks/defects/sounds.py (once, to the cache), takes a half of them, `unseen` unless
told otherwise, which is the one that no limit has learned from, judges every clip as it is and the first so many of 5
s or more, in turn by package, with each defect of benchmarks/defects/planted.py at three strengths. Prints the
licences' place and a table: of the clips with a defect how many were found, by the check that names it, failed or,
after the stroke, failed or noted; by any check, and by the four classic checks, ffmpeg's filters and Essentia's
detectors where they are told of; alarms and notes on clean clips; how well soundness tells clean from defective (AUC,
of clear and gross), and how it falls with strength (the median over clips of Spearman's correlation; four points a
clip), both of clips that have no alarm as they are whose fault a plain look shows. Whatever a judge says of the clean
clip as well does not count as found.

--essentia is a Python of an environment that has Essentia (pip install essentia soundfile): it is no dependency.
"""

from __future__ import annotations

import argparse
import collections
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import numpy as np
from others import Others
from planted import KINDS, STRENGTHS, Kind
from scipy.stats import rankdata, spearmanr
from sounds import HALVES, Clip, clips

from soundmill.audio.loudness import meter
from soundmill.jobs import QualityKind
from soundmill.quality.judging import judge
from soundmill.quality.limits import limits_of
from soundmill.quality.measure import measure
from soundmill.quality.registry import looked_at_by
from soundmill.report.statistics.intervals import wilson
from support.published import cache, loop_of, plainly_faulty

CLASSIC = ("silence", "clipping", "repetition", "spectral_balance")
LEAST_S = 5.0  # of a clip that something is planted into
SEED = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was said of one clip, by judge. kind and strength are "" for a clean one; told: the failed checks and those
    that a note is of; plain: of the failed checks those whose fault a plain look shows."""

    clip: str
    sound: str
    kind: str
    strength: str
    score: float
    failed: frozenset[str]
    told: frozenset[str]
    plain: frozenset[str]
    others: dict[str, frozenset[str]]


def said(clip: Clip, kind: str, strength: str, others: Others) -> Row:
    sound = np.ascontiguousarray(clip.samples, dtype=np.float32)
    read = meter(sound, clip.rate)
    found = measure(
        sound, clip.rate, requested_s=None, loudness_lufs=read.loudness_lufs, before=None, meter=asdict(read)
    )
    whose = QualityKind(clip.limits)
    own = judge(found.values, limits_of(whose), found.defects, whose)
    classic = judge(found.values, limits_of(QualityKind.CUSTOM), found.defects)
    loop = loop_of(found, clip.rate)
    failed = frozenset(check.name for check in own.checks if not check.passed)
    noted = {str(each["name"]) for each in found.defects}
    return Row(
        clip=clip.name,
        sound=clip.kind,
        kind=kind,
        strength=strength,
        score=own.score,
        failed=failed,
        told=failed.union(*(looked_at_by().get(name, (name,)) for name in noted)),
        plain=frozenset(name for name in failed if not kind and plainly_faulty(name, sound, clip.rate, loop)),
        others={
            "classic": frozenset(check.name for check in classic.checks if not check.passed and check.name in CLASSIC),
            **others.say(sound, clip.rate),
        },
    )


def examine(numbered: tuple[int, Clip, bool], kinds: Sequence[Kind], others: Others) -> list[Row]:
    number, clip, plant = numbered
    rows = [said(clip, "", "", others if plant else others.none())]
    for kind in kinds if plant else ():
        for strength, level in zip(STRENGTHS, kind.levels, strict=True):
            rng = np.random.default_rng([SEED, number, KINDS.index(kind)])
            broken = kind.plant(clip.samples.copy(), clip.rate, level, rng)
            if broken is not None:
                spoiled = Clip(name=clip.name, package=clip.package, kind=clip.kind, samples=broken, rate=clip.rate)
                rows.append(said(spoiled, kind.name, strength, others))
    return rows


def in_turn(every: Sequence[Clip], most: int) -> set[str]:
    """The names of the first so many clips that are long enough, one of each package after the other."""
    by_package: dict[str, list[str]] = {}
    for clip in every:
        if clip.samples.shape[1] >= LEAST_S * clip.rate:
            by_package.setdefault(clip.package, []).append(clip.name)
    turns = [name for turn in zip_longest(*by_package.values()) for name in turn if name]
    return set(turns[:most])


def auc(clean: Sequence[float], broken: Sequence[float]) -> float:
    """The share of pairs in which the clean one scores higher, ties halved (Mann and Whitney, 1947)."""
    ranks = rankdata([*clean, *broken])
    return float((ranks[: len(clean)].sum() - len(clean) * (len(clean) + 1) / 2) / (len(clean) * len(broken)))


def falls(clean: Row, rows: Sequence[Row]) -> float | None:
    """Spearman's correlation of strength and soundness of one clip, clean and at each strength; None for fewer than
    three; 0 where soundness never changes."""
    points = [(0, clean.score), *((1 + STRENGTHS.index(row.strength), row.score) for row in rows)]
    if len(points) < 3:
        return None
    if len({score for _, score in points}) == 1:
        return 0.0
    return float(spearmanr(*zip(*points, strict=True)).statistic)


def table(rows: Sequence[Row], names: Sequence[str]) -> Iterator[str]:
    clean = {row.clip: row for row in rows if not row.kind}
    yield f"| defect | clips | {' | '.join(STRENGTHS)} | by any check | {' | '.join(names)} | AUC | Spearman |"
    yield "|---" * (7 + len(names) + 1) + "|"
    totals: dict[tuple[bool, str], list[bool]] = collections.defaultdict(list)
    for kind in KINDS:
        these = [row for row in rows if row.kind == kind.name]
        if not these:
            continue
        strong = [row for row in these if row.strength != "mild"]
        hits = {
            "failed": [bool((row.failed - clean[row.clip].failed) & set(kind.finds)) for row in these],
            "told": [
                bool(((row.failed - clean[row.clip].failed) | (row.told - clean[row.clip].told)) & set(kind.finds))
                for row in these
            ],
        }
        for how, found in hits.items():
            totals[kind.classic, how] += [hit for row, hit in zip(these, found, strict=True) if row in strong]
        by = [
            " / ".join(
                _share([hit for row, hit in zip(these, found, strict=True) if row.strength == strength])
                for found in hits.values()
            )
            for strength in STRENGTHS
        ]
        other = [_share([bool(row.others[name] - clean[row.clip].others[name]) for row in strong]) for name in names]
        whole = _share([bool(row.failed - clean[row.clip].failed) for row in strong])
        good = [row for row in strong if not clean[row.clip].plain]
        sound = auc([clean[row.clip].score for row in good], [row.score for row in good]) if good else float("nan")
        by_clip = collections.defaultdict(list)
        for row in these:
            by_clip[row.clip].append(row)
        whole_before = [(clean[clip], many) for clip, many in by_clip.items() if not clean[clip].plain]
        fall = [each for before, many in whole_before if (each := falls(before, many)) is not None]
        name = f"{kind.name} ({', '.join(f'{level:g}' for level in kind.levels)} {kind.unit})"
        middle = f"{np.median(fall):.2f}" if fall else "-"
        yield f"| {name} | {len(by_clip)} | {' | '.join(by)} | {whole} | {' | '.join(other)} | {sound:.2f} | {middle} |"
    yield "failed by the check that names it / told by it or by a note"
    for classic, title in ((True, "classic"), (False, "new")):
        shares = (_share(totals[classic, how]) for how in ("failed", "told"))
        yield f"clear and gross of the {title} kinds, by the check that names it: {' / '.join(shares)}"


def _share(found: Sequence[bool]) -> str:
    return f"{100 * sum(found) / len(found):.0f} %" if found else "-"


def _share_of(count: int, whole: int) -> str:
    return f"{100 * count / max(whole, 1):.1f} %"


def alarms(rows: Sequence[Row], names: Sequence[str]) -> Iterator[str]:
    clean = [row for row in rows if not row.kind]
    for sound in ("music", "sound_effects", "speech", ""):
        these = [row for row in clean if sound in ("", row.sound)]
        unseen = [row for row in these if row.failed - row.plain]
        if not these:
            continue
        low, high = wilson(len(unseen), len(these), 0.95)
        yield (
            f"clean {sound or 'together'}: {len(these)} clips, {sum(bool(row.failed) for row in these)} with an alarm, "
            f"{len(unseen)} not plain to see ({len(unseen) / len(these):.1%}, 95 %: {low:.1%} to {high:.1%})"
        )
    notes = collections.Counter(name for row in clean for name in row.told - row.failed)
    yield "clean, noted: " + ", ".join(f"{name} {_share_of(count, len(clean))}" for name, count in notes.most_common())
    for name in names:
        heard = [row for row in clean if name in row.others]
        yield f"clean, {name}: {sum(bool(row.others[name]) for row in heard)} of {len(heard)}"
    for row in clean:
        if row.failed - row.plain:
            yield f"  {row.sound} {row.clip}: {', '.join(sorted(row.failed - row.plain))}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=HALVES, default="unseen")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--kinds", help="names of defects with commas between them; all of them unless told")
    parser.add_argument("--folder", type=Path, default=cache().with_name("defects"))
    parser.add_argument("--essentia", help="a Python that has it")
    parser.add_argument("--ffmpeg", help="its command")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    wanted = asked.kinds.split(",") if asked.kinds else [kind.name for kind in KINDS]
    kinds = [kind for kind in KINDS if kind.name in wanted]
    every = list(clips(asked.half, asked.folder))
    planted = in_turn(every, asked.clips)
    with tempfile.TemporaryDirectory() as scratch:
        others = Others(essentia=asked.essentia, ffmpeg=asked.ffmpeg, scratch=Path(scratch))
        work = [(number, clip, clip.name in planted) for number, clip in enumerate(every)]
        with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
            rows = [
                row
                for each in pool.map(partial(examine, kinds=kinds, others=others), work, chunksize=4)
                for row in each
            ]
        names = others.names()
    print(f"licences: {asked.folder}/*/usr/share/doc/*/copyright")
    print(f"half {asked.half}: {len(every)} clips of {len({clip.package for clip in every})} packages")
    print("\n".join(table(rows, names)))
    print("\n".join(alarms(rows, names)))


if __name__ == "__main__":
    main()
