"""Every step with an effect passes a named point, and what can be made to happen there."""

from __future__ import annotations

import ast
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from soundmill.disk import write_whole
from soundmill.faults import fault, listen, passing
from support.points import PACKAGE, PLACES, calls, name_of, points, sources, unmarked


@pytest.mark.parametrize("path", list(sources(*PLACES)), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_step_with_an_effect_has_a_point_before_it(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    missing = [f"line {number}: {lines[number - 1].strip()}" for number in unmarked("\n".join(lines))]
    assert not missing, 'call passing("room.step") just before; tests/crashpoints/ then kills the daemon there'


@pytest.mark.parametrize(
    "line",
    [
        "path.rename(other)",
        "path.replace(other)",
        "os.replace(path, other)",
        "os.link(path, other)",
        "path.unlink(missing_ok=True)",
        "os.fsync(handle)",
        'path.open("ab")',
        "file.write(content)",
        'db.execute("COMMIT")',
        "write_whole(path, content)",
        "self._engine.submit(requests)",
        "subprocess.Popen(command)",
    ],
)
def test_a_step_without_a_point_is_found(line: str) -> None:
    bare = f"def step():\n    {line}\n"
    assert unmarked(bare) == [2]
    assert unmarked(f'def step():\n    passing("a")\n    {line}\n') == []
    assert unmarked(f'def outer():\n    passing("a")\n    def step():\n        {line}\n') == [4]


def test_a_second_step_needs_a_second_point() -> None:
    assert unmarked('def step():\n    passing("a")\n    path.unlink()\n    other.unlink()\n') == [4]


@pytest.mark.parametrize("line", ['name.replace("a", "b")', 'path.open("rb")', 'path.open(encoding="utf-8")', "a.b()"])
def test_what_changes_nothing_needs_no_point(line: str) -> None:
    assert unmarked(f"def step():\n    {line}\n") == []


def test_points_are_many_and_each_name_is_one_place() -> None:
    assert len(points()) >= 60
    places = Counter(
        call.args[0].value
        for path in sources(".")
        for call in calls(ast.parse(path.read_text(encoding="utf-8")))
        if name_of(call) == "passing" and isinstance(call.args[0], ast.Constant)
    )
    assert [name for name, count in places.items() if count > 1] == []


def test_without_a_listener_a_point_does_nothing(tmp_path: Path) -> None:
    listen(None)
    write_whole(tmp_path / "a", b"content")
    assert (tmp_path / "a").read_bytes() == b"content"


def test_a_fault_comes_at_the_pass_asked_for() -> None:
    listener = fault("a:2=ENOSPC b:*=SQLITE_FULL")
    listener("a")
    with pytest.raises(OSError, match="No space left"):
        listener("a")
    listener("a")
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError) as raised:
            listener("b")
        assert raised.value.sqlite_errorcode == sqlite3.SQLITE_FULL
    listener("c")


@pytest.mark.parametrize("text", ["a", "a=kill", "a:x=kill", ":1=kill", "a:1=NONSENSE", "a:1="])
def test_what_cannot_be_understood_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be point:pass=what|neither kill nor"):
        fault(text)


PROGRAM = """
import sys
from pathlib import Path
from soundmill.disk import write_whole
write_whole(Path(sys.argv[1]), b"content")
"""


def run(target: Path, text: str) -> int:
    environment = os.environ | {"SOUNDMILL_FAULT": text, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(target)], env=environment, check=False, timeout=60)
    return done.returncode


def test_the_variable_kills_a_real_process_at_a_point(tmp_path: Path) -> None:
    target = tmp_path / "a"
    assert run(target, "part.name:1=kill") == -signal.SIGKILL
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1  # the part file
    assert run(target, "part.name:2=kill") == 0
    assert target.read_bytes() == b"content"
    assert run(target, "part.name=kill") == 1


def test_the_variable_fails_a_step(tmp_path: Path) -> None:
    assert run(tmp_path / "a", "part.name:1=EIO") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_listener_hears_every_point() -> None:
    heard: list[str] = []
    listen(heard.append)
    try:
        passing("somewhere")
    finally:
        listen(None)
    assert heard == ["somewhere"]
