"""Spreadsheets are read as they are: the sheet, its cells as people see them, and within bounds."""

from __future__ import annotations

import io
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import JobSpec
from support.spreadsheets import (
    MAIN,
    ODF_SPACES,
    ODS,
    Cell,
    Fault,
    Formula,
    Styled,
    ods,
    ods_cell,
    ods_row,
    xlsx,
    zipped,
)

HEADER = ("id", "prompt", "duration", "seed", "scene")


def jobs_of(data: bytes, rules: Rules, name: str = "list.xlsx") -> list[JobSpec]:
    return list(read_jobs(data, name, rules).jobs)


def refusal(data: bytes, rules: Rules, name: str = "list.xlsx") -> list[str]:
    with pytest.raises(InvalidJobFile) as refused:
        read_jobs(data, name, rules)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize("shared", [True, False])
def test_a_workbook_makes_the_jobs_of_its_rows(shared: bool, rules: Rules) -> None:
    rows: Sequence[Sequence[Cell]] = [
        HEADER,
        ("harp", "slow harp, wide", 2.5, 9007199254740991, "lake"),
        (),
        (None, "音乐 & <drums>\nloud", 3, None, None),
    ]
    first, second = jobs_of(xlsx({"Tabelle1": rows}, shared=shared), rules)
    assert (first.name, first.prompt, first.parameters.duration) == ("harp", "slow harp, wide", 2.5)
    assert (first.seed, first.labels) == (9007199254740991, {"scene": "lake"})
    assert (second.prompt, second.parameters.duration, second.labels) == ("音乐 & <drums> loud", 3.0, {})


def test_the_sheet_named_jobs_is_read_else_the_first_that_is_seen(rules: Rules) -> None:
    notes, jobs = [("prompt",), ("a note",)], [("prompt",), ("harp",)]
    assert [j.prompt for j in jobs_of(xlsx({"Notes": notes, "JOBS ": jobs}), rules)] == ["harp"]
    assert [j.prompt for j in jobs_of(xlsx({"Notes": notes, "More": jobs}), rules)] == ["a note"]
    assert [j.prompt for j in jobs_of(xlsx({"Notes": notes, "More": jobs}, hidden=["Notes"]), rules)] == ["harp"]


@pytest.mark.parametrize(
    ("cell", "seen"),
    [
        (Styled(46082, "yyyy-mm-dd"), "2026-03-01"),
        (Styled(46082, "dd.mm.yy;@"), "2026-03-01"),
        (Styled(46082.5, 'd" of "mmm yyyy h:mm'), "2026-03-01 12:00:00"),
        (Styled(90 / 86400, "[h]:mm:ss"), "0:01:30"),
        (Styled(90 / 86400, "hh:mm:ss"), "00:01:30"),
        (Styled(0.75, "h:mm AM/PM"), "18:00:00"),
        (Styled(7, "0000"), "0007"),
        (Styled(0.1 + 0.2, "0.00"), "0.30000000000000004"),
        (Styled(12.0, '0" days"'), "12"),
        (Styled(3.5, "[Red]0.0"), "3.5"),
        (True, "TRUE"),
        (False, "FALSE"),
        (Styled(0.25, "hh:mm"), "06:00:00"),
        (Styled(1.5, "[hh]:mm"), "36:00:00"),
        (Styled(0.5 / 86400, "mm:ss.0"), "0:00:00.5"),
        (Styled(46082, "mmm yy"), "2026-03-01"),
        (Styled(46082, "mmmm"), "2026-03-01"),
        (Styled(3, '0 "hours"'), "3"),
        (Styled(1.5, "General"), "1.5"),
        (1e20, "1e+20"),
        (-4, "-4"),
        (Formula("A1&B1", "both"), "both"),
        (Formula("1+1", 2.0), "2"),
        ("_x0041_", "_x0041_"),
        (" two  blanks ", "two  blanks"),
    ],
)
def test_a_cell_is_what_people_see_in_it(cell: Cell, seen: str, rules: Rules) -> None:
    (job,) = jobs_of(xlsx({"jobs": [("prompt", "cue"), ("harp", cell)]}), rules)
    assert job.labels == {"cue": seen}


@pytest.mark.parametrize("at", ["prompt", "duration", "id", "scene"])
@pytest.mark.parametrize("fault", [Fault("#REF!"), Fault("#N/A"), Fault("#DIV/0!"), Fault("REF"), Formula("A9", None)])
def test_an_error_cell_is_refused_in_every_column(at: str, fault: Cell, rules: Rules) -> None:
    row = [fault if name == at else "2" if name == "duration" else None if name == "seed" else "x" for name in HEADER]
    (problem,) = refusal(xlsx({"My list": [HEADER, row]}), rules)
    assert problem.startswith(f"sheet My list, row 2: {at} = #") and "the error of a formula" in problem


@pytest.mark.parametrize(("text", "mark"), [("slow harp;2", "a semicolon"), ("slow harp\t2", "a tab")])
def test_a_row_that_was_pasted_into_one_cell_is_refused(text: str, mark: str, rules: Rules) -> None:
    rows = [["prompt", "duration"], ["drums", 1], [text]]
    (told,) = refusal(xlsx({"jobs": rows}), rules)
    assert f"is one cell with {mark} in it; give each value a cell of its own" in told


def test_a_problem_names_the_sheet_and_its_row(rules: Rules) -> None:
    rows: Sequence[Sequence[Cell]] = [("Sounds for level 3",), (), ("prompt", "duration"), ("harp", 2)]
    title = "sheet A, row 1: the header seems to be on row 3; delete what stands above it"
    assert refusal(xlsx({"A": rows}), rules) == [title]
    assert refusal(xlsx({"A": [*rows[2:], ("x", 999)]}), rules)[0].startswith("sheet A, row 3: duration = 999: ")


def test_a_sheets_name_is_shown_with_its_odd_characters_spelled_out(rules: Rules) -> None:
    assert refusal(xlsx({"jobs\u2028": [("prompt",)]}), rules)[0].startswith("sheet jobs\\u2028, row 1: ")


def test_a_seed_that_may_have_lost_its_last_digit_is_asked_about(rules: Rules) -> None:
    """Excel keeps fifteen digits of a number, and says nothing when one with more is typed or pasted."""
    (problem,) = refusal(xlsx({"A": [("prompt", "seed"), ("harp", 9007199254740990)]}), rules)
    assert "seed = 9007199254740990: may have lost its last digit" in problem


def test_a_cell_merged_over_rows_stands_in_each_that_has_something_else(rules: Rules) -> None:
    texts = [("lake", "harp", "2"), ("", "drums", ""), ("", "", ""), ("sea", "flute", "")]
    rows = [
        f'<row r="{y}">'
        + "".join(f'<c r="{"ABC"[x]}{y}" t="str"><v>{text}</v></c>' for x, text in enumerate(cells) if text)
        + "</row>"
        for y, cells in enumerate((("scene", "prompt", "duration"), *texts), 1)
    ]
    merged = '<mergeCells><mergeCell ref="A2:A4"/><mergeCell ref="C2:C5"/></mergeCells>'
    jobs = jobs_of(bomb(f"{''.join(rows)}</sheetData>{merged}<sheetData>"), rules)
    assert [(job.prompt, job.labels["scene"], job.parameters.duration) for job in jobs] == [
        ("harp", "lake", 2.0),
        ("drums", "lake", 2.0),
        ("flute", "sea", 2.0),
    ]


def test_a_time_cell_of_thirty_minutes_is_asked_about(rules: Rules) -> None:
    (problem,) = refusal(xlsx({"A": [("prompt", "duration"), ("harp", Styled(30 / 1440, "h:mm"))]}), rules)
    assert "1,800 seconds are too long; perhaps 0:00:30 was meant: write 30" in problem


def test_an_ods_makes_the_jobs_of_its_rows(rules: Rules) -> None:
    rows = [
        ods_row(*map(ods_cell, (*HEADER, "at", "to")), ods_cell("", times=1017)),
        ods_row(
            ods_cell("007", type="float", value="7"),
            ods_cell("slow  harp\nwide"),
            ods_cell("2,50", type="float", value="2.5"),
            ods_cell("12", type="float", value="12"),
            ods_cell("1.3.26", type="date", date_value="2026-03-01"),
            ods_cell("00:01:30", type="time", time_value="PT00H01M30S"),
            ods_cell("1:30", type="time", time_value="PT00H01M30S"),
        ),
        ods_row(ods_cell("", times=5), times=3),
        ods_row(ods_cell(""), ods_cell("drums"), ods_cell(""), ods_cell(""), ods_cell("", times=1020), times=2),
        ods_row(ods_cell("", times=1024), times=1048000),
    ]
    first, *rest = jobs_of(ods({"Liste": rows}), rules, "list.ods")
    assert (first.name, first.prompt, first.parameters.duration, first.seed) == ("007", "slow  harp wide", 2.5, 12)
    assert first.labels == {"scene": "2026-03-01", "at": "00:01:30", "to": "0:01:30"}
    assert [(job.prompt, job.position) for job in rest] == [("drums", 2), ("drums", 3)]


@pytest.mark.parametrize("shown", ["#REF!", "Err:508", "#NAME?"])
def test_an_error_of_libreoffice_is_refused(shown: str, rules: Rules) -> None:
    row = ods_row(ods_cell("harp"), ods_cell(shown, type="float", value="0"))
    (problem,) = refusal(ods({"a": [ods_row(ods_cell("prompt"), ods_cell("cue")), row]}), rules, "list.ods")
    assert "the error of a formula" in problem


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"prompt\nharp\n", "is not a spreadsheet"),
        (b"", "is not a spreadsheet"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "protected by a password"),
        (xlsx({"jobs": [("prompt",), ("harp",)]})[:-30], "is no whole workbook"),
        (zipped({"a.txt": "x"}), "is no workbook"),
        (zipped({"content.xml": "<a>"}), "is damaged"),
        (zipped({"content.xml": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"}), "a document type"),
        (zipped({"content.xml": "<a/>"}), "has no sheet"),
    ],
)
def test_what_is_no_whole_spreadsheet_is_refused(data: bytes, why: str, rules: Rules) -> None:
    assert why in refusal(data, rules)[0]


def members_of(data: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def bomb(inside: str, member: str = "xl/worksheets/sheet1.xml") -> bytes:
    text = f'<worksheet xmlns="{MAIN}"><sheetData>{inside}</sheetData></worksheet>'
    return zipped(members_of(xlsx({"jobs": [("prompt",)]})) | {member: text})


def ods_bomb(rows: str) -> bytes:
    return ods({"jobs": [ods_row(ods_cell("prompt")), rows]})


BOMBS: dict[str, Callable[[], bytes]] = {
    "cells": lambda: bomb("<row>" + "<c/>" * 2_100_000 + "</row>"),
    "tags": lambda: bomb("<a/>" * 20_000_000),
    "attributes": lambda: bomb(("<a " + " ".join(f'x{i}=""' for i in range(1000)) + "/>") * 5_000),
    "text": lambda: bomb("<row><c t='str'><v>" + "la " * 10_000_000 + "</v></c></row>"),
    "attribute": lambda: bomb("<row><c r='" + "A" * 60_000_000 + "'/></row>"),
    "column": lambda: bomb("<row><c r='ZZZ1'><v>1</v></c></row>"),
    "texts": lambda: bomb(("<row><c t='str'><v>" + "x" * 100_000 + "</v></c></row>") * 700),
    "wide texts": lambda: bomb(("<row><c t='str'><v>😀" + "x" * 100_000 + "</v></c></row>") * 700),
    "shared texts": lambda: bomb("<si><t>a</t></si>" * 2_000_000, "xl/sharedStrings.xml"),
    "formats": lambda: bomb(
        "<cellXfs>" + "<xf numFmtId='1'/>" * 2_000_000 + "</cellXfs>",
        "xl/styles.xml",
    ),
    "sheets": lambda: bomb("<sheets>" + "<sheet name='a' id='1'/>" * 2_000_000 + "</sheets>", "xl/workbook.xml"),
    "cells of an ods": lambda: ods_bomb("<table:table-row>" + "<table:table-cell/>" * 2_100_000 + "</table:table-row>"),
    "a row again and again": lambda: ods_bomb(ods_row(ods_cell("harp"), times=100_000) * 2),
    "a cell again and again": lambda: ods_bomb(ods_row(ods_cell("harp", times=1_900), times=1_000)),
}


# Tracing takes a minute where there are millions.
FEW_PIECES = {"text", "attribute", "column", "texts", "wide texts", "a row again and again", "a cell again and again"}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_spreadsheet_that_unpacks_to_too_much_is_refused_within_bounds(kind: str, rules: Rules) -> None:
    """2 s of the processor, and 200 MB over what the process had."""
    data = BOMBS[kind]()
    name = "list.ods" if b"content.xml" in data else "list.xlsx"
    started = time.process_time()
    refusal(data, rules, name)
    assert time.process_time() - started < 2
    if kind in FEW_PIECES:
        tracemalloc.start()
        refusal(data, rules, name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 200 << 20


def test_a_long_list_of_rows_that_hardly_differ_is_no_bomb(rules: Rules) -> None:
    rows = [ods_row(ods_cell(f"harp {n}"), *(ods_cell("x") for _ in range(4))) for n in range(20_000)]
    header = ods_row(*(ods_cell(name) for name in ("prompt", "a", "b", "c", "d")))
    assert read_jobs(ods({"jobs": [header, *rows]}), "list.ods", rules).job_count == 20_000
    again = [header, ods_row(ods_cell("harp"), ods_cell("x"), times=20_000)]
    assert read_jobs(ods({"jobs": again}), "list.ods", rules).job_count == 20_000


SMALL = xlsx(
    {"jobs": [("prompt", "duration", "cue"), ("harp", 2.5, Styled(46082, "yyyy-mm-dd")), ("x", 3, Fault("#N/A"))]}
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_workbook_is_jobs_or_problems(rules: Rules, data: st.DataObject) -> None:
    """Whatever stands in its members, only InvalidJobFile is raised, and its problems can be shown."""
    members = members_of(SMALL)
    name = data.draw(st.sampled_from(sorted(members)))
    text = members[name]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        put = data.draw(
            st.sampled_from(["", '"', "<", "-1", "9" * 12, "<c/>", "</row>", "nan", 't="s"', "#REF!", "\x01"])
        )
        text = text[:at] + put + text[at + data.draw(st.integers(0, 8)) :]
    try:
        jobs_of(zipped(members | {name: text}), rules)
    except InvalidJobFile as refused:
        assert all(str(problem).isprintable() for problem in refused.problems)


def test_a_text_by_a_number_that_is_none_is_refused(rules: Rules) -> None:
    assert "a text that is not there" in refusal(bomb("<row><c r='A1' t='s'><v>-1</v></c></row>"), rules)[0]


def opened(body: str, styles: str = "") -> bytes:
    """An OpenDocument spreadsheet of these tables and styles, as LibreOffice writes them."""
    return zipped(
        {
            "mimetype": ODS,
            "content.xml": f"<office:document-content {ODF_SPACES}><office:automatic-styles>{styles}"
            f"</office:automatic-styles><office:body><office:spreadsheet>{body}</office:spreadsheet></office:body>"
            "</office:document-content>",
        }
    )


def table(name: str, *rows: str, style: str = "") -> str:
    return f'<table:table table:name="{name}" table:style-name="{style}">{"".join(rows)}</table:table>'


def prompts(*texts: str) -> list[str]:
    return [ods_row(ods_cell("prompt")), *(ods_row(ods_cell(text)) for text in texts)]


def test_a_hidden_sheet_of_an_ods_is_not_read(rules: Rules) -> None:
    styles = "".join(
        f'<style:style style:name="{name}" style:family="table"><style:table-properties table:display="{seen}"/>'
        "</style:style>"
        for name, seen in (("ta1", "false"), ("ta2", "true"))
    )
    body = table("Notes", *prompts("a note"), style="ta1") + table("More", *prompts("harp"), style="ta2")
    assert [job.prompt for job in jobs_of(opened(body, styles), rules, "list.ods")] == ["harp"]
    body = table("Notes", *prompts("a note"), style="ta2") + table("More", *prompts("harp"), style="ta1")
    assert [job.prompt for job in jobs_of(opened(body, styles), rules, "list.ods")] == ["a note"]
    body += table("Jobs", *prompts("drums"))
    assert [job.prompt for job in jobs_of(opened(body, styles), rules, "list.ods")] == ["drums"]


def test_what_is_beside_the_text_of_an_ods_cell_is_not_its_text(rules: Rules) -> None:
    """Comments, and a table within a cell; blanks, tabs and line breaks are."""
    cell = (
        '<table:table-cell office:value-type="string"><office:annotation><text:p>a <text:s text:c="3"/>comment</text:p>'
        '</office:annotation><text:p>slow<text:s text:c="2"/><text:span>harp<text:tab/>and<text:line-break/>'
        "</text:span>drums</text:p></table:table-cell>"
    )
    inner = (
        '<table:table-cell office:value-type="string"><text:p>wide</text:p>'
        f"{table('inner', *prompts('no job'))}</table:table-cell>"
    )
    body = table("jobs", ods_row(ods_cell("prompt"), ods_cell("mood")), ods_row(cell, inner))
    (job,) = jobs_of(opened(body), rules, "list.ods")
    assert job.prompt == "slow  harp and drums" and job.labels == {"mood": "wide"}


def merged(shown: str, rows: int, columns: int = 1) -> str:
    return (
        f'<table:table-cell office:value-type="string" table:number-rows-spanned="{rows}"'
        f' table:number-columns-spanned="{columns}"><text:p>{shown}</text:p></table:table-cell>'
    )


def test_a_merged_cell_of_an_ods_stands_in_each_of_its_rows_that_has_something_else(rules: Rules) -> None:
    covered = "<table:covered-table-cell/>"
    body = table(
        "jobs",
        ods_row(*map(ods_cell, ("scene", "prompt", "mood"))),
        ods_row(merged("lake", 3), ods_cell("harp"), ods_cell("calm")),
        ods_row(covered, ods_cell("drums")),
        ods_row(covered, ods_cell("", times=2)),
        ods_row(ods_cell("sea"), ods_cell("storm"), merged("wild", 2)),
        ods_row(ods_cell(""), ods_cell("rain"), covered),
    )
    jobs = jobs_of(opened(body), rules, "list.ods")
    assert [(job.prompt, job.labels) for job in jobs] == [
        ("harp", {"scene": "lake", "mood": "calm"}), ("drums", {"scene": "lake"}),
        ("storm", {"scene": "sea", "mood": "wild"}), ("rain", {"mood": "wild"}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "held", "seen"),
    [
        ("WAHR", {"type": "boolean", "boolean_value": "true"}, "TRUE"),
        ("50 %", {"type": "percentage", "value": "0.5"}, "0.5"),
        ("3,00 €", {"type": "currency", "value": "3"}, "3"),
        ("1E+03", {"type": "float", "value": "1000.0"}, "1000"),
        ("0007", {"type": "float", "value": "7"}, "0007"),
        ("x", {"type": "float", "value": "none"}, "x"),
        ("1.3.26 12:00", {"type": "date", "date_value": "2026-03-01T12:00:00"}, "2026-03-01 12:00:00"),
        ("30", {"type": "time", "time_value": "PT00H00M30.5S"}, "0:00:30.5"),
        ("12:34:56", {"type": "time", "time_value": "PT12H34M56S"}, "12:34:56"),
        ("odd", {"type": "time", "time_value": "P1D"}, "odd"),
    ],
)
def test_a_cell_of_an_ods_is_what_people_see_in_it(shown: str, held: dict[str, str], seen: str, rules: Rules) -> None:
    rows = [ods_row(ods_cell("prompt"), ods_cell("cue")), ods_row(ods_cell("harp"), ods_cell(shown, **held))]
    (job,) = jobs_of(ods({"jobs": rows}), rules, "list.ods")
    assert job.labels == {"cue": seen}
