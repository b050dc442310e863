"""How fast the review is: python benchmarks/review.py [--outputs N] [--takes N] [--asks N]

data      A site over a catalogue of `--outputs` takes, half of them in one batch, the rest in batches of 1,000: how
          long review.json takes for pages of 100, at the start, in the middle and at the end of a line, filtered,
          searched and in every order. Target: median under 150 ms, 95 % under 300 ms. 0 leaves the part out.
sound     Chromium on a batch of `--takes` takes of 3 s: from a press of J to the sound card's clock passing the first
          sample, by getOutputTimestamp. First as people go, half a second on each take; then as fast as it goes, each
          press when the sound of the last one has come. Target: median under 150 ms, 95 % under 300 ms. Then all are
          heard to their end and given stars by a key: time a take beyond its 3 s. Target: under 0.3 s. 0 leaves the
          part out.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import math
import statistics
import struct
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from soundmill.audio.decode import decode
from soundmill.audio.peaks import peaks
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.shelf.files import file_take
from soundmill.jobs import BatchSpec, JobSpec, Judgement, Parameters, Source, Verdict
from soundmill.publish import site
from support.chromium import FLAGS, chromium
from support.outputs import make_output

RATE = 32_000
SECONDS = 3.0


def ingest(catalog: Catalog, name: str, count: int, ulids: Iterator[int]) -> None:
    parameters = Parameters(duration=SECONDS, temperature=1.0, top_k=250, top_p=0.0, cfg_coef=3.0)
    jobs = [
        JobSpec(
            position=n + 1,
            name=f"clip-{n + 1:06}",
            prompt=f"theme {n} of a {('calm', 'wild')[n % 2]} forest at dawn",
            model="tiny",
            seed=n,
            parameters=parameters,
            labels={"place": ("cave", "forest", "sea")[n % 3], "row": str(n)},
        )
        for n in range(count)
    ]
    source = Source(ulid=f"01JC{next(ulids):022}", file_name=f"{name}.yaml", sha256="ab" * 32, size_bytes=400)
    catalog.ingest(BatchSpec(name=name, jobs=jobs, job_count=count), source)


# What the daemon writes for a take, for all jobs at once.
FILED = """
UPDATE jobs SET status = 'succeeded', attempt = 1, final_attempt = 1, finished_at = 1;
INSERT INTO attempts (job_id, number, worker, device, model, seed, status, started_at, finished_at)
    SELECT id, 1, 'w', 'cpu', model, seed, 'succeeded', 0, 1 FROM jobs;
INSERT INTO outputs (job_id, batch_id, attempt, path, format, sample_rate, channels, duration_s, size_bytes, sha256,
        generation_s, normalization, normalization_target, licence, verdict, score, ruleset, created_at)
    SELECT j.id, batch_id, 1, b.name || '/' || j.name || '.wav', 'wav', 32000, 1, 3, 192044, hex(j.id), 1, 'loudness',
        -14, 'CC', iif(j.id % 10, 'passed', 'failed'), (j.id * 7919) % 10000 / 100.0, 'r', j.id
    FROM jobs j JOIN batches b ON b.id = j.batch_id;
INSERT INTO measurements (output_id, loudness_lufs) SELECT id, -14 FROM outputs;
INSERT INTO checks (output_id, name, passed, value, threshold, unit, message)
    SELECT id, 'silence', verdict = 'passed', 0.1, 0.3, 'share', 'quiet' FROM outputs;
INSERT INTO scores (output_id, scorer, score, scored_at) SELECT id, 'soundmill', score, 1 FROM outputs;
INSERT INTO ratings (output_id, who, stars, rated_at) SELECT id, 'owner', 1 + id % 5, 1 FROM outputs WHERE id % 3 = 0;
INSERT INTO peaks (output_id, data) SELECT id, randomblob(4012) FROM outputs WHERE id % 20 = 0;
"""


def filled(folder: Path, outputs: int, ulids: Iterator[int], more: str = "") -> Catalog:
    """A catalogue of so many takes, half of them in one batch, the rest in batches of 1,000, in which the SQL `more`
    was run."""
    catalog = Catalog.open(folder / "catalog.db", clock=lambda: 1.0)
    ingest(catalog, "large", outputs // 2, ulids)
    for n in range(max(2, outputs // 2000)):
        ingest(catalog, f"batch-{n}", 1000, ulids)
    with catalog.connected() as db:
        db.executescript(f"BEGIN;{FILED}{more}COMMIT")
    (folder / "outputs").mkdir()
    return catalog


def measure_data(folder: Path, outputs: int, asks: int) -> None:
    catalog = filled(folder, outputs, itertools.count(1))
    middle, last = outputs // 4, outputs // 2
    questions = {
        "a batch of 1,000, with its count": "batch=batch-1&count=1",
        "the large batch, with its count": "batch=large&count=1",
        "from its middle on, with the place": f"batch=large&at={middle}&count=1",
        "after its middle": f"batch=large&after={middle}",
        "before its end": f"batch=large&before={last}",
        "best first": "batch=large&order=best",
        "best first, after the middle": f"batch=large&order=best&after={middle}",
        "worst first, before the middle": f"batch=large&order=worst&before={middle}",
        "flagged": "batch=large&verdict=failed&count=1",
        "unrated": "batch=large&unrated=1&count=1",
        "one label's": "batch=large&label=place%3Dsea&count=1",
        "a rare label's": "batch=large&label=row%3D77&count=1",
        "rare words": "search=theme+4711&count=1",
        "words that all have": "search=forest&count=1",
        "words that all have, best first": "search=forest&order=best&count=1",
        "everything": "count=1",
        "everything, after the middle": f"after={middle}",
        "everything, best first": "order=best&count=1",
        "a shortlist that is empty": "list=picks&count=1",
        "a canned query": "sql-query-name=best_takes&batch=large&count=1",
    }
    with served(folder) as started:
        connection = http.client.HTTPConnection("127.0.0.1", started.port, timeout=60)
        print(f"{outputs:,} takes; {'question':38} {'median':>9} {'95 %':>9} {'kB':>6}")
        for name, query in questions.items():
            times, size = [], 0
            for _ in range(asks):
                start = time.perf_counter()
                connection.request("GET", f"/-/soundmill/review.json?{query}")
                answer = connection.getresponse()
                body = answer.read()
                times.append(1000 * (time.perf_counter() - start))
                size = len(body)
                if answer.status != 200:
                    name = f"{name}: {answer.status}"
                    break
            median, most = statistics.median(times), quantile(times, 0.95)
            print(f"{'':14}{name:42} {median:6.0f} ms {most:6.0f} ms {size / 1000:6.0f}")
    catalog.close()


def measure_sound(folder: Path, takes: int) -> None:
    catalog = Catalog.open(folder / "catalog.db", clock=lambda: 1.0)
    ingest(catalog, "heard", takes, itertools.count(1))
    (folder / "outputs").mkdir()
    for attempt in catalog.claim(worker="w", device="cpu", model="tiny", limit=takes, engine_idle=True):
        audio = tone(110.0 * 2 ** (attempt.job.position % 24 / 12))
        filed = file_take(folder / "outputs", f"heard/{attempt.job.name}.wav", audio, {})
        samples, rate = decode(audio)
        output = make_output(
            attempt, filed.path, duration_s=SECONDS, sample_rate=RATE, sha256=filed.sha256, peaks=peaks(samples, rate)
        )
        catalog.succeed(
            attempt,
            output,
            Judgement(checks=(), verdict=Verdict.PASSED, score=80.0, ruleset="r"),
            retry_for_quality=False,
        )
    binary = chromium()
    from playwright.sync_api import sync_playwright

    with served(folder) as started, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=FLAGS)
        page = browser.new_page()
        page.route("**/-/soundmill/me", lambda route: route.fulfill(json=ME))
        page.route("**/-/soundmill/wishes**", answer_wishes)
        page.add_init_script(NOTES)
        page.goto(f"{started.url}-/soundmill/review?batch=heard")
        page.wait_for_function("document.querySelector('.sm-row[aria-current]')")
        page.keyboard.press(" ")
        page.wait_for_function("heard.length === 1")
        for pause_ms, name in ((500, "half a second on each take"), (0, "as fast as it goes")):
            page.evaluate("heard.length = 0")
            for n in range(min(takes - 1, 60)):
                page.keyboard.press("j")
                page.wait_for_function(f"heard.length === {n + 1}")
                page.wait_for_timeout(pause_ms)
            times = page.evaluate("heard")
            median, most = statistics.median(times), quantile(times, 0.95)
            print(f"key to sound, {name:28} median {median:4.0f} ms, 95 % {most:4.0f} ms, n = {len(times)}")
            page.evaluate("location.href = location.href.replace(/&at=.*/, '')")
            page.wait_for_function("document.querySelector('.sm-row[aria-current]')")
            page.keyboard.press(" ")
            page.wait_for_function("heard.length >= 1")
        page.evaluate("ended = 0")
        page.uncheck("#sm-play-on")
        start, count = time.perf_counter(), min(takes - 1, 100)
        for n in range(count):
            page.wait_for_function(f"ended === {n + 1}")
            page.keyboard.press(str(1 + n % 5))
        took = time.perf_counter() - start
        print(f"{count} takes heard and marked by keys: {took / count - SECONDS:.2f} s a take beyond its {SECONDS:g} s")
        browser.close()
    catalog.close()


ME: dict[str, Any] = {"actor": {"id": "ann"}, "may": {"rate": True}, "token": "t"}
# The page's own events tell when a take sounds; the key's time is that of the event the system gave it.
NOTES = """
window.heard = [];
window.ended = 0;
let pressed = 0;
addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
const dispatch = EventTarget.prototype.dispatchEvent;
EventTarget.prototype.dispatchEvent = function (event) {
  if (event.type === "playing") heard.push(event.detail.startedAt - pressed);
  if (event.type === "ended") window.ended += 1;
  return dispatch.call(this, event);
};
"""


def answer_wishes(route: Any) -> None:
    if route.request.method == "POST":
        count = len(route.request.post_data_json["wishes"])
        route.fulfill(status=202, json={"asked": [f"W{time.perf_counter_ns()}-{n}" for n in range(count)]})
    else:
        numbers = route.request.url.partition("ids=")[2].split(",")
        route.fulfill(json={"answers": {number: {"state": "done", "reason": None} for number in numbers}})


def tone(hertz: float) -> bytes:
    count = round(SECONDS * RATE)
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        samples = (int(9000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(count))
        writer.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()


@contextmanager
def served(folder: Path) -> Iterator[site.Site]:
    with (folder / "site.log").open("wb") as log:
        started = site.start(folder / "catalog.db", folder / "outputs", "127.0.0.1", 0, log=log)
    try:
        if not site.wait_until_up("127.0.0.1", started.port, 60.0):
            raise SystemExit((folder / "site.log").read_text())
        yield started
    finally:
        started.stop()


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", type=int, default=200_000)
    parser.add_argument("--takes", type=int, default=60)
    parser.add_argument("--asks", type=int, default=20)
    options = parser.parse_args()
    if options.outputs:
        with tempfile.TemporaryDirectory() as folder:
            measure_data(Path(folder), options.outputs, options.asks)
    if options.takes:
        with tempfile.TemporaryDirectory() as folder:
            measure_sound(Path(folder), options.takes)


if __name__ == "__main__":
    main()
