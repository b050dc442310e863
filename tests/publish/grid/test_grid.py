"""A batch as a grid, as people use it."""

from __future__ import annotations

from playwright.sync_api import Page

from support.accessible import grave
from support.working_mill import WorkingMill

CELLS = ".sm-grid tbody td"


def heads(page: Page) -> tuple[list[str], list[str]]:
    page.wait_for_load_state()
    return page.locator(".sm-grid thead th").all_inner_texts()[1:], page.locator(".sm-grid tbody th").all_inner_texts()


def test_factors_are_chosen_for_the_axes_and_the_others_filter(page: Page, working: WorkingMill) -> None:
    page.goto(working.url + "-/soundmill/batch/sweep")
    page.click("text=Grid")
    page.wait_for_url("**/-/soundmill/grid/sweep")
    assert heads(page) == (["0.8", "1.0", "1.2"], ["a bell & <b>", "a drum"])
    assert page.locator(CELLS).all_inner_texts()[0].endswith("4 takes")  # two of cfg_coef by two replicates
    page.select_option("[name='only.cfg_coef']", "5")
    page.wait_for_url("**only.cfg_coef=5**")
    assert page.locator(CELLS).all_inner_texts()[0].endswith("2 takes")
    page.select_option("[name=down]", "cfg_coef")
    page.wait_for_url("**down=cfg_coef**")
    assert heads(page)[1] == ["3", "5"]
    page.select_option("[name=down]", "")
    page.wait_for_function("document.querySelectorAll('.sm-grid tbody tr').length === 1")
    score = page.locator(f"{CELLS} b").first.inner_text()
    mean = working.found(
        "SELECT avg(score) FROM takes WHERE batch = 'sweep' AND json_extract(condition, '$.temperature') = '0.8'"
    )
    assert score == f"{float(str(mean[0][0])):.1f}"


def test_a_cell_plays_all_its_takes_and_keys_go_round(page: Page, working: WorkingMill) -> None:
    played: list[str] = []
    page.on("request", lambda asked: played.append(asked.url) if "/audio/" in asked.url else None)
    page.goto(working.url + "-/soundmill/grid/sweep?across=temperature&down=prompt&only.cfg_coef=3")
    page.wait_for_selector(f"{CELLS}[tabindex='0']")
    first = page.evaluate(f"JSON.parse(document.querySelector('{CELLS}').dataset.takes)")
    page.focus(CELLS)
    page.keyboard.press("Space")
    page.wait_for_function(  # after the first has ended; both in one look, for the second is soon over too
        """() => document.querySelector("[data-part=heard]").textContent.startsWith("2 of 2")
            && document.querySelectorAll(".sm-plays").length === 1"""
    )
    page.wait_for_function("document.querySelector('.sm-plays') === null")
    assert len(first) == 2 and all(any(file.split("/")[1] in url for url in played) for file in first)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")  # there is no further line
    page.keyboard.press("Space")
    page.keyboard.press("ArrowLeft")  # goes on with the next cell
    at = page.evaluate(f"[...document.querySelectorAll('{CELLS}')].indexOf(document.activeElement)")
    assert at == 3
    assert page.evaluate("document.activeElement.classList.contains('sm-plays')")
    file = page.evaluate("JSON.parse(document.activeElement.dataset.takes)[0]")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/-/soundmill/take/{file}")


def test_columns_of_a_template_stand_on_the_axes_too(page: Page, working: WorkingMill) -> None:
    page.goto(working.url + "-/soundmill/grid/styles")
    assert heads(page) == (["folk", "synth"], ["the sea", "a storm"])


def test_a_batch_without_factors_says_so_and_an_unknown_one_is_not_found(page: Page, working: WorkingMill) -> None:
    page.goto(working.url + "-/soundmill/grid/themes")
    page.wait_for_selector("text=Nothing can stand on the axes")
    answer = page.request.get(working.url + "-/soundmill/grid/none")
    assert answer.status == 404


def test_axe_finds_nothing_grave_and_it_weighs_little(page: Page, working: WorkingMill) -> None:
    weights: list[int] = []
    page.on(
        "response", lambda answer: weights.append(len(answer.body()) if answer.ok and "events" not in answer.url else 0)
    )
    page.goto(working.url + "-/soundmill/grid/sweep")
    assert grave(page) == []
    assert sum(weights) < 300_000
