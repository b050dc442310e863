"""The review as people use it: the real daemon and its site, a real browser, a real catalogue."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from publish.conftest import HOSTILE, Home, Seen, job, make_home
from soundmill.commands.asking.link import link
from soundmill.publish import site
from support.working_mill import WorkingMill, browser_of_owner, errors_on, working_mill

TAKES = 40
MINE = "SELECT stars, count(*) FROM ratings WHERE who = 'owner' AND stars IS NOT NULL GROUP BY stars ORDER BY stars"


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkingMill]:
    root = tmp_path_factory.mktemp("reviewed")
    with working_mill(root, TAKES) as mill:
        yield mill


@pytest.fixture
def owner(browser: Browser, working: WorkingMill) -> Iterator[BrowserContext]:
    with browser_of_owner(browser, working) as context:
        yield context


@pytest.fixture
def reviewing(owner: BrowserContext, working: WorkingMill) -> Iterator[Page]:
    """The review of the batch; nothing may err on the console."""
    page = owner.new_page()
    errors = errors_on(page)
    page.add_init_script("localStorage.setItem('soundmill sm-play-on', 'false')")
    opened(page, f"{working.url}-/soundmill/review?batch=themes")
    yield page
    assert errors == []


def opened(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".sm-review:not(.sm-loading)")


def shown(page: Page, name: str) -> str:
    return page.inner_text(f"[data-part={name}]")


def playing(page: Page, name: str) -> None:
    """Wait until that take is heard, further on than its start."""
    page.wait_for_function(
        """(name) => document.querySelector("[data-part=name]").textContent === name
                  && document.querySelector("[data-part=now]").textContent !== "0:00.0" """,
        arg=name,
    )


def names(mill: WorkingMill) -> list[str]:
    return [str(row[0]) for row in mill.found("SELECT name FROM jobs ORDER BY position")]


def test_forty_takes_are_reviewed_by_keyboard_alone(
    reviewing: Page, working: WorkingMill, capsys: pytest.CaptureFixture[str]
) -> None:
    page, order = reviewing, names(working)
    assert working.found("SELECT count(*) FROM take_peaks WHERE length(data) <= 4096") == [(TAKES,)]
    began = time.monotonic()
    page.keyboard.press(" ")
    for n, name in enumerate(order):
        playing(page, name)
        page.keyboard.press(str(1 + n % 5))  # and on to the next
    stars = [(1 + n, TAKES // 5) for n in range(5)]
    working.becomes(MINE, stars)  # type: ignore[arg-type]
    took = time.monotonic() - began
    given = working.found(
        "SELECT j.name, r.stars FROM ratings r JOIN outputs o ON o.id = r.output_id JOIN jobs j ON j.id = o.job_id"
        " ORDER BY j.position"
    )
    assert given == [(name, 1 + n % 5) for n, name in enumerate(order)]
    page.wait_for_function("!sessionStorage.getItem('soundmill asked')?.includes('{')")
    with capsys.disabled():
        print(f" {len(given)} of {TAKES} ratings in the catalogue after {took:.1f} s", end="")


def test_reject_pick_note_and_undo_by_keys(reviewing: Page, working: WorkingMill) -> None:
    page = reviewing
    page.uncheck("#sm-move-on")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("p")
    page.keyboard.press("n")
    page.keyboard.type("warm, 5 stars")
    page.keyboard.press("Enter")
    target = names(working)[1]
    said = f"""
        SELECT r.rejected, r.note, (SELECT s.name FROM picks p JOIN shortlists s ON s.id = p.shortlist_id
                                    WHERE p.output_id = r.output_id)
        FROM ratings r JOIN outputs o ON o.id = r.output_id JOIN jobs j ON j.id = o.job_id WHERE j.name = '{target}'
    """
    working.becomes(said, [(1, "warm, 5 stars", "picks")])
    assert shown(page, "note") == "warm, 5 stars"
    assert page.get_attribute("[data-does=pick]", "aria-pressed") == "true"
    page.keyboard.press("j")  # undo leads back to the take
    for _ in range(3):
        page.keyboard.press("u")
    working.becomes(said, [(0, None, None)])
    assert shown(page, "name") == target
    assert page.get_attribute("[data-does=reject]", "aria-pressed") == "false"


def test_filters_and_place_survive_a_reload(reviewing: Page, working: WorkingMill) -> None:
    page = reviewing
    page.click("summary:text('Filter')")
    page.select_option("select[name=order]", "best")
    page.press("select[name=order]", "Escape")  # and the keys are the review's again
    page.wait_for_function("location.search.includes('order=best')")
    for _ in range(4):
        page.keyboard.press("j")
    page.wait_for_function("document.querySelector('[data-part=place]').textContent.startsWith('5 ')")
    here = shown(page, "name")
    page.reload()
    page.wait_for_selector(".sm-review:not(.sm-loading)")
    assert shown(page, "name") == here and shown(page, "place").startswith("5 of 40")
    assert page.input_value("select[name=order]") == "best"
    page.keyboard.press("k")
    page.wait_for_function("document.querySelector('[data-part=place]').textContent.startsWith('4 ')")


def test_marks_wait_for_a_daemon_that_does_not_run_and_are_done_when_it_does(
    reviewing: Page, working: WorkingMill
) -> None:
    page = reviewing
    page.uncheck("#sm-move-on")
    working.stop()
    try:
        page.keyboard.press("0")
        page.wait_for_selector("[data-part=waiting]:not([hidden])")
        assert "done when it runs" in shown(page, "waiting")
        page.reload()  # what was asked is not forgotten
        page.wait_for_selector(".sm-review:not(.sm-loading)")
        assert page.locator("[data-stars].sm-lit").count() == 0
    finally:
        working.start()
    first = names(working)[0]
    working.becomes(
        "SELECT count(*) FROM ratings r JOIN outputs o ON o.id = r.output_id JOIN jobs j ON j.id = o.job_id"
        f" WHERE j.name = '{first}' AND r.stars IS NOT NULL",
        [(0,)],
    )
    page.wait_for_selector("[data-part=waiting]", state="hidden")


def test_a_refused_mark_is_taken_back_within_a_second_and_says_why(reviewing: Page, working: WorkingMill) -> None:
    page = reviewing
    page.uncheck("#sm-move-on")

    def into_nowhere(route: Any) -> None:
        data = route.request.post_data_json
        for wish in data["wishes"]:
            wish["target"] = "themes/nothing.wav"
        route.continue_(post_data=data)

    page.route("**/-/soundmill/wishes", into_nowhere)
    before = page.locator("[data-stars].sm-lit").count()
    page.keyboard.press("5" if before != 5 else "4")
    began = time.monotonic()
    page.wait_for_selector("[data-part=trouble]:not([hidden])")
    assert "nothing.wav" in shown(page, "trouble")
    assert page.locator("[data-stars].sm-lit").count() == before
    assert time.monotonic() - began < 5  # a second, on a machine that has one to give


def test_whoever_is_not_known_listens_and_is_told_how_to_mark(page: Page, seen: Seen, working: WorkingMill) -> None:
    opened(page, f"{working.url}-/soundmill/review?batch=themes")
    assert "soundmill web --link" in shown(page, "login")
    assert page.locator("[data-marks] button:enabled").count() == 0
    page.keyboard.press(" ")
    playing(page, names(working)[0])
    page.keyboard.press("3")
    page.keyboard.press("n")
    page.keyboard.press("j")
    page.wait_for_function("document.querySelector('[data-part=place]').textContent.startsWith('2 ')")
    assert not [url for _, url, _ in seen.answers if url.endswith("/wishes")]
    assert seen.errors == []


def test_playing_seeking_and_looping_by_keys(reviewing: Page) -> None:
    page = reviewing
    page.keyboard.press("l")
    assert page.get_attribute("[data-does=loop]", "aria-pressed") == "true"
    page.keyboard.press(" ")
    page.evaluate("""window.turns = 0; let last = 0;
        const wave = document.querySelector("[data-part=wave]");
        setInterval(() => { const now = Number(wave.getAttribute("aria-valuenow"));
                            if (now < last) window.turns += 1; last = now; }, 20)""")
    page.wait_for_function("window.turns >= 2")
    page.keyboard.press(" ")
    page.wait_for_selector("[data-does=play][aria-label=Play]")
    page.keyboard.press("ArrowLeft")
    assert shown(page, "now") == "0:00.0"
    box = page.locator("[data-part=wave]").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 0.8, box["y"] + 20)
    assert shown(page, "now") == "0:00.4"
    page.keyboard.press("?")
    page.wait_for_selector("#sm-help[open]")
    for key in ("Space", "J", "K", "←", "L", "5", "0", "X", "P", "N", "U", "?"):
        assert key in page.inner_text("#sm-help")
    page.keyboard.press("j")  # a dialog is not played behind
    page.keyboard.press("Escape")
    assert shown(page, "place").startswith("1 of")


def test_takes_play_on_by_themselves(reviewing: Page, working: WorkingMill) -> None:
    page = reviewing
    page.check("#sm-play-on")
    page.keyboard.press(" ")
    playing(page, names(working)[2])


def test_a_thumb_does_on_a_phone(browser: Browser, working: WorkingMill) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    errors = errors_on(page)
    page.goto(link(working.home))
    opened(page, f"{working.url}-/soundmill/review?batch=themes&order=new")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    sizes = page.evaluate(
        """[...document.querySelectorAll(".sm-transport button, .sm-marking button")].map((button) => {
            const { width, height, bottom } = button.getBoundingClientRect();
            return [width, height, bottom];
        })"""
    )
    assert all(width >= 36 and height >= 44 for width, height, _ in sizes)
    assert all(bottom <= 844 for _, _, bottom in sizes)  # all within reach without scrolling
    newest = names(working)[::-1]
    assert shown(page, "name") in newest
    first = shown(page, "name")
    page.tap("[data-does=play]")
    page.wait_for_function("document.querySelector('[data-part=now]').textContent !== '0:00.0'")
    swipe(page, context, -200)
    page.wait_for_function("document.querySelector('[data-part=place]').textContent.startsWith('2 ')")
    swipe(page, context, 200)
    page.wait_for_function("document.querySelector('[data-part=place]').textContent.startsWith('1 ')")
    page.uncheck("#sm-move-on")
    page.tap("[data-does=pick]")
    working.becomes(
        "SELECT j.name FROM picks p JOIN outputs o ON o.id = p.output_id JOIN jobs j ON j.id = o.job_id", [(first,)]
    )
    context.close()
    assert errors == []


def swipe(page: Page, context: BrowserContext, by: int) -> None:
    """A finger drawn across the prompt."""
    box = page.locator("[data-part=prompt]").bounding_box()
    assert box
    session = context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 2 - by / 2, box["y"] + box["height"] / 2
    points = [("touchStart", x), ("touchMove", x + by / 2), ("touchMove", x + by)]
    for kind, at in points:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


@pytest.fixture(scope="module")
def long_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a site with a batch of 450 takes."""
    made: Home = make_home(tmp_path_factory.mktemp("long"))
    made.ingest("long", [job(n, HOSTILE if n % 50 == 0 else f"theme {n}") for n in range(1, 451)])
    for attempt in made.claim(450):
        made.finish(attempt, score=float(attempt.job.position % 100))
    with Path(made.root / "site.log").open("wb") as log:
        started = site.start(made.database, made.outputs, "127.0.0.1", 0, log=log)
    assert site.wait_until_up("127.0.0.1", started.port, 20.0)
    yield started.url
    started.stop()
    made.catalog.close()


def test_a_long_line_is_fetched_as_it_is_walked(page: Page, seen: Seen, long_line: str) -> None:
    opened(page, f"{long_line}-/soundmill/review?batch=long")
    assert shown(page, "place") == "1 of 450"
    asked: Callable[[], int] = lambda: sum("review.json" in url for _, url, _ in seen.answers)  # noqa: E731
    assert asked() <= 2
    assert page.locator(".sm-row").count() < 40
    strip = page.locator("[data-part=strip]")
    for _ in range(6):
        strip.evaluate("list => { list.scrollTop = list.scrollHeight }")
        page.wait_for_timeout(150)
    page.wait_for_selector(".sm-row[aria-label^='450. ']")
    assert page.locator(".sm-row").count() < 40
    page.click(".sm-row[aria-label^='449. ']")
    assert shown(page, "place") == "449 of 450"
    page.reload()
    page.wait_for_selector(".sm-review:not(.sm-loading)")
    assert shown(page, "place") == "449 of 450"
    for _ in range(3):
        page.keyboard.press("k")
    page.wait_for_function("document.querySelector('[data-part=place]').textContent === '446 of 450'")
    assert seen.errors == []


def test_marks_that_are_done_stay_when_more_takes_come(page: Page, seen: Seen, long_line: str) -> None:
    def answer(route: Any) -> None:
        if route.request.method == "POST":
            route.fulfill(
                status=202, json={"asked": [f"W{n}" for n in range(len(route.request.post_data_json["wishes"]))]}
            )
        else:
            numbers = route.request.url.partition("ids=")[2].split(",")
            route.fulfill(json={"answers": {number: {"state": "done", "reason": None} for number in numbers}})

    page.route("**/-/soundmill/wishes**", answer)
    page.route("**/-/soundmill/me", lambda route: route.fulfill(json=KNOWN))
    opened(page, f"{long_line}-/soundmill/review?batch=long&at=90")
    page.uncheck("#sm-move-on")
    page.keyboard.press("4")
    page.wait_for_selector(".sm-review:not(.sm-asked) [data-stars='4'].sm-lit")
    for _ in range(85):
        page.keyboard.press("j")
    page.wait_for_function("document.querySelector('[data-part=place]').textContent.startsWith('175 ')")
    for _ in range(85):
        page.keyboard.press("k")
    page.wait_for_function("document.querySelector('[data-part=place]').textContent.startsWith('90 ')")
    assert page.locator("[data-stars].sm-lit").count() == 4
    assert seen.errors == []


KNOWN = {"actor": {"id": "ann", "name": "Ann"}, "may": {"rate": True}, "token": "t"}
