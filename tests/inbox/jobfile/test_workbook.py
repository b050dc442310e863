"""What Excel workbooks hold, part by part: formats, texts, merged cells, and where each is looked for."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from xml.sax.saxutils import escape

import pytest

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.table.archive import LONGEST_CELL, MOST_COLUMNS
from soundmill.inbox.jobfile.table.sheet import Sheet
from soundmill.inbox.jobfile.table.workbook import clock, number_text
from support.spreadsheets import DOCUMENT, MAIN, PACKAGE, zipped


def book(cells: str, *, after: str = "", root: str = "xl/", about: str = "", target: str = "", **more: str) -> bytes:
    """A workbook of one sheet with these rows; `more` are members by their names without folder and ending."""
    sheet = f'<sheet name="list" sheetId="1" r:id="rId1"/>{about}'
    there = f'<Relationship Id="rId1" Target="{target}"/>' if target else ""
    path = (target if target.startswith("/") else f"/{root}{target or 'worksheets/sheet1.xml'}").removeprefix("/")
    found = {
        f"{root}workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{DOCUMENT}"><sheets>{sheet}</sheets></workbook>',
        f"{root}_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">{there}</Relationships>',
        path: f'<worksheet xmlns="{MAIN}"><sheetData>{cells}</sheetData>{after}</worksheet>',
    }
    return zipped(found | {f"{root}{name}.xml": text for name, text in more.items()})


def zipped_members(data: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def rows_of(data: bytes) -> list[tuple[int, list[str]]]:
    problems = Problems()
    sheet = Sheet(data, problems)
    problems.raise_if_any()
    return [(row, cells) for row, _, cells in sheet.records(problems)]


def refused(data: bytes) -> str:
    with pytest.raises(InvalidJobFile) as found:
        rows_of(data)
    return str(found.value)


def cell(value: str, at: str = "", kind: str = "str", style: str = "") -> str:
    where = f'r="{at}"' if at else ""
    return f'<c {where} t="{kind}" s="{style}"><v>{value}</v></c>'


def row(*cells: str, r: str = "") -> str:
    number = f'r="{r}"' if r else ""
    return f"<row {number}>{''.join(cells)}</row>"


def test_a_cell_stands_where_it_says_or_after_the_one_before_it() -> None:
    rows = row(cell("a", "B1"), cell("b"), cell("c", "AB1"), r="1") + row(cell("d"), "<c/>", cell("e"))
    rows += row(cell("f", "A9"), cell("g", "A9"), r="9") + row("<c/>", r="10") + row(cell("h"), r="x") + row(cell("i"))
    assert rows_of(book(rows)) == [
        (1, ["", "a", "b", *[""] * 24, "c"]),
        (2, ["d", "", "e"]),
        (9, ["g"]),
        (11, ["h"]),
        (12, ["i"]),
    ]


def test_a_value_outside_of_a_cell_belongs_to_none() -> None:
    assert rows_of(book(f"<row><v>stray</v></row>{row('<v>stray</v>', cell('a'))}")) == [(2, ["a"])]


def test_a_cell_that_the_last_column_holds_is_read_and_one_beyond_it_refused() -> None:
    assert rows_of(book(row(cell("x", "BXX1"))))[0][1] == [*[""] * (MOST_COLUMNS - 1), "x"]
    assert refused(book(row(cell("x", "BXY1")))) == "has more than 2,000 columns"
    assert rows_of(book(row(*["<c/>"] * MOST_COLUMNS, "<c/>", cell("x", "A1"))))[0][1][0] == "x"


def test_a_cell_may_have_so_many_characters() -> None:
    assert rows_of(book(row(cell("x" * LONGEST_CELL))))[0][1] == ["x" * LONGEST_CELL]
    assert refused(book(row(cell("x" * (LONGEST_CELL + 1))))) == "has a cell of more than 131,072 characters"
    assert rows_of(book(row(cell("x" * 80_000), cell("y" * 80_000))))[0][1] == ["x" * 80_000, "y" * 80_000]


@pytest.mark.parametrize(
    ("kind", "value", "seen"),
    [
        ("b", "1", "TRUE"), ("b", " 1 ", "TRUE"), ("b", "0", "FALSE"), ("e", "#N/A", "#N/A"), ("e", "N/A", "#FORMULA?"),
        ("d", "2026-03-01T12:00:00", "2026-03-01 12:00:00"), ("n", " 7 ", "7"), ("str", "_x0041_x", "Ax"),
        ("str", "_x00e4_", "ä"), ("inlineStr", " a_x000D_", " a\r"), ("s", " 1 ", "two words"), ("s", "0", "one"),
        ("n", "1.50", "1.5"), ("n", "2.0", "2"), ("n", "1e15", "1000000000000000.0"), ("n", "-12", "-12"),
        ("n", "12345678901234567", "12345678901234567"), ("n", "999999999999999.0", "999999999999999"),
    ],
)  # fmt: skip
def test_a_cell_is_read_by_its_kind(kind: str, value: str, seen: str) -> None:
    texts = "<t>one</t></si><si><r><t>two</t></r><r><t> words</t></r><rPh><t>spoken</t></rPh></si>"
    data = book(row(cell(value, kind=kind)), sharedStrings=f'<sst xmlns="{MAIN}"><si>{texts}</sst>')
    assert rows_of(data) == [(1, [seen])]


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("s", "0", "is damaged: a cell names a text that is not there"),
        ("s", "-1", "is damaged: a cell names a text that is not there"),
        ("s", "9" * 9, "is damaged: a cell names a text that is not there"),
        ("n", "many", "is damaged: a number in it cannot be read"),
        ("n", "1e999", "is damaged: a number in it cannot be read"),
    ],
)
def test_a_cell_that_cannot_be_read_is_refused(kind: str, value: str, why: str) -> None:
    data = book(row(cell(value, kind=kind)))
    if value == "1e999":
        assert rows_of(data) == [(1, ["inf"])]  # no field takes it
        styles = f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="14"/></cellXfs></styleSheet>'
        data = book(row(cell(value, kind=kind, style="0")), styles=styles)
    assert refused(data) == why


def test_a_formula_without_a_value_is_told_and_a_blank_text_is_one() -> None:
    rows = row("<c><f>A1</f></c>", "<c t='str'><f>A1</f><v></v></c>", cell("x"), "<c><f>A1</f><v>3</v></c>", "<c/>")
    assert rows_of(book(rows + row(cell("y")))) == [(1, ["#FORMULA?", "", "x", "3", ""]), (2, ["y"])]


def test_a_text_in_its_cell_is_without_how_it_is_spoken() -> None:
    inline = '<c t="inlineStr"><is><r><t>two</t></r><rPh><t>spoken</t></rPh><t> words</t></is></c>'
    assert rows_of(book(row(inline, cell("x")))) == [(1, ["two words", "x"])]


FORMATS = {  # by its number, or by its code: how 46082.5 is seen
    14: "2026-03-01 12:00:00", 17: "2026-03-01 12:00:00", 22: "2026-03-01 12:00:00", 27: "2026-03-01 12:00:00",
    31: "2026-03-01 12:00:00", 36: "2026-03-01 12:00:00", 50: "2026-03-01 12:00:00", 54: "2026-03-01 12:00:00",
    57: "2026-03-01 12:00:00", 58: "2026-03-01 12:00:00", 18: "1105980:00:00", 21: "1105980:00:00",
    32: "1105980:00:00", 35: "1105980:00:00", 45: "1105980:00:00", 47: "1105980:00:00", 0: "46082.5", 13: "46082.5",
    23: "46082.5", 26: "46082.5", 37: "46082.5", 48: "46082.5", 49: "46082.5", 55: "46082.5", 56: "46082.5",
    59: "46082.5", "00": "46082.5", "000000000;-0": "0046082.5", "dd/mm/yy;@": "2026-03-01 12:00:00",
    "YYYY": "2026-03-01 12:00:00", "hh:mm": "1105980:00:00", "h:mm;hh": "1105980:00:00", "mmm": "2026-03-01 12:00:00",
    "mm": "46082.5", "[h]": "1105980:00:00", "[Red]0": "46082.5", '0" days"': "46082.5", "\\d0": "46082.5",
    "_d0": "46082.5", "*s0": "46082.5", "General": "46082.5", "h AM/PM": "1105980:00:00", "[$-409]0": "46082.5",
    "0.00E+00": "46082.5", "s": "1105980:00:00", "d h": "2026-03-01 12:00:00", "general y": "2026-03-01 12:00:00",
}  # fmt: skip


@pytest.mark.parametrize(("style", "seen"), FORMATS.items())
def test_a_number_is_what_its_format_shows(style: int | str, seen: str) -> None:
    number = 164 if isinstance(style, str) else style
    code = escape(style, {'"': "&quot;"}) if isinstance(style, str) else "@"
    styles = (
        f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="{number if number > 163 else 999}" '
        f'formatCode="{code}"/></numFmts><cellStyleXfs><xf numFmtId="22"/></cellStyleXfs>'
        f'<cellXfs><xf/><xf numFmtId="{number}"/></cellXfs><dxfs><xf numFmtId="14"/></dxfs></styleSheet>'
    )
    cells = [cell("46082.5", kind="n", style=each) for each in ("1", "0", "2", "", "-1")]
    assert rows_of(book(row(*cells), styles=styles)) == [(1, [seen, *["46082.5"] * 4])]


@pytest.mark.parametrize(
    ("value", "shown", "seen"),
    [
        ("7", "4", "0007"), ("-7", "4", "-007"), ("12345", "4", "12345"), ("0.5", "time", "12:00:00"),
        ("0.25", "0time", "06:00:00"), ("0.5", "0time", "12:00:00"), ("1.5", "time", "36:00:00"),
        ("0.0000058", "time", "0:00:00.501"), ("46082", "date", "2026-03-01"), ("46082", "both", "2026-03-01 00:00:00"),
        ("46082.99999", "date", "2026-03-01 23:59:59"), ("46081.9999999", "date", "2026-03-01"),
        ("0", "date", "1899-12-30"), ("1.0", "", "1"), ("-1.0", "", "-1"), ("1e14", "", "100000000000000"),
    ],
)  # fmt: skip
def test_a_number_as_it_is_seen(value: str, shown: str, seen: str) -> None:
    assert number_text(value, shown, datetime(1899, 12, 30)) == seen


@pytest.mark.parametrize(
    ("seconds", "seen"),
    [
        (0, "0:00:00"), (59.5, "0:00:59.5"), (60, "0:01:00"), (3599, "0:59:59"), (3661.25, "1:01:01.25"),
        (0.001, "0:00:00.001"),
    ],
)  # fmt: skip
def test_a_time_of_day(seconds: float, seen: str) -> None:
    assert clock(seconds) == seen


@pytest.mark.parametrize(
    ("flag", "day"), [("1", "2030-03-02"), ("true", "2030-03-02"), ("0", "2026-03-01"), ("", "2026-03-01")]
)
def test_days_may_be_counted_from_1904(flag: str, day: str) -> None:
    styles = f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="14"/></cellXfs></styleSheet>'
    data = book(row(cell("46082", kind="n", style="0")), about=f'<workbookPr date1904="{flag}"/>', styles=styles)
    assert rows_of(data) == [(1, [day])]


@pytest.mark.parametrize(
    ("root", "target"),
    [
        ("xl/", ""), ("xl/", "worksheets/sheet1.xml"), ("xl/", "other/list.xml"), ("xl/", "/xl/worksheets/a.xml"),
        ("xl/", "../list.xml"), ("deep/xl/", ""), ("XL/", "sheet.xml"),
    ],
)  # fmt: skip
def test_a_sheet_is_looked_for_where_the_workbook_says(root: str, target: str) -> None:
    if target.startswith("../"):
        files = zipped_members(book(row(cell("x")), root=root, target=target))
        files["list.xml"] = files.pop(f"{root}{target}")
        assert rows_of(zipped(files)) == [(1, ["x"])]
    else:
        assert rows_of(book(row(cell("x")), root=root, target=target)) == [(1, ["x"])]


def test_a_merged_cell_stands_in_each_row_that_has_something_else() -> None:
    rows = (
        row(cell("a", "B1"), cell("x", "C1"), cell("top", "F1"), r="1")
        + row(cell("b", "A2"), cell("x", "E2"), r="2")
        + row(cell("", "A3"), r="3")
        + row(cell("c", "A4"), r="4")
        + row(cell("d", "A5"), r="5")
        + row(cell("e", "B6"), cell("f", "A6"), r="6")
        + row(cell("g", "C7"), r="7")
    )
    merged = '<mergeCells><mergeCell ref="B1:C4"/><mergeCell ref="F1:F2"/><mergeCell ref="B6:B7"/></mergeCells>'
    assert rows_of(book(rows, after=merged)) == [
        (1, ["", "a", "x", "", "", "top"]),
        (2, ["b", "a", "", "", "x", "top"]),
        (4, ["c", "a"]),
        (5, ["d"]),
        (6, ["f", "e"]),
        (7, ["", "e", "g"]),
    ]


def test_the_shared_texts_of_one_cell_may_have_so_many_characters() -> None:
    def of(text: str) -> bytes:
        return book(row(cell("0", kind="s")), sharedStrings=f'<sst xmlns="{MAIN}"><si><t>{text}</t></si></sst>')

    assert rows_of(of("x" * LONGEST_CELL)) == [(1, ["x" * LONGEST_CELL])]
    assert refused(of("x" * (LONGEST_CELL + 1))) == "has too much text; share its rows among several files"


def test_a_workbook_that_says_nothing_of_its_sheets_and_cells_is_read_as_it_stands() -> None:
    members = zipped_members(book(row(cell("prompt")) + row(cell("1", kind="", style="0"), "<c><v>2</v></c>")))
    members["xl/workbook.xml"] = f'<workbook xmlns="{MAIN}"><sheets><sheet/></sheets></workbook>'
    members["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{PACKAGE}"><Relationship/></Relationships>'
    members["xl/styles.xml"] = f'<styleSheet xmlns="{MAIN}"><numFmt/><cellXfs><xf/></cellXfs></styleSheet>'
    members["xl/"] = members.pop("xl/worksheets/sheet1.xml")
    problems = Problems()
    assert str(Sheet(zipped(members), problems).place) == "sheet , row" and str(refused(zipped(members))).startswith(
        "is no workbook: xl is not in it"
    )


def test_a_workbook_without_its_parts_is_refused_by_their_names() -> None:
    members = zipped_members(book(row(cell("x"))))
    for gone, said in (
        ("xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"), ("xl/_rels/workbook.xml.rels", None),
        ("xl/workbook.xml", "xl/workbook.xml"),
    ):  # fmt: skip
        del members[gone]
        assert refused(zipped(members)) == f"is no workbook: {said or gone} is not in it"


@pytest.mark.parametrize("names", [("Notes", "More", " JOBS "), ("More", "Notes"), ("jobs",)])
def test_the_list_is_the_sheet_named_jobs_else_the_first_that_is_seen(names: tuple[str, ...]) -> None:
    members = zipped_members(book(""))
    sheets = "".join(
        f'<sheet name="{name}" r:id="r{n}" state="{"hidden" if name == "Notes" else "visible"}"/>'
        for n, name in enumerate(names)
    )
    told = "".join(f'<Relationship Id="r{n}" Target="s{n}.xml"/>' for n in range(len(names)))
    members["xl/workbook.xml"] = f'<workbook xmlns="{MAIN}" xmlns:r="{DOCUMENT}">{sheets}</workbook>'
    members["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{PACKAGE}">{told}</Relationships>'
    for n, name in enumerate(names):
        members[f"xl/s{n}.xml"] = f'<worksheet xmlns="{MAIN}">{row(cell(name))}</worksheet>'
    chosen = names[-1] if "jobs" in names[-1].lower() else "More"
    assert rows_of(zipped(members)) == [(1, [chosen])]
    assert Sheet(zipped(members), Problems()).place == f"sheet {chosen}, row"


@pytest.mark.parametrize(("local", "central", "bits"), [(6, 8, b"\x01\x00"), (8, 10, b"\x63\x00")])
def test_a_workbook_with_a_password_or_packed_unusually_is_refused(local: int, central: int, bits: bytes) -> None:
    """Source of the places: the ZIP specification (APPNOTE 6.3), general purpose flags and compression method."""
    data = bytearray(book(row(cell("a"))))
    for mark, place in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = data.find(mark)
        while at >= 0:
            data[at + place : at + place + 2] = bits
            at = data.find(mark, at + 1)
    assert refused(bytes(data)) == "is protected by a password, or packed in an unusual way; save it without"
