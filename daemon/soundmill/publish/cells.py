"""How a value of the catalogue looks in a table cell: players, badges, chips and rounded numbers.

Only the HTML changes; JSON and CSV keep what the database says. None means: show it as Datasette does.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from markupsafe import Markup

from soundmill.jobs import LIMIT_SCORE
from soundmill.publish.stream import looks_like_audio, url_path, url_word
from soundmill.words import number, size

Url = Callable[[str], str]  # a path of this site as a link on it, whatever its base URL

CHIP_COLUMNS = {"labels", "condition", "versions", "defects", "scores"}
BADGE_COLUMNS = {"verdict", "status", "state"}
FLAG_COLUMNS = {"is_final", "quarantined", "held", "kept"}
HEADER = struct.Struct("<BBHHHHH")  # of audio/peaks.py
DRAWN_COLUMNS = 100
ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")


def cell(column: str, value: object, row: Mapping[str, object], database: str, url: Url) -> Markup | None:
    """The HTML of one cell, or None where Datasette's own rendering is right."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return _text(column, value, row, database, url)
    if column == "score" and row.get("scorer", "soundmill") != "soundmill":
        return None  # another scorer's number, which is not out of 100
    if isinstance(value, int | float):
        return _number(column, value)
    if isinstance(value, bytes):  # Datasette would link to the row, which in a view has no address
        return outline(value) or Markup("<em>{:,} bytes</em>").format(len(value))
    return None


def outline(data: bytes) -> Markup | None:
    """A small picture of what audio/peaks.py packed; None where it is something else."""
    if len(data) < HEADER.size:
        return None
    version, bands, columns, spectra, *_ = HEADER.unpack_from(data)
    if version != 1 or not columns or len(data) != HEADER.size + 2 * columns + bands * spectra:
        return None
    lowest, highest = (data[HEADER.size + part * columns :][:columns] for part in (0, 1))
    step = max(1, columns // DRAWN_COLUMNS)
    starts = range(0, columns, step)
    tops = [max(_signed(value) for value in highest[start : start + step]) for start in starts]
    lows = [min(_signed(value) for value in lowest[start : start + step]) for start in starts]
    edge = [*enumerate(tops), *reversed(list(enumerate(lows)))]
    path = "M" + "L".join(f"{x} {round(-y / 4)}" for x, y in edge)
    return Markup(
        '<svg class="sm-outline-small" role="img" aria-label="Waveform" viewBox="0 -32 {} 64"'
        ' preserveAspectRatio="none"><path d="{}Z"/></svg>'
    ).format(len(tops) - 1 or 1, path)


def _signed(value: int) -> int:
    return value - 256 if value > 127 else value


def _text(column: str, value: str, row: Mapping[str, object], database: str, url: Url) -> Markup | None:
    if column in ("audio", "path") and looks_like_audio(value):
        return pruned(value) if row.get("pruned_at") else player(value, url)
    if column in CHIP_COLUMNS:
        return chips(value, database if column in ("labels", "condition") else None, url)
    if column in BADGE_COLUMNS:
        return badge(value)
    if column == "failed_checks":
        return chip_list([(name.strip(), None) for name in value.split(",")], "failed")
    if column == "prompt":
        return Markup('<span class="sm-prompt">{}</span>').format(value)
    if column == "batch":
        return Markup('<a href="{}">{}</a>').format(url(f"/-/soundmill/batch/{url_word(value)}"), value)
    if column == "job" and (page := _page_of_job(value, row, database)) is not None:
        return Markup('<a href="{}">{}</a>').format(url(page), value)
    if (match := ISO_TIME.fullmatch(value)) is not None:
        return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
            value, " ".join(match.groups()), _moment(match)
        )
    return None


def _page_of_job(name: str, row: Mapping[str, object], database: str) -> str | None:
    """Where everything of a job is told, as far as the row knows which one it is."""
    audio, batch, job_id = row.get("audio"), row.get("batch"), row.get("job_id")
    if isinstance(audio, str) and looks_like_audio(audio):
        return f"/-/soundmill/take/{url_path(audio)}"
    if isinstance(batch, str) and batch:
        return f"/-/soundmill/take/{url_word(batch)}/{url_word(name)}"
    return f"/{database}/job_list?job_id={job_id}" if isinstance(job_id, int) else None


def _number(column: str, value: int | float) -> Markup | None:
    if column == "score":
        return score(float(value))
    if column == "stars" and 1 <= value <= 5:
        return stars(float(value))
    if column == "percent":
        return Markup('<progress max="100" value="{0}"></progress> {0}%').format(rounded(float(value)))
    if column == "size_bytes":
        return Markup('<span title="{} bytes">{}</span>').format(value, size(int(value)))
    if column in FLAG_COLUMNS and value in (0, 1):
        return Markup("yes" if value else '<span class="sm-faint">no</span>')
    if isinstance(value, float):
        text = rounded(value)
        return (
            Markup("<span>{}</span>").format(text)
            if text == repr(value)
            else (Markup('<span title="{}">{}</span>').format(repr(value), text))
        )
    return None


def player(path: str, url: Url) -> Markup:
    """An audio element that fetches nothing until it is played, and links to the file and its sidecar."""
    source = url(f"/-/soundmill/audio/{url_path(path)}")
    details = url(f"/-/soundmill/audio/{url_path(path)}.json")
    name = PurePosixPath(path).name
    return Markup(
        '<span class="sm-player"><audio controls preload="none" src="{source}" title="{name}"></audio>'
        '<span class="sm-links"><a href="{source}" download="{name}">{suffix}</a> '
        '<a href="{details}">details</a></span></span>'
    ).format(source=source, details=details, name=name, suffix=PurePosixPath(path).suffix.lstrip(".").upper())


def pruned(path: str) -> Markup:
    """In place of the player of a take whose file retention let go."""
    why = "retention let the file go; soundmill rerun makes it again"
    return Markup('<span class="sm-faint" title="{}">{} (pruned)</span>').format(why, PurePosixPath(path).name)


def badge(value: str) -> Markup:
    """A status or verdict, coloured by the style sheet; an unknown one is plain."""
    kind = value if re.fullmatch(r"[a-z_]+", value) else "other"
    return Markup('<span class="sm-badge sm-{}">{}</span>').format(kind, value.replace("_", " "))


def chips(text: str, labels_of: str | None, url: Url) -> Markup | None:
    """A JSON object or list as chips. Those of labels and conditions lead to everything that has the same."""
    try:
        data = json.loads(text)
    except ValueError:
        return None
    if isinstance(data, list):
        if not all(isinstance(entry, dict) for entry in data):
            return None
        entries = [(", ".join(f"{k} {_plain(v)}" for k, v in entry.items()), None) for entry in data]
        return chip_list(entries, "plain") if entries else Markup('<span class="sm-faint">none</span>')
    if not isinstance(data, dict):
        return None
    if not data:
        return Markup('<span class="sm-faint">none</span>')
    pairs: list[tuple[str, str | None]] = []
    for name, value in data.items():
        link = None
        if labels_of is not None:
            query = f"name={url_word(name)}&value={url_word(_plain(value))}"
            link = url(f"/{labels_of}/takes_by_label?{query}")
        pairs.append((f"{name} {_plain(value)}", link))
    return chip_list(pairs, "plain")


def chip_list(entries: Sequence[tuple[str, str | None]], kind: str) -> Markup:
    parts = [
        Markup('<a class="sm-chip sm-chip-{}" href="{}">{}</a>').format(kind, link, text)
        if link
        else Markup('<span class="sm-chip sm-chip-{}">{}</span>').format(kind, text)
        for text, link in entries
    ]
    return Markup('<span class="sm-chips">{}</span>').format(Markup(" ").join(parts))


def score(value: float) -> Markup:
    """A score from 0 to 100 as a number and a bar, which is of another colour where a check has failed."""
    return Markup('<span class="sm-score">{} <meter min="0" low="{:g}" max="100" value="{}"></meter></span>').format(
        rounded(round(value, 1)), LIMIT_SCORE, value
    )


def stars(value: float) -> Markup:
    whole = round(value)
    return Markup('<span class="sm-stars" title="{0} of 5" aria-label="{0} of 5 stars">{1}</span>').format(
        number(value), "★" * whole + "☆" * (5 - whole)
    )


def rounded(value: float) -> str:
    """As words.number; what is none is shown as the database has it."""
    return number(value) if math.isfinite(value) else str(value)


def _moment(match: re.Match[str]) -> Markup:
    return Markup('{} <span class="sm-clock">{}</span>').format(match[1], match[2])


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
