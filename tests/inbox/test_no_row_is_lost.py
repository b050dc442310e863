"""What was written stands in the catalogue, word for word, or the file is refused: any text, script and quoting."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from soundmill.catalog.catalog import Catalog
from soundmill.inbox.intake import Intake
from soundmill.inbox.jobfile.cells import INVISIBLE
from soundmill.inbox.spool import Spool
from soundmill.jobs import Job
from support.spreadsheets import ods, ods_cell, ods_row, xlsx

TABLES = 80
_BREAKS = re.compile(r"[ \t]*[\r\n\t]+[ \t]*")
HEADER = ("prompt", "duration", "seed", "scene", "cue")
Row = tuple[str, float | None, int | None, str, str]

WORDS = [
    "slow harp, wide", "Größe; Übermut", "l’été à Noël", "дождь и гром", "音乐 与 鼓", "雨の音。", "빗소리",
    "موسيقى هادئة", "מוזיקה", "संगीत क्षि", "ดนตรี", "🎹🥁", "👩‍🎤 sings", "naïve – café…", "a \"7\"\" single\"",
    "it's", "“quoted”", "„so“", "«ainsi»", "¿cómo?", "50 %", "C:\\new\\table", "a/b", "x=y", "1,5", "1.000",
    "007", "12.50", "1e5", "true", "no", "null", "~", "-5", "2026-11-28", "1:30", "+49", "key: value", "#1 hit",
    "a # b", "- item", "* star", "& more", "! now", "@home", "`tick`", "[x]", "(y)", "<b>", "a & b", "&amp;",
    "_x0041_", "a_b", "100€", "½", "e\u0301", "ﬁ", "Ａ", "𝄞", "\u00a0nbsp\u00a0in", "zero\u200bwidth", "trail ",
    "  lead", "tab\tin", "two  blanks", ";", ",", "'", "\"", "''", "\"\",\"\"", ";;", "\\", "\\n", "\\t", "%s",
    "$x", "'=1", "＝", "？",
]  # fmt: skip


def text(rng: random.Random) -> str:
    words = [rng.choice(WORDS) for _ in range(rng.choice((1, 1, 2, 3)))]
    if rng.random() < 0.05:
        words.append("".join(chr(rng.randrange(32, 0xD800)) for _ in range(4)))
    return rng.choice((" ", " ", ", ", "; ", "")).join(words)


def table(rng: random.Random) -> list[Row]:
    breaks = rng.random() < 0.2
    return [
        (
            f"harp {number} {text(rng)}" + (f"\n{text(rng)}" if breaks else ""),
            rng.choice((None, 2, 0.5, 12.25)),
            rng.choice((None, None, 0, 7, 2**53 - 1)),
            rng.choice(("", text(rng))),
            text(rng) if rng.random() < 0.7 else "",
        )
        for number in range(rng.randint(1, 6))
    ]


def separated(rows: Sequence[Row], *, comma: bool = False, bom: bool = False, **how: Any) -> bytes:
    def shown(cell: object) -> object:
        return "" if cell is None else str(cell).replace(".", ",") if comma and isinstance(cell, float) else cell

    out = io.StringIO()
    csv.writer(out, **how).writerows([HEADER, *([shown(cell) for cell in row] for row in rows)])
    return out.getvalue().encode("utf-8-sig" if bom else "utf-8")


def mappings(rows: Sequence[Row], kept: Callable[[Any], object] = lambda cell: cell) -> dict[str, object]:
    named = [zip(HEADER, row, strict=True) for row in rows]
    return {"jobs": [{name: kept(cell) for name, cell in row if cell not in (None, "")} for row in named]}


def opendocument(rows: Sequence[Row]) -> bytes:
    def cell(value: object) -> str:
        if value is None or isinstance(value, str):
            return ods_cell(value or "")
        return ods_cell(str(value).replace(".", ","), type="float", value=str(value))

    return ods({"a": [ods_row(*map(ods_cell, HEADER)), *(ods_row(*map(cell, row)) for row in rows)]})


# As the programs write them: Excel quotes where it must, LibreOffice every text where it is asked to.
WRITERS: dict[str, Callable[[list[Row]], bytes]] = {
    "excel.csv": lambda rows: separated(rows, bom=True, lineterminator="\r\n"),
    "excel-de.csv": lambda rows: separated(rows, bom=True, comma=True, delimiter=";", lineterminator="\r\n"),
    "calc.csv": lambda rows: separated(rows, lineterminator="\n"),
    "calc-quoted.csv": lambda rows: separated(rows, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n"),
    "tabs.tsv": lambda rows: separated(rows, delimiter="\t", lineterminator="\r\n"),
    "excel.xlsx": lambda rows: xlsx({"Tabelle1": [HEADER, *rows]}),
    "other.xlsx": lambda rows: xlsx({"a": [HEADER, *rows]}, shared=False),
    "calc.ods": opendocument,
    "plain.yaml": lambda rows: yaml.safe_dump(mappings(rows), allow_unicode=True, sort_keys=False).encode(),
    "ascii.yaml": lambda rows: yaml.safe_dump(mappings(rows), width=40).encode(),
    "double.yaml": lambda rows: yaml.safe_dump(mappings(rows, str), default_style='"', allow_unicode=True).encode(),
    "single.yaml": lambda rows: yaml.safe_dump(
        mappings(rows, str), default_style="'", default_flow_style=True
    ).encode(),
    "json.yaml": lambda rows: json.dumps(mappings(rows), ensure_ascii=False, indent=1).encode(),
    "json-ascii.yaml": lambda rows: json.dumps(mappings(rows)).encode(),
}


def lines_as_blanks(written: str) -> str:
    """A prompt's line breaks and tabs become blanks; what nobody sees at its ends goes."""
    return _BREAKS.sub(" ", written.strip(INVISIBLE))


def test_no_row_is_lost_or_altered_between_a_written_file_and_the_catalogue(
    tmp_path: Path, clock: Any, new_ulid: Any, rules_with: Any
) -> None:
    inbox = tmp_path / "inbox"
    catalog = Catalog.open(tmp_path / "catalog.db", clock=time.time)
    spool = Spool(inbox, clock, new_ulid, settle_s=0, patience_s=0, command="soundmill")
    intake = Intake(spool, catalog, lambda ulid: rules_with(tmp_path, ulid), 1 << 20)
    written: dict[str, list[Row]] = {}
    rng = random.Random(12)
    for number in range(TABLES):
        rows = table(rng)
        for kind, write in WRITERS.items():
            stem, _, suffix = kind.partition(".")
            name = f"{number}-{stem}.again.{suffix}"  # two programs may write the same bytes
            (inbox / name).write_bytes(write(rows))
            written[name] = rows
    outcomes = [*intake.scan(), *intake.scan()]
    assert len(outcomes) == len(written) and not any(outcome.error for outcome in outcomes)
    taken: Counter[str] = Counter()
    for outcome in outcomes:
        rows = written[outcome.file_name]
        if outcome.batch is None:
            assert outcome.problems
            continue
        jobs: list[Job] = []
        catalog.tell_jobs(outcome.batch.id, jobs.append)
        assert outcome.batch.job_count == len(jobs) == len(rows), outcome.file_name
        for position, (job, (prompt, duration, seed, scene, cue)) in enumerate(zip(jobs, rows, strict=True), 1):
            assert job.position == position
            assert (lines_as_blanks(job.prompt), outcome.file_name) == (lines_as_blanks(prompt), outcome.file_name)
            assert job.parameters.duration == (10 if duration is None else duration)
            assert seed is None or job.seed == seed
            wanted = {name: text.strip(INVISIBLE) for name, text in (("scene", scene), ("cue", cue))}
            found = {name: text.strip(INVISIBLE) for name, text in job.labels.items()}
            assert found == {name: text for name, text in wanted.items() if text}, outcome.file_name
        taken[outcome.file_name.partition("-")[2].replace(".again", "")] += 1
    catalog.close()
    assert all(taken[kind] >= TABLES // 4 for kind in WRITERS), taken
