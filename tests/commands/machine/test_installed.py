"""`soundmill install-service` on a machine that a real systemd runs (tests/support/booted.py), from an empty one to an
empty one: other people's files, kills, reloads, upgrades, and a home where systemd keeps none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.booted import SOUNDMILL, Machine, machine

UNITS = DAEMON, SITE = "soundmill.service", "soundmill-web.service"
HOME = "/var/lib/soundmill"
RUNTIME = "/run/systemd/system"


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    place = tmp_path_factory.mktemp("machine") / "disk"
    place.mkdir()
    with machine(place) as made:
        for user in ("anna", "ben"):
            made.do("useradd", "--create-home", "--shell", "/bin/bash", user)
        yield made


def active(trial: Machine) -> list[str]:
    return trial.run("systemctl", "is-active", *UNITS).stdout.split()


def drop(trial: Machine, home: str, name: str, *, user: str, umask: str = "077") -> int:
    """A file written by a program of that user, which keeps it to itself by its umask; the exit status."""
    script = f"umask {umask}; cat > '{home}/inbox/{name}.csv'"
    return trial.run("bash", "-c", script, user=user, text=f"prompt,duration\n{name} piano,0.5\n").returncode


def status_of(trial: Machine, home: str, batch: str) -> list[str]:
    listed = trial.run(SOUNDMILL, "--home", home, "jobs", batch, "--json", user="soundmill")
    return [job["status"] for job in json.loads(listed.stdout)] if listed.returncode == 0 else []


def events(trial: Machine) -> str:
    sql = "import sqlite3; print(*sqlite3.connect('catalog.db').execute('SELECT kind, message FROM events'))"
    return trial.do("env", "--chdir", HOME, "python3", "-c", sql, user="soundmill")


def main_pid(trial: Machine, unit: str = DAEMON) -> str:
    return trial.do("systemctl", "show", "--property", "MainPID", "--value", unit)


def killed_and_back(trial: Machine, signal: str) -> None:
    former = main_pid(trial)
    trial.do("kill", signal, former)
    trial.until(lambda: main_pid(trial) not in (former, "0") and active(trial) == ["active", "active"])


def test_from_an_empty_machine_to_an_empty_one(trial: Machine) -> None:
    asked = trial.run(SOUNDMILL, "install-service", "--model", "tiny", user="anna")
    assert asked.returncode == 2 and "sudo soundmill install-service" in asked.stderr and "--user" in asked.stderr
    asked = trial.run(SOUNDMILL, "install-service")
    assert asked.returncode == 2 and "which model" in asked.stderr  # no terminal to ask on, and nothing is downloaded
    assert "useradd --system" in trial.do(SOUNDMILL, "install-service", "--model", "tiny", "--dry-run")
    assert trial.run("id", "soundmill").returncode != 0 and trial.run("test", "-e", HOME).returncode != 0

    said = trial.do(SOUNDMILL, "install-service", "--model", "tiny")
    assert f"Drop job files into {HOME}/inbox" in said and "journalctl -u soundmill" in said
    assert active(trial) == ["active", "active"]
    assert trial.do("systemctl", "is-enabled", *UNITS).split() == ["enabled", "enabled"]

    # Who may drop files, and what becomes of those that nobody else may read.
    assert drop(trial, HOME, "strangers", user="ben") != 0
    trial.do("usermod", "--append", "--groups", "soundmill", "anna")
    assert drop(trial, HOME, "first", user="anna") == 0
    trial.until(lambda: status_of(trial, HOME, "first") == ["succeeded"])
    assert trial.run("bash", "-c", f"cat {HOME}/outputs/first/*.wav > /dev/null", user="anna").returncode == 0
    assert trial.run("bash", "-c", f"cat {HOME}/inbox/accepted/*/first.csv", user="anna").returncode == 0
    assert trial.run("cat", f"{HOME}/catalog.db", user="ben").returncode != 0

    assert "5 stars" in trial.do(SOUNDMILL, "--home", HOME, "rate", "1", "5", user="anna")
    assert trial.run(SOUNDMILL, "--home", HOME, "rate", "1", "1", user="ben").returncode == 1
    assert sorted(trial.do("ls", "-A", HOME).split()) == sorted(
        [
            ".heartbeat",
            ".lock",
            ".site",
            "catalog.db",
            "catalog.db-shm",
            "catalog.db-wal",
            "inbox",
            "outputs",
            "soundmill.yaml",
        ]
    )
    assert trial.run("ls", f"{HOME}/.site", user="anna").returncode != 0  # who may drop files may not sign for the site

    # It comes back, however it ended; a stop is one.
    site = main_pid(trial, SITE)
    killed_and_back(trial, "-KILL")
    killed_and_back(trial, "-TERM")
    assert main_pid(trial, SITE) == site  # which somebody may be listening to
    assert drop(trial, HOME, "second", user="anna") == 0
    trial.until(lambda: status_of(trial, HOME, "second") == ["succeeded"])
    trial.do("sed", "-i", "s/^# default_duration: .*/default_duration: 0.5/", f"{HOME}/soundmill.yaml")
    daemon = main_pid(trial)
    trial.do("systemctl", "reload", "soundmill")
    trial.until(lambda: "changed: default_duration" in events(trial))
    assert main_pid(trial) == daemon
    trial.do("systemctl", "stop", "soundmill")
    assert active(trial) == ["inactive", "active"]
    trial.do("systemctl", "start", "soundmill")

    # A site that hangs is started again; in three seconds instead of a minute.
    hurry = f"mkdir -p {RUNTIME}/{SITE}.d; printf '[Service]\\nWatchdogSec=3\\n' > {RUNTIME}/{SITE}.d/hurry.conf"
    trial.do("bash", "-c", hurry)
    trial.do("systemctl", "daemon-reload")
    trial.do("systemctl", "restart", SITE)
    site = main_pid(trial, SITE)
    trial.do("kill", "-STOP", site)
    trial.until(lambda: main_pid(trial, SITE) not in (site, "0") and active(trial) == ["active", "active"])
    trial.do("rm", "-r", f"{RUNTIME}/{SITE}.d")

    # Once more is an upgrade.
    said = trial.do(SOUNDMILL, "install-service")
    assert all(f"/etc/systemd/system/{unit}: is as it should be" in said for unit in UNITS)
    assert "default_duration: 0.5" in trial.do("cat", f"{HOME}/soundmill.yaml")
    assert active(trial) == ["active", "active"]

    said = trial.do(SOUNDMILL, "uninstall-service")
    assert active(trial) == ["inactive", "inactive"] and f"{HOME} is as it was" in said
    assert trial.run("systemctl", "cat", *UNITS).returncode != 0
    assert status_of(trial, HOME, "second") == ["succeeded"]
    assert "no service" in trial.do(SOUNDMILL, "uninstall-service")


def test_a_home_among_peoples_and_a_group_of_ones_own(trial: Machine) -> None:
    home = "/home/anna/my 50% mill"
    said = trial.do(SOUNDMILL, "install-service", "--model", "tiny", "--home", home, "--droppers", "composers")
    assert "groupadd --system composers" in said and active(trial) == ["active", "active"]
    trial.do("usermod", "--append", "--groups", "composers", "ben")
    trial.do("chmod", "711", "/home/anna")
    assert drop(trial, home, "bens", user="ben") == 0
    trial.until(lambda: status_of(trial, home, "bens") == ["succeeded"])
    assert trial.run("bash", "-c", f"cat '{home}'/outputs/bens/*.wav > /dev/null", user="ben").returncode == 0
    # The service sees of people's folders its home, and nothing else.
    inside = trial.do("nsenter", "--target", main_pid(trial), "--mount", "ls", "-A", "/home", "/home/anna")
    assert inside.split("\n") == ["/home:", "anna", "", "/home/anna:", "my 50% mill"]
    # Whose file its owner alone may read is refused with the mend.
    trial.do("install", "-m", "600", "-o", "ben", "/dev/null", f"{home}/inbox/.closed")
    trial.do(
        "bash",
        "-c",
        f"printf 'prompt\\nx\\n' > '{home}/inbox/.closed'; mv '{home}'/inbox/.closed '{home}'/inbox/closed.csv",
    )
    said_why = f"cat '{home}'/inbox/rejected/*/closed.csv.errors.txt"
    trial.until(lambda: trial.run("bash", "-c", said_why).returncode == 0)
    assert "may not read this file" in trial.do("bash", "-c", said_why, user="ben")
    again = trial.do(SOUNDMILL, "install-service")
    assert f"Drop job files into {home}/inbox" in again and "group composers" in again
    trial.do(SOUNDMILL, "uninstall-service")


def test_a_service_of_ones_own(trial: Machine) -> None:
    uid = trial.do("id", "-u", "anna")
    trial.do("systemctl", "start", f"user@{uid}.service")  # as a login does

    def as_anna(*command: str) -> str:
        return trial.do("env", f"XDG_RUNTIME_DIR=/run/user/{uid}", "HOME=/home/anna", *command, user="anna")

    without = trial.run(SOUNDMILL, "install-service", "--user", "--model", "tiny", user="anna")
    assert without.returncode == 1 and "not through su or sudo" in without.stderr
    said = as_anna(SOUNDMILL, "install-service", "--user", "--model", "tiny")
    assert "Drop job files into /home/anna/soundmill/inbox" in said
    assert as_anna("systemctl", "--user", "is-active", *UNITS).split() == ["active", "active"]
    assert drop(trial, "/home/anna/soundmill", "own", user="anna") == 0
    trial.until(lambda: "1 succeeded" in as_anna(SOUNDMILL, "status"))
    as_anna(SOUNDMILL, "uninstall-service", "--user")
    assert trial.run("pgrep", "-u", "anna", "-f", "soundmill").returncode == 1


def test_what_is_somebody_elses_is_left_to_them(trial: Machine) -> None:
    trial.do("bash", "-c", "mkdir -p /srv/ben/inbox && chown -R ben /srv/ben")
    refused = trial.run(SOUNDMILL, "install-service", "--home", "/srv/ben", "--model", "tiny")
    assert refused.returncode == 1 and "belongs to ben" in refused.stderr and "chown -R soundmill:" in refused.stderr
    assert trial.do("stat", "-c", "%U", "/srv/ben") == "ben"
    assert trial.run("systemctl", "cat", *UNITS).returncode != 0


def test_only_who_types_its_path_deletes_a_home(trial: Machine) -> None:
    trial.do(SOUNDMILL, "install-service", "--model", "tiny")
    refused = trial.run(SOUNDMILL, "uninstall-service", "--purge")
    assert refused.returncode == 2 and "asks on a terminal" in refused.stderr
    asking = ["script", "--quiet", "--return", "--command", f"{SOUNDMILL} uninstall-service --purge", "/dev/null"]
    assert trial.run(*asking, text="yes\n").returncode == 1
    assert active(trial) == ["active", "active"]
    trial.do(*asking, text=f"{HOME}\n")
    for command in (["test", "-e", HOME], ["id", "soundmill"], ["systemctl", "cat", *UNITS]):
        assert trial.run(*command).returncode != 0


def test_nothing_of_this_machine_was_touched(trial: Machine) -> None:
    trial.do("touch", "/etc/of-the-trial", "/tmp/of-the-trial")
    assert not Path("/etc/of-the-trial").exists() and not Path("/tmp/of-the-trial").exists()
    assert os.path.lexists("/etc/systemd/system/soundmill.service") is False
