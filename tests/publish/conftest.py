"""A home as the daemon leaves it in mid-work: a real catalogue, real files, and a Datasette over both."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import math
import struct
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from datasette.app import Datasette
from datasette.plugins import pm

from soundmill.audio.decode import decode
from soundmill.audio.peaks import peaks
from soundmill.catalog import wishes
from soundmill.catalog.asking import ratings
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.shelf.files import file_take, take_path
from soundmill.errors import Problem
from soundmill.jobs import (
    Attempt,
    AudioFormat,
    Batch,
    BatchSpec,
    Check,
    FailureKind,
    JobSpec,
    Judgement,
    Parameters,
    Progress,
    QcAction,
    Source,
    Verdict,
)
from soundmill.publish import datasettes, plugin, site
from support.asking import asked
from support.catalogues import put_empty
from support.outputs import make_output

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = "<script>alert('boo')</script> & \"drums\" <b>bold</b>"
RATE = 8000


@cache  # thousands of sines, the same for every home
def tone(seconds: float = 1.0, hertz: float = 220.0) -> bytes:
    """A mono 16-bit WAV of a decaying tone."""
    count = int(seconds * RATE)
    samples = (int(9000 * math.exp(-2 * n / count) * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(count))
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()


@cache
def drawn(seconds: float, hertz: float) -> bytes:
    return peaks(*decode(tone(seconds, hertz)))


@dataclass
class Home:
    """A home folder and the catalogue that writes to it."""

    root: Path
    catalog: Catalog
    ulids: Iterator[int]
    now: list[float]

    @property
    def database(self) -> Path:
        return self.root / "catalog.db"

    @property
    def outputs(self) -> Path:
        return self.root / "outputs"

    def ingest(self, name: str, jobs: list[JobSpec], *, rest_of: Batch | None = None, **changes: Any) -> Batch:
        spec = BatchSpec(name=name, jobs=jobs, job_count=len(jobs), **changes)
        ulid = f"01JC{next(self.ulids):022}"
        source = Source(ulid=ulid, file_name=f"{name}.yaml", sha256="ab" * 32, size_bytes=400, rest_of=rest_of)
        return self.catalog.ingest(spec, source)

    def claim(self, limit: int = 1) -> list[Attempt]:
        self.now[0] += 1.7
        return self.catalog.claim(worker="gpu-0", device="cuda:0", model="tiny", limit=limit, engine_idle=True)

    def finish(
        self,
        attempt: Attempt,
        *,
        score: float,
        failing: str | None = None,
        loudness: float | None = -14.0,
        seconds: float = 1.0,
        retry: bool = False,
        quarantined: bool = False,
    ) -> None:
        self.now[0] += 2.3
        job = attempt.job
        path = take_path(job.batch_name, job.name, AudioFormat.WAV, retry or quarantined, attempt.number)
        audio = tone(seconds, 110.0 * (1 + job.position % 7))
        filed = file_take(self.outputs, path, audio, {"prompt": job.prompt, "seed": attempt.seed})
        checks = tuple(
            Check(
                name=name,
                passed=name != failing,
                value=0.4 if name == failing else 0.01,
                threshold=0.3,
                unit="share",
                message=f"{name} is 40%, more than 30% allowed" if name == failing else "fine",
            )
            for name in ("silence", "clipping", "repetition")
        )
        measured = {
            "silence_share": 0.0123456789,
            "clipping_share": 0.0,
            "repetition_correlation": 0.3217,
            "rms_dbfs": -17.2,
            "spectral_range_db": 51.987654321,
            "loudness_lufs": loudness,
            "peak_dbfs": -1.02,
            "dc_offset": 0.00001234,
        }
        output = make_output(
            attempt,
            filed.path,
            sample_rate=RATE,
            duration_s=seconds,
            generation_s=0.613 + job.position / 10,
            device_s=0.2 + job.position / 100,
            licence="CC-BY-NC 4.0",
            versions={"torch": "2.11.0"},
            defects=({"name": failing, "start_s": 0.2, "end_s": 0.4, "detail": "in the clip"},) if failing else (),
            measurements=measured,
            peaks=drawn(seconds, 110.0 * (1 + job.position % 7))
            if job.position % 5
            else None,  # as before there were any
            size_bytes=filed.size_bytes,
            sha256=filed.sha256,
            quarantined=retry or quarantined,
        )
        verdict = Verdict.FAILED if failing else Verdict.PASSED
        judged = Judgement(checks=checks, verdict=verdict, score=score, ruleset="r1")
        assert self.catalog.succeed(attempt, output, judged, retry_for_quality=retry)


def job(position: int, prompt: str, **changes: Any) -> JobSpec:
    parameters = {"duration": 1.0, "temperature": 1.0, "top_k": 250, "top_p": 0.0, "cfg_coef": 3.0}
    parameters |= {name: changes.pop(name) for name in list(changes) if name in parameters}
    values: dict[str, Any] = {"name": f"clip-{position:03}", "model": "tiny", "seed": 1000 + position}
    return JobSpec(position=position, prompt=prompt, parameters=Parameters(**parameters), **values | changes)


def fill(home: Home) -> None:
    """Forest: 12 jobs, 10 takes (2 flagged), 1 failed, 1 taken twice. Sweep: an experiment of 8. Evening: in work."""
    prompts = ["mossy forest at dawn", "a river between stones", "warm lute by the fire", "an old owl calls", HOSTILE]
    home.ingest(
        "forest",
        [
            job(
                n,
                prompts[n % 5]
                if n != 7
                else "wind in a cave, long and low, with far away drops of water and a choir of bats",
                labels={"scene": "cave" if n == 7 else "forest", "owner": "Ann & Bo", "cue": f"m{n}"},
            )
            for n in range(1, 13)
        ],
        on_qc_fail=QcAction.RETRY,
    )
    for number, attempt in enumerate(home.claim(12), 1):
        if number == 3:
            home.catalog.fail(
                attempt,
                FailureKind.BAD_PARAMETER,
                "duration 300 s is more than tiny can do: at most 30 s",
                retry_at=None,
                counts=True,
                suspect=False,
            )
        elif number == 4:
            home.finish(attempt, score=12.5, failing="silence", loudness=None, retry=True)
        elif number == 5:
            home.catalog.fail(
                attempt,
                FailureKind.ENGINE_DIED,
                "the engine process ended with signal 9",
                retry_at=home.now[0],
                counts=True,
                suspect=False,
            )
        else:
            failing = {6: "clipping", 9: "repetition"}.get(number)
            home.finish(
                attempt,
                score=40.0 + number if failing else 70.123456 + number,
                failing=failing,
                loudness=-20.0 + number,
                seconds=6.0 if number == 12 else 1.0,
            )
    home.catalog.wake_due(home.now[0] + 1000)
    for attempt in home.claim(2):
        home.finish(attempt, score=88.0, loudness=-30.0)
    asked(home.catalog, ratings.rate, "forest/clip-001", 4, "keep this one")
    home.ingest(
        "sweep",
        [
            job(
                n,
                "slow brass chorale",
                temperature=(0.8, 1.0, 1.2, 1.4)[(n - 1) // 2],
                seed=7 + (n - 1) % 2,
                condition={"temperature": str((0.8, 1.0, 1.2, 1.4)[(n - 1) // 2])},
                replicate=1 + (n - 1) % 2,
            )
            for n in range(1, 9)
        ],
        kind="experiment",
        experiment={"factors": {"temperature": [0.8, 1.0, 1.2, 1.4]}, "replicates": 2},
    )
    for attempt in home.claim(8):
        home.finish(attempt, score=50.0 + attempt.job.position * 4, loudness=-14.0)
    home.ingest("evening", [job(n, f"evening theme {n} for strings") for n in range(1, 31)])
    running = home.claim(6)
    for attempt in running[:2]:
        home.finish(attempt, score=91.0)
    home.catalog.progress(
        [Progress(job_id=a.job.id, attempt=a.number, done=100 * n, due=500) for n, a in enumerate(running[2:], 1)]
    )
    home.ingest("later", [job(n, f"later {n}") for n in range(1, 4)])
    asked(home.catalog, wishes.pause, "later")
    home.catalog.worker_state("gpu-0", device="cuda:0", model="tiny", status="working", slots=4, running=4)
    home.catalog.worker_state("gpu-1", device="cuda:1", model=None, status="idle", slots=4, running=0)
    notice = {"kind": "held", "file": f"x {HOSTILE} (1).csv", "message": "looks like a copy"}
    home.catalog.set_setting("inbox notices", json.dumps([notice]))
    trouble = {"part": "inbox", "message": f"{HOSTILE}: cannot be read", "since": home.now[0]}
    home.catalog.set_setting("troubles", json.dumps([trouble]))
    home.catalog.beat(pid=1, at=home.now[0], steady_s=1e12, doing="running")  # and nothing since
    place = {"place": "outputs", "free_bytes": 4_000_000_000, "size_bytes": 9_000_000_000, "per_day_bytes": 10**9}
    home.catalog.set_setting("storage", json.dumps({"at": home.now[0], "places": [place | {"days_left": 4.0}]}))
    home.catalog.set_setting("alerts webhook", json.dumps({"sent": 3, "failed": 1, "outbox": []}))
    home.catalog.record_rejection(
        "01JD0000000000000000000000",
        "broken.csv",
        None,
        [
            Problem(message="did you mean temperature?", line=1, field="temprature"),
            Problem(message="no prompt", line=4),
        ],
    )


def make_home(root: Path) -> Home:
    (root / "outputs").mkdir(parents=True)
    now = [1_760_000_000.0]
    return Home(root, Catalog.open(put_empty(root / "catalog.db"), clock=lambda: now[0]), itertools.count(1), now)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The filled home; tests of this folder only read it."""
    made = make_home(tmp_path_factory.mktemp("home"))
    fill(made)
    yield made
    made.catalog.close()


@pytest.fixture(scope="session", autouse=True)
def registered_plugin() -> None:
    """Installed, the plugin comes through its entry point; from a source tree it is registered here."""
    if not pm.is_registered(plugin):
        pm.register(plugin, name="soundmill")
    site.quieten()


def open_site(files: list[Path], **more: Any) -> Datasette:
    """Datasette as `site.serve` starts it, without the listening."""
    values: dict[str, Any] = {
        **datasettes.settings_from(yaml.safe_load(site.METADATA.read_text(encoding="utf-8"))),
        "settings": {name: _setting(value) for name, value in site.SETTINGS.items()},
    }
    return Datasette([str(file) for file in files], **values | more)


def _setting(value: str) -> object:
    return {"on": True, "off": False}[value] if value in ("on", "off") else int(value)


def close_site(datasette: Datasette) -> None:
    for database in datasette.databases.values():
        database.close()
    datasette.executor.shutdown()


def fetch(started: site.Site, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by their lower-case names, and body, from a site that runs as a process."""
    connection = http.client.HTTPConnection("127.0.0.1", started.port, timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found


Get = Callable[..., Any]


@pytest.fixture(scope="module")
def get(home: Home) -> Iterator[Get]:
    """GET a page of the filled home's site: `get(path, **headers)`."""
    datasette = open_site([home.database])

    def call(path: str, method: str = "GET", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return asyncio.run(datasette.client.request(method, path, headers=named))

    yield call
    close_site(datasette)


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, str]]:
    """A filled home whose catalogue goes on being written, and the address of its site."""
    made = make_home(tmp_path_factory.mktemp("browsed"))
    fill(made)
    with Path(made.root / "site.log").open("wb") as log:
        started = site.start(made.database, made.outputs, "127.0.0.1", 0, log=log)
    assert site.wait_until_up("127.0.0.1", started.port, 20.0)
    yield made, started.url
    started.stop()
    made.catalog.close()


@dataclass
class Seen:
    """What a page did: its errors, and the answers it got."""

    errors: list[str] = field(default_factory=list)
    answers: list[tuple[int, str, str | None]] = field(default_factory=list)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def seen(page: Page) -> Seen:
    noted = Seen()
    page.on("console", lambda message: noted.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: noted.errors.append(str(error)))
    page.on(
        "response",
        lambda answer: noted.answers.append((answer.status, answer.url, answer.request.headers.get("range"))),
    )
    return noted
