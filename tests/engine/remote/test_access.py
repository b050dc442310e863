"""Who may join a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundmill.engine.remote.access import environment, make_token
from soundmill.errors import ConfigError


def test_a_cluster_without_a_token_is_not_joined(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"10\.0\.0\.5:6379: there is no token.*soundmill cluster up"):
        environment("10.0.0.5:6379", tmp_path / "cluster.token", {"HOME": str(tmp_path)})


def test_a_cluster_of_this_machine_alone_gets_a_token_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    file = tmp_path / "cluster.token"
    found = environment("local", file, {"HOME": str(tmp_path)})
    assert (found["RAY_AUTH_MODE"], found["RAY_AUTH_TOKEN_PATH"]) == ("token", str(file))
    assert file.stat().st_mode & 0o777 == 0o600 and len(file.read_text()) == 64
    assert make_token(file) == file.read_text()


def test_the_token_of_the_environment_goes_first_and_rays_own_last(tmp_path: Path) -> None:
    own = tmp_path / ".ray" / "auth_token"
    own.parent.mkdir()
    own.write_text("x")
    home = {"HOME": str(tmp_path)}
    assert environment("auto", tmp_path / "none", home)["RAY_AUTH_TOKEN_PATH"] == str(own)
    given = environment("auto", tmp_path / "none", home | {"RAY_AUTH_TOKEN_PATH": "/elsewhere"})
    assert given["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN_PATH" not in given


def test_who_says_so_in_rays_own_words_goes_without(tmp_path: Path) -> None:
    found = environment("auto", tmp_path / "none", {"HOME": str(tmp_path), "RAY_AUTH_MODE": "disabled"})
    assert "RAY_AUTH_MODE" not in found


def test_ray_tells_its_makers_nothing(tmp_path: Path) -> None:
    assert environment("local", tmp_path / "token", {"HOME": str(tmp_path)})["RAY_USAGE_STATS_ENABLED"] == "0"
