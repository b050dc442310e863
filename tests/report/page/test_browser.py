"""The report in a real browser, opened from the folder: it plays, sorts, filters, fits a phone, and nothing errs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from publish.conftest import Home, job
from report.conftest import record_of, report_on


def watched(context: BrowserContext, errors: list[str]) -> Page:
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.on("requestfailed", lambda request: errors.append(request.url))
    return page


@pytest.fixture
def errors() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, errors: list[str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    yield watched(context, errors)
    context.close()


def address(home: Home, batch: str, name: str = "report.html") -> str:
    return (home.outputs / batch / name).as_uri()


def row(page: Page, name: str) -> Any:
    return page.locator("#sm-takes tbody tr", has=page.locator("h3", has_text=re.compile(f"^{name}$")))


def visible(page: Page) -> list[str]:
    return page.locator("#sm-takes tbody tr:not([hidden]) h3").all_text_contents()


@pytest.mark.parametrize("batch", ["forest", "sweep", "evening", "later"])
def test_every_report_opens_from_its_folder_without_an_error(
    page: Page, errors: list[str], reported: Home, batch: str
) -> None:
    page.goto(address(reported, batch))
    if page.locator("input[name=others]").count():
        page.check("input[name=others]")
    # None waits to be seen.
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth === 480)")
    assert page.evaluate("performance.getEntriesByType('resource').every(e => e.name.startsWith('file:'))")
    assert errors == []


def test_nothing_is_fetched_before_a_take_is_asked_for_and_they_take_turns(
    page: Page, errors: list[str], reported: Home
) -> None:
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url.rsplit("/", 1)[1]))
    page.goto(address(reported, "forest"))
    assert page.locator("audio").count() == 0 and not [name for name in fetched if name.endswith(".wav")]
    first, second = row(page, "clip-012"), row(page, "clip-001")
    first.locator(".sm-play").click()
    playing = first.locator("audio").element_handle()
    page.wait_for_function("a => a.currentTime > 0", arg=playing)
    second.locator(".sm-play").click()
    assert page.locator("audio").count() == second.locator("audio").count() == 1
    page.wait_for_function("a => a.ended", arg=playing)
    assert playing.evaluate("a => [a.error, a.duration, a.src.split('/').pop()]") == [None, 1, "clip-001.wav"]
    assert first.locator(".sm-play").is_visible() and page.locator(".sm-cursor").count() == 0
    assert [name for name in fetched if name.endswith(".wav")] == ["clip-012.wav", "clip-001.wav"]
    assert errors == []


def test_a_click_on_a_picture_plays_from_there(page: Page, errors: list[str], reported: Home) -> None:
    page.goto(address(reported, "forest"))
    take = row(page, "clip-012")  # six seconds
    picture = take.locator(".sm-picture")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    picture.click(position={"x": 0.75 * box["width"], "y": 20})
    audio = take.locator("audio").element_handle()
    page.wait_for_function("a => a.currentTime >= 4.4", arg=audio)
    assert page.url.endswith("report.html") and take.locator(".sm-cursor").count() == 1
    picture.click(position={"x": 0.1 * box["width"], "y": 20})
    page.wait_for_function("a => a.currentTime < 4 && a.currentTime >= 0.6 && !a.paused", arg=audio)
    assert errors == []


@pytest.mark.parametrize("key", ["Enter", " "])
def test_a_take_is_played_with_the_keyboard(page: Page, errors: list[str], reported: Home, key: str) -> None:
    page.goto(address(reported, "forest"))
    take = row(page, "clip-012")
    take.locator(".sm-play").focus()
    page.keyboard.press(key)
    page.wait_for_function("a => a.currentTime > 0", arg=take.locator("audio").element_handle())
    assert page.evaluate("document.activeElement.tagName") == "AUDIO"
    assert errors == []


def test_a_take_plays_on_while_the_others_are_sorted(page: Page, errors: list[str], reported: Home) -> None:
    page.goto(address(reported, "forest"))
    row(page, "clip-012").locator(".sm-play").click()
    audio = row(page, "clip-012").locator("audio").element_handle()
    page.wait_for_function("a => a.currentTime > 0", arg=audio)
    page.select_option("select[name=order]", label="best score first")
    page.wait_for_function("a => !a.paused && a.currentTime > 0.5", arg=audio)
    assert errors == []


def test_the_takes_play_one_after_another_when_that_is_wished(page: Page, errors: list[str], reported: Home) -> None:
    page.goto(address(reported, "forest"))
    page.check("#sm-continue")
    row(page, "clip-001").locator(".sm-play").click()
    following = row(page, "clip-002").locator("audio")
    page.wait_for_function("a => a.currentTime > 0", arg=following.element_handle())
    assert page.locator("audio").count() == 1
    assert errors == []


def test_a_ranked_condition_is_heard_where_its_take_is(
    page: Page, errors: list[str], fresh: Callable[[Path], Home], tmp_path: Path
) -> None:
    home = fresh(tmp_path / "home")
    for name, temperature, extends in (("first", 0.7, None), ("second", 1.3, "first")):
        jobs = [
            job(n, "brass", seed=n, condition={"temperature": f"{temperature}"}, replicate=n, temperature=temperature)
            for n in (1, 2)
        ]
        home.ingest(name, jobs, kind="experiment", experiment={"design": "full_factorial"}, extends=extends)
        for attempt in home.claim(2):
            home.finish(attempt, score=80.0 if extends else 60.0)
    report_on(home, "second", earlier=[record_of(home, "first")])
    page.goto(address(home, "second"))
    earlier = page.locator("#matters tr", has_text="0.7").last
    earlier.locator(".sm-play").click()
    playing = earlier.locator("audio").element_handle()
    page.wait_for_function("a => a.currentTime > 0", arg=playing)
    assert playing.evaluate("a => decodeURI(a.src)").endswith("outputs/first/clip-001.wav")
    page.locator("#sm-takes .sm-play").first.click()
    page.wait_for_function("a => a.src.endsWith('second/clip-001.wav') && a.currentTime > 0", arg=playing)
    assert earlier.locator(".sm-play").is_visible()
    assert errors == []


def test_the_best_of_a_prompt_are_played_where_they_stand(page: Page, errors: list[str], reported: Home) -> None:
    """There is no picture beside them, so no line wanders, and the player goes on to the takes."""
    page.goto(address(reported, "forest"))
    listed = page.locator("#prompts .sm-named li", has_text="clip-012")
    listed.locator(".sm-play").click()
    page.wait_for_function("a => a.currentTime > 0", arg=listed.locator("audio").element_handle())
    assert page.locator(".sm-cursor").count() == 0
    row(page, "clip-001").locator(".sm-play").click()
    page.wait_for_function("a => a.currentTime > 0", arg=row(page, "clip-001").locator("audio").element_handle())
    assert listed.locator(".sm-play").is_visible() and page.locator("audio").count() == 1
    assert errors == []


def test_takes_are_sorted_by_a_heading_and_by_the_list(page: Page, errors: list[str], reported: Home) -> None:
    page.goto(address(reported, "forest"))
    in_file = visible(page)
    page.click("#sm-takes th button:text-is('Score')")
    scores = [float(text) for text in page.locator("#sm-takes tbody tr:not([hidden]) .sm-score").all_text_contents()]
    assert scores == sorted(scores, reverse=True)
    assert page.get_attribute("#sm-takes th:nth-child(3)", "aria-sort") == "descending"
    page.click("#sm-takes th button:text-is('Score')")
    assert page.get_attribute("#sm-takes th:nth-child(3)", "aria-sort") == "ascending"
    page.select_option("select[name=order]", label="most stars first")
    assert visible(page)[0] == "clip-001"
    page.select_option("select[name=order]", label="as in the file")
    assert visible(page) == in_file
    assert errors == []


def test_takes_are_filtered_by_words_verdict_and_level(page: Page, errors: list[str], reported: Home) -> None:
    page.goto(address(reported, "forest"))
    assert len(visible(page)) == 11  # the one tried again is hidden
    page.fill("input[name=words]", "audio controls")  # the player's own words are no text of the takes
    assert visible(page) == []
    page.fill("input[name=words]", "BATS cave")
    assert visible(page) == ["clip-007"]
    page.fill("input[name=words]", "")
    page.select_option("select[name=verdict]", "flagged")
    assert visible(page) == ["clip-006", "clip-009"]
    page.select_option("select[name=verdict]", "rated")
    assert visible(page) == ["clip-001"]
    page.select_option("select[name=verdict]", "")
    page.check("input[name=others]")
    assert visible(page).count("clip-004") == 2
    sweep = watched(page.context, errors)  # leaving the page would break off the picture that has come into sight
    sweep.goto(address(reported, "sweep"))
    sweep.select_option("select[data-factor='0']", "1.2")
    assert visible(sweep) == ["clip-005", "clip-006"]
    assert sweep.inner_text("#sm-shown") == "2 of 8"
    assert errors == []


def test_a_hostile_prompt_is_only_text(page: Page, errors: list[str], reported: Home) -> None:
    page.goto(address(reported, "forest"))
    assert "<script>alert('boo')</script>" in (row(page, "clip-004").nth(0).text_content() or "")
    assert page.locator("#sm-takes b").count() == 0
    assert errors == []
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=none.png onerror=\"alert(1)\">')")
    assert "1" not in errors  # even markup that got in could run nothing


def test_a_long_prompt_takes_a_row_no_higher_than_others_until_it_is_opened(
    page: Page, errors: list[str], fresh: Callable[[Path], Home], tmp_path: Path
) -> None:
    home = fresh(tmp_path / "home")
    long = " ".join(f"word{n}" for n in range(250))
    home.ingest("words", [job(1, "a bell"), job(2, long)])
    for attempt in home.claim(2):
        home.finish(attempt, score=80.0)
    report_on(home, "words")
    page.goto(address(home, "words"))
    short_row, long_row = row(page, "clip-001"), row(page, "clip-002")
    assert long_row.bounding_box()["height"] < 1.8 * short_row.bounding_box()["height"]
    page.fill("input[name=words]", "word249")
    assert visible(page) == ["clip-002"]
    summary = long_row.locator("summary")
    whole = "e => e.scrollHeight <= e.clientHeight && e.textContent.trim().endsWith('word249')"
    assert not summary.evaluate(whole)
    summary.focus()
    page.keyboard.press("Enter")
    assert summary.evaluate(whole)
    assert errors == []


def test_defects_lie_on_the_picture_where_they_happen(page: Page, reported: Home) -> None:
    page.goto(address(reported, "forest"))
    defect = row(page, "clip-006").locator(".sm-defect")
    style = defect.get_attribute("style")
    assert style == "left:20.00%;width:20.00%"
    assert "0.20 to 0.40 s" in (defect.get_attribute("title") or "")


@pytest.mark.parametrize(("scheme", "ground"), [("light", "rgb(247, 247, 245)"), ("dark", "rgb(21, 24, 27)")])
def test_the_page_fits_a_phone_in_light_and_dark(
    browser: Browser, reported: Home, errors: list[str], scheme: Any, ground: str
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page = watched(context, errors)
    for batch in ("forest", "sweep"):
        page.goto(address(reported, batch))
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, batch
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground
    colours = page.evaluate("[...document.querySelectorAll('svg text')].map(t => getComputedStyle(t).fill)")
    light_text = {"rgb(29, 33, 37)", "rgb(106, 113, 120)"}
    assert colours and (set(colours) & light_text == (light_text if scheme == "light" else set()))
    context.close()
    assert errors == []


def test_the_page_can_be_used_without_scripts(browser: Browser, reported: Home) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address(reported, "forest"))
    assert page.is_hidden("#sm-filter") and page.locator("#sm-takes audio[controls]").count() == 12
    assert page.locator(".sm-play").count() > 12 and not page.locator(".sm-play").first.is_visible()
    assert row(page, "clip-001").locator("a.sm-picture").get_attribute("href") == "clip-001.wav"
    context.close()


def test_the_contact_sheet_prints(page: Page, errors: list[str], reported: Home, tmp_path: Path) -> None:
    page.goto(address(reported, "sweep", "contact-sheet.html"))
    assert page.locator(".sm-sheet tbody tr").count() == 4 and page.locator(".sm-sheet img").count() == 8
    page.pdf(path=tmp_path / "sheet.pdf", prefer_css_page_size=True)
    pdf = (tmp_path / "sheet.pdf").read_bytes()
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 2
    width, height = map(float, re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", pdf).groups())  # type: ignore[union-attr]
    assert width > height  # landscape
    page.emulate_media(media="print")
    assert page.evaluate("document.querySelector('.sm-sheet').getBoundingClientRect().width > 0.9 * innerWidth")
    assert errors == []


def test_the_plots_open_alone(page: Page, errors: list[str], reported: Home) -> None:
    for plot in sorted((reported.outputs / "sweep" / "plots").glob("*.svg")):
        page.goto(plot.as_uri())
        assert page.evaluate("document.documentElement.tagName") == "svg"
    assert errors == []
