"""A file that grew after it was accepted, also while nobody looked, is told of, and what is missing made alone."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from inbox.conftest import MONTH
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.reader import Reader
from soundmill.inbox.intake import Intake, Outcome
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.inbox.spool import Spool, submit
from soundmill.jobs import Batch, Job
from support.catalogues import put_empty
from support.spreadsheets import xlsx

GREW = "changed after it was accepted"
LIST = "prompt,duration,seed,cue\nharp,2,,a\ndrums,3,7,b\nharp,2,,a\n"


@dataclass
class Mill:
    """One home's inbox and catalogue, as a daemon would work it; `restart` is the next daemon."""

    root: Path
    clock: Any
    new_ulid: Callable[[], str]
    rules_with: Callable[..., Any]

    def __post_init__(self) -> None:
        self.inbox = self.root / "inbox"
        self.catalog = Catalog.open(put_empty(self.root / "catalog.db"), clock=time.time)
        spool = Spool(self.inbox, self.clock, self.new_ulid, settle_s=0, patience_s=0, command="soundmill")
        self.intake = Intake(spool, self.catalog, lambda ulid: self.rules_with(self.root, ulid), 1 << 20)

    def restart(self) -> None:
        self.catalog.close()
        self.__post_init__()

    def look(self) -> list[dict[str, object]]:
        """The notices after all that changed has rested."""
        for _ in range(3):
            assert self.intake.scan() == []
            self.clock.now += 5
        with Reader.open(self.root / "catalog.db") as reader:
            return reader.inbox_notices()

    def drop(self, name: str, data: str | bytes) -> Outcome:
        (self.inbox / name).write_bytes(data.encode() if isinstance(data, str) else data)
        (outcome,) = self.intake.scan()
        return outcome

    def accepted(self, name: str, data: str | bytes) -> Batch:
        batch = self.drop(name, data).batch
        assert batch is not None
        return batch

    def jobs(self, batch: Batch) -> list[Job]:
        told: list[Job] = []
        self.catalog.tell_jobs(batch.id, told.append)
        return [job for job in told if job.batch_id == batch.id]

    def rest(self, name: str) -> Outcome:
        submit(self.inbox / "accepted" / MONTH / name, self.inbox, rest=True)
        (outcome,) = self.intake.scan()
        return outcome

    def said(self) -> list[str]:
        with Reader.open(self.root / "catalog.db") as reader:
            return [str(event["message"]) for event in reader.events() if event["kind"] == f"file {GREW}"]


@pytest.fixture
def mill(tmp_path: Path, clock: Any, new_ulid: Any, rules_with: Any) -> Iterator[Mill]:
    mill = Mill(tmp_path, clock, new_ulid, rules_with)
    yield mill
    mill.catalog.close()


def test_growth_while_no_daemon_ran_is_said_once_and_shown_until_its_rows_are_made(mill: Mill) -> None:
    first = mill.accepted("list.csv", LIST)
    mill.catalog.close()
    path = mill.inbox / "accepted" / MONTH / "list.csv"
    command = f"soundmill submit --rest {shlex.quote(str(path))}"
    with path.open("a") as late:
        late.write("bells,4,,c\n")
    mill.restart()
    (notice,) = mill.look()
    message = (
        f"batch list was made of its first version ({len(LIST)} bytes) and lacks what was written later "
        f"({len(LIST) + 11} bytes now); to make the rows that it lacks: {command}"
    )
    assert notice == {"kind": GREW, "file": "list.csv", "message": message}
    mill.restart()
    assert mill.look() == [notice] and mill.said() == [f"list.csv: {message}"]
    made = mill.rest("list.csv").batch
    assert made is not None and (made.name, made.job_count) == ("list-rest", 1)
    (job,) = mill.jobs(made)
    assert (job.name, job.prompt, job.position) == ("0004-bells", "bells", 4)
    assert mill.look() == []
    mill.restart()
    assert mill.look() == [] and len(mill.said()) == 1
    assert len(mill.jobs(first)) == 3


def test_growth_that_was_seen_and_not_mended_is_still_shown_after_a_restart(mill: Mill) -> None:
    mill.accepted("list.csv", LIST)
    with (mill.inbox / "accepted" / MONTH / "list.csv").open("a") as late:
        late.write("bells,4,,c\n")
    seen = mill.look()
    assert [notice["kind"] for notice in seen] == [GREW]
    mill.restart()
    assert mill.look() == seen and len(mill.said()) == 1


def test_a_file_that_only_got_another_time_is_no_news_after_a_restart(mill: Mill) -> None:
    mill.accepted("list.csv", LIST)
    mill.accepted("gone.csv", "prompt\nx\n")
    (mill.inbox / "accepted" / MONTH / "list.csv").touch()
    (mill.inbox / "accepted" / MONTH / "gone.csv").unlink()
    mill.restart()
    assert mill.look() == [] and mill.said() == []


def test_unchanged_files_are_not_read_after_a_restart(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        mill.accepted("list.csv", f"prompt\nharp {number}\n")
    mill.restart()
    monkeypatch.setattr("soundmill.inbox.aftermath.read_plain", None)
    assert mill.look() == []


def test_a_same_sized_change_is_said(mill: Mill) -> None:
    mill.accepted("list.csv", LIST)
    (mill.inbox / "accepted" / MONTH / "list.csv").write_text(LIST.replace("drums", "bells"))
    mill.restart()
    assert [notice["kind"] for notice in mill.look()] == [GREW]
    made = mill.rest("list.csv").batch
    assert made is not None
    assert [(job.prompt, job.seed) for job in mill.jobs(made)] == [("bells", 7)]


def test_rows_are_missing_by_what_they_ask_for_wherever_they_stand(mill: Mill) -> None:
    """One put in between, a third of a kind of which there were two, one with another seed, and one that was cut."""
    mill.accepted("list.csv", LIST + "rain on a ro\n")
    grown = LIST.replace("drums", "wind,9,,w\ndrums") + "harp,2,,a\ndrums,3,8,b\nrain on a roof,,,\n"
    (mill.inbox / "accepted" / MONTH / "list.csv").write_text(grown)
    made = mill.rest("list.csv").batch
    assert made is not None
    assert [(job.prompt, job.position) for job in mill.jobs(made)] == [
        ("wind", 2),
        ("harp", 5),
        ("drums", 6),
        ("rain on a roof", 7),
    ]
    assert mill.jobs(made)[2].seed == 8


def test_the_rest_gets_the_seeds_it_would_have_had(mill: Mill) -> None:
    grown = LIST + "bells,4,,c\n"
    first = mill.accepted("list.csv", LIST)
    (mill.inbox / "accepted" / MONTH / "list.csv").write_text(grown)
    made = mill.rest("list.csv").batch
    assert made is not None
    whole = list(read_jobs(grown.encode(), "list.csv", mill.rules_with(mill.root, first.ulid)).jobs)
    assert [job.seed for job in [*mill.jobs(first), *mill.jobs(made)]] == [job.seed for job in whole]


def test_more_takes_of_a_row_are_its_missing_ones(mill: Mill) -> None:
    mill.accepted("list.yaml", "jobs:\n- {prompt: harp, count: 2}\n")
    (mill.inbox / "accepted" / MONTH / "list.yaml").write_text("jobs:\n- {prompt: harp, count: 4}\n")
    made = mill.rest("list.yaml").batch
    assert made is not None and [job.replicate for job in mill.jobs(made)] == [3, 4]


def test_the_same_row_twice_is_two_jobs_also_with_its_own_seed(mill: Mill) -> None:
    mill.accepted("list.csv", "prompt,seed\nharp,5\ndrums,\n")
    grown = "prompt,seed\nharp,5\nharp,5\ndrums,\ndrums,\n"
    (mill.inbox / "accepted" / MONTH / "list.csv").write_text(grown)
    made = mill.rest("list.csv").batch
    assert made is not None
    assert [(job.prompt, job.position, job.seed == 5) for job in mill.jobs(made)] == [
        ("harp", 2, True), ("drums", 4, False),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["xlsx", "yaml"])
def test_the_rest_of_every_kind_of_file_is_made_also_a_second_time(kind: str, mill: Mill) -> None:
    def written(*prompts: str) -> bytes:
        if kind == "xlsx":
            return xlsx({"jobs": [("prompt", "cue"), *((prompt, "x") for prompt in prompts)]})
        return yaml.safe_dump({"jobs": [{"prompt": prompt, "cue": "x"} for prompt in prompts]}).encode()

    mill.accepted(f"list.{kind}", written("harp"))
    for number, prompts in enumerate([("harp", "drums"), ("bells", "harp", "drums")], 1):
        (mill.inbox / "accepted" / MONTH / f"list.{kind}").write_bytes(written(*prompts))
        made = mill.rest(f"list.{kind}").batch
        assert made is not None and made.name == ("list-rest" if number == 1 else "list-rest-2")
        assert [job.prompt for job in mill.jobs(made)] == [("drums", "bells")[number - 1]]


def test_the_rest_of_an_experiment_goes_on_with_it(mill: Mill) -> None:
    plan = "experiment:\n  prompt: harp\n  factors: {temperature: [0.5, 1.0]}\n"
    first = mill.accepted("settings.yaml", plan)
    (mill.inbox / "accepted" / MONTH / "settings.yaml").write_text(plan.replace("1.0", "1.0, 1.5"))
    made = mill.rest("settings.yaml").batch
    assert made is not None
    (job,) = mill.jobs(made)
    assert job.condition == {"temperature": "1.5"} and job.seed == mill.jobs(first)[0].seed
    with Reader.open(mill.root / "catalog.db") as reader:
        assert reader.family("settings-rest") == ["settings", "settings-rest"]


def test_where_nothing_is_missing_nothing_is_made_and_the_reason_is_said(mill: Mill) -> None:
    mill.accepted("list.csv", LIST)
    refused = mill.rest("list.csv")
    assert refused.rejected and "has the same content as batch list" in refused.reason
    (mill.inbox / "accepted" / MONTH / "list.csv").write_text(LIST + "\n\n")
    refused = mill.rest("list.csv")
    assert refused.rejected and "has no row that batch list lacks" in refused.reason


def test_the_rest_of_a_file_that_was_never_accepted_is_refused_with_the_mend(mill: Mill) -> None:
    refused = mill.drop("list.rest.csv", LIST)
    assert refused.rejected
    assert "the rest of list.csv, and no accepted file has that name; for all of it, rename it" in refused.reason


def test_of_two_files_of_one_name_each_has_its_own_rest(mill: Mill) -> None:
    for prompt in ("harp", "drums"):
        mill.accepted("list.csv", f"prompt\n{prompt}\n")
    for name, prompt in (("list.csv", "harp"), ("list-2.csv", "drums")):
        (mill.inbox / "accepted" / MONTH / name).write_text(f"prompt\n{prompt}\nmore {prompt}\n")
    for name in ("list-2.csv", "list.csv"):
        submit(mill.inbox / "accepted" / MONTH / name, mill.inbox, rest=True)
    made = [outcome.batch for outcome in mill.intake.scan()]
    assert {batch.name: [job.prompt for job in mill.jobs(batch)] for batch in made if batch} == {
        "list-2-rest": ["more drums"],
        "list-rest": ["more harp"],
    }


def test_a_rest_handed_in_twice_is_taken_for_what_it_is_both_times(mill: Mill) -> None:
    mill.accepted("list.csv", LIST)
    (mill.inbox / "accepted" / MONTH / "list.csv").write_text(LIST + "bells,,,\n")
    for _ in range(2):
        submit(mill.inbox / "accepted" / MONTH / "list.csv", mill.inbox, rest=True)
    first, second = sorted(mill.intake.scan(), key=lambda outcome: outcome.rejected)
    assert first.batch is not None and first.batch.job_count == 1
    assert "has the same content as batch list-rest" in second.reason
