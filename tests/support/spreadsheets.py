"""Writes the smallest spreadsheets that Excel and LibreOffice would open: no writer of them is a dependency."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml"
HIDDEN = ' state="hidden"'
OFFICE = "urn:oasis:names:tc:opendocument:xmlns:"
ODF_SPACES = " ".join(
    f'xmlns:{short}="{OFFICE}{name}"'
    for short, name in [(each, f"{each}:1.0") for each in ("office", "table", "text", "style")]
    + [("number", "datastyle:1.0"), ("of", "of:1.2")]
)
ODS = "application/vnd.oasis.opendocument.spreadsheet"


@dataclass(frozen=True)
class Styled:
    """A number as its format shows it."""

    value: float
    code: str


@dataclass(frozen=True)
class Formula:
    """A formula with the value its program found, or none."""

    text: str
    value: str | float | None


@dataclass(frozen=True)
class Fault:
    """An error cell."""

    text: str


Cell = str | int | float | bool | Styled | Formula | Fault | None
Rows = Sequence[Sequence[Cell]]


def zipped(members: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text.encode())
    return out.getvalue()


def xlsx(sheets: Mapping[str, Rows], *, shared: bool = True, hidden: Sequence[str] = ()) -> bytes:
    """A workbook; texts stand in the table of shared texts, or in their cells."""
    texts: dict[str, int] = {}
    codes: dict[str, int] = {}
    members: dict[str, str] = {}
    for number, rows in enumerate(sheets.values(), 1):
        body = "".join(
            f'<row r="{y}">'
            + "".join(_xlsx_cell(cell, x, y, texts if shared else None, codes) for x, cell in enumerate(row))
            + "</row>"
            for y, row in enumerate(rows, 1)
        )
        members[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'
        )
    named = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{i}" r:id="rId{i}"{HIDDEN if name in hidden else ""}/>'
        for i, name in enumerate(sheets, 1)
    )
    members["xl/workbook.xml"] = f'<workbook xmlns="{MAIN}" xmlns:r="{DOCUMENT}"><sheets>{named}</sheets></workbook>'
    others = {"rIdStyles": "styles", **({"rIdTexts": "sharedStrings"} if shared else {})}
    targets = "".join(
        f'<Relationship Id="{i}" Type="{DOCUMENT}/{kind}" Target="{kind}.xml"/>' for i, kind in others.items()
    )
    targets += "".join(
        f'<Relationship Id="rId{i}" Type="{DOCUMENT}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(sheets) + 1)
    )
    members["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{PACKAGE}">{targets}</Relationships>'
    formats = "".join(f'<numFmt numFmtId="{163 + i}" formatCode={quoteattr(code)}/>' for code, i in codes.items())
    used = "".join(f'<xf numFmtId="{163 + i}"/>' for i in codes.values())
    members["xl/styles.xml"] = (
        f'<styleSheet xmlns="{MAIN}">{f"<numFmts>{formats}</numFmts>" if formats else ""}'
        "<fonts><font/></fonts><fills><fill/></fills><borders><border/></borders><cellStyleXfs><xf/></cellStyleXfs>"
        f'<cellXfs><xf numFmtId="0"/>{used}</cellXfs></styleSheet>'
    )
    if shared:
        items = "".join(f'<si><t xml:space="preserve">{_excel_text(text)}</t></si>' for text in texts)
        members["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{items}</sst>'
    kinds = {"xl/workbook.xml": "sheet.main", "xl/styles.xml": "styles"}
    kinds |= {"xl/sharedStrings.xml": "sharedStrings"} if shared else {}
    kinds |= {name: "worksheet" for name in members if name.startswith("xl/worksheets/")}
    parts = "".join(f'<Override PartName="/{name}" ContentType="{EXCEL}.{kind}+xml"/>' for name, kind in kinds.items())
    members["[Content_Types].xml"] = (
        f'<Types xmlns="{PACKAGE.replace("relationships", "content-types")}">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{parts}</Types>'
    )
    members["_rels/.rels"] = (
        f'<Relationships xmlns="{PACKAGE}">'
        f'<Relationship Id="rId1" Type="{DOCUMENT}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    )
    return zipped(members)


def _excel_text(text: str) -> str:
    """Excel writes control characters, and what looks like one written so, as _x000D_."""
    written = text.replace("_x", "_x005F_x")
    return escape(
        "".join(f"_x{ord(c):04X}_" if (c < " " and c not in "\t\n") or c in "\ufffe\uffff" else c for c in written)
    )


def _xlsx_cell(cell: Cell, x: int, y: int, texts: dict[str, int] | None, codes: dict[str, int]) -> str:
    letters = chr(65 + x) if x < 26 else chr(64 + x // 26) + chr(65 + x % 26)
    at = f'r="{letters}{y}"'
    match cell:
        case None:
            return ""
        case str() if texts is not None:
            return f'<c {at} t="s"><v>{texts.setdefault(cell, len(texts))}</v></c>'
        case str():
            return f'<c {at} t="inlineStr"><is><t xml:space="preserve">{_excel_text(cell)}</t></is></c>'
        case bool():
            return f'<c {at} t="b"><v>{int(cell)}</v></c>'
        case Styled(value, code):
            return f'<c {at} s="{codes.setdefault(code, len(codes) + 1)}"><v>{value!r}</v></c>'
        case Formula(text, None):
            return f"<c {at}><f>{escape(text)}</f></c>"
        case Formula(text, value):
            kind = ' t="str"' if isinstance(value, str) else ""
            return f"<c {at}{kind}><f>{escape(text)}</f><v>{escape(str(value))}</v></c>"
        case Fault(text):
            return f'<c {at} t="e"><v>{escape(text)}</v></c>'
        case _:
            return f"<c {at}><v>{cell!r}</v></c>"


def ods(sheets: Mapping[str, Sequence[str]]) -> bytes:
    """An OpenDocument spreadsheet; each row as the XML of its cells: see `ods_cell`."""
    content = f"<office:document-content {ODF_SPACES}>{_odf_body(sheets)}</office:document-content>"
    return zipped({"mimetype": ODS, "content.xml": content})


def fods(sheets: Mapping[str, Sequence[str]], styles: str) -> bytes:
    """The same as one XML file, which LibreOffice opens; `styles` as XML."""
    head = f'<office:document {ODF_SPACES} office:version="1.3" office:mimetype="{ODS}">'
    styles = f"<office:automatic-styles>{styles}</office:automatic-styles>"
    return f"<?xml version='1.0' encoding='UTF-8'?>{head}{styles}{_odf_body(sheets)}</office:document>".encode()


def _odf_body(sheets: Mapping[str, Sequence[str]]) -> str:
    tables = "".join(
        f"<table:table table:name={quoteattr(name)}>{''.join(rows)}</table:table>" for name, rows in sheets.items()
    )
    return f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"


def ods_row(*cells: str, times: int = 1) -> str:
    return f'<table:table-row table:number-rows-repeated="{times}">{"".join(cells)}</table:table-row>'


def ods_cell(shown: str, *, times: int = 1, **value: str) -> str:
    """A cell that shows `shown`; `type="float", value="2.5"` and the like give what it holds."""
    kind = value.pop("type", "string")
    held = "".join(f" office:{name.replace('_', '-')}={quoteattr(text)}" for name, text in value.items())
    paragraphs = "".join(f"<text:p>{_odf_text(line)}</text:p>" for line in shown.split("\n"))
    if not shown:
        return f'<table:table-cell table:number-columns-repeated="{times}"/>'
    return (
        f'<table:table-cell office:value-type="{kind}"{held} table:number-columns-repeated="{times}">'
        f"{paragraphs}</table:table-cell>"
    )


def _odf_text(line: str) -> str:
    return escape(line).replace("\t", "<text:tab/>").replace("  ", ' <text:s text:c="1"/>')
