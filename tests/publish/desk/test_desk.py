"""The pages where the work is done, as people use them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route

from publish.conftest import HOSTILE
from soundmill.commands.report import make_report
from support.accessible import grave
from support.working_mill import WorkingMill, browser_of_owner, errors_on

from .conftest import TAKES

SAID = "[data-part=said]"


def ready(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("[data-part=hint]:not([hidden])")


def ticked(page: Page) -> int:
    return int(page.inner_text("[data-part=count]").split()[0])


def test_a_long_batch_scrolls_on_and_what_is_far_leaves_the_page(page: Page, working: WorkingMill) -> None:
    ready(page, working.url + "-/soundmill/batch/themes")
    page.evaluate(
        """async () => {
            while (document.querySelectorAll(".sm-scrolled > div").length < 3) {
                window.scrollTo(0, document.body.scrollHeight);
                await new Promise((resolve) => setTimeout(resolve, 50));
            }
        }"""
    )
    names = page.eval_on_selector_all(".sm-scrolled > div:last-child h2 a", "all => all.map(a => a.textContent)")
    assert len(names) == TAKES - 48
    page.set_viewport_size({"width": 500, "height": 400})  # one column, so that it is many windows long
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("document.querySelector('.sm-scrolled > div').childElementCount === 0")
    tall = page.evaluate("document.querySelector('.sm-scrolled > div').offsetHeight")
    assert tall > 2000  # its room is kept
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_function("document.querySelector('.sm-scrolled > div').childElementCount === 24")


def test_many_takes_are_picked_rated_and_rejected_at_once(page: Page, working: WorkingMill) -> None:
    ready(page, working.url + "-/soundmill/batch/themes")
    boxes = page.locator("input.sm-select")
    boxes.nth(1).click()
    boxes.nth(5).click(modifiers=["Shift"])
    assert ticked(page) == 5
    began = time.monotonic()
    page.click("[data-does=pick]")
    page.wait_for_selector(f"{SAID} >> text=5 done.")
    took = time.monotonic() - began
    working.becomes("SELECT count(*) FROM picks", [(5,)])
    page.wait_for_selector("article:nth-child(2) .sm-kept")
    assert page.locator("article.sm-ticked").count() == 5  # and stay selected
    page.select_option("#sm-stars", "4")
    working.becomes("SELECT stars, count(*) FROM ratings GROUP BY stars", [(4, 5)])
    page.click("[data-does=none]")
    assert page.is_hidden("[data-part=bar]")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("Shift+j")
    assert ticked(page) == 2
    page.click("[data-does=reject]")
    working.becomes("SELECT count(*) FROM ratings WHERE rejected", [(2,)])
    page.keyboard.press("Escape")
    assert page.is_hidden("[data-part=bar]")
    assert took < 5.0


def test_a_batch_is_steered_and_looks_like_it(page: Page, working: WorkingMill) -> None:
    page.goto(working.url + "-/soundmill/compose")
    page.fill("#sm-name", "long.csv")
    page.fill("#sm-text", "prompt\n" + "\n".join(f"slow drone {n}" for n in range(40)))
    page.wait_for_selector("text=40 jobs")
    page.click("[data-part=submit]")
    page.wait_for_url("**/-/soundmill/batch/long")
    page.click("text=Pause")
    page.wait_for_selector("h1 >> text=paused")
    page.click("text=Resume")
    page.wait_for_selector(".sm-actions >> text=Pause")
    page.fill("#sm-priority", "7")
    page.click("text=Set")
    working.becomes("SELECT priority FROM batches WHERE name = 'long'", [(7,)])
    page.on("dialog", lambda dialog: dialog.accept())
    began = time.monotonic()
    page.click(".sm-actions >> text=Cancel")
    page.wait_for_selector("h1 .sm-partly_cancelled, h1 .sm-cancelled")
    print(f"\ncancelled after {time.monotonic() - began:.2f} s")
    assert "cancelled" in page.inner_text(".sm-progress")
    page.click(".sm-actions >> text=Archive")
    page.wait_for_selector("h1 >> text=archived")
    page.goto(working.url + "-/soundmill/batches")
    page.wait_for_selector("text=themes")
    assert page.locator("td >> text=long").count() == 0
    page.click("text=archived")
    page.click("[aria-label='Bring back long']")
    page.wait_for_selector("text=No batch is like that")
    working.becomes("SELECT archived_at FROM batches WHERE name = 'long'", [(None,)])


def test_batches_are_found_by_their_names(page: Page, working: WorkingMill) -> None:
    page.goto(working.url + "-/soundmill/batches?q=THEM")
    page.wait_for_selector("td >> text=themes")
    for words in ("no such", "%", "_hemes", HOSTILE):
        page.fill("input[name=q]", words)
        page.click("text=Find")
        page.wait_for_function("words => new URLSearchParams(location.search).get('q') === words", arg=words)
        page.wait_for_selector("text=No batch is like that")


def test_a_bad_file_is_told_at_its_lines_and_a_good_one_becomes_a_batch(page: Page, working: WorkingMill) -> None:
    page.goto(working.url + "-/soundmill/compose")
    page.set_input_files(
        "#sm-file", {"name": "bells.csv", "mimeType": "text/csv", "buffer": b"prompt,temprature\na bell,1\n,2\n"}
    )
    page.wait_for_selector("[data-part=problems] li")
    assert page.is_disabled("[data-part=submit]") and "temperature" in page.inner_text("[data-part=problems]")
    assert page.locator(".sm-lines .sm-wrong").count() >= 1
    page.fill("#sm-text", "prompt,temperature\na bell,1\na gong,2\n")
    page.wait_for_selector("[data-part=verdict] >> text=2 jobs")
    assert working.found("SELECT count(*) FROM batches WHERE name = 'bells'") == [(0,)]
    page.click("[data-part=submit]")
    page.wait_for_url("**/-/soundmill/batch/bells")
    working.becomes("SELECT n_succeeded FROM batches WHERE name = 'bells'", [(2,)])
    page.wait_for_selector("text=2 of 2 done")  # without a reload


def test_cards_that_have_not_changed_stay_when_the_page_looks_again(page: Page, working: WorkingMill) -> None:
    ready(page, working.url + "-/soundmill/batch/themes")
    stayed = page.evaluate(
        """async () => {
            const { Scroll } = await import("soundmill/scroll");
            const frame = document.createElement("div");
            frame.innerHTML = '<div data-page="1"><p id="a">one</p><p id="b">two</p></div>';
            document.body.append(frame);
            const [before, after] = [frame.firstChild.innerHTML, '<p id="a">one</p><p id="b">three</p>'];
            let html = before;
            const shown = () => frame.querySelectorAll("p").forEach((card) => card.classList.add("ticked"));
            const scroll = new Scroll(frame, { more: false, load: async () => ({ html, more: false }), shown });
            shown();
            const cards = [...frame.querySelectorAll("p")];
            await scroll.renew(frame.firstChild);
            const same = cards.every((card) => card.isConnected);
            html = after;
            await scroll.renew(frame.firstChild);
            return [same, ...cards.map((card) => card.isConnected), frame.textContent];
        }"""
    )
    assert stayed == [True, True, False, "onethree"]


def test_what_changes_before_a_page_hears_of_news_is_seen_all_the_same(page: Page, working: WorkingMill) -> None:
    """A short batch is over between the page's making and the first event, and the first look may fail."""
    held: list[Route] = []
    looks: list[Route] = []

    def refused_once(route: Route) -> None:
        looks.append(route)
        route.continue_() if len(looks) > 1 else route.fulfill(body="busy")

    page.route("**/-/soundmill/events", lambda route: held.append(route))
    page.route("**/-/soundmill/batch/themes?live=1&page=1", refused_once)
    ready(page, working.url + "-/soundmill/batch/themes")
    page.evaluate("document.querySelector('[data-section=head]').textContent = 'as it was made'")
    assert not looks
    held.pop().continue_()
    page.wait_for_selector(f"text={TAKES} of {TAKES} done")
    assert len(looks) > 1


@pytest.mark.parametrize(
    ("way", "expected"), [("More like this", "4 jobs"), ("Around this", "10 jobs"), ("Go on from here", "2 jobs")]
)
def test_a_take_leads_to_a_file_for_others(page: Page, working: WorkingMill, way: str, expected: str) -> None:
    (file,) = working.found("SELECT path FROM outputs ORDER BY id LIMIT 1")[0]
    page.goto(f"{working.url}-/soundmill/take/{file}")
    page.click(f"text={way}")
    page.wait_for_selector(f"[data-part=verdict] >> text={expected}")
    assert page.locator("[data-part=problems] li").count() == 0
    assert page.is_enabled("[data-part=submit]")


OURS = [f"-/soundmill/{name}" for name in ("batches", "files", "compose", "batch/themes", "picks", "picks/picks")]
PAGES = [*OURS, "", "-/soundmill"]
DATASETTES = [
    "catalog",
    "catalog/takes?_size=10&score__gt=1",
    "catalog/best_takes",
    "catalog/jobs/1",
    "catalog?sql=select+1",
]


@pytest.fixture(scope="module")
def looked_at(browser: Browser, working: WorkingMill) -> Iterator[Page]:
    """One page of the owner's for all that are only looked at; nothing may err on its console."""
    with browser_of_owner(browser, working) as context:
        opened = context.new_page()
        errors = errors_on(opened)
        yield opened
        assert errors == []


@pytest.mark.parametrize("path", [*PAGES, *DATASETTES])
def test_axe_finds_nothing_grave(looked_at: Page, working: WorkingMill, path: str) -> None:
    looked_at.goto(working.url + path)
    looked_at.wait_for_function("document.readyState === 'complete'")
    assert grave(looked_at) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_a_phone_and_weighs_little(browser: Browser, working: WorkingMill, path: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    weights: list[int] = []
    page.on(
        "response", lambda answer: weights.append(len(answer.body()) if answer.ok and "events" not in answer.url else 0)
    )
    page.goto(working.url + path)
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert sum(weights) < 300_000
    context.close()


def test_a_shortlist_says_what_is_missing_plays_through_and_is_put_in_order(page: Page, working: WorkingMill) -> None:
    files = [
        str(row[0]) for row in working.found("SELECT path FROM outputs WHERE path LIKE 'themes/%' ORDER BY id LIMIT 3")
    ]
    page.goto(working.url + "-/soundmill/picks")
    page.fill("[data-part=making] input[name=name]", "ä & <b>")
    page.click("text=Make it")
    page.click("[data-section=lists] >> text=ä & <b>")
    page.wait_for_selector("text=Nothing is on this list yet")
    page.evaluate(
        """async (files) => {
            const { mill } = await import("soundmill/desk");
            await mill.ask(files.map((target) => ({ action: "pick", target, shortlist: "ä & <b>" })));
        }""",
        files,
    )
    page.wait_for_selector(f"text=3 of {TAKES}")  # without a reload
    assert page.locator(".sm-picked tbody tr").count() == 3
    page.reload()
    page.wait_for_selector("input.sm-select:visible")
    page.evaluate("document.querySelectorAll('audio').forEach((audio) => { audio.muted = true; })")
    page.click("[data-part=through]")
    page.wait_for_selector(".sm-picked tbody tr:nth-child(3)[aria-current]")  # the others were heard before it
    page.wait_for_function("[...document.querySelectorAll('audio')].every((audio) => audio.paused)")
    page.locator("input.sm-select").nth(0).check()
    page.fill("#sm-list", "second")
    page.click("[data-does=move]")
    page.wait_for_selector(f"text=2 of {TAKES}")
    working.becomes(
        "SELECT shortlist, picks FROM shortlist_overview WHERE shortlist <> 'picks' ORDER BY 1",
        [("second", 1), ("ä & <b>", 2)],
    )
    with page.expect_download() as download:
        page.evaluate("(link) => { link.download = ''; link.click(); }", page.query_selector("a:text-is('CSV')"))
    assert download.value.path().read_text(encoding="utf-8").count("themes/") == 2
    page.click("details.sm-coverage summary progress")
    page.click("text=Review the takes of rows without one")
    page.wait_for_selector(".sm-review:not(.sm-loading)")
    assert f"of {TAKES - 2}" in page.inner_text("[data-part=place]")


def test_a_report_leads_back_where_the_site_shows_it_and_only_there(page: Page, working: WorkingMill) -> None:
    make_report(working.home, "themes", lambda _: None)
    page.goto(working.url + "-/soundmill/report/themes/report.html")
    page.click("text=The batch, live")
    page.wait_for_selector("h1 >> text=themes")
    page.goto((working.home.outputs / "themes" / "report.html").as_uri())
    page.wait_for_selector("h1 >> text=themes")
    assert page.locator(".sm-back").count() == 0
