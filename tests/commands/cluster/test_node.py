"""What a machine is in a cluster, as far as Ray is not needed for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from soundmill.commands.cluster import node, slurm
from soundmill.commands.cluster.node import Part
from soundmill.errors import UsageError
from soundmill.home import Home


def test_a_head_listens_without_a_dashboard_and_tells_nobody_of_itself() -> None:
    arguments = Part(address="10.0.0.1:6379", head=True, gpus=2).arguments()
    assert arguments[:5] == ["--head", "--node-ip-address", "10.0.0.1", "--port", "6379"]
    assert "--disable-usage-stats" in arguments and "--block" in arguments
    assert arguments[arguments.index("--include-dashboard") + 1] == "false"
    assert arguments[arguments.index("--num-gpus") + 1] == "2" and "--num-cpus" not in arguments


def test_a_machine_joins_under_its_name() -> None:
    arguments = Part(address="10.0.0.1:6379", head=False, name="ws2").arguments()
    assert arguments[:2] == ["--address", "10.0.0.1:6379"]
    assert arguments[arguments.index("--labels") + 1] == "soundmill/node=ws2"


def test_without_a_token_nothing_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(UsageError, match=r"there is no token.*soundmill cluster up"):
        node.take_part(Home(tmp_path), Part(address="10.0.0.1:6379", head=True), print)


def test_a_token_from_elsewhere_is_kept_for_its_owners_eyes(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    node.token_from("a" * 64 + "\n", home)
    assert home.cluster_token.read_text() == "a" * 64
    assert home.cluster_token.stat().st_mode & 0o777 == 0o600
    for text in ("", "short", "no token; rm -rf /"):
        with pytest.raises(UsageError, match="no token"):
            node.token_from(text, home)
    assert node.own_token(home) == "a" * 64


def test_what_a_dead_process_left_is_no_cluster(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert node.read_state(home) is None
    for pid in (os.getpid(), 2**22 + 1):  # no `soundmill cluster …`, and nobody
        node.state_file(home).write_text(json.dumps({"pid": pid, "hosts": [], "address": "10.0.0.1:6379"}))
        assert node.read_state(home) is None


def test_this_machine_alone_needs_no_address_of_others() -> None:
    assert node.own_address(None) == "127.0.0.1"
    assert node.own_address("operator@127.0.0.1") == "127.0.0.1"


def test_a_batch_file_asks_slurm_for_what_is_wanted(tmp_path: Path) -> None:
    home = Home(tmp_path / "my home")
    text = slurm.script(
        home, slurm.Wanted(nodes=4, gpus=2, cpus=16, time="1:00:00", partition="gpu"), python="/p/python"
    )
    for line in ("--nodes=4", "--gpus-per-node=2", "--cpus-per-task=16", "--time=1:00:00", "--partition=gpu"):
        assert f"#SBATCH {line}\n" in text
    assert "--account" not in text
    assert f"#SBATCH --signal=B:TERM@{slurm.NOTICE_S}" in text
    assert f"--home '{home.root}' run --once" in text
    assert "RAY_AUTH_MODE=token" in text and "cluster head" in text
    assert "--nodes=3 --ntasks=3 --ntasks-per-node=1" in text and "cluster join" in text
    stays = slurm.script(home, slurm.Wanted(nodes=1, gpus=0, cpus=2, time="1:00:00", once=False), python="/p/python")
    assert "--once" not in stays and "cluster join" not in stays and "--gpus-per-node" not in stays


def test_a_daemon_that_would_not_find_its_machines_is_not_submitted(tmp_path: Path) -> None:
    wanted = slurm.Wanted(nodes=1, gpus=0, cpus=2, time="1:00:00")
    with pytest.raises(UsageError, match="address: auto"):
        slurm.slurm(Home(tmp_path), wanted, file=None, submit=False, say=print)
    home = Home(tmp_path)
    home.config_file.write_text("cluster: {address: auto}\n")
    said: list[object] = []
    slurm.slurm(home, wanted, file=None, submit=False, say=said.append)
    assert (tmp_path / "soundmill.sbatch").is_file() and home.cluster_token.is_file()
    assert "sbatch" in str(said[-1])
