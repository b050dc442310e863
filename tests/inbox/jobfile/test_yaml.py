from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import BatchSpec, QcAction, derive_seed

ULID = "01HZZZZZZZZZZZZZZZZZZZZZZZ"


def batch_of(text: str, rules: Rules) -> BatchSpec:
    return read_jobs(text.encode(), "file.yaml", rules)


def test_jobs_are_prompts_or_mappings_with_labels(rules: Rules) -> None:
    batch = batch_of(
        "name: Demo Batch\npriority: 3\non_qc_fail: quarantine\n"
        "defaults: {duration: 4, temperature: 0.5}\n"
        "jobs:\n- calm piano\n- {prompt: storm, duration: 6, priority: 9, scene: 010, note: ~}\n",
        rules,
    )
    first, second = batch.jobs
    assert (batch.name, batch.priority, batch.on_qc_fail, batch.kind) == ("demo-batch", 3, QcAction.QUARANTINE, "list")
    assert (first.prompt, first.parameters.duration, first.priority) == ("calm piano", 4.0, 3)
    assert (second.parameters.duration, second.parameters.temperature, second.priority) == (6.0, 0.5, 9)
    assert second.labels == {"scene": "010"}


def test_a_template_makes_every_combination_with_its_variables_as_labels(rules: Rules) -> None:
    batch = batch_of(
        'template: "{style} piece, {mood} {{x}}"\n'
        "variables: {style: [jazz, metal], mood: [calm, tense], duration: [2, 4]}\n",
        rules,
    )
    jobs = list(batch.jobs)
    assert (batch.kind, batch.job_count, len(jobs)) == ("template", 8, 8)
    assert jobs[0].prompt == "jazz piece, calm {x}"
    assert jobs[-1].labels == {"style": "metal", "mood": "tense"}
    assert [job.parameters.duration for job in jobs[:2]] == [2.0, 4.0]
    assert len({job.seed for job in jobs}) == 8


def test_a_value_with_braces_is_not_expanded_again(rules: Rules) -> None:
    batch = batch_of('template: "{a} {b}"\nvariables: {a: ["{b}"], b: [x]}\n', rules)
    assert [job.prompt for job in batch.jobs] == ["{b} x"]


def test_a_full_factorial_shares_seeds_between_conditions(rules: Rules) -> None:
    batch = batch_of(
        "defaults: {prompt: calm piano, top_k: 50}\n"
        "experiment:\n  factors: {temperature: [0.7, 1.0], cfg_coef: [2, 4]}\n  replicates: 3\n",
        rules,
    )
    jobs = list(batch.jobs)
    assert (batch.kind, batch.job_count) == ("experiment", 12)
    assert [dict(job.condition) for job in jobs[::3]] == [
        {"temperature": t, "cfg_coef": c} for t in ("0.7", "1.0") for c in ("2", "4")
    ]
    assert {job.replicate: job.seed for job in jobs} == {r: derive_seed(ULID, "replicate", r) for r in (1, 2, 3)}
    assert {job.parameters.top_k for job in jobs} == {50}
    assert batch.experiment == {
        "design": "full_factorial",
        "factors": {"temperature": ["0.7", "1.0"], "cfg_coef": ["2", "4"]},
        "baseline": {"temperature": "0.7", "cfg_coef": "2"},
        "replicates": 3,
        "controls": {
            "prompt": "calm piano",
            "model": "tiny",
            "duration": 10.0,
            "top_k": 50,
            "top_p": 0.0,
            "loop": False,
            "bpm": 0.0,
            "bars": 0,
            "seed": None,
            "quality": None,
            "format": "wav",
            "melody": None,
            "continue_from": None,
        },
    }


def test_one_factor_at_a_time_varies_each_factor_around_the_baseline(rules: Rules) -> None:
    batch = batch_of(
        "experiment:\n  prompt: '{mood} piano'\n  design: one_factor_at_a_time\n"
        "  factors: {temperature: [0.7, 1.0, 1.3], mood: [calm, tense]}\n  baseline: {temperature: 1}\n",
        rules,
    )
    assert [(job.condition["temperature"], job.prompt) for job in batch.jobs] == [
        ("1.0", "calm piano"),
        ("0.7", "calm piano"),
        ("1.3", "calm piano"),
        ("1.0", "tense piano"),
    ]
    assert batch.job_count == 4
    assert [dict(job.labels) for job in batch.jobs][-1] == {"mood": "tense"}


def test_a_conditions_clips_are_named_by_its_levels(rules: Rules) -> None:
    batch = batch_of(
        "experiment:\n  replicates: 2\n  factors:\n    prompt: ['Calm piano, {how hard} played', Storm]\n"
        "    model: [facebook/musicgen-small]\n    temperature: [0.7]\n    how hard: [très doucement]\n",
        rules,
    )
    assert [job.name for job in batch.jobs] == [
        "0001-calm-piano-how-hard-played_musicgen-small_temperature-0.7_how-hard-très-doucement",
        "0001-calm-piano-how-hard-played_musicgen-small_temperature-0.7_how-hard-très-doucement-r2",
        "0002-storm_musicgen-small_temperature-0.7_how-hard-très-doucement",
        "0002-storm_musicgen-small_temperature-0.7_how-hard-très-doucement-r2",
    ]


def test_a_name_has_room_for_something_of_every_level(rules: Rules) -> None:
    factors = ", ".join(f"the tempo of part {part}: [quite slow, rather fast]" for part in range(9))
    prompt = " ".join(f"{{the tempo of part {part}}}" for part in range(9))
    batch = batch_of(f"experiment: {{prompt: '{prompt}', factors: {{{factors}}}}}\n", rules)
    names = [job.name for job in batch.jobs]
    assert names[0] == "0001-" + "_".join(["quite-slow"] * 9)
    assert names[-1].count("-fast") == 9
    assert len({name[5:] for name in names}) == 512 and all(len(name) <= 105 for name in names)


def test_prompt_and_model_may_be_factors(rules: Rules) -> None:
    batch = batch_of(
        "experiment:\n  factors:\n    prompt: [calm piano, '{mood} storm']\n"
        "    model: [tiny, musicgen-small]\n    mood: [wild, far]\n",
        rules,
    )
    jobs = list(batch.jobs)
    assert len(jobs) == 8
    assert {job.prompt for job in jobs} == {"calm piano", "wild storm", "far storm"}
    assert {job.model for job in jobs} == {"tiny", "facebook/musicgen-small"}
    assert len({job.name for job in jobs}) == 8


def test_a_template_without_variables_is_the_experiments_prompt(rules: Rules) -> None:
    batch = batch_of('template: "{mood} piano"\nexperiment:\n  factors: {mood: [calm, tense]}\n', rules)
    assert [job.prompt for job in batch.jobs] == ["calm piano", "tense piano"]


def test_a_controls_seed_counts_up_over_replicates_in_every_condition(rules: Rules) -> None:
    batch = batch_of(
        "defaults: {prompt: piano, seed: 7}\nexperiment: {factors: {top_k: [0, 250]}, replicates: 2}\n", rules
    )
    assert [job.seed for job in batch.jobs] == [7, 8, 7, 8]


def test_sections_can_stand_together_and_their_positions_go_on(rules: Rules) -> None:
    batch = batch_of(
        'jobs: [a, b]\ntemplate: "{x}"\nvariables: {x: [c, d]}\nexperiment: {prompt: e, factors: {top_k: [0, 1]}}\n',
        rules,
    )
    jobs = list(batch.jobs)
    assert [(job.position, job.prompt) for job in jobs] == list(enumerate("abcdee", 1))
    assert batch.kind == "experiment"
    assert [bool(job.condition) for job in jobs] == [False] * 4 + [True] * 2


def test_a_product_beyond_the_limit_is_counted_not_made(rules: Rules) -> None:
    variables = "".join(f"  v{n}: [{', '.join(map(str, range(100)))}]\n" for n in range(8))
    template = " ".join(f"{{v{n}}}" for n in range(8))
    started = time.process_time()
    with pytest.raises(InvalidJobFile, match="asks for 10,000,000,000,000,000 jobs"):
        batch_of(f'template: "{template}"\nvariables:\n{variables}', rules)
    assert time.process_time() - started < 1


def test_a_large_product_is_made_one_by_one(tmp_path: Path, rules_with: Callable[..., Rules]) -> None:
    numbers = ", ".join(map(str, range(60)))
    batch = batch_of(
        f'template: "{{a}} {{b}}"\nvariables: {{a: [{numbers}], b: [{numbers}]}}\n', rules_with(tmp_path, max_jobs=3600)
    )
    assert batch.job_count == 3600
    assert next(iter(batch.jobs)).prompt == "0 0"


def test_problems_of_several_sections_come_at_once(rules: Rules) -> None:
    with pytest.raises(InvalidJobFile) as refused:
        batch_of(
            "nme: x\njobs:\n- {prompt: a, duration: 0}\ntemplate: '{x}'\nvariables: {x: []}\n"
            "experiment:\n  prompt: e\n  factors: {model: [tiny, huge]}\n",
            rules,
        )
    assert [(problem.line, problem.field) for problem in refused.value.problems] == [
        (1, "nme"),
        (3, "duration"),
        (5, "x"),
        (8, "model"),
    ]


def test_folded_and_literal_text_becomes_one_line(rules: Rules) -> None:
    batch = batch_of("jobs:\n- >\n  calm\n  piano\n- |\n  far\n  storm\n", rules)
    assert [job.prompt for job in batch.jobs] == ["calm piano", "far storm"]


@pytest.mark.parametrize(
    "text",
    [
        "experiment:\n  prompt: x\n  design: sobol\n  n: 4\n  factors: {temperature: {min: *a7, max: 1}}\n",
        "experiment:\n  prompt: x\n  factors:\n    temperature: [0.7, 1]\n    cfg_coef: !a\n",
        "defaults: *a\nexperiment: {prompt: x, factors: {top_k: *b}}\n",
        "experiment:\n  prompt: x\n  design: sobol\n  n: 4\n  factors: {mood: [], mood: []}\n"
        + "".join(f"more{number}: 1\n" for number in range(300)),
    ],
    ids=["told already", "no list", "no mapping", "more problems than are listed"],
)
def test_what_could_not_be_read_is_not_gone_on_with_where_it_adds_no_problem_to_the_list(
    text: str, rules: Rules
) -> None:
    with pytest.raises(InvalidJobFile) as refused:
        read_jobs(text.encode(), "a.yaml", rules)
    assert refused.value.problems


@pytest.mark.parametrize("count", ["2", "2.0", '"2 \ufeff"', "２"])
def test_a_templates_count_is_read_as_every_jobs_is(count: str, rules: Rules) -> None:
    text = f"defaults: {{count: {count}}}\ntemplate: '{{a}} x'\nvariables: {{a: [b, c]}}\n"
    assert batch_of(text, rules).job_count == 4


def test_the_part_that_is_looked_through_for_another_kind_of_file_may_end_within_a_letter(rules: Rules) -> None:
    assert read_jobs(("#" + "é" * 3000 + "\njobs: [a]\n").encode(), "x.yaml", rules).job_count == 1
