"""Scorers in the daemon: every take is heard once, whatever dies, and the best of n wait for them where asked."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.conftest import config, serving, until
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.reader import Reader
from soundmill.catalog.shelf.files import file_take
from soundmill.commands.score import score_all
from soundmill.config import Config, ScoringConfig
from soundmill.engine.scorers.messages import Scored, Take
from soundmill.engine.scorers.registry import find, scorers
from soundmill.errors import EngineDied, EngineError, ModelUnavailable, UsageError
from soundmill.home import Home
from soundmill.jobs import (
    BatchSpec,
    JobSpec,
    Judgement,
    Parameters,
    Source,
    Verdict,
)
from soundmill.service import best_of_n
from soundmill.service.scoring import Scoring, ScoringThread, device_of, models_of
from support.catalogues import put_empty
from support.outputs import make_output
from support.tiny_clap import save


@dataclass
class Ears:
    """In the place of the scoring process: the score of a take is its number; what goes wrong is scripted."""

    heard: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    errors: dict[str, EngineError] = field(default_factory=dict)  # by scorer
    deadly: set[int] = field(default_factory=set)
    before: Callable[[Sequence[Take]], None] = lambda _: None
    closed: int = 0

    def score(self, scorer: str, model: str, takes: Sequence[Take]) -> Scored:
        self.before(takes)
        self.heard.append((scorer, tuple(take.key for take in takes)))
        if scorer in self.errors:
            raise self.errors[scorer]
        if self.deadly & {take.key for take in takes}:
            raise EngineDied("the scoring process was killed by signal 9")
        there = [take for take in takes if take.file.exists()]
        return Scored(
            scores={take.key: dict.fromkeys(find(scorer).scores, float(take.key)) for take in there},
            unread={take.key: f"{take.file}: no such file" for take in takes if take not in there},
        )

    def interrupt(self) -> None: ...

    def close(self) -> None:
        self.closed += 1


@dataclass
class Room:
    """A catalogue with takes, and scoring in it on a clock that stands still until told."""

    root: Path
    catalog: Catalog
    ears: Ears = field(default_factory=Ears)
    now: float = 1_000.0
    events: list[tuple[str, str]] = field(default_factory=list)

    @property
    def outputs(self) -> Path:
        return self.root / "outputs"

    def takes(self, count: int, name: str = "b", keep_best: int | None = None) -> None:
        specs = [
            JobSpec(
                position=1,
                name=f"{name}{n}",
                prompt="rain",
                model="tiny",
                parameters=Parameters(duration=1.0, temperature=1.0, top_k=250, top_p=0.0, cfg_coef=3.0),
                seed=n,
                replicate=n,
                keep_best=keep_best,
            )
            for n in range(1, count + 1)
        ]
        source = Source(ulid=name, file_name=name, sha256=name, size_bytes=1)
        self.catalog.ingest(BatchSpec(name=name, jobs=specs, job_count=count), source)
        for attempt in self.catalog.claim(worker="w", device="cpu", model="tiny", limit=count, engine_idle=True):
            path = f"{name}/{attempt.job.name}.wav"
            file_take(self.outputs, path, b"RIFF", {})
            output = make_output(attempt, path, size_bytes=4)
            judgement = Judgement(checks=(), verdict=Verdict.PASSED, score=50.0, ruleset="r")
            self.catalog.succeed(attempt, output, judgement, retry_for_quality=False)

    def scoring(self, *scorers: str) -> Scoring:
        return Scoring(
            self.catalog,
            self.outputs,
            models=dict.fromkeys(scorers or ("clap",), "some/model"),
            process=self.ears,
            record=lambda kind, message: self.events.append((kind, message)),
            clock=lambda: self.now,
            wait=self.wait,
        )

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def scores(self, scorer: str = "clap") -> dict[str, float | None]:
        with Reader.open(self.root / "catalog.db") as reader:
            rows = reader._rows("SELECT output_id, score FROM scores WHERE scorer = ?", scorer)
        return {row["output_id"]: row["score"] for row in rows}  # type: ignore[misc]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    (tmp_path / "outputs").mkdir()
    with contextlib.closing(Catalog.open(put_empty(tmp_path / "catalog.db"), clock=lambda: 1.0)) as catalog:
        yield Room(tmp_path, catalog)


def run(scoring: Scoring, rounds: int = 100) -> None:
    for _ in range(rounds):
        if scoring.worked_off:
            return
        scoring.step()
    raise AssertionError("the takes were not worked off")


def test_every_take_is_heard_once_by_every_scorer(room: Room) -> None:
    work = room.scoring("clap", "audiobox")
    room.takes(10)
    run(work)
    assert room.ears.heard == [
        ("clap", tuple(range(1, 9))),
        ("clap", (9, 10)),
        ("audiobox", tuple(range(1, 9))),
        ("audiobox", (9, 10)),
    ]
    assert room.scores("clap") == room.scores("audiobox_pq") == {n: float(n) for n in range(1, 11)}
    assert room.events == []


def test_without_takes_the_process_gives_its_memory_back(room: Room) -> None:
    work = room.scoring()
    room.takes(1)
    run(work)
    work.step()
    assert room.ears.closed == 0
    room.now += 1000
    work.step()
    assert room.ears.closed == 1


def test_a_scorer_that_cannot_work_is_said_once_and_asked_ever_more_seldom(room: Room) -> None:
    room.ears.errors["clap"] = ModelUnavailable("scorer clap: not on this machine; run `hf download x`")
    work = room.scoring("clap", "audiobox")
    room.takes(1)
    run(work)
    assert room.scores("audiobox_ce") == {1: 1.0}
    assert work.blocked_because == "scorer clap: not on this machine; run `hf download x`"
    asked = []
    for _ in range(10_000):
        before = len(room.ears.heard)
        work.step()
        if len(room.ears.heard) > before:
            asked.append(room.now)
    gaps = [round(later - sooner, -1) for sooner, later in itertools.pairwise(asked)]
    assert gaps[:6] == [120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0]
    assert room.events == [("scoring held up", "scorer clap: not on this machine; run `hf download x`")]
    room.ears.errors.clear()
    room.now += 3600
    run(work)
    assert room.scores("clap") == {1: 1.0}
    assert room.events[1:] == [("scoring goes on", "scorer clap works again")]


def test_a_take_that_ends_the_process_costs_its_own_score_and_no_others(room: Room) -> None:
    room.ears.deadly = {4}
    work = room.scoring()
    room.takes(10)
    for _ in range(200):
        work.step()
    assert room.scores() == {n: None if n == 4 else float(n) for n in range(1, 11)}
    assert ("take not scored", "clap: b/b4.wav: the scoring process was killed by signal 9") in room.events


def test_a_process_that_was_killed_once_costs_nothing(room: Room) -> None:
    room.ears.deadly = {1, 2, 3}
    work = room.scoring()
    room.takes(3)
    work.step()
    room.ears.deadly = {1}
    room.now += 10
    work.step()
    room.ears.deadly = set()
    for _ in range(20):
        work.step()
    assert room.scores() == {1: 1.0, 2: 2.0, 3: 3.0}


def test_a_take_that_is_gone_gets_no_score_and_holds_nothing_up(room: Room) -> None:
    work = room.scoring()
    room.takes(3)
    (room.outputs / "b/b2.wav").unlink()
    run(work)
    assert room.scores() == {1: 1.0, 2: None, 3: 3.0}
    assert [kind for kind, _ in room.events] == ["take not scored"]


def test_a_take_that_is_moved_while_it_is_being_scored_is_heard_at_its_new_place(room: Room) -> None:
    work = room.scoring()
    room.takes(2, keep_best=1)

    def set_aside(_: Sequence[Take]) -> None:
        while room.catalog.undecided():
            best_of_n.step(room.catalog, room.outputs)

    room.ears.before = set_aside
    run(work)
    assert room.scores() == {1: 1.0, 2: 2.0}
    assert room.events == []


def test_a_daemon_that_died_goes_on_where_it_was(room: Room) -> None:
    work = room.scoring()
    room.takes(20)
    work.step()
    again = room.scoring()
    run(again)
    assert room.ears.heard == [("clap", tuple(range(a, b))) for a, b in ((1, 9), (9, 17), (17, 21))]


def outlive(_part: str, step: Callable[[], object]) -> bool:
    step()
    return True


def test_a_scoring_thread_that_died_is_replaced(room: Room) -> None:
    settings = Config(scoring=ScoringConfig(scorers=("clap",), clap_model=str(room.root)))
    thread = ScoringThread(
        room.catalog, room.outputs, settings, (), lambda *e: room.events.append(e), outlive, lambda: room.now
    )
    assert not thread.worked_off
    thread.check()
    assert thread.worked_off
    thread.stop()
    assert not thread._thread.alive
    thread.check()
    assert [kind for kind, _ in room.events] == ["scoring restarted"]
    assert thread._thread.alive
    thread.stop()


def test_without_scorers_there_is_no_thread(room: Room) -> None:
    thread = ScoringThread(
        room.catalog, room.outputs, Config(), (), lambda *e: room.events.append(e), outlive, lambda: room.now
    )
    thread.check()
    assert thread.worked_off
    thread.stop()
    assert room.events == []


# -- settings ---------------------------------------------------------------------------------------


def test_ranking_by_a_scorer_needs_that_scorer() -> None:
    with pytest.raises(ValidationError, match="rank_by audiobox_pq needs audiobox among scorers"):
        ScoringConfig(scorers=("clap",), rank_by="audiobox_pq")
    with pytest.raises(ValidationError, match="names one twice"):
        ScoringConfig(scorers=("clap", "clap"))
    assert ScoringConfig(scorers=("audiobox",), rank_by="audiobox_pq").rank_by == "audiobox_pq"
    assert [ScoringConfig(rank_by=source).rank_by for source in ("prompt", "gain")] == ["prompt", "gain"]  # need none


def test_every_name_a_scorer_scores_under_can_rank() -> None:
    for scorer, spec in scorers().items():
        for name in spec.scores:
            ScoringConfig.model_validate({"scorers": [scorer], "rank_by": name})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"scorers": ["claps"]}, "scorer claps: there are clap, audiobox"),
        ({"rank_by": "loudness"}, "rank_by loudness: nothing scores under that name"),
        ({"clap_models": "x"}, "clap_models: no such key"),
        ({"claps_model": "x"}, "scorer claps"),
        ({"clap_model": ""}, "clap_model"),
    ],
)
def test_a_wrong_setting_of_scoring_is_named(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ScoringConfig.model_validate(settings)


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cpu", "cpu"), ("cuda:1", "cuda:1"), ("auto", "cuda:2")],
)
def test_scoring_keeps_off_the_gpus_that_generate(device: str, expected: str) -> None:
    found = ["cuda:0", "cuda:1", "cuda:2"]
    assert device_of(ScoringConfig(device=device), ["cuda:0", "cuda:1"], found) == expected
    assert device_of(ScoringConfig(device="auto"), found, found) == "cpu"


# -- the whole daemon, with a real scoring process --------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from soundmill.engine.quiet import quiet

    with quiet():
        return save(tmp_path_factory.mktemp("clap"))


def with_clap(checkpoint: Path | str) -> Config:
    return config().model_copy(
        update={"scoring": ScoringConfig(scorers=("clap",), rank_by="clap", clap_model=str(checkpoint))}
    )


JOBS = "prompt,count,keep_best\ncalm piano in a cave,3,1\nrain on a roof,2,\n"


def takes_of(home: Home) -> list[dict[str, object]]:
    with Reader.open(home.catalog) as reader:
        return reader._rows("SELECT audio, kept, json_extract(scores, '$.clap') AS clap FROM takes ORDER BY output_id")


def test_takes_are_scored_beside_generation_and_the_best_by_that_score_is_kept(home: Home, checkpoint: Path) -> None:
    (home.inbox / "a.csv").write_text(JOBS)
    with serving(home, settings=with_clap(checkpoint)) as service:
        until(service, lambda: len(takes_of(home)) == 5 and service.worked_off, timeout_s=180.0)
    rows = takes_of(home)
    group = rows[:3]
    assert all(isinstance(row["clap"], float) for row in rows)
    best = max(group, key=lambda row: float(str(row["clap"])))
    assert [row["kept"] for row in rows] == [int(row is best) for row in group] + [None, None]
    assert all(("set_aside" in str(row["audio"])) == (row["kept"] == 0) for row in rows)
    assert {p.relative_to(home.outputs).as_posix() for p in home.outputs.rglob("*.wav")} == {r["audio"] for r in rows}


def test_takes_of_a_stopped_home_are_scored_on_demand(home: Home, checkpoint: Path) -> None:
    (home.inbox / "a.csv").write_text(JOBS)
    with serving(home) as service:
        until(service, lambda: len(takes_of(home)) == 5 and service.worked_off)
    assert [row["clap"] for row in takes_of(home)] == [None] * 5
    assert score_all(home, with_clap(checkpoint), clock=lambda: 5.0) == 5
    assert all(isinstance(row["clap"], float) for row in takes_of(home))
    with pytest.raises(UsageError, match=r"scoring\.scorers names none"):
        score_all(home, config(), clock=lambda: 5.0)


def on_a_machine_with(monkeypatch: pytest.MonkeyPatch, cache: Path, *models: str) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    for model in models:
        folder = cache / f"models--{model.replace('/', '--')}" / "snapshots" / "abc"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")


def test_auto_takes_the_scorers_that_are_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine_with(monkeypatch, tmp_path)
    auto = ScoringConfig.model_validate({"scorers": "auto"})
    assert auto.chosen == () and models_of(auto) == {}
    with pytest.raises(ValidationError, match="rank_by clap needs clap among scorers, and auto does not find it"):
        ScoringConfig.model_validate({"scorers": "auto", "rank_by": "clap"})
    on_a_machine_with(monkeypatch, tmp_path, "laion/clap-htsat-unfused")
    assert models_of(auto) == {"clap": "laion/clap-htsat-unfused"}
    assert ScoringConfig.model_validate({"scorers": "auto", "rank_by": "clap"}).rank_by == "clap"


def test_auto_finds_weights_in_a_folder_and_says_whom_it_took(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine_with(monkeypatch, room.root / "cache")
    checkpoint = room.root / "clap"
    checkpoint.mkdir()
    settings = Config(scoring=ScoringConfig.model_validate({"scorers": "auto", "clap_model": str(checkpoint)}))
    assert settings.scoring.chosen == ("clap",)
    said: list[tuple[str, str]] = []
    thread = ScoringThread(
        room.catalog, room.outputs, settings, (), lambda *event: said.append(event), outlive, lambda: room.now
    )
    thread.check()
    thread.stop()
    assert said[0] == ("scorers found", "takes are scored by clap, which are here")
