from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence

import pytest

from support.terminal import PATIENCE_S, seen_on

SCRIPT = (
    "import json, sys; from soundmill.commands import terminal as show;"
    "show.table(*json.loads(sys.argv[1]), 'nothing', names=int(sys.argv[2]))"
)
QC = {"file": "file", "verdict": "verdict", "score": "score", "why": "why"}
REASON = "1 click was found (at 4.18 s); none is allowed. The level jumps by 30 dB (at 4 s); up to 20 dB is allowed."


def on_terminal(
    rows: Sequence[Mapping[str, object]], columns: Mapping[str, str], width: int, names: int = 1
) -> list[str]:
    """The lines that a terminal of this many columns is sent."""
    terminal, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps([rows, columns]), str(names)],
        stdin=side,
        stdout=side,
        env=environment | {"TERM": "xterm"},
    )
    os.close(side)
    try:
        seen = seen_on(terminal)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    return re.sub(r"\x1b\[[0-9;]*m|\r", "", seen.decode()).splitlines()


def test_a_program_that_is_silent_and_goes_on_is_not_waited_for_for_ever() -> None:
    terminal, side = pty.openpty()
    os.write(side, b"half")
    with pytest.raises(AssertionError, match="half"):
        seen_on(terminal, patience_s=0.05)
    os.close(side)
    os.close(terminal)


@pytest.mark.parametrize("width", [40, 80, 120, 160])
def test_verdict_and_score_are_whole_on_any_terminal(width: int) -> None:
    rows = [
        {"file": "deep/folder/" + "long-name-" * 4 + "clean.wav", "verdict": "passed", "score": 98.6, "why": ""},
        {"file": "click.wav", "verdict": "failed", "score": 24.5, "why": REASON},
    ]
    lines = on_terminal(rows, QC, width)
    text = "\n".join(lines)
    assert lines[0].split()[:3] == ["file", "verdict", "score"]
    assert any(line.split()[-2:] == ["passed", "98.6"] for line in lines)
    assert any(line.split()[:3] == ["click.wav", "failed", "24.5"] for line in lines)
    assert all(len(line.rstrip()) <= width for line in lines) and "…" not in text
    assert " ".join(text.split()).count(" ".join(REASON.split()[:3])) == 1
    for word in REASON.split():
        assert word in text


def test_a_name_that_does_not_fit_goes_on_in_the_next_line() -> None:
    name = "a" * 50 + "b" * 50 + ".wav"
    lines = on_terminal([{"file": name, "verdict": "passed", "score": 98.6, "why": ""}], QC, 80)
    assert "".join(line.split()[0] for line in lines[1:]) == name


def test_what_fits_is_one_line_per_row() -> None:
    rows = [{"file": f"{n}.wav", "verdict": "failed", "score": 24.5, "why": REASON} for n in range(3)]
    assert [len(line.split()) for line in on_terminal(rows, QC, 160)] == [4, *[3 + len(REASON.split())] * 3]


def test_long_texts_of_a_narrow_table_stand_below_the_row_that_keeps_its_names() -> None:
    columns = {"batch": "batch", "job": "job", "status": "status", "seed": "seed", "prompt": "prompt", "audio": "audio"}
    row = {"batch": "themes", "status": "succeeded", "prompt": "slow choir", "audio": "themes/set_aside/0001-choir.wav"}
    rows = [{**row, "job": "0001-temperature-1.3", "seed": 7}, {**row, "job": "0002-temperature-1.3", "seed": 59734}]
    lines = [line.rstrip() for line in on_terminal(rows, columns, 52, names=2)]
    assert lines == [
        "batch   job                   status      seed",
        "themes  0001-temperature-1.3  succeeded      7",
        "    prompt: slow choir",
        "    audio: themes/set_aside/0001-choir.wav",
        "themes  0002-temperature-1.3  succeeded  59734",
        "    prompt: slow choir",
        "    audio: themes/set_aside/0001-choir.wav",
    ]


def test_headings_wrap_before_names_do() -> None:
    columns = {"short": "name", "parameters": "M parameters", "licence": "licence"}
    lines = on_terminal([{"short": "musicgen-large", "parameters": 3300, "licence": "MIT"}], columns, 36)
    assert [line.rstrip() for line in lines] == [
        "name                     M  licence",
        "                parameters",
        "musicgen-large        3300  MIT",
    ]


def test_a_column_that_says_nothing_takes_no_room() -> None:
    rows = [{"file": "clean.wav", "verdict": "passed", "score": 98.6, "why": ""}]
    assert [line.rstrip() for line in on_terminal(rows, QC, 80)] == [
        "file       verdict  score",
        "clean.wav  passed    98.6",
    ]


def test_elsewhere_a_row_is_one_line_with_everything_in_it() -> None:
    row = {"file": "new\nline.wav", "verdict": "failed", "score": 24.5, "why": REASON}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps([[row], QC]), "1"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "40"},
    )
    assert done.stdout.splitlines()[1] == f"new line.wav\tfailed\t24.5\t{REASON}"
