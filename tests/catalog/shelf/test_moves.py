"""A take on its way: never overwritten, never lost, and under its name in the catalogue at every moment."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from soundmill.catalog.asking import ratings
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.shelf import moves
from soundmill.catalog.shelf.files import file_take
from soundmill.catalog.shelf.moves import clear, put
from soundmill.errors import StorageUnavailable
from soundmill.service import best_of_n as choosing
from support.asking import asked


def nobody(_name: str) -> bool:
    return False


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    (tmp_path / "outputs").mkdir()
    file_take(tmp_path / "outputs", "b/x.wav", b"RIFF x", {"prompt": "x"})
    return tmp_path / "outputs"


def everything(outputs: Path) -> dict[str, bytes]:
    return {str(p.relative_to(outputs)): p.read_bytes() for p in sorted(outputs.rglob("*")) if p.is_file()}


def move(outputs: Path, path: str, target: str) -> str | None:
    place = put(outputs, path, target, attempt=1, is_taken=nobody)
    if place is not None:
        clear(outputs, path, place)
    return place


def test_a_take_moves_with_its_sidecar(outputs: Path) -> None:
    before = everything(outputs)
    assert move(outputs, "b/x.wav", "b/set_aside/x.wav") == "b/set_aside/x.wav"
    assert everything(outputs) == {
        "b/set_aside/x.wav": b"RIFF x",
        "b/set_aside/x.wav.json": before["b/x.wav.json"],
    }


def test_it_has_both_names_until_the_former_is_cleared(outputs: Path) -> None:
    put(outputs, "b/x.wav", "b/set_aside/x.wav", attempt=1, is_taken=nobody)
    assert (outputs / "b/x.wav").samefile(outputs / "b/set_aside/x.wav")


@pytest.mark.parametrize("foreign", ["b/set_aside/x.wav", "b/set_aside/x.wav.json"])
def test_what_stands_in_the_way_is_left_and_the_take_gets_the_next_name(outputs: Path, foreign: str) -> None:
    (outputs / "b/set_aside").mkdir()
    (outputs / foreign).write_bytes(b"somebody's own")
    assert move(outputs, "b/x.wav", "b/set_aside/x.wav") == "b/set_aside/x.take1.wav"
    found = everything(outputs)
    assert found.pop(foreign) == b"somebody's own"
    assert sorted(found) == ["b/set_aside/x.take1.wav", "b/set_aside/x.take1.wav.json"]


def test_a_name_the_catalogue_has_given_to_another_take_is_not_used(outputs: Path) -> None:
    taken = {"b/set_aside/x.wav", "b/set_aside/x.take1.wav"}
    place = put(outputs, "b/x.wav", "b/set_aside/x.wav", attempt=1, is_taken=taken.__contains__)
    assert place == "b/set_aside/x.take1-2.wav"


@pytest.mark.parametrize("make", [Path.mkdir, lambda p: p.symlink_to("/nowhere")], ids=["folder", "dangling-link"])
def test_not_only_files_stand_in_the_way(outputs: Path, make: Any) -> None:
    (outputs / "b/set_aside").mkdir()
    make(outputs / "b/set_aside/x.wav")
    assert move(outputs, "b/x.wav", "b/set_aside/x.wav") == "b/set_aside/x.take1.wav"


def test_a_take_somebody_removed_is_not_moved(outputs: Path) -> None:
    (outputs / "b/x.wav").unlink()
    assert move(outputs, "b/x.wav", "b/set_aside/x.wav") is None


def test_a_take_without_a_sidecar_moves_alone(outputs: Path) -> None:
    (outputs / "b/x.wav.json").unlink()
    move(outputs, "b/x.wav", "b/set_aside/x.wav")
    assert list(everything(outputs)) == ["b/set_aside/x.wav"]


def test_clearing_leaves_a_file_that_is_not_the_take(outputs: Path) -> None:
    place = put(outputs, "b/x.wav", "b/set_aside/x.wav", attempt=1, is_taken=nobody)
    (outputs / "b/x.wav").unlink()
    (outputs / "b/x.wav").write_bytes(b"somebody's own")
    clear(outputs, "b/x.wav", str(place))
    assert everything(outputs)["b/x.wav"] == b"somebody's own"


def test_where_there_are_no_hard_links_the_take_is_copied(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    before = everything(outputs)
    place = put(outputs, "b/x.wav", "b/set_aside/x.wav", attempt=1, is_taken=nobody)
    assert put(outputs, "b/x.wav", "b/set_aside/x.wav", attempt=1, is_taken=nobody) == place == "b/set_aside/x.wav"
    clear(outputs, "b/x.wav", place)
    assert everything(outputs) == {name.replace("b/", "b/set_aside/"): data for name, data in before.items()}


def test_a_disk_that_takes_nothing_is_said_with_the_mend(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(StorageUnavailable, match=r"set_aside/x\.wav.*make room"):
        put(outputs, "b/x.wav", "b/set_aside/x.wav", attempt=1, is_taken=nobody)
    assert "b/x.wav" in everything(outputs)


@pytest.mark.parametrize("path", ["../x.wav", "/etc/passwd", "x.wav"])
def test_nothing_leaves_the_outputs_folder(outputs: Path, path: str) -> None:
    with pytest.raises(ValueError, match=r"outputs folder|batch's folder"):
        put(outputs, "b/x.wav", path, attempt=1, is_taken=nobody)


# -- the whole of it: chosen, moved, and killed at every step -----------------------------------

SCORES = (60.0, 90.0, 70.0)
SET_ASIDE = {"themes/set_aside/t1.wav", "themes/t2.wav", "themes/set_aside/t3.wav"}


def three_takes(mill: Any, outputs: Path) -> None:
    """A row with three takes on record and on disk; the second is the best."""
    outputs.mkdir(exist_ok=True)
    mill.ingest([mill.spec(1, name=f"t{n}", replicate=n, keep_best=1) for n in (1, 2, 3)])
    for attempt, score in zip(mill.claim(limit=3), SCORES, strict=True):
        file_take(outputs, mill.output(attempt).path, f"RIFF {attempt.job.name}".encode(), {"job": attempt.job.name})
        mill.succeed(attempt, score=score)


def is_whole(mill: Any, outputs: Path) -> None:
    """Every take is where the catalogue says, with its sidecar, and is itself."""
    for row in mill.rows("SELECT o.path, j.name FROM outputs o JOIN jobs j ON j.id = o.job_id"):
        assert (outputs / row["path"]).read_bytes() == f"RIFF {row['name']}".encode()
        assert json.loads((outputs / f"{row['path']}.json").read_text()) == {"job": row["name"]}


def finish(mill: Any, outputs: Path) -> None:
    while mill.catalog.undecided():
        choosing.step(mill.catalog, outputs)


def test_what_is_set_aside_lies_apart_and_comes_back_when_it_is_chosen(mill: Any, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    mill.catalog.use_ranking("stars")
    three_takes(mill, outputs)
    finish(mill, outputs)
    assert {name for name in everything(outputs) if name.endswith(".wav")} == SET_ASIDE
    is_whole(mill, outputs)
    asked(mill.catalog, ratings.rate, "themes/t1", 5, None)
    finish(mill, outputs)
    assert {name for name in everything(outputs) if name.endswith(".wav")} == {
        "themes/t1.wav",
        "themes/set_aside/t2.wav",
        "themes/set_aside/t3.wav",
    }
    is_whole(mill, outputs)


def test_one_take_that_cannot_be_moved_does_not_hold_up_the_others(mill: Any, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    three_takes(mill, outputs)
    real = os.link

    def refuse_one(source: Path, place: Path, **options: Any) -> None:
        if place.name == "t1.wav":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(source, place, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moves.os, "link", refuse_one)
        for _ in range(3):
            with pytest.raises(StorageUnavailable, match="the disk failed"):
                choosing.step(mill.catalog, outputs)
    is_whole(mill, outputs)
    assert (outputs / "themes/set_aside/t3.wav").is_file()
    finish(mill, outputs)
    is_whole(mill, outputs)
    assert not mill.catalog.undecided()


def test_a_take_whose_file_is_gone_is_said_and_given_up(mill: Any, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    three_takes(mill, outputs)
    (outputs / "themes/t1.wav").unlink()
    finish(mill, outputs)
    assert "themes/t1.wav" in mill.row("SELECT message FROM events WHERE kind = 'take missing'")["message"]
    assert mill.row("SELECT path FROM outputs WHERE job_id = 1") == {"path": "themes/t1.wav"}


def choose_in_another_process(path: Path, outputs: Path, last: int) -> tuple[int, int]:
    """Choose and move in a process that kills itself before its `last` change of the folder or commit (0: never).

    Returns its exit status, negative for a signal, and how many changes it came to (0 when it was killed).
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def step() -> None:
            nonlocal count
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            catalog = Catalog.open(path, clock=lambda: 1.0)
            sys.addaudithook(lambda event, _: step() if event in ("os.link", "os.remove", "os.mkdir") else None)
            catalog._connection.set_trace_callback(lambda sql: step() if sql == "COMMIT" else None)
            while catalog.undecided():
                choosing.step(catalog, outputs)
            os.write(write, str(count).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(write)
    _, status = os.waitpid(child, 0)
    with os.fdopen(read) as said:
        return os.waitstatus_to_exitcode(status), int(said.read() or 0)


def test_killed_at_every_step_each_take_is_always_where_the_catalogue_says(make_mill: Any, tmp_path: Path) -> None:
    last, killed = 1, 0
    while True:
        home = tmp_path / str(last)
        home.mkdir()
        mill = make_mill(home / "catalog.db")
        three_takes(mill, home / "outputs")
        mill.close()
        status, changes = choose_in_another_process(mill.path, home / "outputs", last)
        is_whole(mill, home / "outputs")
        if status == 0:
            break
        assert status == -signal.SIGKILL
        killed += 1
        assert choose_in_another_process(mill.path, home / "outputs", 0)[0] == 0
        is_whole(mill, home / "outputs")
        assert {name for name in everything(home / "outputs") if name.endswith(".wav")} == SET_ASIDE
        assert mill.rows("SELECT * FROM moves") == mill.rows("SELECT * FROM selections_due") == []
        assert [row["kept"] for row in mill.rows("SELECT kept FROM takes ORDER BY job_id")] == [0, 1, 0]
        mill.close()
        last += 1
    # For two takes: four folders made or found, four names given, four removed, and three commits.
    assert killed == changes == 15


def test_a_former_place_that_has_gone_is_clear(outputs: Path) -> None:
    clear(outputs, "gone/x.wav", "b/x.wav")
    assert (outputs / "b/x.wav").read_bytes() == b"RIFF x"


def test_a_former_place_that_cannot_be_cleared_is_said(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert put(outputs, "b/x.wav", "b/set_aside/x.wav", attempt=1, is_taken=nobody) == "b/set_aside/x.wav"

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(moves, "sync_folder", read_only)
    with pytest.raises(StorageUnavailable, match=r"x\.wav.*read-only"):
        clear(outputs, "b/x.wav", "b/set_aside/x.wav")
