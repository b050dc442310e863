"""The published page as people open it: from a folder, with no server."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from publish.conftest import HOSTILE
from soundmill.publish.assets import Asset
from soundmill.publish.frozen.bundle import script
from support.accessible import grave


def opened(page: Page, copies: Path, more: str = "") -> list[str]:
    """Opens the page; the addresses that it asks for from then on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((copies / "static" / "index.html").as_uri() + more)
    page.wait_for_selector(".sm-review:not(.sm-loading)")
    return asked


def heard(page: Page) -> str:
    return page.inner_text("[data-part=name]")


def test_takes_are_heard_one_after_another_by_keys_from_the_folder(page: Page, copies: Path) -> None:
    asked = opened(page, copies)
    assert page.title().endswith("For <you> & yours") and page.inner_text("h1") == "For <you> & yours"
    assert page.inner_text("[data-part=place]") == "1 of 21"
    first = heard(page)
    page.uncheck("#sm-play-on")
    page.keyboard.press("j")
    page.wait_for_function("name => document.querySelector('[data-part=name]').textContent !== name", arg=first)
    page.wait_for_function("document.querySelector('[data-part=now]').textContent > '0:00.3'")  # it is played
    page.keyboard.press("k")
    assert heard(page) == first
    page.keyboard.press(" ")
    page.keyboard.press("l")
    assert page.get_attribute("[data-does=loop]", "aria-pressed") == "true"
    page.check("#sm-play-on")
    page.keyboard.press("l")
    page.keyboard.press("j")
    page.wait_for_selector("[data-part=place] >> text=3 of 21")  # by itself, when the second had ended
    assert asked and all(url.startswith(("file://", "data:")) for url in asked)


def test_the_peaks_are_drawn_and_sought_in(page: Page, copies: Path) -> None:
    opened(page, copies)
    page.wait_for_function(
        """() => {
            const canvas = document.querySelector(".sm-outline");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return data.some((value) => value > 0);
        }"""
    )
    box = page.locator("[data-part=wave]").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 10)
    page.wait_for_function("document.querySelector('[data-part=wave]').getAttribute('aria-valuenow') === '0.5'")


def test_takes_are_found_by_words_batch_and_order_and_a_link_leads_to_one(page: Page, copies: Path) -> None:
    opened(page, copies)
    page.fill("[name=q]", "STRINGS evening")
    page.wait_for_selector("[data-part=place] >> text=of 2")
    page.fill("[name=q]", "no such thing")
    page.wait_for_selector("[data-part=problem]:not([hidden])")
    page.fill("[name=q]", "")
    page.select_option("[name=batch]", "sweep")
    page.wait_for_selector("[data-part=place] >> text=of 8")
    page.select_option("[name=order]", "best")
    assert heard(page) == "clip-008"
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(".sm-review:not(.sm-loading)")
    assert heard(page) == "clip-008"
    page.fill("[name=q]", "boo")
    assert page.inner_text("[data-part=prompt]") == HOSTILE


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_grave_and_a_phone_is_wide_enough(page: Page, copies: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    opened(page, copies)
    assert grave(page, preload=False) == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_the_page_without_its_audio_weighs_little(copies: Path) -> None:
    static = copies / "static"
    at_once = [static / "index.html", *static.glob("site/*"), static / "data" / "takes.js"]
    assert sum(path.stat().st_size for path in at_once) < 300_000


def test_modules_become_one_script_each_in_a_scope_of_its_own() -> None:
    def asset(text: str) -> Asset:
        return Asset(body=text.encode(), content_type="text/javascript", digest="")

    assets = {
        "a.js": asset(
            'import { b } from "soundmill/b";\nimport { c } from "soundmill/c";\n'
            "const x = 1;\nwindow.y = b() + c + x;\n"
        ),
        "b.js": asset('import { c } from "soundmill/c";\nconst x = 2;\nexport function b() {\n  return x + c;\n}\n'),
        "c.js": asset("export const c = 4;\n"),
    }
    made = script(assets, "a")
    assert "import" not in made and "export" not in made
    assert made.index("soundmill_c =") < made.index("soundmill_b =") < made.index("soundmill_a =")
