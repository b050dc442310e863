"""What a file may have and cost. Each is a promise: where one is changed, what people have may be refused."""

from __future__ import annotations

from types import ModuleType

import pytest

from soundmill.inbox import aftermath, arrivals, bystanders, control, intake, names, notices, whole
from soundmill.inbox.jobfile import cells, points, problems, recognize, rows, written
from soundmill.inbox.jobfile.naming import automatic, safe, slugs
from soundmill.inbox.jobfile.table import archive, csv_text, header, opendocument, workbook
from soundmill.inbox.jobfile.yaml import nodes, ranges, sampled, slips

MIB = 1_048_576


@pytest.mark.parametrize(
    ("module", "limits"),
    [
        (written, {"LONGEST_PROMPT": 2000, "LONGEST_ID": 100, "LONGEST_DURATION_S": 300, "MOST_POINTS": 10_000}),
        (written, {"LARGEST_SEED": 9_007_199_254_740_991}),
        (cells, {"LONGEST_LABEL": 2000, "LONGEST_LABEL_NAME": 100}),
        (rows, {"LONGEST_MELODY_S": 3600, "SLOWEST_BPM": 20, "SAME_LENGTH_S": 0.001, "MOST_REMEMBERED": 16_384}),
        (problems, {"MOST_REPORTED": 200, "MOST_SHOWN": 60}),
        (points, {"LONGEST_DRAW_S": 40}),
        (recognize, {"_CHUNK": MIB}),
        (automatic, {"LONGEST_SLUG": 96, "MOST_GROUPS": 20_000, "MOST_REMEMBERED": 16_384, "MOST_LEVELS": 20}),
        (automatic, {"ENDS": ((16, 8), (8, 4))}),
        (slugs, {"LONGEST": 200, "HYPHEN": 2}),
        (safe, {"LONGEST_BATCH_NAME": 160, "LONGEST_DEVICE": 7}),
        (archive, {"MOST_BYTES": 256 * MIB, "LEAST_BYTES": 24 * MIB, "BYTES_A_BYTE": 100, "MOST_TEXT": 64 * MIB}),
        (archive, {"LEAST_TAGS": 800_000, "TAGS_A_BYTE": 5, "MOST_CELLS": 2_000_000, "MOST_COLUMNS": 2000}),
        (archive, {"LONGEST_CELL": 131_072, "LONGEST_READ_S": 30, "_LONGEST_TOKEN": 2 * MIB, "_LONGEST_FOUND": 120}),
        (archive, {"_PIECE": 65_536}),
        (csv_text, {"_LONGEST_LINE": 131_072}),
        (header, {"MOST_TITLE_ROWS": 10}),
        (opendocument, {"MOST_REPEATED": 100_000}),
        (workbook, {"MOST_MERGED": 100_000}),
        (nodes, {"DEEPEST": 50, "MOST_NODES": 400_000, "MOST_MENDED": 200, "MOST_READ_AGAIN": 4 * MIB}),
        (nodes, {"LONGEST_NUMBER": 60}),
        (ranges, {"RESOLUTION": 1000, "LARGEST": 1_000_000_000}),
        (sampled, {"MOST_FACTORS": 30}),
        (slips, {"SHORTEST_FOLDED": 72, "MOST_OF_A_LINE": 4}),
        (bystanders, {"_MOST_IN_FOLDER": 1000}),
        (aftermath, {"WATCHED_S": 3600, "MOST_WATCHED": 1000, "QUIET_S": 3, "LOOK_S": 2}),
        (arrivals, {"QUIET_S": 5, "UNFINISHED_S": 3600, "MOST_RIPE": 2000, "GIVEN_UP": 10}),
        (intake, {"FIRST_WAIT_S": 5, "LONGEST_WAIT_S": 300, "FILES_PER_SCAN": 1000, "SCAN_S": 10}),
        (names, {"LONGEST_FILE_NAME": 180}),
        (notices, {"MOST_SHOWN": 100}),
        (whole, {"LOOKED_AT": 32 * MIB, "END": 65_536, "LONGEST_PARSED": MIB, "DEEPEST": 50}),
        (whole, {"SEVERAL": 5, "PAUSES": 3}),
        (control, {"MOST_BYTES": 65_536, "MOST_WISHES": 500, "LONGEST_NOTE": 2000, "LONGEST_WHO": 100}),
        (control, {"LONGEST_NAME": 100, "LONGEST_STUDY": 200, "LONGEST_PROFILE": 100, "LONGEST_TARGET": 500}),
        (control, {"LONGEST_FINGERPRINT": 40_000, "MOST_PRIORITY": 1000}),
    ],
)  # fmt: skip
def test_a_limit_is_what_it_was(module: ModuleType, limits: dict[str, object]) -> None:
    assert {name: getattr(module, name) for name in limits} == limits
