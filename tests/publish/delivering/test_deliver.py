"""The button Deliver: from a page to files in the home, and what the page says of it."""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.error
import urllib.request
import zipfile

from playwright.sync_api import Page

from soundmill.home import Home
from support.working_mill import WorkingMill

SAID = "[data-part=said]"


def ask(page: Page, profile: str, *, zipped: bool = True) -> None:
    if page.locator("details.sm-deliver[open]").count() == 0:
        page.click("details.sm-deliver summary")
    page.wait_for_selector("details.sm-deliver option >> nth=0", state="attached")
    page.wait_for_selector(f"details.sm-deliver option[value={profile}]", state="attached")
    page.select_option("details.sm-deliver [name=profile]", profile)
    page.select_option("details.sm-deliver [name=zipped]", "1" if zipped else "")
    page.click("details.sm-deliver button")


def made(home: Home, folder: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((home.deliveries / folder / "manifest.json").read_text(encoding="utf-8"))
    return found


def test_a_batch_is_delivered_and_its_zip_fetched(page: Page, working: WorkingMill) -> None:
    page.goto(working.url + "-/soundmill/batch/themes")
    ask(page, "wwise")
    page.wait_for_selector("[data-part=delivered] [data-state=made]")
    told_at = time.time()
    ended = working.found("SELECT ended_at FROM asked_deliveries")
    assert told_at - float(str(ended[0][0])) < 2.0
    assert "4 files in deliveries/themes-wwise" in page.inner_text("[data-part=delivered]")
    assert made(working.home, "themes-wwise")["profile"] == "wwise"
    with page.expect_download() as download:
        page.click("[data-part=delivered] a")
    with zipfile.ZipFile(download.value.path()) as packed:
        assert packed.testzip() is None
        assert sum(name.endswith(".wav") for name in packed.namelist()) == 4
    said = working.found("SELECT folder, zip_file, who FROM deliveries WHERE profile = 'wwise'")
    assert said == [("themes-wwise", "themes-wwise.zip", "owner")]


def test_a_shortlist_is_delivered_as_a_folder_though_a_batch_has_its_name(page: Page, working: WorkingMill) -> None:
    (file,) = working.found("SELECT path FROM outputs ORDER BY id LIMIT 1")[0]
    page.goto(working.url + "-/soundmill/picks/picks")
    page.wait_for_selector("details.sm-deliver:visible")
    page.evaluate(
        """async (target) => {
            const { mill } = await import("soundmill/desk");
            await mill.ask([{ action: "pick", target, shortlist: "themes" }]);
        }""",
        file,
    )
    page.goto(working.url + "-/soundmill/picks/themes")
    ask(page, "web", zipped=False)
    page.wait_for_selector("[data-part=delivered] [data-state=made]")
    assert "1 file in deliveries/picks-themes-web" in page.inner_text("[data-part=delivered]")
    assert made(working.home, "picks-themes-web")["chosen"] == "picked"
    assert not (working.home.deliveries / "picks-themes-web.zip").exists()
    assert page.locator("[data-part=delivered] a").count() == 0


def test_what_cannot_be_delivered_says_why(page: Page, working: WorkingMill) -> None:
    with sqlite3.connect(working.home.catalog) as db:
        db.execute("UPDATE outputs SET licence = 'CC-BY-NC-4.0'")
    working.home.config_file.write_text("profiles:\n  shop: {like: game, commercial: true}\n", encoding="utf-8")
    page.goto(working.url + "-/soundmill/batch/themes")
    ask(page, "shop")
    page.wait_for_selector("[data-part=delivered] [data-state=failed]")
    said = page.inner_text("[data-part=delivered] [data-state=failed]")
    assert "may not be sold" in said and str(working.home.root) not in said
    assert said.split(" ", 1)[1][:20] in page.inner_text(SAID)
    page.check("[name=rights]")
    page.click("details.sm-deliver button")
    page.wait_for_selector("[data-part=delivered] [data-state=made] >> text=themes-shop")
    page.goto(working.url + "-/soundmill/picks")
    page.fill("[data-part=making] input[name=name]", "empty")
    page.click("text=Make it")
    page.click("[data-section=lists] >> text=empty")
    ask(page, "game")
    page.wait_for_selector("[data-part=delivered] [data-state=failed] >> text=there is no take to deliver")


def test_strangers_see_no_button_and_fetch_nothing(working: WorkingMill) -> None:
    for path in ("deliveries.json?of=batch&target=themes", "deliveries/themes-wwise.zip"):
        try:
            urllib.request.urlopen(f"{working.url}-/soundmill/{path}", timeout=10)
            raise AssertionError(path)
        except urllib.error.HTTPError as error:
            assert error.code == 401


def test_nothing_but_zips_below_the_deliveries_is_served(page: Page, working: WorkingMill) -> None:
    page.goto(working.url + "-/soundmill/batch/themes")
    for path in ("themes-wwise/manifest.json", "..%2Fcatalog.db", "%2e%2e/catalog.db", "no.zip"):
        found = page.request.get(f"{working.url}-/soundmill/deliveries/{path}")
        assert found.status == 404, path
