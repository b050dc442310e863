"""Deliver, import tables: what Wwise, Unity and Unreal take the files of a delivery in by. docs/deliver.md cites whose
documentation each follows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

from soundmill.deliver.profile import Profile
from soundmill.words import safe_cell

Entry = Mapping[str, Any]
STREAMED_FROM_S = 10.0  # Unity: longer clips are streamed, shorter ones decompressed as they load
UNITY_FOLDER = "Editor"  # the folder whose scripts belong to the editor alone
WWISE_FILE, UNITY_FILE, UNREAL_FILE = "wwise_import.txt", "unity_import.csv", "unreal_import.csv"
UNREAL_SCRIPT = UNREAL_FILE.replace(".csv", ".py")


def tables(profile: Profile, entries: Sequence[Entry]) -> dict[str, bytes]:
    """The files of the profile's import tables, by their path below the delivery's folder."""
    made = dict[str, bytes]()
    for name in profile.tables:
        made |= WRITERS[name](profile, entries)
    return made


def _wwise(profile: Profile, entries: Sequence[Entry]) -> dict[str, bytes]:
    """Tab-delimited text in UTF-8, a header and a row a file. The audio file's path is relative to the table; the
    object's says of every folder that it is a virtual folder."""
    rows = [("Audio File", "Object Path", "Object Type", "Notes")]
    for entry in entries:
        path = PurePosixPath(entry["file"])
        folders = "".join(f"\\<Virtual Folder>{each}" for each in path.parts[:-1])
        where = f"{profile.object_path.rstrip(chr(92))}{folders}\\<Sound SFX>{path.stem}"
        notes = f"{entry['prompt']} ({entry['model']}, seed {entry['seed']}, {entry['licence'] or 'licence unknown'})"
        rows.append((str(path).replace("/", "\\"), where, "Sound SFX", notes))
    lines = ("\t".join(" ".join(cell.split()) for cell in row) for row in rows)
    return {WWISE_FILE: ("\r\n".join(lines) + "\r\n").encode()}


def _unity(profile: Profile, entries: Sequence[Entry]) -> dict[str, bytes]:
    """A table of how each file is imported, and the editor script that goes by it."""
    rows: list[Sequence[object]] = [("file", "load_type", "compression", "quality", "force_mono", "preload")]
    for entry in entries:
        long = entry["duration_s"] > STREAMED_FROM_S
        load = "Streaming" if long else "CompressedInMemory" if entry["duration_s"] > 1 else "DecompressOnLoad"
        rows.append((entry["file"], load, "Vorbis", 0.7, 0, 0 if long else 1))
    script = resources.files("soundmill.deliver").joinpath("templates/SoundmillAudioImport.cs").read_bytes()
    return {UNITY_FILE: _csv(rows), f"{UNITY_FOLDER}/SoundmillAudioImport.cs": script}


def _unreal(profile: Profile, entries: Sequence[Entry]) -> dict[str, bytes]:
    """A Data Table's CSV, its first column the row's name, and a script for the editor that imports the sounds it
    names."""
    heads = ("Name", "Sound", "SourceFile", "Loop", "DurationS", "LoudnessLUFS", "Prompt", "Licence")
    rows: list[Sequence[object]] = [heads]
    root = profile.content_path.rstrip("/")
    used = set[str]()
    for entry in entries:
        path = PurePosixPath(entry["file"])
        folders = "/".join(_asset(part) for part in path.parts[:-1])
        name, number = _asset(path.stem), 1
        while f"{folders}/{name}".lower() in used:
            number += 1
            name = f"{_asset(path.stem)}_{number}"
        used.add(f"{folders}/{name}".lower())
        package = "/".join(part for part in (root, folders, name) if part)
        row = f"{folders}/{name}".strip("/").replace("/", "_")
        rows.append(
            (row, f"/Script/Engine.SoundWave'{package}.{name}'", str(path), "False", entry["duration_s"],
             entry["loudness_lufs"], entry["prompt"], entry["licence"])
        )  # fmt: skip
    script = resources.files("soundmill.deliver").joinpath("templates/unreal_import.txt").read_bytes()
    return {UNREAL_FILE: _csv(rows), UNREAL_SCRIPT: script}


def _asset(name: str) -> str:
    """A name as Unreal takes it: letters, digits and underscores."""
    return re.sub(r"[^\w]+", "_", name)


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


WRITERS: Mapping[str, Callable[[Profile, Sequence[Entry]], dict[str, bytes]]] = {
    "wwise": _wwise,
    "unity": _unity,
    "unreal": _unreal,
}
