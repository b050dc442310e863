"""What is thought of the daemon's last signs of life."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from soundmill.publish.health import pulse
from soundmill.publish.health.pulse import SILENT_S, STUCK_S, Beat, Life, life

NOW = 1_760_000_000.0  # 08:53:20 UTC
STEADY = 5000.0


def beat(ago_s: float = 0.5, **changes: object) -> Beat:
    return Beat(**{"pid": 123, "at": NOW - ago_s, "steady_s": STEADY - ago_s} | changes)  # type: ignore[arg-type]


def judged(row: Beat | None, file: Beat | None, *, there: bool = True, gone: bool = False) -> Life:
    return life(row, file, now=NOW, steady_s=STEADY, is_there=lambda _pid: there, gone=gone)


def test_a_daemon_that_beats_is_well() -> None:
    found = judged(beat(1.0), beat(1.5))
    assert found.ok and found.is_there and found.message is None and found.pid == 123


def test_silence_is_told_with_the_time_and_the_process() -> None:
    found = judged(beat(20.0), beat(20.0), there=False)
    assert found.state == "ended" and not found.is_there
    assert found.message == (
        "the daemon does not answer since 08:53:00 UTC (pid 123): it has ended; soundmill run starts it again"
    )


def test_a_process_that_is_there_and_silent_hangs() -> None:
    found = judged(beat(20.0), beat(20.0))
    assert found.state == "silent" and "it hangs" in str(found.message) and "kill -9 123" in str(found.message)


def test_it_takes_some_missed_beats_until_silence_is_told_and_less_than_ten_seconds() -> None:
    assert judged(beat(pulse.EVERY_S * 3), beat(pulse.EVERY_S * 3), there=False).ok
    assert SILENT_S + pulse.EVERY_S < 10.0


@pytest.mark.parametrize("moved_s", [-3600.0, 3600.0])
def test_a_date_that_is_set_anew_brings_nobody_back_and_ends_nobody(moved_s: float) -> None:
    """The date was moved since the last beat, by so much."""
    long_ago = beat(60.0, at=NOW - 60.0 - moved_s)
    assert judged(long_ago, long_ago, there=False).state == "ended"
    just_now = beat(1.0, at=NOW - 1.0 - moved_s)
    assert judged(just_now, just_now).ok


def test_a_beat_from_before_the_machine_was_started_anew_is_old() -> None:
    earlier = beat(at=NOW - 30.0, steady_s=STEADY + 90_000.0)
    assert judged(earlier, earlier, there=False).state == "ended"


def test_a_daemon_that_was_stopped_is_not_gone() -> None:
    found = judged(beat(90.0, state="stopped"), beat(91.0, state="stopped"))
    assert found.state == "stopped" and "was stopped at 08:51:50 UTC" in str(found.message)


def test_a_stop_that_takes_long_is_no_hang() -> None:
    assert judged(beat(30.0), beat(1.0, state="stopping")).state == "stopping"


def test_a_catalogue_that_takes_nothing_is_told_with_the_reason() -> None:
    troubles = ({"part": "heartbeat", "message": "catalog.db: the disk is full: make room", "since": NOW},)
    found = judged(beat(40.0), beat(1.0, troubles=troubles))
    assert found.state == "unrecorded" and found.is_there and not found.ok
    assert found.message == (
        "the daemon runs (pid 123), but the catalogue takes nothing since 08:52:40 UTC: "
        "catalog.db: the disk is full: make room"
    )


def test_a_round_that_does_not_end_is_told_with_its_part() -> None:
    found = judged(beat(2 * STUCK_S), beat(1.0, busy=("reports", NOW - 2 * STUCK_S, 2 * STUCK_S)))
    assert found.state == "stuck" and "“reports” since 08:53:04 UTC" in str(found.message)
    assert judged(beat(1.0), beat(1.0, busy=("reports", NOW - 1.0, 1.0))).ok


def test_a_file_of_a_million_jobs_is_no_hang_but_a_disk_that_never_answers_is() -> None:
    """A round waits for the transaction of another thread, and so does the row of the heartbeat."""
    long = beat(1.0, busy=("queue", NOW - 60.0, 60.0), writing=True)
    assert judged(beat(60.0), long).ok
    too_long = beat(1.0, busy=("queue", NOW - 130.0, 130.0), writing=True)
    assert judged(beat(130.0), too_long).state == "stuck"


def test_a_file_that_cannot_be_written_is_no_end() -> None:
    assert judged(beat(1.0), None).ok
    assert judged(beat(1.0), beat(600.0)).ok


def test_whoever_may_ask_for_the_lock_need_not_wait() -> None:
    assert judged(beat(0.1), beat(0.1), gone=True).state == "ended"


def test_a_home_without_a_daemon_so_far_says_so() -> None:
    assert judged(None, None).state == "unknown"


def test_the_file_has_one_size_and_loses_troubles_before_it_grows(tmp_path: Path) -> None:
    troubles = tuple({"part": f"part {n}", "message": "x" * 1000, "since": NOW} for n in range(40))
    packed = pulse.packed(beat(troubles=troubles))
    assert len(packed) == len(pulse.packed(beat())) == pulse.SIZE
    (tmp_path / "beat").write_bytes(packed)
    found = pulse.read(tmp_path / "beat")
    assert found is not None and 5 < len(found.troubles) < 40 and found.troubles[0]["part"] == "part 0"


@pytest.mark.parametrize("content", [b"", b"no json", b"[1, 2]", b"null", b'{"pid": "x"}', b"\xff" * 40, b"1e400"])
def test_what_is_no_beat_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "beat").write_bytes(content)
    assert pulse.read(tmp_path / "beat") is None


def test_a_pipe_or_a_link_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "real").write_bytes(pulse.packed(beat()))
    (tmp_path / "link").symlink_to("real")
    assert pulse.read(tmp_path / "pipe") is None and pulse.read(tmp_path / "link") is None
    assert json.loads((tmp_path / "real").read_bytes())["pid"] == 123


def test_a_process_is_there_until_it_has_ended_also_when_nobody_has_asked_how() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert pulse.process_is_there(child.pid) and pulse.process_is_there(1)
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not pulse.process_is_there(child.pid)
    child.wait()
    assert not pulse.process_is_there(child.pid)
