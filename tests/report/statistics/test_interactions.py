"""Two settings that depend on each other, in the files of a report."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from report.conftest import BATCH, MADE_AT, jobs_with
from soundmill.report.wording.level_names import LONGEST_LEVEL, told_apart
from soundmill.report.write import write_report

PROMPTS = (
    "calm piano lullaby for a sleeping village, soft pedal, far away church bells and a little wind in the trees",
    "fast techno drums with a rolling bass line, metallic stabs, a rising filter and a crowd that claps along to it",
    "slow strings over a low drone, one solo cello that enters late, recorded in a large and empty hall at night",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of an experiment in which the first prompt wants a low cfg_coef and the others a high one."""
    noise = iter(np.random.default_rng(0).normal(0, 2, 100))
    jobs = jobs_with(
        [
            (
                {"condition": {"prompt": prompt, "cfg_coef": level}, "prompt": prompt, "replicate": replicate},
                {"score": 60.0 + 20 * ((prompt == PROMPTS[0]) == (level == "2")) + next(noise), "present": False},
            )
            for prompt in PROMPTS
            for level in ("2", "4")
            for replicate in (1, 2, 3, 4)
        ]
    )
    made = tmp_path_factory.mktemp("interacting")
    record = replace(BATCH, jobs=jobs, kind="experiment")
    write_report(record, made, earlier=[], later=[], made_at=MADE_AT, processes=1, progress=lambda _: None)
    return made


def test_the_summary_has_the_change_with_its_interval(folder: Path) -> None:
    (found,) = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["interactions"]
    assert found["factors"] == ["cfg_coef", "prompt"] and found["matters"]
    change = found["change"]
    assert change["low"] < 40 < change["high"] and PROMPTS[0] in (change["more_at"], change["less_at"])
    assert found["at_most"] >= change["high"] and len(found["cells"]) == 6
    assert "sentence" not in found


def test_the_page_has_a_row_for_each_pair(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    table = page.split("Which settings depend on each other")[1].split("</table>")[0]
    (row,) = re.findall(r"<tr class=\"sm-best\">(.*?)</tr>", table)
    assert "cfg_coef and prompt" in row and re.search(r">\d+(\.\d)? to \d+(\.\d)?<", row)
    assert re.search(r"cfg_coef (2 over 4|4 over 2), where prompt is “", row)


def test_prompts_do_not_push_a_table_off_the_screen(folder: Path, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.goto((folder / "report.html").as_uri())
    tables = page.locator("#matters .sm-scroll")
    assert tables.count() >= 3
    for at in range(tables.count()):
        assert tables.nth(at).evaluate("box => box.scrollWidth <= box.clientWidth"), tables.nth(at).inner_text()
    headings = page.locator("#matters th.sm-level")
    assert headings.count() == 5
    heading = page.locator(f'#matters th.sm-level[title="{PROMPTS[0]}"]')
    assert heading.inner_text() == told_apart(PROMPTS, LONGEST_LEVEL)[PROMPTS[0]]
    assert heading.evaluate("cell => cell.clientWidth") < 400
    page.close()
