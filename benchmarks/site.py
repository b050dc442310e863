"""How fast the site's pages are: python benchmarks/site.py [--jobs N] [--outputs N] [--asks N] [--clients N]

A catalogue of `--jobs` jobs, `--outputs` of which have a take, half of them in one batch, the rest in batches of 1,000;
the other jobs wait in one batch more. Every page of ours and Datasette's most used are asked for `--asks` times, one
after another. Targets: median under 150 ms, 95 % under 300 ms, the board's median under 50 ms. Then `--clients` are
there at once: all ask for the board in the same moment, and then each for a page of ours, one every 10 s, three in all.
Targets: no error, 95 % under 2 s. 0 clients leave that out.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from review import FILED, ingest
from soundmill.catalog.catalog import Catalog
from soundmill.publish import site

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
    "the batch that waits": "/-/soundmill/batch/waiting",
    "a take": "/-/soundmill/take/batch-1/clip-000007.wav",
    "review": "/-/soundmill/review?batch=large",
    "picks": "/-/soundmill/picks",
    "a shortlist": "/-/soundmill/picks/picks",
    "files": "/-/soundmill/files",
    "compose": "/-/soundmill/compose",
    "compose, more like": "/-/soundmill/compose?more=batch-1/clip-000007.wav",
    "takes": "/catalog/takes?_size=20",
    "takes of a batch": "/catalog/takes?batch=batch-1&_size=20",
    "queries and tables": "/catalog",
}
LOOKS_S = 10.0  # at a page
BOARD_MS, MEDIAN_MS, MOST_MS = 50.0, 150.0, 300.0


@contextmanager
def served(folder: Path) -> Iterator[site.Site]:
    with (folder / "site.log").open("wb") as log:
        started = site.start(folder / "catalog.db", folder / "outputs", "127.0.0.1", 0, log=log)
    if not site.wait_until_up("127.0.0.1", started.port, 60.0):
        raise SystemExit(f"the site did not start: see {folder / 'site.log'}")
    yield started
    started.stop()


def fill(folder: Path, jobs: int, outputs: int) -> None:
    ulids = itertools.count(1)
    catalog = Catalog.open(folder / "catalog.db", clock=lambda: 1.0)
    ingest(catalog, "large", outputs // 2, ulids)
    for n in range(max(2, outputs // 2000)):
        ingest(catalog, f"batch-{n}", 1000, ulids)
    with catalog.connected() as db:
        db.executescript(f"BEGIN;{FILED}{PICKED}COMMIT")
    if jobs > outputs:
        ingest(catalog, "waiting", jobs - outputs, ulids)
    catalog.close()
    (folder / "outputs").mkdir()


def one_by_one(port: int, asks: int) -> None:
    print(f"{'page':28} {'median':>9} {'95 %':>9} {'kB':>7}")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for name, path in PAGES.items():
        times: list[float] = []
        size = 0
        for _ in range(asks):
            began = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            size = len(answer.read())
            times.append(1000 * (time.perf_counter() - began))
            if answer.status != 200:
                raise SystemExit(f"{path}: {answer.status}")
        median, most = statistics.median(times), percentile(times, 0.95)
        missed = median > (BOARD_MS if name == "board" else MEDIAN_MS) or most > MOST_MS
        print(f"{name:28} {median:6.1f} ms {most:6.1f} ms {size / 1000:7.1f}{'  over target' if missed else ''}")
    connection.close()


def at_once(port: int, clients: int) -> None:
    ours = [path for name, path in PAGES.items() if "soundmill" in path and name != "the large batch, renewed"]
    for name, paths, pause_s in (
        ("all in one moment, the board", ["/-/soundmill"], 0.0),
        ("a page every 10 s", ours, LOOKS_S),
    ):
        times: list[float] = []
        errors: list[str] = []
        start = threading.Barrier(clients)
        threads = [
            threading.Thread(
                target=look,
                args=(port, [paths[(n + number) % len(paths)] for number in range(3 if pause_s else 1)], pause_s),
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
            f"95 % under {percentile(times, 0.95):.2f} s"
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
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soundmill-site-") as name:
        folder = Path(name)
        began = time.perf_counter()
        fill(folder, arguments.jobs, arguments.outputs)
        print(f"{arguments.jobs:,} jobs, {arguments.outputs:,} takes, made in {time.perf_counter() - began:.0f} s")
        with served(folder) as started:
            one_by_one(started.port, arguments.asks)
            if arguments.clients:
                at_once(started.port, arguments.clients)


if __name__ == "__main__":
    main()
