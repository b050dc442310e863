"""`python -m simulate`: as many simulated jobs as are asked for, on all processors, and what came of them.

python -m simulate --jobs 100000 --seed 1 --json results.json
python -m simulate --only 4711              one seed, with its steps; the same each time
python -m simulate --break fence            with a rule switched off: must find violations
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from simulate.breakage import BREAKAGES
from simulate.many import PER_RUN, SHOWN, one, simulate, summary, told


def main() -> None:
    parser = argparse.ArgumentParser(prog="simulate", description="Simulated jobs under every fault, from a seed.")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="the first; each run takes the next")
    parser.add_argument("--per-run", type=int, default=PER_RUN)
    parser.add_argument("--processes", type=int, default=min(os.cpu_count() or 1, 8))
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--only", type=int, help="play this seed alone, and show its last steps")
    parser.add_argument("--break", dest="broken", choices=sorted(BREAKAGES), help="switch a rule off")
    chosen = parser.parse_args()
    if chosen.only is not None:
        result = one(chosen.only, jobs=chosen.per_run, broken=chosen.broken)
        print(*(f"{step:>7} {what:<8} {where[:150]}" for step, what, where in result.trace), sep="\n")
        kept = result.violation or "all promises kept"
        print(f"seed {result.seed}: {result.steps} steps, digest {result.digest}: {kept}")
        sys.exit(result.violation is not None)
    began = time.monotonic()
    results = []
    for result in simulate(
        chosen.jobs, seed=chosen.seed, per_run=chosen.per_run, processes=chosen.processes, broken=chosen.broken
    ):
        results.append(result)
        if sys.stderr.isatty():
            print(f"\r{sum(r.jobs for r in results):,} jobs", end="", file=sys.stderr)
    found = summary(results, wall_s=time.monotonic() - began, processes=chosen.processes)
    broken = [result for result in results if result.violation is not None]
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(*(f"{kind:<36}{count:>12,}" for kind, count in found["faults"].items()), sep="\n")
    print(*(told(result, chosen.per_run, chosen.broken) for result in broken[:SHOWN]), sep="\n")
    print(
        f"{found['jobs']:,} jobs of {found['files']:,} files in {found['runs']:,} runs (seeds {results[0].seed} to "
        f"{results[-1].seed}), {found['starts']:,} starts, {found['steps']:,} steps, {found['wall_s']:.0f} s: "
        f"{len(broken)} violations"
    )
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
