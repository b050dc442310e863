"""The page of one take: everything of a job, and the ways to it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from publish.conftest import Get, Home, Seen

TAKE = "/-/soundmill/take/"


def test_it_tells_everything_of_a_job(get: Get) -> None:
    page = get(f"{TAKE}forest/clip-006.wav").text
    for expected in (
        "<title>clip-006</title>", "a river between stones", "flagged", "clipping is 40%, more than 30% allowed",
        "0.20 s", "0.40 s", "soundmill rerun forest/clip-006", 'href="/-/soundmill/audio/forest/clip-006.wav.json"',
        'href="/catalog/takes?job_id=6"', 'href="/-/soundmill/review?batch=forest&amp;at=', "scene forest", "1006",
        'rel="prev" href="/-/soundmill/take/forest/clip-005.wav"',
        'rel="next" href="/-/soundmill/take/forest/clip-007.wav"',
        "WAV, 8000 Hz, mono", "CC-BY-NC 4.0",
    ):  # fmt: skip
        assert expected in page, expected


def test_each_attempt_leads_to_its_take_and_a_replaced_one_says_so(get: Get) -> None:
    final = get(f"{TAKE}forest/clip-004.wav").text
    replaced = f'href="{TAKE}forest/quarantine/clip-004.take1.wav"'
    assert replaced in final and "counts" in final and ">replaced<" not in final
    other = get(f"{TAKE}forest/quarantine/clip-004.take1.wav").text
    assert ">replaced<" in other and ">quarantined<" in other and "silence is 40%" in other


def test_a_job_without_a_take_has_a_page_that_says_why(get: Get) -> None:
    page = get(f"{TAKE}forest/clip-003").text
    assert "duration 300 s is more than tiny can do" in page and "data-part=" not in page


@pytest.mark.parametrize("path", ["forest/clip-006", "forest/elsewhere/clip-006.wav", "forest/clip-006.flac"])
def test_a_take_that_was_moved_is_found_by_its_name(get: Get, path: str) -> None:
    assert "<title>clip-006</title>" in get(f"{TAKE}{path}").text


@pytest.mark.parametrize(
    "path", ["forest", "forest/", "nowhere/x.wav", "..%2f..%2fetc/passwd", "%00", "forest/%3Cscript%3Ealert(1)"]
)
def test_what_is_none_is_not_found_and_not_repeated_as_markup(get: Get, path: str) -> None:
    answer = get(f"{TAKE}{path}")
    assert answer.status_code == 404 and "<script>alert" not in answer.text


def test_what_a_prompt_holds_is_text(get: Get) -> None:
    page = get(f"{TAKE}forest/clip-009.wav").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(&#39;boo&#39;)" in page


def test_what_people_say_stands_by_their_names(get: Get) -> None:
    page = get(f"{TAKE}forest/clip-001.wav").text
    assert "What people say" in page and "keep this one" in page and "owner" in page


def test_cards_tables_and_the_rows_of_queries_lead_to_it(get: Get) -> None:
    link = f'href="{TAKE}forest/clip-006.wav"'
    for path in ("/-/soundmill/batch/forest", "/catalog/takes?batch=forest", "/catalog/takes_that_failed_a_check"):
        assert link in get(path).text, path
    assert f'href="{TAKE}forest/clip-003"' in get("/catalog/failures").text


def test_a_batch_and_a_table_of_takes_lead_to_their_review(get: Get) -> None:
    page = get("/-/soundmill/batch/forest?verdict=failed&order=best").text
    assert 'href="/-/soundmill/review?batch=forest&amp;verdict=failed&amp;order=best"' in page
    assert (
        'href="/-/soundmill/review?batch=forest&amp;search=owl"' in get("/catalog/takes?batch=forest&_search=owl").text
    )
    assert "Review these" not in get("/catalog/worker_board").text


def test_the_rows_of_a_query_can_be_reviewed(page: Page, seen: Seen, mill: tuple[Home, str]) -> None:
    page.goto(mill[1] + "catalog/best_takes?batch=sweep")
    page.click("text=Review these takes")
    page.wait_for_selector(".sm-review:not(.sm-loading)")
    assert page.inner_text("[data-part=place]") == "1 of 8"
    assert page.inner_text("[data-part=name]") == "clip-008"
    page.goto(mill[1] + "catalog?sql=select+audio+from+takes+where+job+%3D+%3Ajob&job=clip-011")
    page.click("text=Review these takes")
    page.wait_for_selector(".sm-review:not(.sm-loading)")
    assert page.inner_text("[data-part=name]") == "clip-011"
    page.goto(mill[1] + "catalog/checks_that_fail_most")
    assert page.locator("text=Review these takes").count() == 0
    assert seen.errors == []


def test_it_plays_and_leads_to_where_something_was_found(page: Page, seen: Seen, mill: tuple[Home, str]) -> None:
    page.goto(mill[1] + "-/soundmill/take/forest/clip-006.wav")
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('[data-part=now]').textContent > '0:00.3'")
    page.keyboard.press(" ")
    page.keyboard.press("l")
    page.click("[data-part=found] button")
    page.wait_for_selector("[data-does=play][aria-label=Pause]")
    assert seen.errors == []
