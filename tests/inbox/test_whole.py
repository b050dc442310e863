from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from soundmill.inbox.spool import Spool, submit
from soundmill.inbox.whole import (
    END,
    LONGEST_PARSED,
    LOOKED_AT,
    Look,
    Witness,
    Writers,
    ask_for_lease,
    look,
    look_at,
    on_a_share,
    open_for_writing,
    wait_s,
)
from support.missing import needs_attributes
from support.spreadsheets import ods, ods_cell, ods_row, xlsx

SETTLE_S = 0.15
PATIENCE_S = 3.0
POLL_S = 0.02
TABLE = "prompt,duration\n" + "".join(f"slow upload number {row} harp and rain,0.5\n" for row in range(1, 21))

WHOLE = [
    (b"prompt,duration\ncalm piano,3\n", ".csv"),
    (b"prompt,duration\rcalm piano,3\r", ".csv"),
    (b'prompt,duration\nthe 7" single,3\n', ".csv"),
    (b'prompt\n"two\nlines"\n', ".csv"),
    (b"prompt\ncalm\n\n\n", ".tsv"),
    ("prompt\ncalm\n".encode("utf-16"), ".csv"),
    (b"jobs: [calm, storm]\n", ".yaml"),
    (b"jobs:\n- calm\n# the end:\n", ".yaml"),
    (b"jobs: [a: b: c]\nmore: x\n", ".yml"),
    (b"PK\x03\x04" + bytes(50), ".csv"),
    (b"no workbook at all", ".xlsx"),
    (b"PK\x03\x04" + bytes(50) + b"PK\x05\x06" + bytes(18), ".xlsx"),
]
OPEN_ENDED = [
    (b"prompt,duration\ncalm piano,3", ".csv"),
    (b"prompt\ncalm pia", ".csv"),
    (b"prompt;duration\ncalm, slow;3", ".csv"),
    (b"prompt\rcalm pia", ".tsv"),
    (b"jobs: [calm, storm]", ".yaml"),
    (b"jobs:\n- calm\n- storm", ".yml"),
    (b"jobs:\n- calm\n# the end:", ".yml"),
    (b"jobs: [calm]\x07", ".yml"),
    (b"jobs: " + b"[" * 51, ".yml"),
]
EMPTY, ZEROS = "empty", "full of zeros"
QUOTE, ROW, STOPS = (
    "a quotation mark that is not closed",
    "a last row that stops early",
    "YAML that stops in the middle",
)
KEY, PACKED = "a key without its value at the end", "a workbook without its end"
HOLE, GAP = "zeros where its content belongs", "zeros where text belongs"
PART = [
    (b"", ".csv", EMPTY),
    (b"\xef\xbb\xbf", ".csv", EMPTY),
    (b" \n\n", ".yaml", EMPTY),
    (b"\t\r\n", ".xlsx", EMPTY),
    (bytes(38), ".csv", ZEROS),
    (b"\n\0", ".yaml", ZEROS),
    (b"prompt\ncalm\n" + bytes(20), ".csv", GAP),
    (b"prompt\n" + bytes(5) + b"calm\n", ".csv", GAP),
    (b"prompt,duration\nslow upload number 8 harp a", ".csv", ROW),
    (b"prompt\tduration\nslow, calm", ".tsv", ROW),
    (b"prompt;a;b,c\nslow, calm;x", ".csv", ROW),
    (b"\r\rprompt,duration\rslow", ".csv", ROW),
    (b'prompt,duration\n"slow upl', ".csv", QUOTE),
    (b'prompt,duration\n"slow\n', ".csv", QUOTE),
    (b'prompt,duration\nx, "slow\n', ".csv", QUOTE),
    (b"jobs: [calm, sto", ".yaml", STOPS),
    (b'jobs:\n- "calm pia', ".yaml", STOPS),
    (b"jobs:\n- prompt: calm\n  dura", ".yaml", STOPS),
    (b"jobs:\n" + b"- [a]\n" * 60 + b"- [b", ".yaml", STOPS),
    (b"jobs:\n- prompt: calm\n  duration:", ".yaml", KEY),
    (b"name: x\njobs:\n", ".yaml", KEY),
    (b"jobs:\n- calm\n-", ".yaml", "a list's last item is missing"),
    (bytes(4000), ".xlsx", ZEROS),
    (b"PK\x03\x04" + bytes(50), ".xlsx", PACKED),
    (b"P", ".ods", PACKED),
    (bytes(4096) + b"x" * 50 + b"PK\x05\x06" + bytes(18), ".xlsx", HOLE),
    (bytes(4) + b"PK\x03\x04", ".xlsx", HOLE),
    (b"PK\x03\x04" + b"x" * 50 + bytes(4096) + b"x" * 50 + b"PK\x05\x06" + bytes(18), ".ods", HOLE),
]
ENDS = [  # of files too large to be looked at whole
    (b"w harp,3\n", ".csv", Look.WHOLE, ""),
    (b'"w harp\n', ".csv", Look.WHOLE, ""),
    (b"w harp,3", ".csv", Look.PART, "a last line without an end"),
    (b"- calm\n  key:\n", ".yaml", Look.WHOLE, ""),
    (b"- calm", ".yaml", Look.PART, "a last line without an end"),
    (b"calm\n\0\0\0\0", ".yaml", Look.PART, GAP),
    (b"xPK\x05\x06x", ".xlsx", Look.WHOLE, ""),
    (b"xPK\x05\x05x", ".ods", Look.PART, PACKED),
    (b"xPK\x05\x06" + bytes(2048) + b"x", ".ods", Look.PART, HOLE),
]


@pytest.mark.parametrize(("data", "suffix"), WHOLE)
def test_what_is_whole_looks_whole(data: bytes, suffix: str) -> None:
    assert look(data, suffix) == (Look.WHOLE, "")


@pytest.mark.parametrize(("data", "suffix"), OPEN_ENDED)
def test_a_last_line_without_an_end_may_be_complete(data: bytes, suffix: str) -> None:
    assert look(data, suffix) == (Look.OPEN_ENDED, "a last line without an end")


@pytest.mark.parametrize(("data", "suffix", "missing"), PART)
def test_a_part_looks_like_one_and_says_what_is_missing(data: bytes, suffix: str, missing: str) -> None:
    assert look(data, suffix) == (Look.PART, missing)


@pytest.mark.parametrize(("data", "suffix", "found", "missing"), ENDS)
def test_of_a_large_file_the_end_is_looked_at(
    data: bytes, suffix: str, found: Look, missing: str, tmp_path: Path
) -> None:
    assert look(data, suffix, only_the_end=True) == (found, missing)
    path = tmp_path / f"large{suffix.upper()}"
    with path.open("wb") as file:
        file.seek(LOOKED_AT - END + 1)  # what is before the end is not looked at
        file.write(b"x" * (END - len(data)) + data)
    assert look_at(path) == (found, missing)


def test_a_yaml_file_too_long_to_be_parsed_is_judged_by_its_last_line() -> None:
    line = b"- calm\n"
    long = b"jobs:\n" + line * (LONGEST_PARSED // len(line))
    assert look(long + b"- [a", ".yaml") == (Look.OPEN_ENDED, "a last line without an end")
    assert look(long[: LONGEST_PARSED - 4] + b"- [a", ".yaml") == (Look.PART, STOPS)
    assert look(long + b"- a:\n", ".yaml") == (Look.PART, KEY)


def test_what_cannot_be_read_or_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "empty").write_text("")
    (tmp_path / "link.csv").symlink_to("empty")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pipe.csv", "link.csv", "folder.csv", "gone.csv"):
        assert look_at(tmp_path / name) == (Look.WHOLE, "")
        assert ask_for_lease(tmp_path / name) is Writers.UNKNOWN
        if name != "gone.csv":
            assert Witness().writers_of(tmp_path / name, (tmp_path / name).lstat()) is Writers.NOBODY


MOUNTS = """22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
31 22 0:40 / /shared rw - nfs4 server:/share rw,addr=10.0.0.1
32 22 0:41 / /mine rw shared:2 master:1 - fuse.sshfs anna@host: rw
33 22 0:4 / /tmp rw - tmpfs tmpfs rw
34 22 0:42 / /data rw - notfuse x rw
"""


@pytest.mark.parametrize(
    ("major", "minor", "shared"),
    [(8, 1, False), (0, 40, True), (0, 41, True), (0, 4, False), (0, 42, False), (9, 9, False)],
)
def test_a_share_is_told_by_its_file_system(major: int, minor: int, shared: bool, tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    assert on_a_share(os.makedev(major, minor), tmp_path / "mounts") is shared
    assert not on_a_share(os.makedev(major, minor), tmp_path / "none")


@pytest.mark.parametrize(
    "kind",
    [
        "9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "prl_fs", "smb2",
        "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs", "fuse", "fuseblk",
    ],
)  # fmt: skip
def test_others_may_write_there_from_other_machines(kind: str, tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(f"31 22 0:40 / /x rw - {kind} a rw\n32 22 0:41 / /y rw - x{kind}x a rw\n")
    assert on_a_share(os.makedev(0, 40), tmp_path / "mounts")
    assert not on_a_share(os.makedev(0, 41), tmp_path / "mounts")


def test_the_table_of_processes_tells_who_writes_where_it_may_be_looked_into(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    flags = {"reads": "0100000", "writes": "0100001", "both": "02000002", "odd": None}
    for number, (name, flag) in enumerate(flags.items(), 10):
        path = tmp_path / name
        path.write_text("")
        (tmp_path / "proc" / f"{number}" / "fd").mkdir(parents=True)
        (tmp_path / "proc" / f"{number}" / "fdinfo").mkdir()
        (tmp_path / "proc" / f"{number}" / "fd" / "3").symlink_to(path)
        (tmp_path / "proc" / f"{number}" / "fd" / "4").symlink_to(tmp_path)  # no file
        (tmp_path / "proc" / f"{number}" / "fd" / "5").symlink_to(tmp_path / "gone")
        text = "pos:\t0\n" + (f"flags:\t{flag}\nmnt_id:\t1\n" if flag else "")
        for handle in (3, 4, 5):
            (tmp_path / "proc" / f"{number}" / "fdinfo" / f"{handle}").write_text(text)
    (tmp_path / "proc" / "self").mkdir()
    (tmp_path / "proc" / "9").mkdir()  # ended meanwhile
    writing = {(tmp_path / name).stat().st_ino for name in ("writes", "both")}
    assert {inode for _, inode in open_for_writing(tmp_path / "proc")} == writing


def test_deep_yaml_is_looked_at_no_longer_than_it_is_worth() -> None:
    began = time.process_time()
    assert look(b"jobs: " + b"[" * 60_000 + b"\n", ".yaml") == (Look.WHOLE, "")
    assert time.process_time() - began < 1


SHEETS = {
    ".xlsx": xlsx({"jobs": [("prompt", "duration"), *((f"harp {n * n}", n) for n in range(3000))]}),
    ".ods": ods({"jobs": [ods_row(ods_cell("prompt")), *(ods_row(ods_cell(f"harp {n * n}")) for n in range(3000))]}),
}


@pytest.mark.parametrize("suffix", SHEETS)
def test_a_spreadsheet_that_was_cut_anywhere_or_has_a_hole_is_a_part(suffix: str) -> None:
    data = SHEETS[suffix]
    assert look(data, suffix) == (Look.WHOLE, "") and len(data) > 3 * 4096
    for end in [*range(1, 60), *range(60, len(data) - 60, 997), *range(len(data) - 60, len(data))]:
        assert look(data[:end], suffix)[0] is Look.PART, end
    for start in range(0, len(data) - 4096, 997):  # a share that writes its pages in any order
        assert look(data[:start] + bytes(4096) + data[start + 4096 :], suffix)[0] is Look.PART, start
    assert look(data[-65536:], suffix, only_the_end=True) == (Look.WHOLE, "")
    assert look(data[-65536:-30], suffix, only_the_end=True)[0] is Look.PART


@pytest.mark.parametrize("suffix", [".csv", ".yaml", ".xlsx", ".ods"])
def test_any_bytes_can_be_looked_at(suffix: str) -> None:
    for seed in range(300):
        look(bytes((seed * 7 + n * n * (seed % 13 + 1)) % 256 for n in range(seed)), suffix)


def test_every_further_sign_makes_the_wait_longer() -> None:
    waits = [
        [wait_s(seen, writers, longest_pause_s=0, settle_s=1, patience_s=60) for writers in Writers] for seen in Look
    ]
    assert waits == [[1, 5, 60], [5, 60, 300], [60, 300, 300]]


def test_who_paused_before_is_given_three_times_that_pause_within_patience() -> None:
    def wait(pause_s: float) -> float:
        return wait_s(Look.WHOLE, Writers.NOBODY, longest_pause_s=pause_s, settle_s=1, patience_s=60)

    assert [wait(pause_s) for pause_s in (0.9, 1, 1.1, 4, 50)] == [1, 1, pytest.approx(3.3), 12, 60]
    assert wait_s(Look.PART, Writers.SOMEBODY, longest_pause_s=4, settle_s=1, patience_s=60) == 300
    assert wait_s(Look.WHOLE, Writers.UNKNOWN, longest_pause_s=0, settle_s=1, patience_s=3) == 3
    assert wait_s(Look.PART, Writers.NOBODY, longest_pause_s=0, settle_s=2, patience_s=0) == 2


# -- with real processes -----------------------------------------------------------------------


@contextmanager
def writer(program: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A process that says "ready" when it has begun, and goes on at a line from us or by itself."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"import os, sys, time\n{program}", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.stdin.close()
        assert process.wait(20) == 0
        process.stdout.close()


HOLD = "file = open(sys.argv[1], 'ab'); print('ready', flush=True); sys.stdin.readline()"


def test_a_writer_in_another_process_is_seen_until_it_closes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(TABLE)
    assert ask_for_lease(path) is Writers.NOBODY
    with writer(HOLD, str(path)):
        assert ask_for_lease(path) is Writers.SOMEBODY
        status = path.stat()
        assert (status.st_dev, status.st_ino) in set(open_for_writing())
    assert ask_for_lease(path) is Writers.NOBODY


def test_without_leases_proc_tells_of_a_writer_and_its_silence_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundmill.inbox.whole.ask_for_lease", lambda path: Writers.UNKNOWN)
    path = tmp_path / "a.csv"
    path.write_text(TABLE)
    with writer(HOLD, str(path)):
        assert Witness().writers_of(path, path.stat()) is Writers.SOMEBODY
    assert Witness().writers_of(path, path.stat()) is Writers.UNKNOWN


def test_on_a_share_a_granted_lease_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundmill.inbox.whole.on_a_share", lambda device: True)
    path = tmp_path / "a.csv"
    path.write_text(TABLE)
    assert Witness().writers_of(path, path.stat()) is Writers.UNKNOWN


def test_asking_hurts_neither_us_nor_a_writer_who_comes_at_that_moment(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("")
    program = """
print('ready', flush=True)
for _ in range(3000):
    with open(sys.argv[1], 'ab') as file:
        file.write(b'x')
"""
    former = signal.getsignal(signal.SIGIO)
    with writer(program, str(path)) as process:
        while process.poll() is None:
            ask_for_lease(path)
    assert path.stat().st_size == 3000
    assert signal.getsignal(signal.SIGIO) == former


@pytest.fixture
def real(inbox: Path, new_ulid: Callable[[], str]) -> Spool:
    return Spool(inbox, time.monotonic, new_ulid, settle_s=SETTLE_S, patience_s=PATIENCE_S, command="soundmill")


def first_taken(spool: Spool, timeout_s: float = 20.0) -> str:
    """The content of the first file that is claimed."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        for path in spool.settled():
            if (claimed := spool.claim(path)) is not None:
                return claimed.path.read_text()
        time.sleep(POLL_S)
    raise AssertionError("nothing was taken")


STALL = 8 * SETTLE_S
HABITS = {
    "stalls in the middle of a row": """
file = open(path, 'w'); file.write(text[:300]); file.flush()
time.sleep(stall); file.write(text[300:]); file.close()""",
    "stalls at the end of a row": """
cut = text.index('number 8'); cut = text.index('\\n', cut) + 1
file = open(path, 'w'); file.write(text[:cut]); file.flush()
time.sleep(stall); file.write(text[cut:]); file.close()""",
    "empty first, closed": """
open(path, 'w').close(); time.sleep(stall)
open(path, 'w').write(text)""",
    "empty first, handle kept": """
file = open(path, 'w'); time.sleep(stall); file.write(text); file.close()""",
    "full size first, zeros, content later": """
file = open(path, 'wb'); file.truncate(len(text)); file.flush(); time.sleep(stall)
file.write(text.encode()); file.close()""",
    "full size first, closed, opened again, its time put back": """
file = open(path, 'wb'); file.truncate(len(text)); file.close(); os.utime(path, ns=(10**18, 10**18))
time.sleep(stall)
file = open(path, 'r+b'); file.write(text.encode()); file.close(); os.utime(path, ns=(10**18, 10**18))""",
    "second half first": """
file = open(path, 'wb'); half = len(text) // 2
file.seek(half); file.write(text[half:].encode()); file.flush(); time.sleep(stall)
file.seek(0); file.write(text[:half].encode()); file.close()""",
    "append, close, append, in the middle of a row": """
for start in range(0, len(text), 330):
    with open(path, 'a') as file:
        file.write(text[start:start + 330])
    time.sleep(stall / 3)""",
    "append, close, append, row by row": """
for line in text.splitlines(keepends=True):
    with open(path, 'a') as file:
        file.write(line)
    time.sleep(stall / 24)""",
    "an editor truncates and writes again": """
with open(path, 'w') as file: file.write(text[:300])
time.sleep(stall / 20)
file = open(path, 'w'); time.sleep(stall); file.write(text); file.close()""",
    "a browser's placeholder, then the file in its place": """
open(path, 'w').close()
with open(path + '.part', 'w') as file:
    file.write(text[:300]); file.flush(); time.sleep(stall); file.write(text[300:])
os.rename(path + '.part', path)""",
    "broken off, deleted, copied anew": """
with open(path, 'w') as file: file.write(text[:300])
time.sleep(stall); os.unlink(path); time.sleep(stall / 4)
file = open(path, 'w'); file.write(text); file.close()""",
    "append, close, append, with one row at first": """
end = text.index('\\n', text.index('number 1 ')) + 1
with open(path, 'a') as file: file.write(text[:end])
time.sleep(stall / 12)
for start in range(end, len(text), 330):
    with open(path, 'a') as file:
        file.write(text[start:start + 330])
    time.sleep(stall / 3)""",
    "mapped into memory": """
import mmap
file = open(path, 'w+b'); file.truncate(len(text)); map = mmap.mmap(file.fileno(), len(text)); file.close()
time.sleep(stall); map[:] = text.encode(); map.close()""",
}


# What SMB and NFS do on behalf of their clients, seen from where a lease and /proc tell nothing.
OF_SHARES = [habit for habit in HABITS if habit.startswith(("full size", "append", "second half", "broken off"))]


@pytest.mark.parametrize("habit", HABITS)
def test_a_file_is_taken_whole_whatever_its_writers_habits(habit: str, real: Spool, inbox: Path) -> None:
    written_by(habit, real, inbox)


@pytest.mark.parametrize("habit", OF_SHARES)
def test_a_file_on_a_share_is_taken_whole_too(
    habit: str, real: Spool, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundmill.inbox.whole.on_a_share", lambda device: True)
    monkeypatch.setattr("soundmill.inbox.whole.open_for_writing", lambda: ())  # the writer sits at another machine
    written_by(habit, real, inbox)


def written_by(habit: str, real: Spool, inbox: Path) -> None:
    begin = "path, stall, text = sys.argv[1], float(sys.argv[2]), sys.argv[3]; print('ready', flush=True)"
    with writer(begin + HABITS[habit], str(inbox / "slow.csv"), str(STALL), TABLE):
        assert first_taken(real) == TABLE


def test_yaml_that_stops_in_the_middle_is_waited_for(real: Spool, inbox: Path) -> None:
    program = """
with open(sys.argv[1], 'w') as file: file.write('jobs:\\n- "calm pia')
print('ready', flush=True); time.sleep(1)
with open(sys.argv[1], 'a') as file: file.write('no"\\n')"""
    with writer(program, str(inbox / "slow.yaml")):
        assert first_taken(real) == 'jobs:\n- "calm piano"\n'


def taken_after(spool: Spool) -> float:
    began = time.monotonic()
    first_taken(spool)
    return time.monotonic() - began


def test_a_whole_file_waits_no_longer_than_before_and_one_without_an_end_a_little(real: Spool, inbox: Path) -> None:
    (inbox / "a.csv").write_text(TABLE)
    assert SETTLE_S <= taken_after(real) < 4 * SETTLE_S
    (inbox / "b.csv").write_text(TABLE.rstrip())
    assert 5 * SETTLE_S <= taken_after(real) < PATIENCE_S


def test_an_empty_file_and_one_held_open_are_taken_in_the_end(spool: Spool, inbox: Path, clock: Any) -> None:
    spool = Spool(inbox, clock, spool._new_ulid, settle_s=1.0, patience_s=60.0, command="soundmill")
    (inbox / "empty.csv").write_text("")
    (inbox / "held.csv").write_text(TABLE)
    with (inbox / "held.csv").open("a"):
        assert spool.settled() == []
        clock.now += 59
        assert spool.settled() == [] and spool.unsettled == 2
        assert {notice.file_name: notice.message for notice in spool.notices} == {
            "empty.csv": "is not taken yet: it is empty; it is taken as it is once nothing has changed for 1 min",
            "held.csv": "is not taken yet: a program has it open for writing; "
            "it is taken as it is once nothing has changed for 1 min",
        }
        clock.now += 1
        taken = spool.settled()
        assert {path.name for path in taken} == {"empty.csv", "held.csv"} and spool.unsettled == 0
        assert all(spool.claim(path) is not None for path in taken)


def test_a_file_that_never_rests_does_not_hold_up_a_run_once(inbox: Path, clock: Any, new_ulid: Any) -> None:
    spool = Spool(inbox, clock, new_ulid, settle_s=1.0, patience_s=6.0, command="soundmill")
    for number in range(62):
        (inbox / "log.csv").write_text("prompt\n" + "x\n" * number)
        assert spool.settled() == []
        assert spool.unsettled == (1 if number < 60 else 0)
        clock.now += 1
    assert [notice.kind for notice in spool.notices] == ["not here yet"]


def test_what_submit_puts_there_is_whole_as_it_is(tmp_path: Path, inbox: Path, clock: Any, new_ulid: Any) -> None:
    """Where the file system keeps extended attributes; elsewhere it waits like any other."""
    source = tmp_path / "a.csv"
    source.write_text("")
    needs_attributes(source)
    target = submit(source, inbox, again=False)
    assert os.getxattr(target, "user.soundmill.whole") == f"0 {target.stat().st_mtime_ns}".encode()
    spool = Spool(inbox, clock, new_ulid, settle_s=1.0, patience_s=60.0, command="soundmill")
    spool.settled()
    clock.now += 1
    assert spool.settled() == [target]
    target.write_text("prompt\ncalm pia")  # and is no longer known to be whole once somebody writes to it
    spool.settled()
    clock.now += 1
    assert spool.settled() == []


def test_a_stall_with_the_file_open_delays_nothing_once_it_is_closed(inbox: Path, clock: Any, new_ulid: Any) -> None:
    spool = Spool(inbox, clock, new_ulid, settle_s=1.0, patience_s=60.0, command="soundmill")
    path = inbox / "a.csv"
    with path.open("w") as file:
        file.write("prompt\ncalm")
        file.flush()
        for _ in range(30):
            assert spool.settled() == []
            clock.now += 1
        file.write(" piano\n")
    assert spool.settled() == []
    clock.now += 1
    assert spool.settled() == [path]


def test_who_appends_and_closes_after_pauses_is_given_longer(inbox: Path, clock: Any, new_ulid: Any) -> None:
    """Seen whole and closed each time, so that only its pauses tell; the first outlasts settle_s by the next look."""
    spool = Spool(inbox, clock, new_ulid, settle_s=1.0, patience_s=60.0, command="soundmill")
    path = inbox / "a.csv"
    path.write_text("prompt\ncalm\n")
    spool.settled()
    for row in range(4):
        clock.now += 2
        with path.open("a") as file:
            file.write(f"piano {row}\n")
        assert spool.settled() == []
        clock.now += 2
        assert spool.settled() == []
    clock.now += 10
    assert spool.settled() == [path]


def test_a_file_written_to_between_look_and_claim_goes_back(spool: Spool, inbox: Path) -> None:
    path = inbox / "a.csv"
    path.write_text(TABLE)
    assert spool.settled() == [path]
    with path.open("a") as file:
        file.write("one more,1\n")
    assert spool.claim(path) is None
    assert path.read_text() == TABLE + "one more,1\n" and spool.unsettled == 1


def test_a_file_opened_between_look_and_claim_goes_back(spool: Spool, inbox: Path) -> None:
    path = inbox / "a.csv"
    path.write_text(TABLE)
    assert spool.settled() == [path]
    with path.open("a"):
        assert spool.claim(path) is None
    assert path.exists() and spool.pending() == []


def test_a_file_put_back_overwrites_nothing(spool: Spool, inbox: Path) -> None:
    path = inbox / "a.csv"
    path.write_text("old")
    claimed = spool.claim(path)
    assert claimed is not None
    path.write_text("new")
    assert spool.give_back(claimed) == inbox / "a-2.csv"
    assert path.read_text() == "new" and (inbox / "a-2.csv").read_text() == "old"
