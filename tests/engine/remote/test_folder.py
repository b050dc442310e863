"""What a gateway that was killed has left in the temporary folder goes, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from soundmill.engine.remote.folder import LOCK, PREFIX, folder_of_its_own

PROGRAM = """
import sys
from pathlib import Path
from soundmill.engine.remote.folder import folder_of_its_own
with folder_of_its_own(Path(sys.argv[1])) as folder:
    (folder / "session_1" / "logs").mkdir(parents=True)
    (folder / "session_1" / "logs" / "raylet.out").write_text("it began")
    (folder / "latest").symlink_to(folder / "session_1")
    print(folder, flush=True)
    sys.stdin.read()
"""


def gateway(below: Path) -> tuple[subprocess.Popen[str], Path]:
    path = os.pathsep.join(entry or os.curdir for entry in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(below)],
        env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def killed(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


def test_a_folder_is_gone_with_its_gateway(tmp_path: Path) -> None:
    with folder_of_its_own(tmp_path) as folder:
        assert folder.parent == tmp_path and folder.name.startswith(PREFIX)
        (folder / "session").mkdir()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_gateway_has_left_goes_and_a_living_ones_stays(tmp_path: Path) -> None:
    dead, left = gateway(tmp_path)
    living, kept = gateway(tmp_path)
    try:
        killed(dead)
        assert (left / "session_1/logs/raylet.out").is_file()
        with folder_of_its_own(tmp_path) as own:
            assert not left.exists()
            assert (kept / "session_1/logs/raylet.out").read_text() == "it began"
            assert {each.name for each in tmp_path.iterdir()} == {own.name, kept.name}
    finally:
        killed(living)


def test_folders_that_are_no_gateways_are_left_alone(tmp_path: Path) -> None:
    strange = tmp_path / f"{PREFIX}-of-somebody"
    strange.mkdir()
    (strange / "notes.txt").write_text("mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / LOCK).touch()
    (elsewhere / "kept.txt").write_text("kept")
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").write_text("a file")
    with folder_of_its_own(tmp_path):
        assert (strange / "notes.txt").read_text() == "mine"
        assert (elsewhere / "kept.txt").read_text() == "kept"
        assert (tmp_path / f"{PREFIX}file").is_file()


def test_a_link_out_of_what_was_left_is_removed_and_not_followed(tmp_path: Path) -> None:
    dead, left = gateway(tmp_path)
    killed(dead)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    (left / "way-out").symlink_to(outside)
    with folder_of_its_own(tmp_path):
        assert not left.exists() and (outside / "kept.txt").is_file()
