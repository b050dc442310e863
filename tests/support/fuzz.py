"""Damages real job files, and looks that reading one ends in jobs or in InvalidJobFile, within bounds.

As a command: PYTHONPATH=tests python -m support.fuzz COUNT [--seed N] [--kinds csv,yaml,xlsx,ods] [--only NUMBER]
[--json FILE]
Each input is known by the seed and its number; `--only` reads that one again and prints it.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import resource
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

from soundmill.errors import InvalidJobFile, UnknownModel
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.points import Draw, Points
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.inbox.whole import look
from soundmill.jobs import AudioFormat, QcAction
from support.results import keep, stamped
from support.spreadsheets import Formula, Styled, ods, ods_cell, ods_row, xlsx

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("csv", "yaml", "xlsx", "ods")
LONGEST_S = 2.0  # of processor time for one input
MOST_MB = 200  # that reading may add to the process
MOST_READ = 2000  # of an input's jobs
LONGEST_INPUT = 1 << 16  # bytes; the bounds of large files have tests of their own
NAMES = {"tiny": 30.0, "musicgen-small": 300.0, "musicgen-melody": 300.0, "audiogen-medium": 300.0}
# What readers look out for, and what stands at the edges of numbers, texts and encodings.
TOKENS = r"""
    , ; \t | " "" ' '' \n \r \r\n \n\n : :\x20 -\x20 - # \x20#\x20 ? ! & * << > | % @ ` ~ [ ] { } {{ }} {a} {a|b}
    __a__ $ = + =A1 #REF! \0 \x01 \x1b \x7f \x85 \xa0 \u200b \u2028 \ufeff \ufffe \ud800 \U0001f600 é ß 音 “ ” „ « »
    – … ： ， ； 0 1 -1 00 1.0 1,5 1.000,5 1e999 -0 nan inf 0x10 9007199254740993 99999999999999999999 1:30 0:00:30
    2026-11-28 true no null prompt id count seed duration model jobs template variables experiment factors design n
    replicates extends baseline defaults sobol latin_hypercube min max scale log step name priority quality format
    melody continue_from sep=; \t- ---\n ... !!python/x &a *a <c/> </c> <row> </row> <v>1</v> <f/> t="s" t="e"
    r="ZZZ9" s="99" &amp; &lt; &#0; <!-- --> ]]> <![CDATA[ <!DOCTYPE\x20a> number-rows-repeated="9" <text:p/>
    _x0000_ PK\x05\x06
"""


@dataclass(frozen=True)
class Model:
    name: str
    takes_melody: bool
    max_duration_s: float
    continues_s: float = 30.0


def resolve(name: str) -> Model:
    if name not in NAMES:
        raise UnknownModel(f"there is no model {name}")
    return Model(name, name.endswith("melody"), NAMES[name])


def draw(wanted: Draw) -> Points:
    """Points as evenly spread as a design's, without scipy and a process."""
    return [
        [(n * (k + 1) + 0.5) % wanted.count / wanted.count for k in range(wanted.factors)] for n in range(wanted.count)
    ]


RULES = Rules(
    ulid="01HZZZZZZZZZZZZZZZZZZZZZZZ",
    folder=Path("/nonexistent"),
    resolve_model=resolve,
    default_model="tiny",
    default_duration=10.0,
    default_format=AudioFormat.WAV,
    default_on_qc_fail=QcAction.KEEP,
    max_jobs=100_000,
    draw=draw,
)


@cache
def corpus() -> dict[str, tuple[list[bytes], list[bytes]]]:
    """The files to begin with, by kind: good ones, and those that are refused as they are."""
    found: dict[str, tuple[list[bytes], list[bytes]]] = {kind: ([], []) for kind in KINDS}
    for good, folder in ((True, ROOT / "inbox_examples"), (False, ROOT / "tests" / "data" / "bad")):
        for path in sorted(folder.glob("*.*")):
            kind = {".tsv": "csv", ".yml": "yaml"}.get(path.suffix, path.suffix[1:])
            if kind in found and 0 < path.stat().st_size < LONGEST_INPUT:
                found[kind][not good].append(path.read_bytes())
    for good in (True, False):
        for data in found["csv"][not good]:
            try:
                rows = [row for row in csv.reader(io.StringIO(data.decode("utf-8-sig"))) if row][:30]
            except (csv.Error, UnicodeError):
                continue
            if len(rows) > 1:
                sheet = xlsx({"jobs": [[text or None for text in row] for row in rows]}, shared=len(rows) % 2 > 0)
                found["xlsx"][not good].append(sheet)
                found["ods"][not good].append(ods({"a": [ods_row(*map(ods_cell, row)) for row in rows]}))
    odd = [Styled(46082.5, "yyyy-mm-dd h:mm"), Styled(7, "000"), Formula("A1", "x"), Formula("1+1", 2.0), 1e20, True]
    header = ("prompt", "a", "b", "c", "d", "e", "f")
    found["xlsx"][0].append(xlsx({"notes": [("a",)], "jobs": [header, ("harp", *odd)]}, hidden=["notes"]))
    times = [ods_row(*map(ods_cell, ("prompt", "cue")), ods_cell("", times=9)), ods_row(ods_cell("harp"), times=3)]
    found["ods"][0].append(ods({"notes": [], "jobs": times}))
    return found


def unescaped(token: str) -> bytes:
    return token.encode("ascii", "backslashreplace").decode("unicode_escape").encode("utf-8", "surrogatepass")


BYTES = [unescaped(token) for token in TOKENS.split()]


def damaged(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """The bytes after one to six accidents."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        size = len(data)
        at, end = sorted((rng.randint(0, size), rng.randint(0, size)))
        if rng.random() < 0.7:
            end = min(at + rng.choice((0, 1, 1, 2, 5, 20)), size)
        match rng.randrange(9):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + data[end:]
            case 2 | 3:
                data = data[:at] + rng.choice(BYTES) + data[end:]
            case 4:
                data = data[:at] + rng.randbytes(rng.randint(1, 3)) + data[end:]
            case 5:
                data = data[:at] + data[at:end] * rng.choice((2, 3, 50)) + data[end:]
            case 6:
                other = rng.choice(others)
                cut = rng.randint(0, len(other))
                data = data[:at] + other[cut : cut + rng.choice((5, 50, 500))] + data[end:]
            case 7:
                lines = data.split(b"\n")
                rng.shuffle(lines)
                data = b"\n".join(lines)
            case 8:
                data = data.replace(rng.choice(BYTES), rng.choice(BYTES), rng.choice((1, 3, -1)))
        data = data[:LONGEST_INPUT]
    return data


@cache
def members(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile:
        return {}


def made(kind: str, rng: random.Random) -> bytes:
    """An input of this kind: a real file after accidents; a spreadsheet's happen within it, mostly."""
    good, bad = corpus()[kind]
    files = bad if rng.random() < 0.3 else good
    data = rng.choice(files)
    if kind in ("csv", "yaml") or rng.random() < 0.1 or not (inside := members(data)):
        return damaged(data, good, rng)
    parts = list(inside.values())
    changed = dict(inside)
    for name in rng.sample(sorted(inside), min(rng.choice((1, 1, 2)), len(inside))):
        changed[name] = damaged(inside[name], parts, rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in changed.items():
            archive.writestr(name, content)
    return out.getvalue()


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read(data: bytes, kind: str) -> str:
    """Read one input as the daemon does; what became of it. Raises whatever should not come out."""
    look(data, f".{kind}")
    try:
        spec = read_jobs(data, f"any.{kind}", RULES)
    except InvalidJobFile as refused:
        assert refused.problems and all(str(problem).isprintable() for problem in refused.problems)
        return "refused"
    jobs = list(islice(spec.jobs, MOST_READ))
    assert len(jobs) == min(spec.job_count, MOST_READ)
    assert len({job.name for job in jobs}) == len(jobs)
    return "jobs"


def fuzz(count: int, *, seed: int, kinds: Sequence[str] = KINDS, first: int = 0) -> tuple[Counter[str], list[str]]:
    """What became of that many inputs, and what went wrong, each with its number."""
    became: Counter[str] = Counter()
    wrong: list[str] = []
    corpus()
    most = peak_mb() + MOST_MB
    for number in range(first, first + count):
        rng = random.Random(f"{seed} {number}")
        kind = rng.choice(kinds)
        data = made(kind, rng)
        started = time.process_time()
        try:
            became[f"{kind}: {read(data, kind)}"] += 1
        except Exception as error:
            wrong.append(f"{number} ({kind}): {type(error).__name__}: {error}")
        took = time.process_time() - started
        if took > LONGEST_S:
            wrong.append(f"{number} ({kind}, {len(data):,} bytes): took {took:.1f} s")
        if peak_mb() > most:
            wrong.append(f"{number} ({kind}, {len(data):,} bytes): took {peak_mb() - most + MOST_MB:.0f} MB")
            most = peak_mb()
    return became, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description="Damages job files and reads them.")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--only", type=int)
    parser.add_argument("--json", type=Path, help="where the numbers go, for docs/reliability.py")
    chosen = parser.parse_args()
    kinds = chosen.kinds.split(",")
    if chosen.only is not None:
        rng = random.Random(f"{chosen.seed} {chosen.only}")
        kind = rng.choice(kinds)
        data = made(kind, rng)
        print(kind, data)
        print(read(data, kind))
        return
    started = time.process_time()
    became, wrong = fuzz(chosen.count, seed=chosen.seed, kinds=kinds)
    print(*sorted(f"{what} {times:,}" for what, times in became.items()), sep="\n")
    print(f"{chosen.count:,} inputs, {time.process_time() - started:.0f} s, {len(wrong)} went wrong", *wrong, sep="\n")
    seconds = time.process_time() - started
    keep(stamped("fuzz", seconds=seconds, inputs=chosen.count, seed=chosen.seed, violations=wrong), chosen.json)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
