"""Comparisons and listening tests as people use them: the real daemon and its site, real browsers, a real catalogue."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from support.accessible import grave
from support.working_mill import WorkingMill, browser_of_owner, errors_on, working_mill

TAKES = 6
COUNTS = "SELECT count(DISTINCT who), count(*), sum(attention), min(blind) FROM comparisons WHERE study = 'best theme'"
SEEN_BY_LISTENERS = "themes"  # the name of the batch, which every name of its takes begins with


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkingMill]:
    root = tmp_path_factory.mktemp("compared")
    with working_mill(root, TAKES) as mill:
        yield mill


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    """A page and what errs on its console."""
    page = context.new_page()
    return page, errors_on(page)


@pytest.fixture(scope="module")
def owner(browser: Browser, working: WorkingMill) -> Iterator[BrowserContext]:
    with browser_of_owner(browser, working) as context:
        yield context


@pytest.fixture(scope="module")
def study_link(owner: BrowserContext, working: WorkingMill) -> str:
    """The address of a listening test of all takes, made on the page."""
    page, errors = watched(owner)
    page.goto(f"{working.url}-/soundmill/compare?batch=themes")
    page.fill("[name=name]", "best theme")
    page.fill("[name=questions]", "8")
    page.click("text=Make the link")
    page.wait_for_selector("[data-part=made]:not([hidden])")
    address = page.inner_text("[data-part=link]")
    page.close()
    assert errors == []
    return address


def test_takes_are_switched_at_the_same_place_and_one_is_preferred(owner: BrowserContext, working: WorkingMill) -> None:
    page, errors = watched(owner)
    ids = [row[0] for row in working.found("SELECT id FROM outputs ORDER BY id LIMIT 2")]
    page.goto(f"{working.url}-/soundmill/compare?takes={ids[0]},{ids[1]}")
    page.wait_for_selector(".sm-compare:not(.sm-loading)")
    page.keyboard.press("l")
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('[data-part=now]').textContent !== '0:00.0'")
    page.keyboard.press("2")
    assert page.get_attribute("[data-side='1']", "aria-pressed") == "true"
    assert page.get_attribute("[data-part=play]", "aria-label") == "Pause"
    page.wait_for_selector("[data-answer=second]:not([disabled])")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('[data-part=said]').textContent.endsWith('noted')")
    assert working.found("SELECT who, answer, blind, study FROM comparisons WHERE study IS NULL") == [
        ("owner", "second", 0, None)
    ]
    assert grave(page, ["light"]) == []
    page.close()
    assert errors == []


def test_three_raters_compare_blind_and_see_nothing_else(
    browser: Browser, owner: BrowserContext, working: WorkingMill, study_link: str
) -> None:
    """Each in a browser of its own, without a login; two of them of one name."""
    seen: list[str] = []
    for name in ("Ann", "Ann", "Bo"):
        context = browser.new_context()
        context.set_default_timeout(60_000)
        page, errors = watched(context)
        page.on("request", lambda request: seen.append(f"{request.url} {request.post_data or ''}"))
        page.on(
            "response",
            lambda answer: (
                seen.append(f"{sorted(answer.headers)} {answer.text()}") if "listening" in answer.url else None
            ),
        )
        page.goto(study_link)
        page.fill("[name=name]", name)
        page.click("text=Begin")
        page.keyboard.press("l")  # so that a take of half a second goes on until a busy machine comes to look
        for asked in range(8):
            page.wait_for_function(f"document.querySelector('[data-part=done]').textContent === '{asked}'")
            page.wait_for_function("document.querySelector('[data-part=play]').getAttribute('aria-label') === 'Pause'")
            page.keyboard.press("b")
            page.wait_for_selector("[data-answer=tie]:not([disabled])")
            page.keyboard.press("Enter" if asked % 2 else "t")
        page.wait_for_selector("[data-part=end]:not([hidden])")
        assert page.query_selector("nav, a[href]") is None
        assert SEEN_BY_LISTENERS not in page.content()
        assert grave(page, ["light"]) == []
        context.close()
        assert errors == []
    assert [each for each in seen if SEEN_BY_LISTENERS in each or "attention" in each or "last-modified" in each] == []
    working.becomes(COUNTS, [(3, 24, 6, 1)])
    assert working.found(
        "SELECT count(*) FROM comparisons WHERE study = 'best theme'"
        " AND attention <> (first_output_id = second_output_id)"
    ) == [(0,)]
    page, errors = watched(owner)
    page.goto(f"{working.url}-/soundmill/studies")
    assert "24 answers" in page.inner_text(".sm-study")
    page.close()
    assert errors == []


def post(
    working: WorkingMill, content: dict[str, Any], path: str = "listening", **headers: str
) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"{working.url}-/soundmill/{path}",
        json.dumps(content).encode(),
        {"content-type": "application/json", "sec-fetch-site": "same-origin", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_what_is_not_a_listeners_own_is_refused(working: WorkingMill, study_link: str) -> None:
    token = study_link.rpartition("/")[2]
    assert post(working, {"token": "x" * 32, "name": "Eve"})[0] == 404
    assert post(working, {"token": token, "name": "  "})[0] == 400
    assert post(working, {"token": token, "listener": "made up"})[0] == 401
    assert post(working, {"token": token, "name": "Eve"}, **{"sec-fetch-site": "cross-site"})[0] == 403
    assert post(working, {"name": "mine", "takes": [1, 2], "questions": 8}, "studies")[0] == 401
    listener = post(working, {"token": token, "name": "Eve"})[1]["listener"]
    asked = post(working, {"token": token, "listener": listener})[1]
    assert sorted(asked) == ["done", "gone", "of", "question", "sounds"]
    other = post(working, {"token": token, "name": "Mallory"})[1]["listener"]
    stolen = post(working, {"token": token, "listener": other, "question": asked["question"], "answer": "tie"})[1]
    assert (stolen["gone"], stolen["done"]) == (True, 0)
    assert post(working, {"token": token, "listener": listener, "question": asked["question"], "answer": "x"})[0] == 400
    sound = urllib.request.urlopen(f"{study_link}/{asked['sounds'][0]}", timeout=30)
    assert (sound.headers["content-type"], sound.headers["last-modified"]) == ("audio/flac", None)
    assert b"themes" not in sound.read()


def test_a_link_that_was_taken_back_opens_nothing(owner: BrowserContext, working: WorkingMill, study_link: str) -> None:
    page, errors = watched(owner)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{working.url}-/soundmill/studies")
    with page.expect_navigation():
        page.click("[data-end]")
    assert page.query_selector("[data-end]") is None
    page.close()
    assert errors == []
    token = study_link.rpartition("/")[2]
    assert post(working, {"token": token, "name": "Late"})[0] == 404
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(study_link, timeout=30)
