"""Writers that people's machines have, against a running daemon."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.conftest import config, quick_engine, serving, until
from service.test_service import rows
from soundmill.config import Config, Home, InboxConfig
from soundmill.service.daemon import Service

WRITERS = """
import os, sys, time
inbox, stall_s = sys.argv[1], float(sys.argv[2])
twenty = ("prompt,duration\\n" + "".join(f"upload {n} of harp and rain,0.5\\n" for n in range(1, 21))).encode()
one = b"prompt,duration\\n%s harp,0.5\\n"
part = twenty.index(b"upload 8") + 13
stalled = open(f"{inbox}/stalled.csv", "wb", buffering=0)
stalled.write(twenty[:part])
late = open(f"{inbox}/late.csv", "wb", buffering=0)
open(f"{inbox}/browser.csv", "wb").close()
download = open(f"{inbox}/browser.csv.part", "wb", buffering=0)
download.write(one % b"browser")
sized = open(f"{inbox}/sized.csv", "wb", buffering=0)
sized.truncate(len(one % b"sized"))
time.sleep(stall_s)
stalled.write(twenty[part:])
late.write(one % b"late")
os.rename(f"{inbox}/browser.csv.part", f"{inbox}/browser.csv")
sized.write(one % b"sized")
"""


def patient(settle_s: float, patience_s: float) -> Config:
    inbox = InboxConfig(settle_s=settle_s, patience_s=patience_s, scan_interval_s=0.05)
    return config().model_copy(update={"inbox": inbox})


@pytest.mark.parametrize("leases", [True, False], ids=["with leases", "without leases"])
def test_slow_writers_lose_no_row(home: Home, leases: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not leases:
        monkeypatch.setattr("soundmill.inbox.whole.on_a_share", lambda device: True)
    with serving(home, settings=patient(0.1, 5.0)) as service:
        with subprocess.Popen([sys.executable, "-c", WRITERS, str(home.inbox), "1.5"]) as writers:
            while writers.poll() is None:
                service.tick()
                time.sleep(0.01)
            assert rows(home, "SELECT count(*) FROM batches") == [(0,)]
        until(service, lambda: rows(home, "SELECT count(*) FROM jobs WHERE status = 'succeeded'") == [(23,)])
    found = dict(rows(home, "SELECT name, job_count FROM batches"))
    assert found == {"stalled": 20, "late": 1, "browser": 1, "sized": 1}
    assert list((home.inbox / "rejected").iterdir()) == []


def once(home: Home, settings: Config) -> Service:
    return Service(home, settings, devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine)


def test_run_once_waits_for_a_file_that_is_still_being_written(home: Home) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITERS, str(home.inbox), "1.5"]):
        while not (home.inbox / "sized.csv").exists():
            time.sleep(0.01)
        ended = once(home, patient(0.1, 5.0)).run(once=True)
    assert (ended.accepted, ended.rejected) == (4, 0)
    assert rows(home, "SELECT sum(job_count) FROM batches") == [(23,)]


def test_run_once_waits_for_an_empty_file_no_longer_than_its_patience(home: Home) -> None:
    (home.inbox / "empty.csv").write_text("")
    began = time.monotonic()
    ended = once(home, patient(0.1, 1.0)).run(once=True)
    assert ended.rejected == 1
    assert 1.0 <= time.monotonic() - began < 15.0
    assert "empty" in Path(home.inbox / "rejected" / "empty.csv.errors.txt").read_text()
