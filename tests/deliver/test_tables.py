"""Import tables, against the grammar that each engine documents."""

from __future__ import annotations

import ast
import csv
import io
import re
from pathlib import PureWindowsPath

from soundmill.deliver.profile import Profile, find
from soundmill.deliver.tables import UNITY_FILE, UNREAL_FILE, UNREAL_SCRIPT, WWISE_FILE, tables

WWISE_HEADERS = {"Audio File", "Object Path", "Object Type", "Notes"}  # of those that the documentation lists
WWISE_TYPES = {"Virtual Folder", "Sound SFX"}
WWISE_NAME = re.compile(r"[^\\:<>*?\"/|\t]+")  # characters that no object may have


def entry(file: str, **other: object) -> dict[str, object]:
    known = {"prompt": "a\tcalm\npiano", "model": "tiny", "seed": 7, "licence": "MIT", "duration_s": 4.0}
    return {"file": file, "loudness_lufs": -23.0, **known, **other}


ENTRIES = [entry("themes/market/0001-calm.wav"), entry("0002 café.wav", duration_s=31.0), entry("=SUM(A1).wav")]


def test_wwises_table_is_what_its_documentation_says() -> None:
    text = tables(find({}, "wwise"), ENTRIES)[WWISE_FILE].decode("utf-8")
    rows = [line.split("\t") for line in text.removesuffix("\r\n").split("\r\n")]
    assert len(rows) == len(ENTRIES) + 1
    assert set(rows[0]) <= WWISE_HEADERS
    assert all(len(row) == len(rows[0]) for row in rows)
    for row, each in zip(rows[1:], ENTRIES, strict=True):
        cells = dict(zip(rows[0], row, strict=True))
        assert PureWindowsPath(cells["Audio File"]).as_posix() == each["file"]
        assert cells["Object Type"] == "Sound SFX"
        start, *objects = re.split(r"\\(?=<)", cells["Object Path"])
        assert start == "\\Actor-Mixer Hierarchy\\Default Work Unit"
        for n, each_object in enumerate(objects):
            kind, name = each_object[1:].split(">")
            assert kind == ("Sound SFX" if n == len(objects) - 1 else "Virtual Folder")
            assert WWISE_NAME.fullmatch(name)
    assert rows[1][1].endswith("\\<Virtual Folder>themes\\<Virtual Folder>market\\<Sound SFX>0001-calm")


def test_unitys_table_has_a_row_a_file_with_what_its_importer_knows() -> None:
    made = tables(find({}, "unity"), ENTRIES)
    rows = list(csv.DictReader(io.StringIO(made[UNITY_FILE].decode())))
    assert [row["file"] for row in rows][:2] == ["themes/market/0001-calm.wav", "0002 café.wav"]
    assert [row["load_type"] for row in rows][:2] == ["CompressedInMemory", "Streaming"]
    script = made["Editor/SoundmillAudioImport.cs"].decode()
    assert UNITY_FILE in script
    assert script.count("{") == script.count("}")
    assert f"cells.Length == {len(rows[0])}" in script


def test_unreals_rows_are_unique_names_that_it_takes() -> None:
    twins = [entry("a/b-c.wav"), entry("a/b c.wav"), entry("ä/über.wav")]
    made = tables(Profile(format="wav", tables=("unreal",), content_path="/Game/Sounds/"), twins)
    rows = list(csv.reader(io.StringIO(made[UNREAL_FILE].decode())))
    assert rows[0][:3] == ["Name", "Sound", "SourceFile"]
    assert [row[0] for row in rows[1:]] == ["a_b_c", "a_b_c_2", "ä_über"]
    assert rows[1][1] == "/Script/Engine.SoundWave'/Game/Sounds/a/b_c.b_c'"
    assert [row[2] for row in rows[1:]] == [each["file"] for each in twins]
    ast.parse(made[UNREAL_SCRIPT])


def test_a_profile_without_tables_writes_none() -> None:
    assert tables(Profile(), ENTRIES) == {}
