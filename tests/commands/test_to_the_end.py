"""Commands that wait, serve or fetch, run until what they promise is there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import huggingface_hub
import pytest
from recipe import checkpoint

from commands.conftest import Command, parsed
from service.test_crash import daemon
from soundmill.engine import models
from soundmill.home import Home
from support import fake_hub

PATIENCE_S = 60


def command(home: Home, *words: str) -> list[str]:
    return [sys.executable, "-m", "soundmill", "--home", str(home.root), *words]


@pytest.fixture
def ready(home: Home) -> Home:
    home.create()
    return home


def submitted(home: Home, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(home, "submit", "--wait", str(file)), capture_output=True, text=True, timeout=PATIENCE_S
    )


def test_submit_waits_until_the_batch_has_ended(ready: Home, tmp_path: Path, soundmill: Command) -> None:
    file = tmp_path / "songs.csv"
    file.write_text("prompt\na slow bell\na quick bell\n")
    with daemon(ready):
        done = submitted(ready, file)
        assert done.returncode == 0, done.stderr
        jobs = parsed(soundmill("jobs", "songs", "--json"))
    assert [job["status"] for job in jobs] == ["succeeded"] * 2
    assert all((ready.outputs / job["audio"]).is_file() for job in jobs)


def test_submit_ends_with_one_where_a_file_is_refused(ready: Home, tmp_path: Path) -> None:
    file = tmp_path / "songs.csv"
    file.write_text("promt\na slow bell\n")
    with daemon(ready):
        done = submitted(ready, file)
    assert done.returncode == 1 and "was rejected" in done.stderr


def test_web_serves_the_site_at_the_address_it_names_until_it_is_interrupted(worked_home: Home) -> None:
    process = subprocess.Popen(
        command(worked_home, "web", "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        said = ""
        while "Uvicorn running" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        address = re.search(r"http://127\.0\.0\.1:\d+/", said)
        assert address is not None, said
        with urllib.request.urlopen(address[0], timeout=PATIENCE_S) as answer:
            assert answer.status == 200 and "songs" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_model_is_pulled_and_then_whole(
    soundmill: Command, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    folder = checkpoint.build(tmp_path / "checkpoint", checkpoint.TEST_MUSICGEN, 1)
    package = torch.load(folder / "state_dict.bin", weights_only=True)
    package["xp.cfg"] = package["xp.cfg"].replace("name: text_encoder", f"name: {folder / 'text_encoder'}")
    torch.save(package, folder / "state_dict.bin")
    files = {name: (folder / name).read_bytes() for name in models.CHECKPOINT_FILES}
    with fake_hub.serving("somebody/music", files) as (endpoint, asked):
        pulled = subprocess.run(
            command(home, "models", "pull", "somebody/music"),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env=os.environ | {"HF_ENDPOINT": endpoint, "HF_HUB_CACHE": str(tmp_path / "cache")},
        )
    assert pulled.returncode == 0, pulled.stderr
    assert "licence of the weights" in pulled.stdout
    assert any(path.endswith("/state_dict.bin") for path in asked)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    verified = soundmill("models", "verify", "somebody/music", "--json")  # the hub is gone: what is here is enough
    assert verified.exit_code == 0, verified.output
    found = json.loads(verified.stdout)
    assert found["name"] == "somebody/music" and found["problems"] == []
    kept = Path(pulled.stdout.strip().splitlines()[-1].removeprefix("somebody/music: "))
    assert kept.is_relative_to(tmp_path / "cache") and found["folder"] == str(kept)
    for name, content in files.items():
        assert (kept / name).read_bytes() == content
    assert soundmill("models", "verify", "somebody/music").output.startswith("whole: ")


def test_a_model_that_is_not_whole_is_named_with_the_mend(soundmill: Command, tmp_path: Path) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    for name in models.CHECKPOINT_FILES:
        (folder / name).write_bytes(b"half of it")
    answer = soundmill("models", "verify", str(folder))
    assert answer.exit_code == 1
    assert "not whole; fetch it again: soundmill models pull" in answer.output
