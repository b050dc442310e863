from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from publish.conftest import HOSTILE, Home, job, tone
from report.conftest import BATCH, JOB, jobs_with, record_of, report_on
from soundmill.catalog.asking import comparisons
from soundmill.catalog.catalog import WritingAt
from soundmill.catalog.reader import Reader
from soundmill.faults import listen
from soundmill.jobs import BatchSpec, Check, FailureKind, JobStatus, QcAction, Source, Verdict
from soundmill.quality.registry import looked_at_by
from soundmill.report.page.head import lead
from soundmill.report.page.rendering import markdown
from soundmill.report.page.views import MOST_PROMPTS
from soundmill.report.record import BatchRecord, Defect, JobRecord
from soundmill.report.summary import KEYS
from soundmill.report.write import PAGE_TAKES, passed_of, shown_takes, write_report

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reports.md"


def summary(home: Home, batch: str) -> dict[str, Any]:
    found = json.loads((home.outputs / batch / "summary.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def page(home: Home, batch: str) -> str:
    return (home.outputs / batch / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("batch", ["forest", "sweep", "evening", "later"])
def test_everything_the_page_links_to_is_there(reported: Home, batch: str) -> None:
    folder = reported.outputs / batch
    links = re.findall(r'(?:href|src)="([^"#]+)"', page(reported, batch))
    assert links and not [link for link in links if not (folder / link).exists()]
    assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]


def test_the_same_batch_gives_the_same_bytes(reported: Home) -> None:
    files = [path for path in (reported.outputs / "forest").rglob("*") if path.is_file()]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    report_on(reported, "forest")
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files} == before


def test_the_summary_counts_what_the_catalogue_has(reported: Home) -> None:
    found = summary(reported, "forest")
    assert found["counts"] == {
        "jobs": 12, "queued": 0, "running": 0, "succeeded": 11, "failed": 1, "cancelled": 0,
        "takes": 12, "passed": 9, "flagged": 2, "retried": 2, "tried_again": 1,
        "kept": 0, "set_aside": 0,
    }  # fmt: skip
    assert found["finished"] and found["quality"]["failed_checks"] == {"clipping": 1, "repetition": 1}
    assert found["errors"] == {"bad_parameter": 1}
    assert found["rates"]["pass_rate_low"] < found["rates"]["pass_rate"] == pytest.approx(9 / 11)
    assert found["best"][0] == "clip-001.wav"  # four stars, before better scores


@pytest.mark.parametrize("batch", ["forest", "sweep", "later"])
def test_every_key_of_the_summary_is_documented_and_there(reported: Home, batch: str) -> None:
    found = summary(reported, batch)
    nested = {"counts", "rates", "timing", "quality"}
    keys = {f"{key}.{inner}" for key in nested for inner in found[key]} | (found.keys() - nested)
    assert keys == KEYS.keys()
    table = DOCS.read_text(encoding="utf-8").split("## summary.json")[1]
    described = dict(re.findall(r"^\| `([\w.]+)` \| (.+) \|$", table, re.MULTILINE))
    assert described == dict(KEYS)


def test_a_meter_knows_the_score_below_which_a_check_has_failed(reported: Home) -> None:
    meters = re.findall(r"<meter [^>]*>", page(reported, "forest"))
    assert meters and all('low="49' in meter for meter in meters)


def test_the_experiment_is_ranked_and_printed(reported: Home) -> None:
    found = summary(reported, "sweep")
    assert [factor["name"] for factor in found["factors"]] == ["temperature"]
    assert len(found["conditions"]) == 4 and found["sentences"]
    assert (reported.outputs / "sweep" / "contact-sheet.html").exists()
    assert not (reported.outputs / "forest" / "contact-sheet.html").exists()


def test_the_contact_sheet_says_what_is_marked(reported: Home) -> None:
    sheet = (reported.outputs / "sweep" / "contact-sheet.html").read_text(encoding="utf-8")
    assert "Coloured stretches did not pass a check; grey ones are within what is allowed." in sheet


def test_a_batch_in_work_is_reported_as_far_as_it_is(reported: Home) -> None:
    assert "still wait or run: this is what there was on 2025-10-09" in page(reported, "evening")
    assert summary(reported, "evening")["finished"] is False
    assert "The batch is paused." in page(reported, "later")


def test_a_factor_with_one_level_is_not_said_to_be_varied(tmp_path: Path, fresh: Callable[[Path], Home]) -> None:
    home = fresh(tmp_path / "home")
    condition = {"temperature": "1.0", "mood": "calm", "top_k": "250"}
    jobs = [
        job(n, "a calm bell", condition={**condition, "top_k": str(top_k)}, top_k=top_k, replicate=replicate)
        for n, (top_k, replicate) in enumerate([(50, 1), (50, 2), (250, 1), (250, 2)])
    ]
    home.ingest("one", jobs, kind="experiment")
    for attempt in home.claim(4):
        home.finish(attempt, score=80.0)
    asked = (report_on(home, "one") / "README.md").read_text(encoding="utf-8")
    asked = asked.split("## What was asked")[1].split("## What came out")[0]
    assert [line for line in asked.splitlines() if "temperature" in line] == ["- temperature: 1"]
    assert [line for line in asked.splitlines() if "mood" in line] == ["- mood: calm"]
    assert [line for line in asked.splitlines() if "top" in line and "k" in line] == ["- top\\_k, varied: 50, 250"]


def test_failures_are_told_with_their_reason(reported: Home) -> None:
    text = page(reported, "forest")
    assert "duration 300 s is more than tiny can do: at most 30 s" in text
    assert "soundmill retry forest" in text


def test_where_all_jobs_failed_the_failures_come_first(tmp_path: Path) -> None:
    failed = {"status": JobStatus.FAILED, "error_kind": "model_unavailable"}
    whys = ["no weights", "no disk", "no weights"]
    files = written(tmp_path, jobs_with([({**failed, "error": why}, None) for why in whys]))
    for name in ("README.md", "report.html"):
        text = files[name]
        first = "0 of 3 jobs have a take; 3 failed."
        chief = "The most frequent reason, of 2 jobs: model unavailable: no weights"
        places = [text.index(words) for words in (first, chief, "no disk", "There is no take: 3 of 3 jobs failed")]
        assert places == sorted(places)
        assert "none passed every check" not in text and text.count("no disk") == 1
    assert files["report.html"].index('href="#failures"') < files["report.html"].index('href="#use"')


def test_what_people_wrote_is_escaped(reported: Home) -> None:
    text = page(reported, "forest")
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text
    assert text.count("<script>") == 1
    readme = (reported.outputs / "forest" / "README.md").read_text(encoding="utf-8")
    assert "<script>" not in readme and "<b>" not in readme


def test_markdown_takes_a_prompt_literally() -> None:
    assert markdown("*a*\n[b](c) <i>") == r"\*a\* \[b\](c) \<i\>"
    assert markdown("- no list") == r"\- no list"


def test_a_take_that_was_tried_again_is_there_but_not_counted(reported: Home) -> None:
    text = page(reported, "forest")
    assert 'src="quarantine/clip-004.take1.wav"' in text
    assert "also the 1 that were tried again" in text


def test_an_experiment_whose_jobs_were_tried_again_is_judged_by_first_takes_and_proposes_final_ones(
    tmp_path: Path, fresh: Callable[[Path], Home]
) -> None:
    home = fresh(tmp_path / "home")
    jobs = [
        job(n, "a bell", condition={"temperature": level}, replicate=1 + n // 2)
        for n in range(8)
        for level in [("0.7", "1.3")[n % 2]]
    ]
    home.ingest("again", jobs, kind="experiment", on_qc_fail=QcAction.RETRY)
    for attempt in home.claim(8):
        hot = attempt.job.condition["temperature"] == "1.3"
        home.finish(attempt, score=20.0 if hot else 80.0, failing="silence" if hot else None, retry=hot)
    home.catalog.wake_due(home.now[0] + 1000)
    for attempt in home.claim(8):
        home.finish(attempt, score=99.0)
    folder = report_on(home, "again")
    found = summary(home, "again")
    assert [(condition["mean"], condition["pass_rate"]["rate"]) for condition in found["conditions"]] == [
        (80.0, 1.0), (20.0, 0.0),
    ]  # fmt: skip
    assert found["counts"]["passed"] == 8 and found["counts"]["tried_again"] == 4
    assert found["best"][0].startswith("clip-") and found["quality"]["score_high"] == 99.0
    for text in (page(home, "again"), (folder / "README.md").read_text(encoding="utf-8")):
        assert "8 passed every check (100 %" in text.replace(" %", " %")
        assert "4 jobs were tried again." in text
        assert "4 of 8 first takes passed their checks" in text
        assert "settings are compared by the first take of each job" in text
    assert "- 4 tried again\n" in text


def test_a_take_whose_file_is_gone_is_said_to_be(tmp_path: Path, fresh: Callable[[Path], Home]) -> None:
    home = fresh(tmp_path / "home")
    home.ingest("bells", [job(1, "a bell"), job(2, HOSTILE, name="käse & brot #2 100%")])
    for attempt in home.claim(2):
        home.finish(attempt, score=80.0)
    folder = report_on(home, "bells")
    assert (folder / "pictures" / "clip-001.wav.png").exists()
    assert 'src="k%C3%A4se%20%26%20brot%20%232%20100%25.wav"' in page(home, "bells")
    (folder / "clip-001.wav").unlink()
    report_on(home, "bells")
    assert "the file is gone" in page(home, "bells") and 'src="clip-001.wav"' not in page(home, "bells")
    assert [path.name for path in (folder / "pictures").iterdir()] == ["käse & brot #2 100%.wav.png"]


def test_an_experiment_that_goes_on_is_compared_with_what_it_goes_on_with(
    tmp_path: Path, fresh: Callable[[Path], Home]
) -> None:
    home = fresh(tmp_path / "home")

    def sweep(name: str, replicates: list[int], extends: str | None) -> None:
        jobs = [
            job(n, "brass", temperature=level, seed=r, condition={"temperature": f"{level:g}"}, replicate=r)
            for n, (level, r) in enumerate([(level, r) for level in (0.7, 1.3) for r in replicates], 1)
        ]
        home.ingest(name, jobs, kind="experiment", experiment={"design": "full_factorial"}, extends=extends)
        for attempt in home.claim(len(jobs)):
            home.finish(attempt, score=60.0 + attempt.job.position)

    sweep("first", [1, 2], None)
    report_on(home, "first")
    sweep("second", [3, 4, 5], "first")
    with Reader.open(home.database) as reader:
        assert reader.goes_on_with("second") == ["first"] and reader.goes_on_with("first") == []
    report_on(home, "second", earlier=[record_of(home, "first")])
    assert [condition["n"] for condition in summary(home, "second")["conditions"]] == [5, 5]
    text = page(home, "second")
    assert 'With the takes of <a href="../first/report.html">first</a>' in text
    assert "With first: 10 takes; 10 passed every check" in text and "6 of 6 jobs have a take" in text
    assert (summary(home, "second")["goes_on_with"], summary(home, "second")["counts"]["jobs"]) == (["first"], 6)
    links = re.findall(r'(?:href|src)="([^"#]+)"', text)
    assert links and not [link for link in links if not (home.outputs / "second" / link).exists()]
    ranked = text[text.index("Conditions, ranked") : text.index('<section id="takes">')]
    heard = re.findall(r'class="sm-play" role="button" href="([^"]+)"', ranked)
    assert heard == ["clip-004.wav", "../first/clip-002.wav"]  # of 63 64 64 65 66 and of 61 61 62 62 63


def test_first_takes_are_called_so_where_only_an_earlier_batch_tried_again(tmp_path: Path) -> None:
    def batch(name: str, first_id: int) -> BatchRecord:
        jobs = jobs_with(
            [({"condition": {"a": a}}, {"score": score, "present": False}) for a, score in (("x", 60.0), ("y", 70.0))]
        )
        jobs = tuple(replace(job, id=first_id + at, replicate=first_id) for at, job in enumerate(jobs))
        return replace(BATCH, name=name, kind="experiment", jobs=jobs)

    first, second = batch("first", 1), batch("second", 3)
    again = replace(first.jobs[0], takes=(replace(first.jobs[0].takes[0], final=False), *first.jobs[0].takes))
    for earlier, dots in ((first, "Dots are takes."), (replace(first, jobs=(again, first.jobs[1])), "Dots are first")):
        write_report(
            second, tmp_path / "second", earlier=[earlier], later=[], made_at=0.0, processes=1, progress=lambda _: None
        )
        sheet, text = ((tmp_path / "second" / name).read_text() for name in ("contact-sheet.html", "report.html"))
        assert dots in text and ("but for jobs that were tried again" in sheet) is (earlier is not first)


def test_an_experiment_that_goes_on_says_in_which_batches(tmp_path: Path, fresh: Callable[[Path], Home]) -> None:
    home = fresh(tmp_path / "home")
    for name, extends in (("first", None), ("second", "first"), ("third", "second")):
        home.ingest(name, [job(1, "brass", condition={"top_k": name})], kind="experiment", extends=extends)
        for attempt in home.claim(1):
            home.finish(attempt, score=60.0)
    with Reader.open(home.database) as reader:
        assert [reader.goes_on_in(name) for name in ("first", "second", "third")] == [
            ["second", "third"],
            ["third"],
            [],
        ]
    report_on(home, "second")
    folder = report_on(home, "first", later=["second", "third"])
    assert ', goes on in <a href="../second/report.html">second</a>, third.' in page(home, "first")
    assert "; goes on in [second](../second/report.html), third\n" in (folder / "README.md").read_text(encoding="utf-8")
    assert summary(home, "first")["goes_on_in"] == ["second", "third"]


def test_the_contact_sheet_of_an_experiment_that_goes_on_has_the_takes_of_all_its_batches(
    tmp_path: Path, fresh: Callable[[Path], Home]
) -> None:
    home = fresh(tmp_path / "home")
    for name, replicates, extends in (("first", [1], None), ("second", [2, 3], "first")):
        jobs = [
            job(n, "brass", seed=r, condition={"temperature": level}, replicate=r)
            for n, (level, r) in enumerate([(level, r) for level in ("0.7", "1.3") for r in replicates], 1)
            if (level, r) != ("1.3", 3)
        ]
        home.ingest(name, jobs, kind="experiment", experiment={"design": "full_factorial"}, extends=extends)
        for attempt in home.claim(len(jobs)):
            home.finish(attempt, score=60.0 + attempt.job.position)
    report_on(home, "first")
    folder = report_on(home, "second", earlier=[record_of(home, "first")])
    sheet = (folder / "contact-sheet.html").read_text(encoding="utf-8")
    pictures = re.findall(r'<img src="([^"]+)"', sheet)
    assert sorted(pictures) == [
        "../first/pictures/clip-001.wav.png", "../first/pictures/clip-002.wav.png", "pictures/clip-001.wav.png",
        "pictures/clip-002.wav.png", "pictures/clip-003.wav.png",
    ]  # fmt: skip
    assert all((folder / picture).is_file() for picture in pictures)
    assert sheet.count("not asked for") == 1
    assert 'Takes of <a href="../first/report.html">first</a> are among these' in sheet


def test_reading_a_batch_takes_as_many_queries_however_many_jobs_it_has(
    tmp_path: Path, fresh: Callable[[Path], Home]
) -> None:
    home = fresh(tmp_path / "home")
    asked = []
    for size in (1, 30):
        home.ingest(f"batch-{size}", [job(n, "a bell") for n in range(1, size + 1)])
        for attempt in home.claim(size):
            home.finish(attempt, score=80.0)
        with Reader.open(home.database) as reader:
            statements: list[str] = []
            reader._connection.set_trace_callback(statements.append)
            reader.everything_of(f"batch-{size}")
            asked.append(len(statements))
    assert asked[0] == asked[1] < 20


def test_a_report_sees_the_batch_as_of_one_moment(tmp_path: Path, fresh: Callable[[Path], Home]) -> None:
    home = fresh(tmp_path / "home")
    home.ingest("bells", [job(n, "a bell") for n in range(1, 4)])
    first, *rest = home.claim(3)
    home.finish(first, score=80.0)
    with Reader.open(home.database) as reader:

        def interrupt(statement: str) -> None:
            if "FROM measurements" in statement and rest:
                home.finish(rest.pop(), score=80.0)

        reader._connection.set_trace_callback(interrupt)
        found = reader.everything_of("bells")
    assert len(rest) == 1
    done = [row for row in found["jobs"] if row["status"] == "succeeded"]  # type: ignore[attr-defined]
    assert len(done) == len(found["outputs"]) == 1  # type: ignore[arg-type]


def test_of_very_many_takes_the_page_has_the_best() -> None:
    jobs = jobs_with([({}, {"score": float(n % 100)}) for n in range(PAGE_TAKES + 500)])
    shown = shown_takes(replace(BATCH, jobs=jobs))
    assert len(shown) == PAGE_TAKES
    assert min(take.score or 0.0 for _, take in shown) == 20.0
    assert [job.position for job, _ in shown] == sorted(job.position for job, _ in shown)


def written(folder: Path, jobs: tuple[JobRecord, ...]) -> dict[str, str]:
    """The report of a batch of these jobs, file by file."""
    for made in jobs:
        for take in made.takes:
            (folder / take.file).write_bytes(tone(0.1))
    record = replace(BATCH, jobs=jobs)
    write_report(record, folder, earlier=(), later=(), made_at=0.0, processes=1, progress=lambda _: None)
    names = ("report.html", "README.md", "summary.json", "takes.jsonl")
    return {name: (folder / name).read_text(encoding="utf-8") for name in names}


def of_prompts(*sizes: int) -> tuple[JobRecord, ...]:
    """Takes of prompts a, b, c …, the last of each the best; none of prompt b passes."""
    return jobs_with(
        [
            (
                {"prompt": f"prompt {name}"},
                {"score": 50.0 + n, "verdict": Verdict("failed" if name == "b" else "passed")},
            )
            for name, size in zip("abc", sizes, strict=True)
            for n in range(size)
        ]
    )


def test_the_whole_batch_again_is_asked_for_by_its_file_where_it_lies(tmp_path: Path) -> None:
    assert "soundmill submit --again inbox/accepted/2026-01/bells.csv" in written(tmp_path, (JOB,))["report.html"]


def test_a_pruned_take_is_said_to_be(tmp_path: Path) -> None:
    jobs = jobs_with([({}, {"present": False, "pruned_at": 1_790_000_000.0}), ({}, {"present": False})])
    files = written(tmp_path, jobs)
    assert files["report.html"].count("pruned on 2026-09-21") == files["report.html"].count("the file is gone") == 1
    assert [json.loads(line)["pruned_at"] for line in files["takes.jsonl"].splitlines()] == [
        "2026-09-21T14:13:20Z",
        None,
    ]


def test_a_check_that_passed_needs_no_sentence(tmp_path: Path) -> None:
    checks = tuple(
        Check(name=name, passed=name == "a", value=1.0, threshold=2.0, unit="s", message=f"{name} has a word to say.")
        for name in "ab"
    )
    files = written(tmp_path, jobs_with([({}, {"checks": checks})]))
    told = json.loads(files["takes.jsonl"])["checks"]
    assert [check.get("message") for check in told] == [None, "b has a word to say."]


def test_the_best_takes_of_each_prompt_are_in_every_file(tmp_path: Path) -> None:
    files = written(tmp_path, of_prompts(4, 2, 6))
    assert json.loads(files["summary.json"])["prompts"] == [
        {"prompt": "prompt a", "takes": 4, "passed": 4, "best": ["clip-4.wav", "clip-3.wav"]},
        {"prompt": "prompt b", "takes": 2, "passed": 0, "best": []},
        {"prompt": "prompt c", "takes": 6, "passed": 6, "best": ["clip-12.wav", "clip-11.wav", "clip-10.wav"]},
    ]
    readme, page_of = files["README.md"], files["report.html"]
    assert "- prompt a: [clip-4.wav](clip-4.wav), score 53.0; then [clip-3.wav](clip-3.wav), score 52.0\n" in readme
    assert "- prompt b: nothing to use, none of its 2 takes passed\n" in readme
    cards, rest = page_of.split("Without a take to use", 1)
    assert cards.count('<article class="sm-card">') == 2 and "6 of 6 takes passed; next best:" in cards
    assert [cards.count(f'href="clip-{n}.wav" aria-label') for n in (4, 3, 2, 12, 11, 10, 9)] == [1, 1, 0, 1, 1, 1, 0]
    assert "<li>“prompt b”: none of its 2 takes passed</li>" in rest


def test_prompts_that_differ_only_at_their_ends_have_names_of_their_own(tmp_path: Path) -> None:
    begins = (
        "slow orchestral underscore with warm strings, a solo horn and soft timpani rolls, recorded in a big old hall, "
    )
    asked = [(mood, verdict) for mood in ("hopeful", "menacing", "weary", "serene") for verdict in ("passed", "failed")]
    files = written(
        tmp_path,
        jobs_with(
            [
                (
                    {"prompt": f"{begins}altogether the mood is {mood}"},
                    {"verdict": Verdict("failed" if mood in ("weary", "serene") else verdict)},
                )
                for mood, verdict in asked
            ]
        ),
    )
    lines = re.findall(r"^- (slow orchestral.*?…) (.*?): (?:\[clip|nothing)", files["README.md"], re.MULTILINE)
    assert [end for _, end in lines] == ["hopeful", "menacing", "weary", "serene"]
    assert re.findall(r"<li>“slow .*?… (\w+)”: none of", files["report.html"]) == ["weary", "serene"]


def test_prompts_of_which_some_have_one_take_stand_in_a_table(tmp_path: Path) -> None:
    files = written(tmp_path, of_prompts(1, 1, 3))
    table = files["report.html"].split('<section id="prompts">')[1].split("</section>")[0]
    assert "1 of 3 prompts has nothing to use." in table and "its only take did not pass" in table
    assert re.findall(r'class="sm-play" role="button" href="([^"]+)"', table) == [
        "clip-1.wav",
        "clip-5.wav",
        "clip-4.wav",
    ]
    assert '<a href="#prompts">' in files["report.html"]
    listed = files["README.md"].split("## The best of each prompt")[1]
    assert "1 of 3 prompts has nothing to use." in listed and "- prompt b: nothing to use, its only take" in listed


def test_where_each_prompt_has_one_take_only_those_without_are_named(tmp_path: Path) -> None:
    files = written(tmp_path, of_prompts(1, 1, 1))
    assert (
        'id="prompts"' not in files["report.html"] and "“prompt b”: its only take did not pass" in files["report.html"]
    )
    assert "Without a take to use:\n\n- prompt b: its only take did not pass\n" in files["README.md"]
    assert len(json.loads(files["summary.json"])["prompts"]) == 3


def test_only_what_failed_a_check_is_marked_as_a_defect(tmp_path: Path) -> None:
    def check(name: str, passed: bool) -> Check:
        return Check(name=name, passed=passed, value=1.0, threshold=1.0, unit="", message=name)

    def defect(name: str, at: float) -> Defect:
        return Defect(name=name, looked_at_by=looked_at_by()[name], start_s=at, end_s=at + 0.1, detail="")

    checks = (check("clicks", True), check("silence", True), check("silence_inside", False), check("noise", False))
    defects = tuple(defect(name, at / 10) for at, name in enumerate(("clicks", "silence", "silence_head", "noise")))
    files = written(tmp_path, jobs_with([({}, {"checks": checks, "defects": defects, "verdict": Verdict.FAILED})]))
    marks = re.findall(r'class="sm-defect( sm-allowed)?" style="[^"]*" title="(.*?) at', files["report.html"])
    assert marks == [(" sm-allowed", "clicks"), ("", "silence"), (" sm-allowed", "silence head"), ("", "noise")]
    assert "grey ones are within what is allowed" in files["report.html"]


def test_a_batch_of_one_prompt_has_no_prompts_to_tell_apart(reported: Home) -> None:
    assert summary(reported, "sweep")["prompts"] == [] and 'id="prompts"' not in page(reported, "sweep")


def test_the_table_of_prompts_ends_somewhere(tmp_path: Path) -> None:
    others = [({"prompt": f"prompt {n}"}, {}) for n in range(MOST_PROMPTS + 1)]
    jobs = jobs_with([({"prompt": "x"}, {}), ({"prompt": "x"}, {}), *others])
    jobs = tuple(replace(one, takes=()) if one.position > 2 else one for one in jobs)
    files = written(tmp_path, jobs)
    table = files["report.html"].split('<section id="prompts">')[1].split("</section>")[0]
    assert table.count("<tr><td>") == MOST_PROMPTS and "The first 500 of 502" in table
    assert "The first 500 of 502" in files["README.md"]
    assert len(json.loads(files["summary.json"])["prompts"]) == 502


def test_a_loudness_below_0_has_a_minus_sign(tmp_path: Path) -> None:
    assert "<div>−14.0 LUFS</div>" in written(tmp_path, jobs_with([({}, {})]))["report.html"]


def test_takes_that_normalisation_left_too_quiet_are_told() -> None:
    """Of three, one is 0.4 LU under its target, which nobody notices, one 2.5, and one has no target."""
    measured = ({"loudness_lufs": level} for level in (-14.4, -16.5, -30.0))
    jobs = jobs_with([({}, {"measurements": each}) for each in measured])
    (unlevelled,) = (replace(jobs[2].takes[0], normalization="none"),)
    record = replace(BATCH, jobs=(*jobs[:2], replace(jobs[2], takes=(unlevelled,))))
    assert "1 take is quieter than the target, by up to 2.5 LU" in lead(record, passed_of(record.jobs))
    assert [take.loudness_short_lu for _, take in record.finals] == [pytest.approx(0.4), 2.5, None]


def test_the_lead_counts_in_plain_words() -> None:
    assert lead(BATCH, passed_of(BATCH.jobs)) == "1 of 1 job has a take; 1 passed every check (100 %)."
    two = replace(BATCH, jobs=jobs_with([({}, {}), ({}, {"verdict": "failed"})]))
    assert lead(two, passed_of(two.jobs)).endswith(
        "1 passed every check (50 %, 95 % interval 9 to 91 %) and 1 is flagged."
    )
    assert lead(replace(BATCH, jobs=(replace(JOB, takes=()),)), passed_of(())).endswith("a take.")


@pytest.mark.parametrize(("lead_of_one", "says"), [(40.0, False), (0.0, True)])
def test_a_ranking_marks_none_as_the_best_where_no_setting_is_shown_to_matter(
    tmp_path: Path, lead_of_one: float, says: bool
) -> None:
    spread = {1.0: 1.0, 1.6: 0.1, 2.0: 9.0}
    jobs = jobs_with(
        [
            ({"temperature": level}, {"score": 50.0 + (lead_of_one if level == 1.0 else 0.0) + away * (-1) ** n})
            for level, away in spread.items()
            for n in range(6)
        ]
    )
    ranking = written(tmp_path, jobs)["report.html"].split("Conditions, ranked")[1].split("</table>")[0]
    assert ("No setting is shown to matter, so this order may be chance." in ranking) is says
    assert ("may be the best" in ranking) is not says
    assert ('class="sm-best"' in ranking) is not says


def test_conditions_that_differ_by_decimals_are_not_ranked(tmp_path: Path) -> None:
    jobs = jobs_with(
        [
            ({"temperature": level, "replicate": n + 1}, {"score": 99.93 + 0.01 * ((3 * at + 2 * n) % 7)})
            for at, level in enumerate((1.3, 0.7, 1.0))
            for n in range(4)
        ]
    )
    pages = written(tmp_path, jobs)
    ranking = pages["report.html"].split("<h2>Conditions</h2>")[1].split("</table>")[0]
    assert "The checks cannot tell these apart: listen." in ranking
    assert '<th scope="col">rank</th>' not in ranking
    assert re.findall(r"<tr[^>]*><td>(.*?)</td>", ranking) == ["0.7", "1", "1.3"]
    assert "The checks cannot tell these takes apart: listen." in pages["README.md"]


def test_a_page_has_one_pass_rate_where_a_model_was_not_to_be_had(
    tmp_path: Path, fresh: Callable[[Path], Home]
) -> None:
    home = fresh(tmp_path / "home")
    conditions = [{"model": model, "temperature": level} for model in ("tiny", "huge") for level in ("0.7", "1.3")]
    home.ingest(
        "models",
        [job(n, "a bell", condition=conditions[n % 4], replicate=1 + n // 4) for n in range(8)],
        kind="experiment",
    )
    for attempt in home.claim(8):
        if attempt.job.condition["model"] == "tiny":
            home.finish(attempt, score=70.0, failing="silence" if attempt.job.position % 4 else None)
        else:
            why = "its weights are not here"
            home.catalog.fail(attempt, FailureKind.MODEL_UNAVAILABLE, why, retry_at=None, counts=True, suspect=False)
    folder = report_on(home, "models")
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "2 passed every check (50 %" in text
    assert "2 of 4 takes passed their checks (50 %" in text
    assert "4 of 8 jobs failed and have no take." in text
    levels = {level["level"]: level["pass_rate"] for level in summary(home, "models")["factors"][0]["levels"]}
    assert levels["tiny"]["rate"] == 0.5 and levels["huge"]["rate"] is None
    ranking = page(home, "models").split("Conditions, ranked")[1].split("</table>")[0]
    assert re.findall(r">(\d+ %)?</td><td class=\"sm-hear\">", ranking) == ["100 %", "0 %", "", ""]
    assert re.findall(r"<tr[^>]*><td>(.*?)</td>", ranking) == ["1", "1", *['<span class="sm-faint">no take</span>'] * 2]


def test_a_batch_of_this_ingest_has_the_rows_a_report_needs(tmp_path: Path, fresh: Callable[[Path], Home]) -> None:
    """A batch whose jobs were all cancelled before they ran still has a report."""
    home = fresh(tmp_path / "home")
    source = Source(ulid="01JZ0000000000000000000000", file_name="a.csv", sha256="ef" * 32, size_bytes=10)
    home.catalog.ingest(BatchSpec(name="none", jobs=[job(1, "a bell")], job_count=1), source)
    home.catalog.cancel("none")
    folder = report_on(home, "none")
    assert summary(home, "none")["counts"]["cancelled"] == 1
    assert "There is no take: every job was cancelled." in page(home, "none")
    assert not (folder / "plots").exists()
    with sqlite3.connect(home.database) as db:
        assert db.execute("SELECT count(*) FROM outputs").fetchone() == (0,)
    db.close()


def test_a_report_outlives_a_power_cut(reported: Home) -> None:
    """The daemon notes that it is made, so nobody would make it again: content and names are synced by then."""
    passed: list[str] = []
    (reported.outputs / "forest" / "README.md").unlink()
    listen(passed.append)
    try:
        report_on(reported, "forest")
    finally:
        listen(None)
    assert passed.count("part.sync") == passed.count("part.name") > 0
    assert passed[-1] == "folder.sync"


def test_what_listeners_prefer_stands_in_the_report(tmp_path: Path, fresh: Callable[[Path], Home]) -> None:
    home = fresh(tmp_path / "home")
    home.ingest("pairs", [job(n, "a bell") for n in (1, 2)])
    for attempt in home.claim(2):
        home.finish(attempt, score=80.0)
    write = WritingAt(comparisons.compare).__get__(home.catalog, type(home.catalog))
    for number in range(20):
        both: dict[str, Any] = {"first": "pairs/clip-002", "second": "pairs/clip-001", "answer": "first", "blind": True}
        write(f"01C{number}", "ann", **both, attention=False, study="bells")
    report_on(home, "pairs")
    page = (home.outputs / "pairs" / "report.html").read_text(encoding="utf-8")
    assert "Listeners prefer clip-002.wav: the best of 2 takes compared" in page
    assert "clip-002.wav" in (home.outputs / "pairs" / "README.md").read_text().partition("## What listeners")[2]
    summary = json.loads((home.outputs / "pairs" / "summary.json").read_text(encoding="utf-8"))
    assert [take["file"] for take in summary["listeners"]] == ["clip-002.wav", "clip-001.wav"]
