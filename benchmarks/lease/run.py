"""All that is asked of a GPU, in one command that cannot fail for a missing package and ends when it should.

    python benchmarks/lease/run.py DEVICE SECONDS [--out FILE]

DEVICE is cuda:0 or cpu; on a CPU the same runs with tiny shapes, to see that it runs. Needs this checkout, what
prepare.py packed, Python and PyTorch. Each part runs in a process of its own, which is started while the part before
it runs and then waits, so that imports cost no device time. A part gets its share of the time that is left; one that
fails or hangs leaves its traceback, and the next begins. The results are in FILE after every part, and in a table at
the end. Ends with 0 where every part was done.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PATH = [str(ROOT / "daemon"), str(ROOT / "training"), str(ROOT / "benchmarks"), str(HERE)]

READY_S = 60.0  # for a part's imports, from a cold disk
LEAST_S = 10.0  # for a part that a short run gives less
GRACE_S = 2.0  # a part that is told to stop at its limit may say so
TURN_S = 0.2
KEPT_LINES = 60  # of what a part printed, for its traceback


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A module of parts/ and its share of the time, in seconds of a whole run of SECONDS."""

    name: str
    share_s: float


PARTS = (
    Part(name="card", share_s=20),
    Part(name="truth", share_s=120),
    Part(name="speed", share_s=150),
    Part(name="sizes", share_s=90),
    Part(name="kernels", share_s=30),
    Part(name="whole", share_s=60),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A result of a part, and the least or most that is asked of it on a GPU."""

    about: str
    part: str
    result: str
    least: float | None = None
    most: float | None = None


AIMS = (
    Aim(about="small, audio-s per s at full slots", part="speed", result="full slots: audio-s per s", least=200),
    Aim(about="medium, audio-s per s at full slots", part="sizes", result="medium: audio-s per s", least=60),
    Aim(about="one clip of small, times AudioCraft's loop", part="speed", result="one clip: times the loop", least=5),
    Aim(about="mixed sweep, times the loop", part="speed", result="full slots: times the loop", least=40),
    Aim(about="share of copy bandwidth", part="speed", result="full slots: share of copy bandwidth", least=0.5),
    Aim(
        about="exact at any concurrency (share of cases)",
        part="truth",
        result="exact: share of cases, at best",
        least=1.0,
    ),
    Aim(about="what exactness costs", part="truth", result="exact: cost", most=0.1),
)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """`state` is done, failed, stopped (at its limit) or waiting."""

    state: str = "waiting"
    limit_s: float = 0.0
    took_s: float = 0.0
    results: dict[str, Any] = field(default_factory=dict)
    traceback: str | None = None


def say(text: str) -> None:
    print(text, flush=True)


def limit_of(part: Part, parts: Sequence[Part], left_s: float) -> float:
    """Seconds for `part`, the first of `parts` still to run: its share of what is left, and LEAST_S where that is."""
    share_s = left_s * part.share_s / sum(other.share_s for other in parts)
    return max(0.0, min(left_s, max(share_s, LEAST_S)))


class Running:
    """One part's process. It imports what it needs, makes the file of its results, waits to be told its limit, and
    adds a line to the file with every result."""

    def __init__(self, part: Part, command: Sequence[str], records: Path, environment: Mapping[str, str]) -> None:
        self.part, self._records = part, records
        self._process = subprocess.Popen(
            [*command, str(records)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
            bufsize=0,
        )
        self._ended = False
        self._line = b""
        self._lines: list[str] = []

    def get_ready(self, until: float) -> None:
        """Wait for its imports, until `until` at the latest."""
        while time.monotonic() < until and not self._records.exists():
            if not self._watch(min(until, time.monotonic() + TURN_S)):
                return

    def finish(self, limit_s: float) -> Outcome:
        """Let it begin, pass on what it prints, and end it `GRACE_S` after its limit at the latest."""
        began = time.monotonic()
        self._begin(limit_s)
        stopped = self._watch(began + limit_s + GRACE_S)
        self.kill()
        outcome = Outcome(limit_s=round(limit_s, 1), took_s=round(time.monotonic() - began, 1))
        outcome.results = read_records(self._records)
        failed = self._process.returncode != 0
        outcome.state = "stopped" if stopped else "failed" if failed else "done"
        if failed:
            outcome.traceback = "\n".join(self._lines) or f"ended with {self._process.returncode}"
        return outcome

    def kill(self) -> None:
        """End it and all that it started; once, for its number may be another's later."""
        if self._ended:
            return
        self._ended = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _begin(self, limit_s: float) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended already, and said why
            self._process.stdin.write(f"{limit_s}\n".encode())
            self._process.stdin.close()

    def _watch(self, until: float) -> bool:
        """Whether it was still running at `until`."""
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        while (left_s := until - time.monotonic()) > 0:
            ended = self._process.poll() is not None  # asked before reading, so that its last words are read
            ready = select.select([output], [], [], 0 if ended else min(left_s, TURN_S))[0]
            if ready and (data := os.read(output, 1 << 16)):
                self._take(data)
            elif ended:
                self._take(b"\n" if self._line else b"")
                return False
            elif ready:  # it closed its output and goes on
                time.sleep(TURN_S)
        return True

    def _take(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").rstrip().rpartition("\r")[2]
            say(f"{self.part.name}: {text}")
            self._lines = [*self._lines, text][-KEPT_LINES:]


def read_records(file: Path) -> dict[str, Any]:
    """A part's results; a line that was cut off by its end is left out."""
    found: dict[str, Any] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in file.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                found |= json.loads(line)
    return found


def conduct(
    parts: Sequence[Part],
    until: float,
    command: Callable[[Part], Sequence[str]],
    environment: Mapping[str, str],
    folder: Path,
    write: Callable[[Mapping[str, Outcome]], None],
) -> dict[str, Outcome]:
    """Run the parts one after the other until `until` (monotonic); `write` gets all outcomes after each.

    The next part's process starts while one runs, and waits to be told to begin.
    """
    outcomes = {part.name: Outcome() for part in parts}
    started: dict[str, Running] = {}

    def start(part: Part) -> Running:
        if part.name not in started:
            started[part.name] = Running(part, command(part), folder / f"{part.name}.jsonl", environment)
        return started[part.name]

    try:
        for place, part in enumerate(parts):
            running = start(part)
            running.get_ready(min(until, time.monotonic() + READY_S))
            if place + 1 < len(parts):
                start(parts[place + 1])
            limit_s = limit_of(part, parts[place:], until - time.monotonic())
            say(f"== {part.name}: {limit_s:.0f} s ==")
            outcomes[part.name] = outcome = running.finish(limit_s)
            write(outcomes)
            say(f"== {part.name}: {outcome.state} after {outcome.took_s:.0f} s ==")
    finally:
        for running in started.values():
            running.kill()
    return outcomes


def judge(aim: Aim, outcomes: Mapping[str, Outcome], on_gpu: bool) -> tuple[Any, str]:
    """What was measured of an aim, and "met", "not met" or "not measured"."""
    value = outcomes[aim.part].results.get(aim.result) if aim.part in outcomes else None
    if not on_gpu or not isinstance(value, int | float):
        return value, "not measured"
    met = (aim.least is None or value >= aim.least) and (aim.most is None or value <= aim.most)
    return value, "met" if met else "not met"


def table(outcomes: Mapping[str, Outcome], on_gpu: bool) -> str:
    lines = ["| part | result | value |", "|---|---|---|"]
    for name, outcome in outcomes.items():
        lines.append(f"| {name} | {outcome.state} | {outcome.took_s:.0f} of {outcome.limit_s:.0f} s |")
        lines += [f"| | {key} | {shown(value)} |" for key, value in outcome.results.items()]
    lines += ["", "| aim on a GPU | asked | measured | |", "|---|---|---|---|"]
    for aim in AIMS:
        value, verdict = judge(aim, outcomes, on_gpu)
        asked = f"≥ {aim.least:g}" if aim.least is not None else f"≤ {aim.most:g}"
        lines.append(f"| {aim.about} | {asked} | {'' if value is None else shown(value)} | {verdict} |")
    return "\n".join(lines)


def shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def unpack(target: Path) -> list[str]:
    """Put the wheels that were packed for this Python into `target`; what to add to the path."""
    pack = HERE / "pack" / f"{sys.version_info[0]}.{sys.version_info[1]}"
    wheels = sorted(pack.glob("*.whl"))
    if not wheels:
        say(f"nothing is packed in {pack}: what is installed is used")
        return []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
    return [str(target)]


def environment_of(packed: Sequence[str], folder: Path) -> dict[str, str]:
    """The parts' environment: found are the checkout and the pack alone, and nothing is asked of a network."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own = {
        "PYTHONPATH": os.pathsep.join([*PATH, *packed]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        "HF_HUB_OFFLINE": "1",
        "OMP_WAIT_POLICY": "passive",  # as the daemon starts its engines
        "TMPDIR": str(folder),
    }
    return {**kept, **own}


def commit() -> str:
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def write_json(file: Path, about: Mapping[str, Any], outcomes: Mapping[str, Outcome]) -> None:
    """All at once, so that whoever stops this finds a whole file."""
    fresh = file.with_name(f"{file.name}.new")
    parts = {name: asdict(outcome) for name, outcome in outcomes.items()}
    fresh.write_text(json.dumps({**about, "parts": parts}, indent=1), encoding="utf-8")
    fresh.replace(file)


@contextlib.contextmanager
def checkpoints_made(device: str, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """While this lasts, a process makes the checkpoints that the parts read, beside them."""
    with (folder / "make.log").open("wb") as log:
        maker = subprocess.Popen(
            [sys.executable, str(HERE / "make.py"), device, str(folder)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(environment), start_new_session=True,
        )  # fmt: skip
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(maker.pid, signal.SIGKILL)
            maker.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("device", help="cpu or cuda:0")
    parser.add_argument("seconds", type=float, help="for all parts together")
    parser.add_argument(
        "--out", type=Path, default=Path("lease.json"), help="where the results go; default: lease.json"
    )
    args = parser.parse_args()
    until = time.monotonic() + args.seconds - GRACE_S
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    about = {
        "device": args.device,
        "seconds": args.seconds,
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d %H:%M"),
    }
    folder = Path(tempfile.mkdtemp(prefix="soundmill-lease-"))
    outcomes: dict[str, Outcome] = {}

    def write(known: Mapping[str, Outcome]) -> None:
        outcomes.update(known)
        write_json(args.out, about, outcomes)

    def command(part: Part) -> list[str]:
        return [sys.executable, str(HERE / "child.py"), part.name, args.device, str(folder)]

    try:
        environment = environment_of(unpack(folder / "packed"), folder)
        with checkpoints_made(args.device, folder, environment):
            conduct(PARTS, until, command, environment, folder, write)
    finally:  # whoever ends this early sees what was found
        say(f"\n{about['date']}, {str(about['commit'])[:12]}, {args.device}, {args.seconds:g} s\n")
        say(table(outcomes, args.device != "cpu"))
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if all(outcome.state == "done" for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
