"""How long the report of a batch takes, how large its page is, and how it scrolls.

    python benchmarks/report.py [--takes 1000] [--seconds 10] [--home DIR] [--scroll] [--against PAGE]

Fills a catalogue with one finished experiment of so many takes (synthetic mono WAV, 32 kHz), then runs `soundmill
report` on it as the daemon does and prints wall time, processor time, peak memory and sizes. With --scroll the page is
opened in headless Chromium, without a GPU, and scrolled from end to end by a notch of a mouse wheel (120 px) a frame;
printed are the time to load, the intervals between frames and the processor time of one. With --against another page,
which an earlier version made of the same takes, is scrolled before and after it: other work bears on both.
Fails when a limit is missed: 60 s, 5 MB, 8 ms of processor time a frame (half of one at 60 Hz).
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.shelf.files import file_take, take_path
from soundmill.jobs import (
    AudioFormat,
    BatchSpec,
    Check,
    Generated,
    JobSpec,
    Judgement,
    Normalization,
    Output,
    Parameters,
    Source,
    Verdict,
)

RATE = 32_000
FACTORS = {
    "temperature": (0.7, 0.9, 1.1, 1.3, 1.5),
    "top_k": (50, 100, 250, 500, 1000),
    "cfg_coef": (2.0, 3.0, 4.0, 5.0),
}
SILENCE = {"name": "silence", "start_s": 3.2, "end_s": 4.0, "detail": "below -60 dBFS in the clip"}
LIMIT_S, LIMIT_MB, LIMIT_FRAME_MS = 60.0, 5.0, 8.0


def experiment(takes: int) -> list[JobSpec]:
    """The first `takes` jobs of a full factorial with as many replicates as that needs."""
    conditions = list(itertools.product(*FACTORS.values()))
    jobs = []
    for number in range(takes):
        replicate, at = divmod(number, len(conditions))
        levels = dict(zip(FACTORS, conditions[at], strict=True))
        jobs.append(
            JobSpec(
                position=at + 1,
                name=f"{at + 1:04}-a-slow-brass-chorale-with-timpani-and-strings-r{replicate + 1}",
                prompt="A slow brass chorale with timpani and strings, recorded in a large hall",
                model="tiny",
                parameters=Parameters(
                    duration=10.0,
                    temperature=levels["temperature"],
                    top_k=int(levels["top_k"]),
                    top_p=0.0,
                    cfg_coef=levels["cfg_coef"],
                ),
                seed=1000 + replicate,
                condition={name: f"{level:g}" for name, level in levels.items()},
                replicate=replicate + 1,
            )
        )
    return jobs


def clips(seconds: float) -> list[bytes]:
    """Forty different sounds as WAV: chords with noise in a moving envelope."""
    rng = np.random.default_rng(7)
    t = np.arange(round(seconds * RATE)) / RATE
    made = []
    for number in range(40):
        chord = sum(np.sin(2 * np.pi * 110 * 2 ** ((number + step) / 12) * t) for step in (0, 4, 7, 12))
        sound = 0.08 * chord * (1 + np.sin(2 * np.pi * (0.3 + number / 20) * t)) + 0.02 * rng.standard_normal(len(t))
        file = BytesIO()
        soundfile.write(file, sound, RATE, format="WAV")
        made.append(file.getvalue())
    return made


def fill(home: Path, takes: int, seconds: float) -> None:
    now = [1_760_000_000.0]
    catalog = Catalog.open(home / "catalog.db", clock=lambda: now[0])
    rng = np.random.default_rng(3)
    audio = clips(seconds)
    spec = BatchSpec(
        name="sweep",
        jobs=experiment(takes),
        job_count=takes,
        kind="experiment",
        experiment={"design": "full_factorial"},
    )
    catalog.ingest(
        spec, Source(ulid="01JC0000000000000000000000", file_name="sweep.yaml", sha256="ab" * 32, size_bytes=400)
    )
    while attempts := catalog.claim(worker="cuda:0", device="cuda:0", model="tiny", limit=16, engine_idle=True):
        now[0] += 6.0
        for attempt in attempts:
            now[0] += 0.02
            job = attempt.job
            sound = audio[job.id % len(audio)]
            filed = file_take(home / "outputs", take_path("sweep", job.name, AudioFormat.WAV, False, 1), sound, {})
            score = float(np.clip(88 - 12 * (job.parameters.temperature - 0.7) + 8 * rng.standard_normal(), 0, 100))
            failed = score < 76
            measured = {"loudness_lufs": -14 + float(rng.standard_normal()), "peak_dbfs": -1.0, "silence_share": 0.1}
            clip = Generated(
                job_id=job.id, attempt=attempt.number, audio=b"", format=AudioFormat.WAV, sample_rate=RATE, channels=1,
                duration_s=seconds, generation_s=5 + float(rng.random()), device_s=0.5, row_steps=1000,
                measurements=measured, licence="CC-BY-NC 4.0", versions={"torch": "2.11.0", "audiocraft": "1.3.0"},
                defects=(SILENCE,) * failed,
            )  # fmt: skip
            output = Output(
                clip=clip, path=filed.path, size_bytes=filed.size_bytes, sha256=filed.sha256,
                normalization=Normalization.LOUDNESS, normalization_target=-14.0,
            )  # fmt: skip
            checks = tuple(
                Check(name=name, passed=not (failed and name == "silence"), value=0.4, threshold=0.3, unit="share",
                      message=f"{name}: 40 % of the clip, more than the 30 % allowed")
                for name in ("clipping", "dc", "duration", "loudness", "repetition", "silence", "spectral_balance")
            )  # fmt: skip
            verdict = Verdict.FAILED if failed else Verdict.PASSED
            judgement = Judgement(checks=checks, verdict=verdict, score=score, ruleset="r1")
            assert catalog.succeed(attempt, output, judgement, retry_for_quality=False)
    catalog.close()


def measure(home: Path) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak MB of one `soundmill report`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "soundmill", "--home", str(home), "report", "sweep"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, after.ru_maxrss / 1024


def scroll(page_file: Path) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(120_000)
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

        def busy_s() -> float:
            """Processor time of the page's main thread so far: what is left when others use the machine too."""
            metrics = devtools.send("Performance.getMetrics")["metrics"]
            return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")

        began = time.perf_counter()
        page.goto(page_file.as_uri())
        loaded, loading = time.perf_counter() - began, busy_s()
        found = page.evaluate(
            """async () => {
                const gaps = []; let last = performance.now(), at = 0;
                while (at < document.documentElement.scrollHeight - innerHeight) {
                    at += 120; scrollTo(0, at);
                    await new Promise(requestAnimationFrame);
                    const now = performance.now(); gaps.push(now - last); last = now;
                }
                gaps.sort((a, b) => a - b);
                const share = s => gaps[Math.min(gaps.length - 1, Math.floor(s * gaps.length))];
                return {frames: gaps.length, median: share(0.5), p95: share(0.95), worst: share(1)};
            }"""
        )
        found["busy_ms"] = 1000 * (busy_s() - loading) / found["frames"]
        found["loading_s"] = loading
        began = time.perf_counter()
        page.select_option("select[name=order]", "score down")
        sorting = time.perf_counter() - began
        began = time.perf_counter()
        page.fill("input[name=words]", "r7")
        filtering = time.perf_counter() - began
        browser.close()
    return {"loaded_s": loaded, "sorting_s": sorting, "filtering_s": filtering, **found}


def say_how_it_scrolls(page_file: Path) -> float:
    """Scroll a page, print what was seen, and return the milliseconds of processor time a frame."""
    seen = scroll(page_file)
    print(
        f"{page_file.name:17s}loaded in {seen['loaded_s']:.2f} s ({seen['loading_s']:.2f} s busy), "
        f"sorted in {seen['sorting_s']:.2f} s, filtered in {seen['filtering_s']:.2f} s"
    )
    print(
        f"    scrolling    {seen['frames']} frames, {seen['median']:.0f} ms in the median, "
        f"{seen['p95']:.0f} ms at the 95th percentile, {seen['worst']:.0f} ms at worst; "
        f"{seen['busy_ms']:.1f} ms of the main thread's processor time a frame"
    )
    return float(seen["busy_ms"])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--takes", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--home", type=Path, help="keep the home here, and use the one that is there")
    parser.add_argument("--scroll", action="store_true")
    parser.add_argument("--against", type=Path, help="another page beside report.html, to scroll in the same run")
    chosen = parser.parse_args()
    frame_ms = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        home = chosen.home or Path(temporary)
        if not (home / "catalog.db").exists():
            (home / "outputs").mkdir(parents=True, exist_ok=True)
            fill(home, chosen.takes, chosen.seconds)
        wall, cpu, peak_mb = measure(home)
        folder = home / "outputs" / "sweep"
        size_mb = (folder / "report.html").stat().st_size / 1e6
        pictures = [path.stat().st_size for path in (folder / "pictures").iterdir()]
        print(f"processors       {len(os.sched_getaffinity(0))}, load {os.getloadavg()[0]:.1f}")
        print(f"report           {wall:.1f} s wall, {cpu:.1f} s of processor, {peak_mb:.0f} MB at most in one process")
        print(f"report.html      {size_mb:.2f} MB")
        print(f"pictures         {len(pictures)}, {sum(pictures) / 1e6:.1f} MB")
        against = [chosen.against.resolve()] if chosen.against else []
        if against:
            say_how_it_scrolls(*against)
        if chosen.scroll or against:
            frame_ms = say_how_it_scrolls(folder / "report.html")
        if against:
            say_how_it_scrolls(*against)
    return 0 if wall < LIMIT_S and size_mb < LIMIT_MB and frame_ms < LIMIT_FRAME_MS else 1


if __name__ == "__main__":
    sys.exit(main())
