"""The contact sheet and the report on paper: Chromium prints them to A4 in few pages, and cuts nothing in two."""

from __future__ import annotations

import itertools
import re
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from publish.conftest import Home, job
from report.conftest import report_on
from support.chromium import FLAGS, chromium

PROMPTS = (
    "Slow dark drone with low strings and distant bells",
    "Energetic battle drums with brass stabs, 140 bpm, tense and heroic, for the final encounter in the throne room",
    "Gentle lute melody by the tavern fire",
)
REPLICATES = 3
CONDITIONS = tuple(itertools.product(PROMPTS, (0.7, 1.0, 1.3), (2.0, 5.0)))
A4_PT = (842, 595)  # landscape


@pytest.fixture(scope="module")
def printed(browser: Browser, tmp_path_factory: pytest.TempPathFactory, fresh: Callable[[Path], Home]) -> Path:
    """3 × 3 × 2 conditions with three replicates each, some of them flagged; the folder with the printed pages."""
    home = fresh(tmp_path_factory.mktemp("home") / "home")
    jobs = [
        job(
            at * REPLICATES + replicate,
            prompt,
            temperature=temperature,
            cfg_coef=cfg_coef,
            condition={"prompt": prompt, "temperature": f"{temperature:g}", "cfg_coef": f"{cfg_coef:g}"},
            replicate=replicate,
        )
        for at, (prompt, temperature, cfg_coef) in enumerate(CONDITIONS)
        for replicate in range(1, REPLICATES + 1)
    ]
    home.ingest("sweep", jobs, kind="experiment", experiment={"design": "full_factorial"})
    for attempt in home.claim(len(jobs)):
        position = attempt.job.position
        home.finish(
            attempt, score=60.0 + position % 30, failing="repetition" if position % 5 == 0 else None, seconds=0.2
        )
    folder = report_on(home, "sweep")
    page = browser.new_page()
    for name in ("contact-sheet", "report"):
        page.goto((folder / f"{name}.html").as_uri())
        page.pdf(path=folder / f"{name}.pdf", format="A4", prefer_css_page_size=True, tagged=True)
    page.close()
    return folder


@pytest.fixture(scope="module")
def sheet(printed: Path) -> Path:
    return printed / "contact-sheet.pdf"


def objects_of(sheet: Path) -> dict[int, bytes]:
    """The objects of a PDF by number. Chromium writes them plain, so this is all it takes."""
    found = re.finditer(rb"(\d+) 0 obj\b(.*?)\bendobj", sheet.read_bytes(), re.DOTALL)
    return {int(match[1]): match[2] for match in found}


def references(name: bytes, body: bytes) -> list[int]:
    """The numbers of the objects that stand under a name, alone or in a list."""
    under = re.search(rb"/" + name + rb"\s*(\[.*?\]|\d+ 0 R)", body, re.DOTALL)
    return [int(number) for number in re.findall(rb"(\d+) 0 R", under[1])] if under else []


def pages_with(kind: bytes, objects: dict[int, bytes]) -> list[set[int]]:
    """Of each TR (table row), Figure or other such part, in order, the pages it is on, as the PDF's structure for
    screen readers says."""

    def pages_under(number: int) -> set[int]:
        body = objects[number]
        on = {int(page) for page in re.findall(rb"/Pg (\d+) 0 R", body)}
        elements = (one for one in references(b"K", body) if b"/StructElem" in objects[one])
        return on.union(*map(pages_under, elements))

    parts = [number for number, body in objects.items() if re.search(rb"/StructElem\s+/S /" + kind + rb"\b", body)]
    return [pages_under(number) for number in sorted(parts)]


def pages_of(objects: dict[int, bytes]) -> list[int]:
    return sorted(number for number, body in objects.items() if re.search(rb"/Type\s*/Page\b", body))


def test_it_is_a4_and_a_page_holds_the_conditions_of_a_prompt(sheet: Path) -> None:
    objects = objects_of(sheet)
    boxes = [re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", objects[page]) for page in pages_of(objects)]
    assert [tuple(round(float(side)) for side in box.groups()) for box in boxes if box] == [A4_PT] * len(PROMPTS)


def test_no_row_is_cut_by_the_end_of_a_page(sheet: Path) -> None:
    """The headings are on every page, each row on one, and a prompt on the page of its first condition."""
    objects = objects_of(sheet)
    headings, *rows = pages_with(b"TR", objects)
    assert headings == set(pages_of(objects))
    assert len(rows) == len(PROMPTS) + len(CONDITIONS) and [len(on) for on in rows] == [1] * len(rows)
    each = len(CONDITIONS) // len(PROMPTS) + 1
    assert [rows[at] for at in range(0, len(rows), each)] == [rows[at + 1] for at in range(0, len(rows), each)]


def pictures_drawn(sheet: Path) -> int:
    """How often a page paints an image; what else it paints by name are groups of a plot's lines."""
    objects = objects_of(sheet)
    drawn = 0
    for page in pages_of(objects):
        (contents,) = references(b"Contents", objects[page])
        stream = objects[contents]
        commands = zlib.decompressobj().decompress(stream[stream.index(b"stream") + 6 :].lstrip(b"\r\n"))
        for name in re.findall(rb"/(X\d+) Do\b", commands):
            (painted,) = references(name, objects[page])
            drawn += b"/Subtype /Image" in objects[painted]
    return drawn


def test_every_picture_is_drawn_once(sheet: Path) -> None:
    assert pictures_drawn(sheet) == len(CONDITIONS) * REPLICATES


def without_scripts(browser: Browser, page: Path, pdf: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(page.as_uri())
    opened.pdf(path=pdf)
    context.close()


def on_the_command_line(browser: Browser, page: Path, pdf: Path) -> None:
    command = [chromium(), *FLAGS, "--headless", f"--print-to-pdf={pdf}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("name", ["contact-sheet", "report"])
@pytest.mark.parametrize("way", [without_scripts, on_the_command_line])
def test_every_picture_is_on_paper_however_it_is_printed(
    browser: Browser, printed: Path, name: str, way: Callable[[Browser, Path, Path], None]
) -> None:
    """Chromium up to 150 prints no picture that waits to be scrolled to."""
    page = printed / f"{name}.html"
    pdf = printed / f"{name}-{way.__name__}.pdf"
    way(browser, page, pdf)
    assert pictures_drawn(pdf) == page.read_text(encoding="utf-8").count("<img ")


def test_the_report_has_no_plot_apart_from_its_title_and_no_take_in_two(printed: Path) -> None:
    objects = objects_of(printed / "report.pdf")
    for kind in (b"Figure", b"TD"):  # rows of headings are on every page of their table
        found = pages_with(kind, objects)
        assert len(found) > len(CONDITIONS) * REPLICATES
        assert [on for on in found if len(on) > 1] == []


def test_the_report_on_paper_has_its_takes_under_each_other_in_narrow_rows(printed: Path) -> None:
    assert len(pages_of(objects_of(printed / "report.pdf"))) <= 10
