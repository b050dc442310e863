from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import time

import pytest

from commands.conftest import Command, parsed
from service.conftest import drop, serving, until
from service.test_crash import rows
from soundmill.home import Home


def findings(soundmill: Command, *words: str) -> list[tuple[str, str]]:
    found = soundmill("verify", "--json", *words)
    listed = [(each["kind"], each["path"]) for each in parsed(found)["findings"]]
    assert found.exit_code == (1 if listed else 0)
    return sorted(listed)


def takes(home: Home) -> list[str]:
    return sorted(path.relative_to(home.root).as_posix() for path in home.outputs.rglob("*.wav"))


def test_a_home_that_is_whole_has_no_findings(worked_home: Home, soundmill: Command) -> None:
    looked = soundmill("verify")
    assert looked.exit_code == 0 and looked.output.startswith("3 of 3 takes whole (by hash), ")
    assert parsed(soundmill("verify", "--json"))["findings"] == []


def test_each_kind_of_fault_is_found_with_its_mend(worked_home: Home, soundmill: Command) -> None:
    home = worked_home
    first, second, third = takes(home)
    (home.root / first).unlink()
    content = bytearray((home.root / second).read_bytes())
    content[-1] ^= 1
    (home.root / second).write_bytes(content)
    (home.root / third).rename(home.root / f"{third[:-4]} (copy).wav")
    (home.root / f"{third}.json").rename(home.root / "outputs" / "songs" / "gone.wav.json")
    (home.root / third).symlink_to("/etc/hostname")
    expected = [
        ("damaged", second),
        ("damaged", third),
        ("missing", first),
        ("no row", f"{third[:-4]} (copy).wav"),
        ("no row", "outputs/songs/gone.wav.json"),
    ]
    assert findings(soundmill) == expected
    said = soundmill("verify").output
    assert "soundmill restore DIR --missing takes it from a backup; soundmill rerun songs/" in said
    for _, path in expected[3:]:
        command = said.split(f"{path}: ")[1].split("if it is nothing of yours: ")[1].splitlines()[0]
        subprocess.run(shlex.split(command), check=True)  # the mend can be pasted
    assert findings(soundmill) == expected[:3]


def test_quick_goes_by_sizes_and_reads_nothing(worked_home: Home, soundmill: Command) -> None:
    first, second, _ = takes(worked_home)
    size = (worked_home.root / first).stat().st_size
    (worked_home.root / first).write_bytes(b"x" * size)
    (worked_home.root / second).write_bytes(b"x")
    assert findings(soundmill, "--quick") == [("damaged", second)]
    assert findings(soundmill) == [("damaged", first), ("damaged", second)]


def test_what_is_no_take_is_not_asked_for_its_row(worked_home: Home, soundmill: Command) -> None:
    for name in ("report.html", "summary.json", "pictures/x.wav.png", "notes.txt"):
        place = worked_home.outputs / "songs" / name
        place.parent.mkdir(exist_ok=True)
        place.touch()
    assert findings(soundmill) == []


def test_a_pruned_take_needs_no_file_and_should_have_none(worked_home: Home, soundmill: Command) -> None:
    first, second, _ = takes(worked_home)
    db = sqlite3.connect(worked_home.catalog)
    db.execute("UPDATE outputs SET pruned_at = 1.0 WHERE 'outputs/' || path IN (?, ?)", (first, second))
    db.commit()
    db.close()
    (worked_home.root / first).unlink()
    assert findings(soundmill) == [("pruned", second)]


def test_a_damaged_catalogue_is_a_finding_and_no_traceback(worked_home: Home, soundmill: Command) -> None:
    db = sqlite3.connect(worked_home.catalog)
    (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'outputs'").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with worked_home.catalog.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(os.urandom(size))
    kinds = {kind for kind, _ in findings(soundmill)}
    assert kinds == {"catalogue damaged"}
    assert "soundmill restore DIR --force" in soundmill("verify").output


def test_nothing_to_verify_is_wrong_usage(home: Home, soundmill: Command) -> None:
    assert soundmill("verify").exit_code == 2


def test_a_working_daemon_is_no_fault(home: Home, soundmill: Command) -> None:
    """It files, chooses and moves takes while they are looked at."""
    home.create()
    with serving(home) as service:
        (home.inbox / "rows.csv").write_text(
            "prompt,count,keep_best\n" + "".join(f"clip number {n},4,1\n" for n in range(25))
        )
        end = time.monotonic() + 30
        while rows(home, "SELECT count(*) FROM jobs WHERE status = 'succeeded'") != [(100,)]:
            assert time.monotonic() < end
            service.tick()
            assert findings(soundmill) == []
        drop(home, "one.csv", 1)
        until(service, lambda: rows(home, "SELECT count(*) FROM jobs WHERE status = 'succeeded'") == [(101,)])
        until(service, lambda: not service.catalog.undecided())
        assert findings(soundmill) == []
    assert len(takes(home)) == 101


@pytest.mark.parametrize("words", [["--backups", "missing"], ["--frobnicate"]])
def test_wrong_words_are_wrong_usage(worked_home: Home, soundmill: Command, words: list[str]) -> None:
    assert soundmill("verify", *words).exit_code == 2
