"""A list written in LibreOffice, saved as .ods, .xlsx and .csv in five countries: each file makes the same jobs."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from service.conftest import config
from service.test_service import rows
from service.test_slow_writers import once
from soundmill.home import Home
from support.libreoffice import SEPARATORS, SHIFT_JIS, WINDOWS_1252, LibreOffice
from support.spreadsheets import fods, ods_cell, ods_row

NUMBER = '<number:number number:decimal-places="{}" number:min-decimal-places="{}" number:min-integer-digits="{}"/>'
LONG = 'number:style="long"'
STYLES = {
    "percentage": f"{NUMBER.format(0, 0, 1)}<number:text>%</number:text>",
    "decimals": NUMBER.format(2, 2, 1),
    "padded": NUMBER.format(0, 0, 3),
    "iso": f"<number:year {LONG}/><number:text>-</number:text><number:month {LONG}/><number:text>-</number:text>"
    f"<number:day {LONG}/>",
    "local": f"<number:month {LONG}/><number:text>/</number:text><number:day {LONG}/><number:text>/</number:text>"
    f"<number:year {LONG}/>",
    "time": f"<number:hours {LONG}/><number:text>:</number:text><number:minutes {LONG}/><number:text>:</number:text>"
    f"<number:seconds {LONG}/>",
    "boolean": "<number:boolean/>",
}
KINDS = {"percentage": "percentage", "iso": "date", "local": "date", "time": "time", "boolean": "boolean"}
COVERED = "<table:covered-table-cell/>"
TITLE = ods_cell("Level 3").replace("<table:table-cell ", '<table:table-cell table:number-columns-spanned="5" ')

HEADER = ("id", "Prompt", "Duration (s)", "temperature", "top_p", "top_k", "seed", "count")
LABELS = ("scene", "due", "take", "at", "local due", "done", "price")
AS_SHOWN = {
    "de-DE": ("01.03.2026", "WAHR", "2,50"),
    "fr-FR": ("01/03/2026", "VRAI", "2,50"),
    "tr-TR": ("01.03.2026", "DOĞRU", "2,50"),
    "ja-JP": ("2026/03/01", "TRUE", "2.50"),
    "en-US": ("03/01/2026", "TRUE", "2.50"),
}  # of the last three labels: a workbook has the value, a CSV what its country shows
TEXTS = [
    ("a1", "slow harp, wide; calm", "1. Akt, See"),
    ("a2", 'a 7" single, "live"', "x;y"),
    ("a3", "two\nlines, of harp", "see\nlake"),
    ("ä4", "Größe Übung für Männer – „leise“", "straße"),
    ("音乐", "音乐、湖邊的豎琴", "湖"),
    ("e6", "🎻🥁 with drums", "emoji 🎧"),
    ("a7", "'tis calm", "50% off"),
    ("i8", "İstanbul'da ığdır ş ç", "i"),
    ("a9", "  padded  ", "don't \\ stop"),
]


def valued(value: float | str, style: str = "") -> str:
    kind = KINDS.get(style, "float")
    name = f"{kind}-value" if kind in ("date", "time", "boolean") else "value"
    at = f' table:style-name="{style}"' if style else ""
    return f'<table:table-cell{at} office:value-type="{kind}" office:{name}="{value}"/>'


def merged(text: str, rows: int) -> str:
    return ods_cell(text).replace("<table:table-cell ", f'<table:table-cell table:number-rows-spanned="{rows}" ')


def formula(text: str) -> str:
    return f"<table:table-cell table:formula={quoteattr(f'of:={text}')}/>"


def styles() -> str:
    made = ""
    for name, parts in STYLES.items():
        kind = KINDS.get(name, "number")
        order = ' number:automatic-order="true"' if name == "local" else ""
        made += f'<number:{kind}-style style:name="n-{name}"{order}>{parts}</number:{kind}-style>'
        made += f'<style:style style:name="{name}" style:family="table-cell" style:data-style-name="n-{name}"/>'
    return made


def the_list() -> list[str]:
    table = [ods_row(*map(ods_cell, HEADER + LABELS))]
    for number, (name, prompt, scene) in enumerate(TEXTS, 1):
        settings = [valued(0.75), valued(0.9, "decimals"), valued(0.85, "percentage"), valued(250), valued(number)]
        labels = [valued("2026-03-01", "iso"), valued(7, "padded"), valued("PT00H01M30S", "time")]
        labels += [valued("2026-03-01", "local"), valued("true", "boolean"), valued(2.5, "decimals")]
        table.append(ods_row(ods_cell(name), ods_cell(prompt), *settings, valued(1), ods_cell(scene), *labels))
    found = [formula('CONCATENATE("harp ";"and drums")'), *map(formula, ("0.25*3", "1/3", "0.9", "200+50", "2^31"))]
    table.append(ods_row(ods_cell("f1"), *found, formula("1+1"), formula('B2&"!"')))
    table.append(ods_row(ods_cell("n1"), ods_cell("plain"), *map(valued, (1.25, 0.125, 0.05, 0, 900719925474099, 3))))
    return table


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> LibreOffice:
    return LibreOffice(tmp_path_factory.mktemp("office"))


@pytest.fixture(scope="module")
def books(office: LibreOffice, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The list as .ods, saved by LibreOffice, and twice with something in it that is refused."""
    folder = tmp_path_factory.mktemp("written")
    table = the_list()
    tables = {
        "list": table,
        "titled": [ods_row(TITLE), ods_row(ods_cell("", times=5)), *table],
        "broken": [*table, ods_row(ods_cell("x"), formula("1/0"))],
        "merged": [
            ods_row(*map(ods_cell, ("scene", "prompt", "duration"))),
            ods_row(merged("lake", 2), ods_cell("harp"), merged("0.75", 3)),
            ods_row(COVERED, ods_cell("drums"), COVERED),
            ods_row(ods_cell("sea"), ods_cell("flute"), COVERED),
        ],
    }
    for name, each in tables.items():
        (folder / f"{name}.fods").write_bytes(fods({"jobs": each}, styles()))
    return {path.stem: path for path in office.convert([folder / f"{name}.fods" for name in tables], "ods", "en-US")}


def drop(home: Home, file: Path, name: str) -> None:
    """`.again`, for in two countries the file may be the same."""
    shutil.copy(file, home.inbox / f"{name}.again{file.suffix}")


def jobs_of(home: Home, file_name: str) -> list[tuple[object, ...]]:
    settings = (
        "jobs.name, prompt, model, duration, temperature, top_k, top_p, cfg_coef, format, seed, replicate, jobs.labels"
    )
    return rows(
        home,
        f"SELECT {settings} FROM jobs JOIN batches ON batches.id = batch_id "
        f"WHERE file_name = '{file_name}' ORDER BY position, replicate",
    )


def saved_with(locale: str) -> set[str]:
    """What is tried between the cells: what Excel takes there; in Germany also what LibreOffice offers."""
    return {SEPARATORS[locale], ","} if locale == "de-DE" else {SEPARATORS[locale]}


def test_each_file_makes_the_same_jobs_in_every_country(
    office: LibreOffice, books: dict[str, Path], home: Home
) -> None:
    book = [books["list"]]
    drop(home, books["list"], "list")

    def save(locale: str) -> None:
        drop(home, *office.convert(book, "xlsx", locale), locale)
        for separator in saved_with(locale):
            drop(home, *office.csv(book, locale, separator), f"{locale} {separator}")

    with ThreadPoolExecutor(2) as side_by_side:
        list(side_by_side.map(save, SEPARATORS))
    ended = once(home, config()).run(once=True)
    assert (ended.accepted, ended.rejected) == (1 + 5 + 5 + 1, 0)
    wanted = jobs_of(home, "list.again.ods")
    assert [row[1] for row in wanted[: len(TEXTS)]] == [prompt.strip().replace("\n", " ") for _, prompt, _ in TEXTS]
    assert wanted[0][3:9] == (0.75, 0.9, 250, 0.85, 3.0, "wav")
    assert json.loads(str(wanted[0][-1])) == dict(
        zip(LABELS, ("1. Akt, See", "2026-03-01", "007", "00:01:30", "2026-03-01", "TRUE", "2.5"), strict=True)
    )
    assert [(row[0], row[1], row[3], row[9]) for row in wanted[-5:]] == [
        ("f1", "harp and drums", 0.75, 2**31),
        ("f1-r2", "harp and drums", 0.75, 2**31 + 1),
        *((f"n1{end}", "plain", 1.25, 900719925474099 + at) for at, end in enumerate(("", "-r2", "-r3"))),
    ]
    for locale, shown in AS_SHOWN.items():
        assert jobs_of(home, f"{locale}.again.xlsx") == wanted
        for separator in saved_with(locale):
            found = jobs_of(home, f"{locale} {separator}.again.csv")
            for got, there in zip(found, wanted, strict=True):
                assert got[:-1] == (*there[:4], pytest.approx(there[4], abs=1e-14), *there[5:-1])
                labels = json.loads(str(there[-1]))
                changed = dict(zip(LABELS[-3:], shown, strict=True)) if "price" in labels else {}
                assert json.loads(str(got[-1])) == labels | changed


def test_a_cell_merged_over_rows_stands_in_each(office: LibreOffice, books: dict[str, Path], home: Home) -> None:
    for file in (books["merged"], *office.convert([books["merged"]], "xlsx", "fr-FR")):
        drop(home, file, "merged")
    assert once(home, config()).run(once=True).accepted == 2
    for suffix in ("ods", "xlsx"):
        found = [(row[1], row[3], json.loads(str(row[-1]))["scene"]) for row in jobs_of(home, f"merged.again.{suffix}")]
        assert found == [("harp", 0.75, "lake"), ("drums", 0.75, "lake"), ("flute", 0.75, "sea")]


def test_a_merged_title_and_an_error_are_told_in_each(office: LibreOffice, books: dict[str, Path], home: Home) -> None:
    both = [books["titled"], books["broken"]]
    for file in (*both, *office.convert(both, "xlsx", "fr-FR"), *office.csv(both, "fr-FR", ";")):
        drop(home, file, file.stem)
    assert once(home, config()).run(once=True).rejected == 6
    for path in (home.inbox / "rejected").glob("*/*.errors.txt"):
        text = path.read_text()
        place = "line" if ".csv" in path.name else "sheet jobs, row"
        assert "one problem" in text
        if path.name.startswith("titled"):
            assert f"{place} 1: the header seems to be on {place.split()[-1]} 3" in text
        else:
            assert "#DIV/0!: is the error of a formula" in text


def test_the_alphabets_of_single_countries_are_refused_with_the_mend(
    office: LibreOffice, books: dict[str, Path], home: Home
) -> None:
    drop(home, *office.csv([books["list"]], "ja-JP", ",", SHIFT_JIS), "japan")
    drop(home, *office.csv([books["list"]], "de-DE", ";", WINDOWS_1252), "germany")
    assert once(home, config()).run(once=True).rejected == 2
    for path in (home.inbox / "rejected").glob("*/*.errors.txt"):
        assert "save the file as UTF-8" in path.read_text()
