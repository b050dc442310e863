"""How fast the site's pages are: python benchmarks/site.py [--jobs N] [--outputs N] [--asks N] [--clients N] [--still]
[--home DIR] [--against DAEMON]

A catalogue of `--jobs` jobs, `--outputs` of which have a take, half of them in one batch, the rest in batches of 1,000;
the other jobs wait in one batch more. Every page of ours and Datasette's most used are asked for `--asks` times, one
after another, and before each the catalogue is changed as a daemon does, lest the site answers from memory; with
`--still` it stays as it is. Beside the times stands the processor time of the site, which other programs' work changes
less. Targets: median under 150 ms, 95 % under 300 ms, the board's median under 50 ms.

Then `--clients` are there at once, while the catalogue changes twice a second: all ask for the board in one moment, and
then each for a page of ours, one every 10 s, three in all. Targets: no error, 95 % under 2 s. 0 clients leave that out.

`--against` is the daemon/ folder of another version, which is asked in turn of the same catalogue. `--home` keeps the
catalogue in that folder, or takes the one that is there.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import os
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from review import filled, ingest
from soundmill.publish import site

DAEMON = Path(__file__).resolve().parents[1] / "daemon"
PICKED = """
INSERT INTO shortlists (id, name, created_by, created_at) VALUES (1, 'picks', 'owner', 1);
INSERT INTO picks (shortlist_id, output_id, who, picked_at) SELECT 1, id, 'owner', id FROM outputs WHERE id % 400 = 0;
"""
PAGES = {
    "front page": "/",
    "board": "/-/soundmill",
    "board as data": "/-/soundmill/board.json",
    "batches": "/-/soundmill/batches",
    "batches, searched": "/-/soundmill/batches?q=batch-1",
    "batches, archived": "/-/soundmill/batches?state=archived",
    "a batch of 1,000": "/-/soundmill/batch/batch-1",
    "the large batch": "/-/soundmill/batch/large",
    "the large batch, renewed": "/-/soundmill/batch/large?live=1",
    "the large batch, searched": "/-/soundmill/batch/large?q=4711",
    "searched for what all have": "/-/soundmill/batch/large?q=forest",
    "the large batch, best first": "/-/soundmill/batch/large?order=best",
    "the batch that waits": "/-/soundmill/batch/waiting",
    "a take": "/-/soundmill/take/batch-1/clip-000007.wav",
    "review": "/-/soundmill/review?batch=large",
    "review's takes": "/-/soundmill/review.json?batch=large&order=best",
    "picks": "/-/soundmill/picks",
    "a shortlist": "/-/soundmill/picks/picks",
    "files": "/-/soundmill/files",
    "compose": "/-/soundmill/compose",
    "compose, more like": "/-/soundmill/compose?more=batch-1/clip-000007.wav",
    "takes": "/catalog/takes?_size=20",
    "takes of a batch": "/catalog/takes?batch=batch-1&_size=20",
    "jobs": "/catalog/job_list?_size=20",
    "queries and tables": "/catalog",
}
CHANGE = "INSERT INTO settings VALUES ('benchmark', '0') ON CONFLICT DO UPDATE SET value = value + 1"
CHANGES_S = 0.5
LOOKS_S = 10.0  # at a page
BOARD_MS, MEDIAN_MS, MOST_MS = 50.0, 150.0, 300.0


@contextmanager
def served(folder: Path, code: Path = DAEMON) -> Iterator[site.Site]:
    """The site of a home, by the code in the folder `code`."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(code)
    try:
        with (folder / "site.log").open("ab") as log:
            started = site.start(folder / "catalog.db", folder / "outputs", "127.0.0.1", 0, log=log)
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    if not site.wait_until_up("127.0.0.1", started.port, 60.0):
        raise SystemExit(f"the site did not start: see {folder / 'site.log'}")
    yield started
    started.stop()


def fill(folder: Path, jobs: int, outputs: int) -> None:
    ulids = itertools.count(1)
    catalog = filled(folder, outputs, ulids, PICKED)
    if jobs > outputs:
        ingest(catalog, "waiting", jobs - outputs, ulids)
    catalog.close()


def one_by_one(sites: list[site.Site], asks: int, change: Callable[[], object]) -> None:
    """With two sites, the first one's times as shares of the second's."""
    print(f"{'page':28} {'median':>9} {'95 %':>9} {'processor':>9} {'kB':>7}")
    for name, path in PAGES.items():
        times: list[list[float]] = [[] for _ in sites]
        spent = [0.0 for _ in sites]
        size = 0
        for _, n in itertools.product(range(asks), range(len(sites))):
            connection = http.client.HTTPConnection("127.0.0.1", sites[n].port, timeout=60)
            connection.connect()
            change()
            busy, began = processor_s(sites[n]), time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            length = len(answer.read())
            times[n].append(1000 * (time.perf_counter() - began))
            spent[n] += 1000 * (processor_s(sites[n]) - busy) / asks
            connection.close()
            size = size if n else length
            if answer.status != 200:
                raise SystemExit(f"{path}: {answer.status}")
        median, most = statistics.median(times[0]), percentile(times[0], 0.95)
        missed = median > (BOARD_MS if name == "board" else MEDIAN_MS) or most > MOST_MS
        print(
            f"{name:28} {median:6.1f} ms {most:6.1f} ms {spent[0]:6.1f} ms {size / 1000:7.1f}",
            *[
                f" {median / statistics.median(times[1]):.2f} {most / percentile(times[1], 0.95):.2f}"
                f" {spent[0] / max(spent[1], 0.01):.2f} of the other's"
                for _ in sites[1:]
            ],
            "  over target" if missed else "",
            flush=True,
        )


def processor_s(started: site.Site) -> float:
    """The processor time that a site's process has taken."""
    threads = Path(f"/proc/{started.process.pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text().split()[0]) for each in threads) / 1e9


@contextmanager
def changing(change: Callable[[], object]) -> Iterator[None]:
    """The catalogue changes meanwhile, as while a mill works."""
    done = threading.Event()

    def go() -> None:
        while not done.wait(CHANGES_S):
            change()

    thread = threading.Thread(target=go)
    thread.start()
    yield
    done.set()
    thread.join()


def at_once(started: site.Site, clients: int) -> None:
    ours = [path for name, path in PAGES.items() if "soundmill" in path and name != "the large batch, renewed"]
    for name, paths, pause_s in (
        ("all in one moment, the board", ["/-/soundmill"], 0.0),
        ("a page every 10 s", ours, LOOKS_S),
    ):
        times: list[float] = []
        errors: list[str] = []
        start = threading.Barrier(clients)
        busy = processor_s(started)
        threads = [
            threading.Thread(
                target=look,
                args=(
                    started.port,
                    [paths[(n + number) % len(paths)] for number in range(3 if pause_s else 1)],
                    pause_s,
                ),
                kwargs={"first_s": pause_s * n / clients, "start": start, "times": times, "errors": errors},
            )
            for n in range(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(
            f"{clients} clients, {name}: {len(errors)} errors, median {statistics.median(times):.2f} s, "
            f"95 % under {percentile(times, 0.95):.2f} s, processor {processor_s(started) - busy:.1f} s"
        )
        for error in sorted(set(errors))[:5]:
            print(f"  {error}")


def look(
    port: int,
    paths: list[str],
    pause_s: float,
    *,
    first_s: float,
    start: threading.Barrier,
    times: list[float],
    errors: list[str],
) -> None:
    """One client: these pages, with a pause after each; seconds they took and what went wrong."""
    start.wait()
    time.sleep(first_s)
    for path in paths:
        began = time.perf_counter()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            if answer.status != 200:
                errors.append(f"{path}: {answer.status}")
        except (OSError, http.client.HTTPException) as problem:
            errors.append(f"{path}: {problem!r}")
        times.append(time.perf_counter() - began)
        time.sleep(pause_s)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--outputs", type=int, default=200_000)
    parser.add_argument("--asks", type=int, default=20)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--still", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soundmill-site-") as name, ExitStack() as stack:
        folder = arguments.home or Path(name)
        if not (folder / "catalog.db").exists():
            folder.mkdir(parents=True, exist_ok=True)
            began = time.perf_counter()
            fill(folder, arguments.jobs, arguments.outputs)
            print(f"{arguments.jobs:,} jobs, {arguments.outputs:,} takes, made in {time.perf_counter() - began:.0f} s")
        writer = sqlite3.connect(folder / "catalog.db", isolation_level=None, check_same_thread=False)
        stack.callback(writer.close)
        codes = [DAEMON, *([arguments.against] if arguments.against else [])]
        sites = [stack.enter_context(served(folder, code)) for code in codes]
        if arguments.asks:
            one_by_one(sites, arguments.asks, (lambda: None) if arguments.still else lambda: writer.execute(CHANGE))
        for started, code in zip(sites, codes, strict=True):
            if arguments.clients:
                print(code)
                with changing(lambda: writer.execute(CHANGE)):
                    at_once(started, arguments.clients)


if __name__ == "__main__":
    main()
