"""Takes the pictures of the site's pages, light, dark and on a phone: `python docs/pictures.py HOME [NAME …]`.

HOME is a home as `soundmill demo` leaves it. It gets one batch more of 40 takes, stars, picks, a listening test, a
delivery and a refused file. The pictures, as WebP, go into docs/pictures/; with names, those alone. Wants Chromium, as
the tests do, and Pillow.
"""

from __future__ import annotations

import io
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from soundmill.commands.asking.link import link  # noqa: E402
from soundmill.home import Home  # noqa: E402
from soundmill.publish.asking import keys  # noqa: E402
from soundmill.publish.site import is_healthy  # noqa: E402
from support.chromium import FLAGS, chromium  # noqa: E402

FOLDER = ROOT / "docs" / "pictures"
SCREENS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1200, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1200, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 780}, "color_scheme": "light", "has_touch": True},
}
QUALITY = 55  # of WebP, at which letters are still clean
THEMES = """\
name: game-themes
template: "{style} theme for {place}"
variables:
  style: [solemn, playful]
  place: [the harbour, an old mill, the night market, a mountain pass, the wizard's tower]
defaults: {duration: 3, model: tiny, count: 4}
"""
REFUSED = "prompt,duration,temprature\na calm harbour at night,3,1.0\n,2,\nbells over the water,-4,\n"
NEEDS_MENDING = "name: evening\ndefaults:\n  duration: 3\n  temprature: 0.9\njobs:\n  - a slow waltz\n  - prompt: ''\n"
PATIENCE_S = 300.0
SETTLES_MS = 1500  # pages that live are never done loading
FIRST = "game-themes/0001-solemn-theme-for-the-harbour.wav"

Prepare = Callable[[Page], object]


def nothing(_: Page) -> None:
    pass


def tick_three(page: Page) -> None:
    page.wait_for_selector("[data-part=hint]:not([hidden])")
    for number in range(3):
        page.locator("article input[type=checkbox]").nth(number).check()
    page.wait_for_selector("[data-part=bar]:not([hidden])")


def drawn(page: Page) -> None:
    page.locator(".sm-player").first.scroll_into_view_if_needed()
    page.wait_for_selector(".sm-player svg.sm-outline-small", state="attached")


def ask_for_delivery(page: Page) -> None:
    page.click("details.sm-deliver summary")
    page.wait_for_selector("details.sm-deliver option[value=wwise]", state="attached")
    page.select_option("details.sm-deliver [name=profile]", "wwise")
    page.wait_for_selector("[data-part=delivered] li")


def half_heard(page: Page) -> None:
    page.wait_for_function("document.querySelector('[data-part=length]').textContent !== '0:00.0'")
    page.keyboard.press("ArrowRight")


def type_a_file(page: Page) -> None:
    page.fill("textarea", NEEDS_MENDING)
    page.wait_for_selector("text=temperature")


def begin(page: Page) -> None:
    page.fill("[name=name]", "Ann")
    page.click("text=Begin")
    page.wait_for_function("document.querySelector('[data-part=play]').getAttribute('aria-label') === 'Pause'")


# Of each picture: the page, and what is done on it before.
PAGES: dict[str, tuple[str, Prepare]] = {
    "front": ("", nothing),
    "board": ("-/soundmill", nothing),
    "batches": ("-/soundmill/batches", nothing),
    "batch": ("-/soundmill/batch/game-themes", tick_three),
    "deliver": ("-/soundmill/batch/game-themes", ask_for_delivery),
    "grid": ("-/soundmill/grid/temperature-by-guidance", nothing),
    "take": (f"-/soundmill/take/{FIRST}", half_heard),
    "review": ("-/soundmill/review?batch=game-themes", half_heard),
    "compare": ("-/soundmill/compare?batch=game-themes&row=1", half_heard),
    "listen": ("LISTEN", begin),
    "studies": ("-/soundmill/studies", nothing),
    "compose": ("-/soundmill/compose", type_a_file),
    "picks": ("-/soundmill/picks", nothing),
    "shortlist": ("-/soundmill/picks/final", nothing),
    "files": ("-/soundmill/files", nothing),
    "report": ("-/soundmill/report/temperature-by-guidance/report.html", nothing),
    "catalog": ("catalog", nothing),
    "takes": ("catalog/takes", drawn),
    "query": ("catalog/best_takes?batch=game-themes", drawn),
    "frozen": ("FROZEN", nothing),
}


def main(root: Path, names: list[str]) -> None:
    home = Home(root.absolute())
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        with running(home) as url:
            special = {"LISTEN": worked_with(browser, home, url), "FROZEN": frozen(home)}
            for name in names or PAGES:
                path, prepare = PAGES[name]
                for screen, options in SCREENS.items():
                    address = special.get(path, url + path)
                    take(browser, home, address, prepare, options, FOLDER / f"{name}-{screen}.webp")
        browser.close()


@contextmanager
def running(home: Home) -> Iterator[str]:
    """The daemon with its site, whose address this is."""
    site = keys.folder_of(home.root)
    (site / keys.ADDRESS).unlink(missing_ok=True)
    daemon = subprocess.Popen(
        [sys.executable, "-m", "soundmill", "--home", str(home.root), "run"], stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: keys.address(site) is not None)
        url = urllib.parse.urlsplit(str(keys.address(site)))
        until(lambda: is_healthy(str(url.hostname), url.port or 80))
        yield url.geturl()
    finally:
        daemon.terminate()
        daemon.wait()


def worked_with(browser: Browser, home: Home, url: str) -> str:
    """Make of the home what the pictures show; the address of a listening test."""
    page = of_owner(browser, home, SCREENS["light"])
    page.goto(f"{url}-/soundmill/batches")
    if page.locator("text=game-themes").count() == 0:
        (home.inbox / "game-themes.yaml").write_text(THEMES, encoding="utf-8")
        (home.inbox / "evening.csv").write_text(REFUSED, encoding="utf-8")
    until(lambda: "40 of 40" in got(page, f"{url}-/soundmill/batch/game-themes"))
    page.goto(f"{url}-/soundmill/picks")
    files = page.evaluate(
        """async (addresses) => {
            const { mill } = await import("soundmill/desk");
            const takes = (await (await fetch(addresses)).json()).takes;
            const files = takes.map((take) => take.audio);
            const chosen = files.filter((_, number) => number % 4 === 1).slice(0, 7);
            await mill.ask([
              ...files.slice(0, 24).map((target, number) => ({ action: "rate", target, stars: 1 + (3 * number) % 5 })),
              ...chosen.map((target) => ({ action: "pick", target, shortlist: "final" })),
              ...files.slice(8, 11).map((target) => ({ action: "pick", target, shortlist: "night market" })),
              { action: "deliver", target: "game-themes", of: "batch", profile: "game", zipped: true },
            ]);
            return files;
        }""",
        f"{url}-/soundmill/review.json?batch=game-themes&limit=40",
    )
    assert len(files) == 40
    page.goto(f"{url}-/soundmill/studies")
    if page.locator("text=Its link").count() == 0:
        page.goto(f"{url}-/soundmill/compare?batch=game-themes&row=1")
        page.fill("[name=name]", "harbour")
        page.click("text=Make the link")
        page.wait_for_selector("[data-part=made]:not([hidden])")
        page.goto(f"{url}-/soundmill/studies")
    address = str(page.locator("text=Its link >> a").first.get_attribute("href"))
    page.context.close()
    return url.rstrip("/") + address


def frozen(home: Home) -> str:
    """A copy of a shortlist that opens from a folder."""
    folder = home.root.with_name(f"{home.root.name}-published")
    command = ["publish", str(folder), "--static", "--list", "final", "--title", "Harbour, themes"]
    subprocess.run([sys.executable, "-m", "soundmill", "--home", str(home.root), *command], check=True)
    return (folder / "index.html").as_uri()


def of_owner(browser: Browser, home: Home, options: dict[str, Any]) -> Page:
    context = browser.new_context(reduced_motion="reduce", **options)
    context.set_default_timeout(1000 * PATIENCE_S)
    context.request.get(link(home), max_redirects=0)
    return context.new_page()


def take(browser: Browser, home: Home, url: str, prepare: Prepare, options: dict[str, Any], path: Path) -> None:
    page = of_owner(browser, home, options)
    page.goto(url)
    page.wait_for_load_state("load")
    prepare(page)
    page.wait_for_timeout(SETTLES_MS)
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    if wide > 0:
        print(f"{path.name}: {wide} pixels wider than the window")
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").save(path, quality=QUALITY, method=6)
    print(f"{path.name}: {path.stat().st_size:,} bytes")
    page.context.close()


def got(page: Page, url: str) -> str:
    return str(page.request.get(url).text())


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            raise SystemExit("it takes too long")
        time.sleep(0.5)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
