"""The engine room, far away: who may join a cluster. Whoever reaches Ray's ports may run any code on its machines, so
every cluster here has a token, which its processes show to each other."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from soundmill.errors import ConfigError

MODE, TOKEN, TOKEN_FILE = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
# Ray tells its makers of every cluster that is started, unless it is told not to; and its head of every call, for a
# dashboard, which there is none of.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_events_report_interval_ms": "0"}
# A head and its nodes look after each other this often, so that a machine that is gone is known in ten seconds.
WATCHFUL = {
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1500",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "2",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "30",  # without its head a node ends, and joins again (cluster join)
}


def environment(address: str, token_file: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a process needs in its environment to join the cluster at `address`: the token that the environment, the
    home or Ray's own folder has. A cluster of this machine alone gets one.

    Raises ConfigError where there is none.
    """
    if environ.get(MODE, "").lower() == "disabled":  # somebody has said so, in Ray's own words
        return QUIET | WATCHFUL
    if environ.get(TOKEN) or environ.get(TOKEN_FILE):
        return QUIET | WATCHFUL | {MODE: "token"}
    if address == "local":
        make_token(token_file)
    own = Path(environ.get("HOME") or Path.home()) / ".ray" / "auth_token"
    for file in (token_file, own):
        if file.is_file():
            return QUIET | WATCHFUL | {MODE: "token", TOKEN_FILE: str(file)}
    raise ConfigError(
        f"cluster {address}: there is no token, and whoever reaches a cluster without one runs code on its machines; "
        f"put the head's into {token_file} (`soundmill cluster up` makes one)"
    )


def make_token(file: Path) -> str:
    """The token in a file, which is made where it is not there: for its owner's eyes alone. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text(encoding="ascii").strip()
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        token = secrets.token_hex(32)
        stream.write(token)
    return token
