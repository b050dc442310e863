"""A simulated year of a home: how it grows by kind of file, and how long its backup, restore and verify take.

    python benchmarks/growth.py [--days 365] [--batches 2,2,3,20] [--seconds 2] [--reports 9] [--dir DIR]

Each day brings job files of so many rows, taken in by the real inbox under a clock of its own; every take is measured,
judged and filed as the daemon does (synthetic mono WAV, 32 kHz), and one file in fifty is refused. Of every so many
batches one gets its report, and what reports take is scaled to all. Then the home is backed up, backed up again after
another day, verified and restored; each restored file is compared with its hash by the command itself.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ulid import ULID

from report import RATE, clips
from soundmill.audio.decode import decode
from soundmill.audio.tags import add_chunks, info_list
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.shelf.files import file_take, take_path
from soundmill.commands.report import make_report
from soundmill.config import Config
from soundmill.disk import files_below
from soundmill.home import Home
from soundmill.inbox.intake import Intake
from soundmill.inbox.spool import Spool
from soundmill.jobs import Attempt, AudioFormat, Generated, Normalization, Output
from soundmill.quality.measure import Measured, measure
from soundmill.service import wiring

DAY_S = 86_400.0
BEGAN = 1_767_225_600.0  # 2026-01-01
REFUSED = 50  # one file in so many
REPORT = {"report.html": "report.html", "contact-sheet.html": "report.html", "README.md": "README.md"}
TABLES = {"jobs.csv", "takes.jsonl", "summary.json"}


@dataclass(slots=True)
class Grown:
    """Files, bytes and bytes on the disk of one kind."""

    files: int = 0
    bytes: int = 0
    on_disk: int = 0


@dataclass(slots=True)
class Year:
    """Drives inbox and catalogue as the daemon does, under a date of its own."""

    home: Home
    batches: list[int]
    seconds: float
    one_report_in: int
    now: float = BEGAN
    reports: int = 0
    made: int = 0
    names: list[str] = field(default_factory=list)

    def live(self, days: int) -> None:
        self.home.create()
        config = Config(default_model="tiny", default_duration=self.seconds)
        sounds = clips(self.seconds)
        found = [self._measured(sound) for sound in sounds]
        catalog = Catalog.open(self.home.catalog, clock=lambda: self.now)
        spool = Spool(
            self.home.inbox,
            time.monotonic,
            lambda: str(ULID.from_timestamp(self.now)),
            settle_s=0.0,
            patience_s=0.0,
            command="soundmill",
        )
        intake = Intake(spool, catalog, wiring.rules_for(config, self.home.inbox), 1 << 25)
        judge = wiring.judge_with(config)

        def finish(attempt: Attempt) -> None:
            sound, measured = sounds[attempt.job.id % 40], found[attempt.job.id % 40]
            sound = add_chunks(sound, info_list({"title": f"{self.made}/{attempt.job.id}"}))  # no two are the same
            clip = Generated(
                job_id=attempt.job.id, attempt=attempt.number, audio=sound, format=AudioFormat.WAV, sample_rate=RATE,
                channels=1, duration_s=self.seconds, generation_s=5.1234567, device_s=0.51234567, row_steps=1000,
                measurements=measured.values, licence="CC-BY-NC 4.0", defects=measured.defects,
                versions={"torch": "2.11.0", "audiocraft": "1.3.0", "weights": "05f545b08fd6e3ff"},
            )  # fmt: skip
            judgement = judge("tiny", None, measured.values, measured.defects)
            path = take_path(attempt.job.batch_name, attempt.job.name, AudioFormat.WAV, False, 1)
            filed = file_take(self.home.outputs, path, sound, wiring.sidecar_for(attempt, clip, judgement))
            output = Output(
                clip=clip, path=filed.path, size_bytes=filed.size_bytes, sha256=filed.sha256,
                normalization=Normalization.LOUDNESS, normalization_target=-14.0, fade_s=0.01,
            )  # fmt: skip
            assert catalog.succeed(attempt, output, judgement, retry_for_quality=False)

        for _ in range(days):
            for rows in self.batches:
                self._drop(rows)
                for outcome in intake.scan():
                    if outcome.batch is not None:
                        self.names.append(outcome.batch.name)
                while attempts := catalog.claim(worker="w", device="cpu", model="tiny", limit=16, engine_idle=True):
                    for attempt in attempts:
                        self.now += 1.0
                        finish(attempt)
                if len(self.names) % self.one_report_in == 0:
                    make_report(self.home, self.names[-1], lambda _: None)
                    self.reports += 1
            self.now += DAY_S - 60.0
        catalog.close()

    def _measured(self, sound: bytes) -> Measured:
        samples, rate = decode(sound)
        return measure(samples, rate, requested_s=self.seconds, loudness_lufs=-14.2, before=samples)

    def _drop(self, rows: int) -> None:
        self.made += 1
        column = "promt" if self.made % REFUSED == 0 else "prompt"
        lines = (f"a slow brass chorale for scene {self.made} with timpani and strings, take {n}" for n in range(rows))
        text = "\n".join([f"{column},scene", *(f'"{line}",hall-{self.made % 40}' for line in lines), ""])
        part = self.home.inbox / ".part"
        part.write_text(text)
        part.rename(self.home.inbox / "cues.csv")


def kind_of(path: str) -> str:
    top, *rest = path.split("/")
    name = rest[-1] if rest else top
    if top == "outputs" and len(rest) > 1:
        if len(rest) > 2:
            return rest[1]  # pictures, plots
        if name.endswith(".wav"):
            return "audio"
        if name.endswith(".wav.json"):
            return "sidecars"
        return "tables" if name in TABLES else REPORT.get(name, "other")
    if top == "inbox":
        return f"inbox/{rest[0]}" if len(rest) > 1 else "inbox"
    return top if top.startswith("catalog.db") else "other"


def grown(home: Home) -> tuple[dict[str, Grown], Counter[str]]:
    """What there is of each kind, and how many files a folder holds."""
    kinds: dict[str, Grown] = {}
    folders: Counter[str] = Counter()
    for path, status in files_below(home.root):
        one = kinds.setdefault(kind_of(path), Grown())
        one.files, one.bytes, one.on_disk = (
            one.files + 1,
            one.bytes + status.st_size,
            one.on_disk + status.st_blocks * 512,
        )
        folders[path.rpartition("/")[0]] += 1
    return kinds, folders


def timed(home: Home, *words: str) -> Iterator[str]:
    before = os.times()
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "soundmill", "--home", str(home.root), *words],
        check=True,
        capture_output=True,
        text=True,
    )
    wall, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    command = " ".join(word for word in words if not word.startswith("/"))
    yield f"{command:20s} {wall:7.1f} s wall, {cpu:6.1f} s of processor"
    yield f"    {done.stdout.strip().splitlines()[-1]}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--batches", default="2,2,3,20", help="rows of each day's job files")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--reports", type=int, default=9, help="a report for one batch in so many")
    parser.add_argument("--dir", type=Path, help="where the home and its backups lie while this runs")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.dir) as folder:
        root = Path(folder)
        home = Home(root / "home")
        year = Year(home, [int(each) for each in chosen.batches.split(",")], chosen.seconds, chosen.reports)
        began = time.perf_counter()
        year.live(chosen.days)
        took = time.perf_counter() - began
        print(f"{chosen.days} days, {len(year.names)} batches, {year.reports} reports, in {took:.0f} s")
        kinds, folders = grown(home)
        scale = len(year.names) / max(1, year.reports)
        print(f"{'kind':16s} {'files':>8s} {'bytes':>15s} {'on disk':>15s}")
        for kind, one in sorted(kinds.items(), key=lambda each: -each[1].bytes):
            times = scale if kind in ("pictures", "plots", "tables", "report.html", "README.md") else 1.0
            print(f"{kind:16s} {one.files * times:8,.0f} {one.bytes * times:15,.0f} {one.on_disk * times:15,.0f}")
        print(f"most files in a folder: {folders.most_common(1)[0]}; in inbox/accepted/: "
              f"{max(n for place, n in folders.items() if 'accepted' in place)}")  # fmt: skip
        backups = str(root / "backups")
        for line in timed(home, "backup", backups):
            print(line)
        year.live(1)
        for words in (("backup", backups), ("verify",), ("verify", "--quick"), ("verify", "--backups", backups)):
            for line in timed(home, *words):
                print(line)
        for line in timed(Home(root / "restored"), "restore", backups):
            print(line)
        print(f"load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
