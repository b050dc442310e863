"""The site in a real browser: clips play and can be sought in, the board lives, and nothing errs on the console."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from matplotlib.image import imread
from playwright.sync_api import Browser, Page

from .conftest import Home, Seen, job


def element(page: Page, path: str) -> Any:
    return page.wait_for_selector(f'audio[src$="/-/soundmill/audio/{path}"]')


def test_a_take_plays_and_can_be_sought_in(page: Page, seen: Seen, mill: tuple[Home, str]) -> None:
    page.goto(mill[1] + "catalog/takes")
    assert not [url for _, url, _ in seen.answers if "/audio/" in url]  # nothing is fetched before somebody listens
    audio = element(page, "forest/clip-012.wav")
    audio.evaluate("a => { a.muted = true; return a.play() }")
    page.wait_for_function("a => a.currentTime > 0 && a.readyState >= 2", arg=audio)
    assert audio.evaluate("a => [a.error, Math.round(a.duration), Math.round(a.seekable.end(0))]") == [None, 6, 6]
    audio.evaluate("a => { a.currentTime = 5.5 }")
    page.wait_for_function("a => !a.seeking && a.currentTime >= 5.5", arg=audio)
    page.wait_for_function("a => a.ended", arg=audio)
    assert audio.evaluate("a => a.error") is None
    parts = [(status, asked) for status, url, asked in seen.answers if url.endswith("forest/clip-012.wav")]
    assert parts and all(status == 206 and asked for status, asked in parts)
    assert seen.errors == []


def test_players_take_turns_and_play_on(page: Page, seen: Seen, mill: tuple[Home, str]) -> None:
    page.goto(mill[1] + "-/soundmill/batch/forest")
    first, second = element(page, "forest/clip-001.wav"), element(page, "forest/clip-002.wav")
    other = element(page, "forest/clip-012.wav")
    page.evaluate("document.querySelectorAll('audio').forEach(a => { a.muted = true })")
    other.evaluate("a => a.play()")
    page.check("#sm-continue")
    first.evaluate("a => a.play()")
    page.wait_for_function("a => a.paused", arg=other)
    page.wait_for_function("a => a.currentTime > 0", arg=second)
    assert first.evaluate("a => a.ended")
    assert seen.errors == []


def test_the_board_follows_the_work_without_a_reload(page: Page, seen: Seen, mill: tuple[Home, str]) -> None:
    home, url = mill
    home.ingest("fresh", [job(1, "a bell", priority=9), job(2, "a gong", priority=9)])
    page.goto(url + "-/soundmill")
    assert "0 of 2" in page.inner_text('[data-section="batches"]')
    (attempt,) = home.claim()
    home.finish(attempt, score=60)
    page.wait_for_selector('[data-section="batches"] >> text=1 of 2')
    assert page.is_hidden("#sm-lost")
    assert seen.errors == []


def test_the_front_page_follows_the_work_too(page: Page, seen: Seen, mill: tuple[Home, str]) -> None:
    home, url = mill
    home.ingest("newest", [job(1, "a harp", priority=99)])
    page.goto(url)
    assert "0 of 1" in page.inner_text('[data-section="batches"]')
    assert not [asked for _, asked, _ in seen.answers if "/audio/" in asked]
    (attempt,) = home.claim()
    home.finish(attempt, score=60)
    page.wait_for_selector('[data-section="batches"] >> text=1 of 1')
    page.fill('input[name="_search"]', "harp")
    page.click("text=Find takes")
    element(page, "newest/clip-001.wav")
    assert seen.errors == []


def test_the_board_says_when_the_site_no_longer_answers(page: Page, mill: tuple[Home, str]) -> None:
    page.goto(mill[1] + "-/soundmill")
    page.route("**/board.json", lambda route: route.abort())
    page.wait_for_selector("#sm-lost:not([hidden])")
    page.unroute("**/board.json")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # somebody looks again
    page.wait_for_selector("#sm-lost", state="hidden")


def test_columns_are_explained_when_asked(page: Page, seen: Seen, mill: tuple[Home, str]) -> None:
    page.goto(mill[1] + "catalog/takes")
    assert page.is_hidden("dl.column-descriptions")
    page.click("text=What the columns mean")
    assert page.is_visible("dl.column-descriptions")
    assert page.get_attribute('th[data-column="score"]', "title").startswith("soundness, from 0 to 100")
    assert seen.errors == []


@pytest.mark.parametrize(
    ("scheme", "ground", "paths"),
    [
        ("light", "rgb(247, 247, 245)", ["", "-/soundmill", "-/soundmill/batch/forest", "catalog", "catalog/takes"]),
        ("light", "rgb(247, 247, 245)", ["-/soundmill/review?batch=forest", "-/soundmill/take/forest/clip-004.wav"]),
        ("dark", "rgb(21, 24, 27)", ["", "-/soundmill", "catalog/best_takes", "-/soundmill/take/forest/clip-006.wav"]),
    ],
)
def test_pages_fit_a_phone_in_light_and_dark(
    browser: Browser, mill: tuple[Home, str], scheme: Any, ground: str, paths: list[str]
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    for path in paths:
        page.goto(mill[1] + path)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, path
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground, path
    context.close()
    assert errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_score_of_a_flagged_take_is_of_another_colour(
    browser: Browser, mill: tuple[Home, str], scheme: Any
) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, color_scheme=scheme)
    page = context.new_page()
    page.goto(mill[1] + "-/soundmill/batch/forest")

    def filled(name: str) -> tuple[float, ...]:
        """The colour at the left end of the meter of a take, as red, green and blue from 0 to 1."""
        drawn = page.locator("article", has=page.locator(f"text={name}")).locator("meter").screenshot()
        pixels = imread(BytesIO(drawn))
        return tuple(pixels[len(pixels) // 2, 3, :3])

    red, green, _ = filled("clip-012")  # 82 points
    assert green > red + 0.1
    red, green, _ = filled("clip-006")  # flagged, 46 points
    assert red > green + 0.05
    context.close()


def test_the_board_works_without_scripts(browser: Browser, mill: tuple[Home, str]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(mill[1] + "-/soundmill")
    assert "12 of 12" in page.inner_text('[data-section="batches"]')
    page.goto(mill[1] + "-/soundmill/batch/forest")
    assert page.locator("audio").count() == 11
    context.close()


@pytest.mark.parametrize("path", ["catalog/takes", "catalog?sql=select+audio,+prompt+from+takes+order+by+audio"])
def test_tables_and_queries_draw_the_takes_that_come_near(
    page: Page, seen: Seen, mill: tuple[Home, str], path: str
) -> None:
    _, url = mill
    page.set_viewport_size({"width": 1400, "height": 500})
    page.goto(url + path)
    page.wait_for_selector(".sm-player svg.sm-outline-small")
    asked = [address for status, address, _ in seen.answers if "/outlines?" in address]
    players = page.locator(".sm-player").count()
    assert asked and sum(address.count("file=") for address in asked) < players  # not of what is far away
    page.locator(".sm-player").last.scroll_into_view_if_needed()
    page.wait_for_function(
        """() => {
            const players = [...document.querySelectorAll(".sm-player")].slice(-8);
            return players.some((player) => player.querySelector("svg"));
        }"""
    )
    assert seen.errors == []


def test_a_page_of_the_table_of_takes_weighs_little(page: Page, mill: tuple[Home, str]) -> None:
    weights: list[int] = []
    page.on("response", lambda answer: weights.append(len(answer.body()) if answer.status == 200 else 0))
    page.goto(mill[1] + "catalog/takes")
    page.wait_for_selector(".sm-player svg.sm-outline-small")
    page.evaluate("document.querySelectorAll('.sm-player').forEach((player) => player.scrollIntoView())")
    page.wait_for_load_state("networkidle")
    assert sum(weights) < 300_000
