from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from report.conftest import BATCH, jobs_with
from soundmill.jobs import AttemptStatus
from soundmill.report.factors import find_factors
from soundmill.report.pictures.drawing import VARIABLES, Plot
from soundmill.report.pictures.plots import plots
from soundmill.report.record import AttemptRecord, BatchRecord
from soundmill.report.write import analysed

HOSTILE = "<b>&$x_1$"


def sweep(
    levels: tuple[str, ...] = ("0.7", "1.0", "1.3"), names: tuple[str, ...] = ("temperature", "top_k")
) -> BatchRecord:
    jobs = jobs_with(
        [
            (
                {"condition": {names[0]: level, names[1]: other}, "replicate": replicate},
                {"score": 50.0 + 10 * at + 5 * replicate + 7 * int(other == "50"), "generation_s": 1.0 + at},
            )
            for at, level in enumerate(levels)
            for other in ("50", "250")
            for replicate in (1, 2, 3)
        ]
    )
    attempts = tuple(
        AttemptRecord(
            job=job.name, number=1, worker=f"gpu-{job.id % 2}", device="cuda:0", model="tiny",
            status=AttemptStatus.SUCCEEDED if job.id % 5 else AttemptStatus.FAILED,
            started_at=100.0 + job.id, finished_at=103.0 + job.id,
        )
        for job in jobs
    )  # fmt: skip
    return replace(BATCH, jobs=jobs, attempts=attempts, kind="experiment")


def drawing(record: BatchRecord) -> Iterator[Plot]:
    factors = find_factors(record.jobs, [record.experiment])
    return plots(record, record.jobs, factors, analysed(record.jobs, factors))


def drawn(record: BatchRecord) -> list[Plot]:
    return list(drawing(record))


def plot_of(record: BatchRecord, name: str) -> Plot:
    """The first plot with this in its name; those after it are not drawn."""
    return next(plot for plot in drawing(record) if name in plot.name)


@pytest.fixture(scope="module")
def of_sweep() -> list[Plot]:
    return drawn(sweep())


def text_of(plot: Plot) -> str:
    return " ".join(ET.fromstring(plot.svg).itertext())


def test_an_experiment_has_every_plot(of_sweep: list[Plot]) -> None:
    found = {plot.name for plot in of_sweep}
    assert found == {
        "factor-1-temperature", "factor-2-top_k", "parallel-coordinates", "scores", "durations", "timeline",
    }  # fmt: skip


def test_a_batch_without_factors_leaves_out_the_plots_that_need_them() -> None:
    assert {plot.name for plot in drawn(replace(BATCH, jobs=jobs_with([({}, {})] * 3)))} == {"scores", "durations"}


def test_of_one_or_two_takes_the_table_says_all() -> None:
    assert drawn(BATCH) == drawn(replace(BATCH, jobs=jobs_with([({}, {})] * 2))) == []


def test_a_batch_without_takes_has_no_plots() -> None:
    assert drawn(replace(BATCH, jobs=())) == []


def test_takes_without_a_score_are_drawn_around() -> None:
    assert "durations" in {plot.name for plot in drawn(replace(BATCH, jobs=jobs_with([({}, {"score": None})] * 3)))}


@pytest.mark.parametrize("times", [[0.979, 0.981, 0.984, 0.986, 0.996], [1000.0001, 1000.0014, 1000.0027], [0.0] * 3])
def test_the_numbers_under_a_histogram_keep_apart(times: list[float]) -> None:
    record = replace(BATCH, jobs=jobs_with([({}, {"generation_s": time}) for time in times]))
    plot = plot_of(record, "durations")
    ticks = re.findall(r' x="([\d.]+)" y="([\d.]+)"[^>]*>([\d.]+)</text>', plot.svg.partition("axis_2")[0])
    ends = [(float(x) - 3.1 * len(text), float(x) + 3.1 * len(text)) for x, _, text in ticks]  # of 6.2 a digit
    assert len(ends) > 2 and len({y for _, y, _ in ticks}) == 1
    assert all(before < after for (_, before), (after, _) in pairwise(ends))


def test_the_legend_of_the_scores_stands_above_the_bars() -> None:
    record = replace(BATCH, jobs=jobs_with([({}, {"score": 2.0})] * 30 + [({}, {"score": 90.0, "verdict": "failed"})]))
    plot = plot_of(record, "scores")
    bars, legend = plot.svg.split('id="scores-legend_1"')
    tops = [float(y) for path in re.findall(r'd="(M [^"]*z)', bars) for y in re.findall(r"[ML] \S+ (\S+)", path)]
    words = [float(y) for y in re.findall(r"<text[^>]* y=\"([\d.]+)\"", legend)]
    assert len(words) == 2 and max(words) < sorted(set(tops))[1]  # the least is the ground's


def test_the_same_batch_gives_the_same_bytes(of_sweep: list[Plot]) -> None:
    assert drawn(sweep()) == of_sweep


def test_words_in_a_plot_are_text_and_what_they_say_is_taken_literally() -> None:
    plot = plot_of(sweep(levels=(HOSTILE, "b", "c")), "factor-1-temperature")
    assert HOSTILE in text_of(plot) and "temperature" in text_of(plot)
    assert "<b>" not in plot.svg


@pytest.mark.parametrize("name", ["factor-1-temperature", "parallel-coordinates"])
def test_levels_that_begin_alike_have_ticks_of_their_own(name: str) -> None:
    levels = tuple(f"a quiet harbour at dawn with gulls and {what}" for what in ("slow strings", "slow brass", "bells"))
    text = text_of(plot_of(sweep(levels=levels), name))
    assert all(f"… {what}" in text for what in ("slow strings", "slow brass", "bells"))


def test_factor_names_in_any_script_give_file_names_of_their_own() -> None:
    names = [plot.name for plot in drawn(sweep(names=("Tempo/速度", "速度")))]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_-]+", name) for name in names)


def test_no_id_occurs_twice_on_a_page(of_sweep: list[Plot]) -> None:
    ids = [found for plot in of_sweep for found in re.findall(r'\sid="([^"]*)"', plot.svg)]
    assert len(set(ids)) == len(ids) > 0
    used = {found for plot in of_sweep for found in re.findall(r'(?:url\(|href=")#([^)"]*)', plot.svg)}
    assert used <= set(ids)


def test_colours_follow_the_page_and_stand_alone(of_sweep: list[Plot]) -> None:
    for plot in of_sweep:
        bare = re.sub(r"var\(--sm-\w+, #[0-9a-f]{6}\)", "", plot.svg)
        assert not [colour for colour in VARIABLES if colour in bare], plot.name
        assert "var(--sm-text, #1d2125)" in plot.svg


def test_many_attempts_do_not_make_a_plot_large() -> None:
    record = sweep()
    many = tuple(
        replace(record.attempts[0], job=f"clip-{n}", started_at=100.0 + n, finished_at=140.0 + n) for n in range(5000)
    )
    assert len(plot_of(replace(record, jobs=record.jobs[:1], attempts=many), "timeline").svg) < 200_000


def test_plots_of_settings_show_the_takes_that_are_compared(of_sweep: list[Plot]) -> None:
    """Of a job that was tried again the first take, as the means beside them do."""
    record = sweep()
    first = record.jobs[0]
    later = replace(first.takes[0], file="later.wav", score=99.0, generation_s=50.0)
    again = replace(first, takes=(replace(first.takes[0], final=False), later))
    after = drawn(replace(record, jobs=(again, *record.jobs[1:])))
    settings = [plot for plot in of_sweep if plot.name.startswith(("factor-", "parallel-"))]
    assert len(settings) == 3 and all(plot in after for plot in settings)


@pytest.mark.parametrize("name", ["temperature", "cfg_coef"])
def test_a_sampled_factor_is_drawn_at_its_values(name: str) -> None:
    jobs = jobs_with(
        [
            ({"condition": {name: f"{0.5 + n / 40:.3f}", "top_p": f"{(n * 7 % 40) / 50:.3f}"}}, {"score": 40.0 + n})
            for n in range(40)
        ]
    )
    plot = plot_of(replace(BATCH, jobs=jobs, kind="experiment", experiment={"design": "latin_hypercube"}), name)
    assert "1.4" in text_of(plot)  # a tick of the numeric axis


def test_a_factor_sampled_by_its_logarithm_is_drawn_on_a_logarithmic_axis() -> None:
    jobs = jobs_with(
        [
            ({"condition": {"top_k": f"{2 ** (n / 4):.2f}", "top_p": f"{(n * 7 % 40) / 50:.3f}"}}, {"score": 40.0 + n})
            for n in range(40)
        ]
    )
    plan = {"top_k": {"min": 1, "max": 900, "scale": "log"}, "top_p": {"min": 0, "max": 0.8, "scale": "linear"}}
    record = replace(BATCH, jobs=jobs, kind="experiment", experiment={"design": "sobol", "factors": plan})
    assert {"1", "10", "100"} <= set(text_of(plot_of(record, "top_k")).split())
    coordinates = plot_of(record, "parallel-coordinates")
    straight = plot_of(replace(record, experiment=None), "parallel-coordinates")
    assert coordinates.svg != straight.svg


def sampled(values: list[str], scale: str = "linear") -> Plot:
    """The plot of a temperature that was sampled, beside a top_p that was too."""
    jobs = jobs_with(
        [
            (
                {"condition": {"temperature": value, "top_p": f"{(at * 7 % 40) / 50:.3f}"}},
                {"score": 40.0 + at},
            )
            for at, value in enumerate(values)
        ]
    )
    plan = {"design": "latin_hypercube", "factors": {"temperature": {"min": 0.5, "max": 900, "scale": scale}}}
    return plot_of(replace(BATCH, jobs=jobs, kind="experiment", experiment=plan), "temperature")


def spans(plot: Plot, panel: int, colour: str) -> list[tuple[float, float]]:
    """From and to, on the x axis, of the lines of this colour in a panel, 1 the uppermost."""
    _, _, inside = plot.svg.partition(f'id="{plot.name}-axes_{panel}"')
    inside, _, _ = inside.partition(f'id="{plot.name}-axes_{panel + 1}"')
    lines = re.findall(r'<path d="M ([\d.]+) [\d.]+ \s*L ([\d.]+) [\d.]+ \s*"[^>]*stroke: var\(--sm-(\w+),', inside)
    return sorted((float(left), float(right)) for left, right, found in lines if found == colour)


def test_the_panels_of_a_sampled_factor_stand_over_one_axis() -> None:
    plot = sampled([f"{0.5 + n / 20:.3f}" for n in range(40)])
    bars = spans(plot, 1, "busy")
    levels = [(left, right) for left, right in bars if left < right]
    middles = [(left + right) / 2 for left, right in levels]
    assert len(levels) == 5
    assert [left for left, right in bars if left == right] == pytest.approx(middles, abs=0.01)
    assert [left for left, _ in spans(plot, 2, "good")] == pytest.approx(middles, abs=0.01)


def test_the_time_of_a_sampled_factor_has_its_median_over_each_of_its_bins() -> None:
    plot = sampled([f"{0.5 + n / 20:.3f}" for n in range(40)])
    levels = [(left, right) for left, right in spans(plot, 1, "busy") if left < right]
    assert spans(plot, 3, "warn") == levels


def test_takes_of_before_it_was_recorded_leave_device_time_out(of_sweep: list[Plot]) -> None:
    record = sweep()
    old = [replace(job, takes=tuple(replace(take, row_steps=None) for take in job.takes)) for job in record.jobs]
    panels = [
        plot.svg.count("-axes_")
        for plot in [*of_sweep, *drawn(replace(record, jobs=tuple(old)))]
        if plot.name.startswith("factor-")
    ]
    assert panels == [3, 3, 2, 2]


def test_a_bin_of_one_value_stands_at_that_value() -> None:
    """A sampled factor that was rounded to a coarse step has bins without a width."""
    plot = sampled([str((1, 2, 3, 7, 8, 9)[n % 6]) for n in range(36)])
    bars = spans(plot, 1, "busy")
    one, two, three, seven, eight_to_nine = [(left + right) / 2 for left, right in bars if left < right]
    unit = two - one
    assert unit > 0 and three - two == pytest.approx(unit, abs=0.1)
    assert (seven - three, eight_to_nine - seven) == pytest.approx((4 * unit, 1.5 * unit), abs=0.1)


def test_a_bin_of_one_value_stands_at_that_value_on_a_logarithmic_axis_too() -> None:
    plot = sampled([str((1, 2, 4, 128, 256, 512)[n % 6]) for n in range(36)], scale="log")
    bars = [(left, right) for left, right in spans(plot, 1, "busy") if left < right]
    one, two, four, most, last = [(left + right) / 2 for left, right in bars]
    unit = two - one
    assert unit > 0 and four - two == pytest.approx(unit, abs=0.1)
    assert (most - four, last - most) == pytest.approx((5 * unit, 1.5 * unit), abs=0.1)
    assert spans(plot, 3, "warn") == bars
