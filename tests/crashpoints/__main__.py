"""The long run: kill the daemon at every point of the code, and again while it recovers; fail every step.

    python -m crashpoints [--kills 20] [--power 5] [--errors 6] [--pairs 560] [--servers N] [--seed S] [--json F]

Prints what was found wrong with the plan that shows it; `--plan TEXT` runs one again. Exit 1 where anything was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from itertools import chain
from pathlib import Path

from crashpoints.campaign import ELSEWHERE, carried_out, errors, kills, pairs, profiled
from crashpoints.client import Crashes
from crashpoints.plan import POWER, Plan, Result
from support.points import points
from support.results import keep, stamped


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m crashpoints")
    parser.add_argument("--kills", type=int, default=20, help="of each point")
    parser.add_argument("--power", type=int, default=5, help="power cuts at each point")
    parser.add_argument("--pairs", type=int, default=560, help="two kills, the second in the recovery")
    parser.add_argument("--errors", type=int, default=6, help="kinds of error at each point")
    parser.add_argument("--servers", type=int, default=2 * (os.cpu_count() or 1), help="runs side by side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="points that begin so")
    parser.add_argument("--json", type=Path, help="where the result goes")
    parser.add_argument("--plan", help="run this one plan")
    chosen = parser.parse_args()
    if chosen.plan:
        return run_one(Plan.from_json(chosen.plan))
    began = time.monotonic()
    with Crashes() as crashes:
        profile = profiled(crashes, (chosen.seed, chosen.seed + 1, chosen.seed + 2))
    known = [point for point in points() if point not in ELSEWHERE and point.startswith(chosen.only or "")]
    if unpassed := [point for point in known if not any(of.get(point) for of in profile.values())]:
        print(f"no world passes {', '.join(unpassed)}", file=sys.stderr)
        return 1
    plans = chain(
        kills(known, profile, chosen.kills, chosen.seed),
        kills(known, profile, chosen.power, chosen.seed, POWER),
        errors(known, profile, chosen.errors, chosen.seed),
        pairs(known, profile, chosen.pairs, chosen.seed),
    )
    done = 0

    def tell(plan: Plan, result: Result) -> None:
        nonlocal done
        done += 1
        if result.violations:
            print(f"\n--plan '{plan.to_json()}'\n  " + "\n  ".join(result.violations), flush=True)
        elif done % 100 == 0:
            print(f"{done} runs, {time.monotonic() - began:.0f} s", flush=True)

    tally = carried_out(plans, chosen.servers, tell)
    result = stamped(
        "crash points",
        seconds=time.monotonic() - began,
        points=len(known),
        kills=sum(tally.kills.values()),
        kills_at_least=min((tally.kills[point] for point in known), default=0),
        power_cuts=sum(tally.power.values()),
        pairs=tally.pairs,
        errors=dict(sorted(tally.errors.items())),
        points_failed=len(tally.failed_points),
        runs=dict(sorted(tally.runs_of.items())),
        wrong={kind: dict(found) for kind, found in tally.wrong.items() if found},
        lives=tally.lives,
        not_reached=tally.missed,
        processor_s=round(tally.cpu_s),
        seed=chosen.seed,
        violations=[found for each in tally.violations for found in each["found"]],
    )
    print(json.dumps(result, indent=2))
    keep(result, chosen.json)
    return 1 if tally.violations else 0


def run_one(plan: Plan) -> int:
    with Crashes() as crashes:
        result = crashes.run(plan)
    print(result.log)
    print(f"{result.lives} lives, happened: {result.fired}")
    print("\n".join(result.violations) or "nothing wrong")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
