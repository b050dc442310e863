"""What OpenDocument spreadsheets hold: what is repeated, covered, spelled in elements, or shown otherwise than held."""

from __future__ import annotations

import pytest

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.table.archive import (
    LONGEST_CELL,
    MOST_CELLS,
    MOST_COLUMNS,
    MOST_TEXT,
    SheetReader,
    Unreadable,
    heft,
)
from soundmill.inbox.jobfile.table.opendocument import MOST_REPEATED
from soundmill.inbox.jobfile.table.sheet import Sheet
from support.spreadsheets import ods, ods_cell, ods_row


def rows_of(*rows: str) -> list[tuple[int, list[str]]]:
    problems = Problems()
    sheet = Sheet(ods({"list": rows}), problems)
    problems.raise_if_any()
    return [(row, cells) for row, _, cells in sheet.records(problems)]


def refused(*rows: str) -> str:
    with pytest.raises(InvalidJobFile) as found:
        rows_of(*rows)
    return str(found.value)


def cell(inside: str, **at: str) -> str:
    said = "".join(f' table:{name.replace("_", "-")}="{text}"' for name, text in at.items())
    return f'<table:table-cell office:value-type="string"{said}>{inside}</table:table-cell>'


def covered(times: int = 1) -> str:
    return f'<table:covered-table-cell table:number-columns-repeated="{times}"/>'


def test_what_is_repeated_is_counted_and_stands_as_often() -> None:
    rows = (
        ods_row(ods_cell("a", times=2), ods_cell("", times=3), ods_cell("b")),
        ods_row(ods_cell("", times=9), times=4),
        ods_row(ods_cell(""), ods_cell("c"), ods_cell("", times=7), times=2),
        ods_row(ods_cell("d", times=0), times=0),
        ods_row(),
        ods_row(ods_cell("e")),
    )
    assert rows_of(*rows) == [
        (1, ["a", "a", "", "", "", "b"]), (6, ["", "c"]), (7, ["", "c"]), (8, ["d"]), (10, ["e"]),
    ]  # fmt: skip


@pytest.mark.parametrize("times", ["-3", "x", "", "9" * 12])
def test_a_number_of_times_that_is_none_is_one(times: str) -> None:
    assert rows_of(ods_row(cell("<text:p>a</text:p>", number_columns_repeated=times), ods_cell("b"))) == [
        (1, ["a", "b"])
    ]


def test_rows_repeat_columns_and_characters_are_bounded() -> None:
    assert refused(ods_row(ods_cell("a")), ods_row(ods_cell("a"), times=MOST_REPEATED + 1)) == (
        "repeats row 2 100,001 times"
    )
    assert len(rows_of(ods_row(ods_cell("a"), times=MOST_REPEATED))) == MOST_REPEATED
    assert rows_of(ods_row(ods_cell(""), times=1_048_000), ods_row(ods_cell("b"))) == [(1_048_001, ["b"])]
    wide = ods_row(ods_cell("", times=MOST_COLUMNS - 1), ods_cell("a"), ods_cell("", times=9))
    assert rows_of(wide) == [(1, [*[""] * (MOST_COLUMNS - 1), "a"])]
    assert refused(ods_row(ods_cell("", times=MOST_COLUMNS), ods_cell("a"))) == "has more than 2,000 columns"
    assert refused(ods_row(ods_cell("a", times=MOST_COLUMNS + 1))) == "has more than 2,000 columns"
    assert rows_of(ods_row(ods_cell("x" * LONGEST_CELL), ods_cell("y" * 9)))[0][1] == ["x" * LONGEST_CELL, "y" * 9]
    pasted = ods_row(ods_cell("slow harp;2"), ods_cell("", times=9))
    assert rows_of(ods_row(ods_cell("prompt"), ods_cell("duration")), pasted)[1] == (2, ["slow harp;2"])
    assert refused(ods_row(ods_cell("x" * (LONGEST_CELL + 1)))) == "has a cell of more than 131,072 characters"


@pytest.mark.parametrize(
    ("inside", "seen"),
    [
        ("<text:p>a</text:p><text:p>b</text:p><text:p/><text:p>c</text:p>", "a\nb\n\nc"),
        ("<text:p>a<text:s/>b<text:s text:c='3'/>c</text:p>", "a b   c"),
        ("<text:p>a<text:tab/>b<text:line-break/>c<text:span>d</text:span><text:a>e</text:a></text:p>", "a\tb\ncde"),
        ("<text:p>a</text:p> out <text:s/><text:tab/>", "a"),
        (
            "<office:annotation><text:p>no<text:s/></text:p><text:p>te</text:p></office:annotation><text:p>a</text:p>",
            "a",
        ),
        ("<text:p>a<office:annotation><text:p>note<text:tab/></text:p></office:annotation>b</text:p>", "ab"),
    ],
)
def test_a_cells_text_is_put_together_from_its_elements(inside: str, seen: str) -> None:
    assert rows_of(ods_row(cell(inside), ods_cell("z"))) == [(1, [seen, "z"])]


def test_a_text_of_blanks_alone_is_bounded_too() -> None:
    assert refused(ods_row(cell(f"<text:p><text:s text:c='{LONGEST_CELL + 1}'/></text:p>"))) == (
        "has a cell of more than 131,072 characters"
    )


def test_a_table_in_a_cell_is_no_part_of_the_list() -> None:
    inner = "<text:p>a</text:p><table:table>" + ods_row(ods_cell("no")) + "</table:table>"
    assert rows_of(ods_row(cell(inner), ods_cell("b")), ods_row(ods_cell("c"))) == [(1, ["a", "b"]), (2, ["c"])]


def test_a_merged_cell_stands_in_each_row_that_it_covers() -> None:
    merged = cell("<text:p>m</text:p>", number_rows_spanned="3", number_columns_spanned="2")
    other = cell("<text:p>n</text:p>", number_rows_spanned="2")
    single = cell("<text:p>o</text:p>", number_rows_spanned="1")
    rows = (
        ods_row(ods_cell("a"), merged, covered(), other),
        ods_row(ods_cell("b"), covered(2), covered(), ods_cell("x")),
        ods_row(ods_cell("c"), covered(), covered(), ods_cell("y")),
        ods_row(ods_cell("d"), covered(9), ods_cell("z")),
        ods_row(single, ods_cell("", times=2), ods_cell("e")),
        ods_row(covered(), ods_cell("f")),
        ods_row(covered(4)),
    )
    assert rows_of(*rows) == [
        (1, ["a", "m", "", "n"]), (2, ["b", "m", "", "n", "x"]), (3, ["c", "m", "", "y"]),
        (4, ["d", *[""] * 9, "z"]), (5, ["o", "", "", "e"]), (6, ["", "f"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "held", "seen"),
    [
        ("x", {"type": "float", "value": "1.50"}, "1.5"), ("x", {"type": "float", "value": "1e3"}, "1000"),
        ("x", {"type": "float", "value": "1e15"}, "1000000000000000.0"),
        ("x", {"type": "float", "value": "-2.0"}, "-2"),
        ("x", {"type": "float", "value": "007"}, "007"), ("010", {"type": "float", "value": "10"}, "010"),
        ("0", {"type": "float", "value": "0.4"}, "0.4"), ("01x", {"type": "float", "value": "1"}, "1"),
        ("x", {"type": "float"}, "x"), ("x", {"type": "percentage", "value": "0.25"}, "0.25"),
        ("x", {"type": "date"}, "x"), ("x", {"type": "date", "date_value": "2026-03-01"}, "2026-03-01"),
        ("x", {"type": "boolean"}, "x"), ("x", {"type": "boolean", "boolean_value": "false"}, "FALSE"),
        ("x", {"type": "time", "time_value": "PT1H2M3,5S"}, "1:02:03.5"), ("1:02", {"type": "time"}, "1:02"),
        ("001:02:03", {"type": "time", "time_value": "PT1H2M3S"}, "001:02:03"),
        ("x", {"type": "time", "time_value": "PT00H90M00S"}, "1:30:00"),
        ("Err:508", {"type": "float", "value": "0"}, "Err:508"), ("#N/A", {"type": "string"}, "#N/A"),
    ],
)  # fmt: skip
def test_a_cell_is_what_people_see_in_it(shown: str, held: dict[str, str], seen: str) -> None:
    assert rows_of(ods_row(ods_cell(shown, **held))) == [(1, [seen])]


def test_a_text_that_is_only_held_is_read() -> None:
    said = '<table:table-cell office:value-type="string" office:string-value="held"/>'
    assert rows_of(ods_row(said, ods_cell("x"))) == [(1, ["held", "x"])]


def test_the_bounds_of_a_sheet() -> None:
    most = "has more than 2,000,000 cells or too much text; share its rows among several files"
    reader = SheetReader()
    reader.count(MOST_CELLS - 1, MOST_TEXT - heft("ab"))
    reader.begin_cell()
    cells = ["x"]
    reader.place(cells, 3, "ab")
    assert cells == ["x", "", "", "ab"] and (heft("ab"), heft("音音") - heft("音")) == (3, 2)
    with pytest.raises(Unreadable) as refused:
        reader.place(cells, 0, "c")
    assert str(refused.value) == most
    reader = SheetReader()
    reader.count(MOST_CELLS)
    with pytest.raises(Unreadable) as refused:
        reader.begin_cell()
    assert str(refused.value) == most
