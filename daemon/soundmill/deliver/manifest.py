"""Deliver, the manifest: which file came from which take, and how; as JSON for programs and CSV for people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from soundmill.errors import SoundmillError
from soundmill.words import safe_cell

JSON_NAME, CSV_NAME = "manifest.json", "manifest.csv"
VERSION = 1

Entry = Mapping[str, Any]
# Of an entry, in this order; then a column for each label and factor.
COLUMNS = (
    "file", "take", "batch", "job", "row", "attempt", "prompt", "model", "licence", "seed", "picks", "stars",
    "duration_s", "sample_rate", "channels", "loudness_asked_lufs", "loudness_lufs", "short_by_lu", "true_peak_dbtp",
    "gain_db", "limited_db", "limited_share", "trimmed_start_s", "trimmed_end_s", "loop_seam", "category",
    "sha256", "source", "source_sha256", "identifier",
)  # fmt: skip


def as_json(head: Mapping[str, object], entries: Sequence[Entry]) -> bytes:
    """The same delivery is the same bytes: no time stands in it."""
    return (json.dumps({**head, "files": list(entries)}, ensure_ascii=False, indent=2) + "\n").encode()


def as_csv(entries: Sequence[Entry]) -> bytes:
    """One row a file; UTF-8 with a mark that spreadsheets look for. No spreadsheet runs a cell."""
    labels = list(dict.fromkeys(name for entry in entries for name in entry["labels"]))
    factors = list(dict.fromkeys(name for entry in entries for name in entry["factors"]))
    settings = list(dict.fromkeys(name for entry in entries for name in entry["settings"]))
    out = io.StringIO()
    writer = csv.writer(out)
    heads = [*COLUMNS, *settings, *(f"label {name}" for name in labels), *(f"factor {name}" for name in factors)]
    writer.writerow(map(safe_cell, heads))
    for entry in entries:
        cells = [entry[name] for name in COLUMNS]
        cells += [entry["settings"].get(name) for name in settings]
        cells += [entry["labels"].get(name) for name in labels]
        cells += [entry["factors"].get(name) for name in factors]
        writer.writerow(map(safe_cell, cells))
    return out.getvalue().encode("utf-8-sig")


def read(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder; None where there is none. Raises SoundmillError for one that is none of ours."""
    try:
        found = json.loads((folder / JSON_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SoundmillError(f"{folder / JSON_NAME}: cannot be read ({error}); deliver into another folder") from error
    if not isinstance(found, dict) or found.get("delivery") != VERSION or not isinstance(found.get("files"), list):
        raise SoundmillError(f"{folder / JSON_NAME}: is no delivery's; deliver into another folder")
    return found
