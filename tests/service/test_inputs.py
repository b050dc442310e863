"""Audio that job files bring along, exchanged for something else between acceptance and use, in real processes."""

from __future__ import annotations

import os
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from service.conftest import drop
from service.test_crash import daemon, rows, wait_until
from service.test_edge import done
from soundmill.home import Home


def recording(path: Path, seconds: float = 0.2) -> Path:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\x01\x02" * round(8000 * seconds))
    return path


def as_pipe(melody: Path) -> None:
    melody.unlink()
    os.mkfifo(melody)


def as_link_outside(melody: Path) -> None:
    melody.unlink()
    melody.symlink_to(recording(melody.parents[2] / "private" / "voice.wav"))


def in_a_folder_that_is_a_link(melody: Path) -> None:
    recording(melody.parents[2] / "private" / melody.name)
    melody.unlink()
    melody.parent.rmdir()
    melody.parent.symlink_to(melody.parents[2] / "private")


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        (as_pipe, "not a plain file"),
        (as_link_outside, "in no folder that audio may be taken from"),
        (in_a_folder_that_is_a_link, "in no folder that audio may be taken from"),
    ],
)
def test_an_input_exchanged_after_acceptance_fails_its_job_alone(
    home: Home, exchange: Callable[[Path], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = home.root / "hold"
    hold.touch()
    monkeypatch.setenv("HOLD", str(hold))
    melody = recording(home.inbox / "tunes" / "melody.wav")
    (home.inbox / "a.csv").write_text("prompt,continue_from\nreading clip,tunes/melody.wav\n")
    with daemon(home, "--deadline", "120"):
        wait_until(lambda: rows(home, "SELECT status FROM jobs") == [("running",)])
        exchange(melody)
        hold.unlink()
        wait_until(lambda: rows(home, "SELECT error_kind FROM jobs") == [("missing_input",)], 60.0)
        drop(home, "b.csv", 1)
        wait_until(done(home, "b"))
    assert said in str(rows(home, "SELECT error FROM jobs WHERE id = 1")[0][0])


def test_inputs_come_from_the_inbox_the_outputs_and_the_folders_that_the_settings_name(home: Home) -> None:
    private, music = (recording(home.root.parent / name / "a.wav") for name in ("private", "music"))
    recording(home.inbox / "a.wav")
    (home.inbox / "link.wav").symlink_to(private)
    home.config_file.write_text(f"inbox: {{settle_s: 0, input_folders: [{music.parent}]}}\n")
    with daemon(home):
        for number, path in enumerate((private, Path("link.wav"), private.with_name("not-there.wav"))):
            (home.inbox / f"bad{number}.csv").write_text(f"prompt,continue_from\none clip,{path}\n")
        for number, path in enumerate((music, Path("a.wav"), Path("../outputs/good0/0001-one-clip.wav"))):
            name = f"good{number}"
            if number == 2:
                wait_until(done(home, "good0"))
                [(made,)] = rows(home, "SELECT path FROM outputs WHERE path LIKE 'good0/%'")
                path = Path("../outputs") / str(made)
            (home.inbox / f"{name}.csv").write_text(f"prompt,duration,continue_from\none clip,{1 + number},{path}\n")
        for number in range(3):
            wait_until(done(home, f"good{number}"))
        wait_until(lambda: len(list((home.inbox / "rejected").glob("*/*.errors.txt"))) == 3)
    for errors in (home.inbox / "rejected").glob("*/*.errors.txt"):
        assert "name its folder under inbox.input_folders in soundmill.yaml" in errors.read_text()
