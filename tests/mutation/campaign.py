"""From the changes to what became of each."""

from __future__ import annotations

import importlib
import json
import os
import random
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from mutation.asked import Asking
from mutation.changes import Change
from mutation.forks import CANNOT, ELSEWHERE, SURVIVED, answers
from mutation.session import (
    Asked,
    Found,
    Lines,
    Seen,
    at_import,
    exchange_script,
    pytest_with,
)

UNASKED = "unasked"  # no test runs it


def sampled(known: Sequence[Change], size: int, seed: int) -> list[Change]:
    """That many, from each file its share, drawn by the seed."""
    by_file = defaultdict(list)
    for change in known:
        by_file[change.file].append(change)
    rng = random.Random(seed)
    chosen, due = list[Change](), 0.0
    for _, of_file in sorted(by_file.items()):
        due += len(of_file) * size / len(known)
        chosen += rng.sample(of_file, min(len(of_file), round(due) - len(chosen)))
    return chosen


def seen_by(tests: Sequence[str], out: Path) -> Seen:
    """What each test runs, measured in a process of its own. Raises RuntimeError where none passes."""
    for _ in _apart(lambda _: pytest_with(tests, Lines(out))):
        pass
    seen = Seen.load(out)
    if not seen.seconds:
        raise RuntimeError("no test passes")
    return seen


def outcomes(
    known: Sequence[Change], tests: Sequence[str], seen: Seen, *, most_s: float, processes: int, trusting: bool = False
) -> Iterator[tuple[Change, str]]:
    """What became of each change. Raises RuntimeError where the tests fail without any, which is not looked at with
    `trusting`."""
    asking = Asking(seen, most_s)
    asked = {change: asking.of(change) for change in known}
    yield from ((change, UNASKED) for change in known if not asked[change])
    quick = [change for change in known if asked[change] and not asking.at_import(change)]
    slow = [change for change in known if asked[change] and asking.at_import(change)]
    all_tests = sorted(set().union(*asked.values()), key=lambda test: (seen.seconds[test], test))

    def allowed_s(change: Change | None) -> float:
        return 10 + 3 * asking.seconds(all_tests if change is None else asked[change])

    def collected(out: IO[str]) -> None:
        def work(passes: Callable[[Sequence[str]], bool]) -> None:
            found = Found()

            def ask(change: Change | None) -> bool:
                if change is None:
                    return passes(all_tests)
                if change.function is None:
                    exchange_script(change)
                elif not found.exchange(change):
                    os._exit(CANNOT)
                return passes(asked[change])

            first: list[Change | None] = [] if trusting else [None]
            for change, outcome in answers([*first, *quick], ask, allowed_s, processes=processes):
                print(json.dumps([-1 if change is None else quick.index(change), outcome]), file=out, flush=True)

        pytest_with(tests, Asked(work))

    for line in _apart(collected):
        number, outcome = json.loads(line)
        if number < 0:
            if outcome != SURVIVED:
                raise RuntimeError(f"the tests fail without a change: {outcome}")
        elif outcome == ELSEWHERE:
            slow.append(quick[number])
        else:
            yield quick[number], outcome
    # What is not ours is imported once for all of them.
    for name in seen.modules:
        try:
            importlib.import_module(name)
        except Exception:  # a module that another has to import first
            continue
    yield from answers(slow, lambda change: at_import(change, asked[change]), allowed_s, processes=processes)


def _apart(body: Callable[[IO[str]], object]) -> Iterator[str]:
    """What `body` writes, line by line, in a process of its own. Raises RuntimeError where that fails."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "w", encoding="utf-8") as out:
                body(out)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as lines:
        yield from lines
    if os.waitpid(pid, 0)[1] != 0:
        raise RuntimeError("the process that has collected the tests has ended with an error")
