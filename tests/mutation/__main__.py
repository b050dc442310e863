"""Changes the code of catalog/, schedule/ and inbox/ in small ways, one at a time, and sees whether a test fails.

    python -m mutation [--sample 1000] [--seed 1] [--only catalog/claims] [--processes 2] [--json FILE]
    python -m mutation --again FILE --json FILE

Without --sample all of them. Prints those that no test noticed; equivalent.yaml lists the ones that change nothing that
anybody could see, each with its reason, and they do not count. Exit 1 below --least per cent.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import tempfile
import time
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

from mutation.campaign import UNASKED, outcomes, sampled, seen_by
from mutation.changes import Change, changes
from mutation.equivalent import key_of, reasons, stale
from mutation.forks import HUNG, KILLED, SURVIVED
from mutation.session import TESTS, Seen
from support.results import keep, stamped

# Beside the rooms' own tests those of the tables that documents make of them. Others come to the rooms' lines too, and
# would notice more; these are the ones that are to.
ASKED = ("catalog", "schedule", "inbox", "test_readme.py")
PART = 100  # changes


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mutation")
    parser.add_argument("--sample", type=int, help="so many, from each file its share; else all")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--again", type=Path, help="a result: only what was not noticed then, after tests were added")
    parser.add_argument("--only", default="", help="files of the package that begin so")
    parser.add_argument("--tests", nargs="+", default=ASKED, help="folders and files of tests that are asked")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no other hundred after so long")
    parser.add_argument("--most-s", type=float, default=15.0, help="seconds of tests, as measured, that one is worth")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--least", type=float, default=90.0, help="per cent that tests have to notice")
    parser.add_argument("--seen", type=Path, help="what each test runs: read where it is there, else measured and kept")
    parser.add_argument("--trusting", action="store_true", help="do not first see that the tests pass without a change")
    parser.add_argument("--json", type=Path, help="where the result goes")
    chosen = parser.parse_args()
    began = time.monotonic()
    every = changes()
    listed = reasons()
    if gone := stale(every, listed):
        print("equivalent.yaml lists what is no change any more:", *gone, sep="\n  ", file=sys.stderr)
        return 2
    known = [change for change in every if change.file.startswith(chosen.only) and key_of(change) not in listed]
    earlier: Result = json.loads(chosen.again.read_text(encoding="utf-8")) if chosen.again else {}
    if earlier:
        known = [change for change in known if named(change) in earlier["unnoticed"]]
    elif chosen.sample is not None and chosen.sample < len(known):
        known = sampled(known, chosen.sample, chosen.seed)
    random.Random(chosen.seed).shuffle(known)  # so that what is found is found early
    tests = [str(TESTS / each) for each in chosen.tests]
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        kept = chosen.seen or Path(folder, "seen.json")
        seen = Seen.load(kept) if kept.is_file() else seen_by(tests, kept)
    found = dict[Change, str]()
    # In parts, each as mixed as the whole: where time runs out, those that are done are a sample too.
    for part in (known[at : at + PART] for at in range(0, len(known), PART)):
        trusting = chosen.trusting or bool(found)
        for change, outcome in outcomes(
            part, tests, seen, most_s=chosen.most_s, processes=chosen.processes, trusting=trusting
        ):
            found[change] = outcome
            if outcome in (SURVIVED, UNASKED):
                print(named(change) + (" (no test runs it)" if outcome == UNASKED else ""), flush=True)
        spent_s = time.monotonic() - began
        print(f"{len(found)} of {len(known)}, {spent_s:.0f} s", file=sys.stderr, flush=True)
        result = (
            renewed(deepcopy(earlier), found, seconds=spent_s)
            if earlier
            else summary(found, len(every), len(listed), seconds=spent_s, seed=chosen.seed)
        )
        keep(result, chosen.json)
        if spent_s > 60 * chosen.minutes:
            break
    print(f"{result['killed']} of {result['mutants']} changes made a test fail: {result['per_cent']} %")
    return int(result["per_cent"] < chosen.least)


Result = dict[str, Any]


def named(change: Change) -> str:
    return change.label + (f" in {change.function}" if change.function else "")


def summary(found: dict[Change, str], changes: int, equivalent: int, *, seconds: float, seed: int) -> Result:
    rooms = dict[str, dict[str, int]]()
    operators = dict[str, dict[str, int]]()
    for change, outcome in found.items():
        for table, name in ((rooms, change.file.split("/")[0]), (operators, change.what)):
            of = table.setdefault(name, {"mutants": 0, "killed": 0})
            of["mutants"] += 1
            of["killed"] += outcome in (KILLED, HUNG)
    return stamped(
        "mutation",
        seconds=seconds,
        changes=changes,
        equivalent=equivalent,
        mutants=len(found),
        seed=seed,
        **shares(sum(of["killed"] for of in rooms.values()), len(found)),
        rooms=dict(sorted(rooms.items())),
        operators=dict(sorted(operators.items())),
        violations=[],  # a test that fails without a change ends the run, and there is no result
        unnoticed=sorted(named(change) for change, outcome in found.items() if outcome in (SURVIVED, UNASKED)),
    )


def renewed(earlier: Result, found: dict[Change, str], *, seconds: float) -> Result:
    """The earlier result, with what is noticed now of that which was not."""
    new = [change for change, outcome in found.items() if outcome in (KILLED, HUNG)]
    for change in new:
        earlier["rooms"][change.file.split("/")[0]]["killed"] += 1
        earlier["operators"][change.what]["killed"] += 1
    left = Counter(earlier["unnoticed"]) - Counter(named(change) for change in new)
    return earlier | stamped(
        "mutation",
        seconds=earlier["seconds"] + seconds,
        **shares(earlier["killed"] + len(new), earlier["mutants"]),
        unnoticed=sorted(left.elements()),
    )


def shares(killed: int, mutants: int) -> Result:
    low, high = interval(killed, mutants)
    return {
        "killed": killed,
        "per_cent": round(100 * killed / max(1, mutants), 1),
        "per_cent_95": [round(100 * low, 1), round(100 * high, 1)],
    }


def interval(of: int, among: int) -> tuple[float, float]:
    """Wilson's at 95 % for a share that was found in a sample (https://doi.org/10.1080/01621459.1927.10502953)."""
    if among == 0:
        return 0.0, 1.0
    z, share = 1.959964, of / among
    middle = share + z * z / (2 * among)
    around = z * math.sqrt(share * (1 - share) / among + z * z / (4 * among * among))
    return (middle - around) / (1 + z * z / among), (middle + around) / (1 + z * z / among)


if __name__ == "__main__":
    sys.exit(main())
