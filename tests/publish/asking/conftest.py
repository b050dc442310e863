"""A home with its site as a process, people who are logged in there, and the daemon's part done when a test says so."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasette.app import Datasette
from datasette_auth_passwords.utils import hash_password

from publish.conftest import Home, job, make_home
from soundmill.publish import site
from soundmill.publish.asking import keys
from soundmill.publish.asking.permissions import LOCAL
from soundmill.publish.asking.trust import TOKEN_HEADER
from soundmill.service.controls import Controls

MOST_MB = 0.05
SITE_YAML = {
    "plugins": {
        "datasette-auth-passwords": {
            "ann_password_hash": hash_password("open sesame", iterations=1000),
            "actors": {"ann": {"id": "ann", "name": "Ann Ä"}},
        },
        "datasette-auth-tokens": {"tokens": [{"token": "build-secret", "actor": {"id": "build"}}]},
    },
    "permissions": {"soundmill-rate": {"id": ["ann", "bo"]}, "soundmill-submit": {"id": "build"}},
}


@dataclass
class Room:
    home: Home
    started: site.Site
    told: list[Any] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.started.port}"

    def cookie(self, actor: dict[str, Any]) -> str:
        secret = keys.secret(keys.folder_of(self.home.root))
        return f"ds_actor={Datasette(memory=True, secret=secret).sign({'a': actor}, 'actor')}"

    def ask(
        self, path: str, body: bytes | str | object = None, *, method: str | None = None, **headers: str | None
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON (or text) and headers of an answer; a header that is None is not sent."""
        connection = http.client.HTTPConnection("127.0.0.1", self.started.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method or ("GET" if data is None else "POST"), path, body=data, headers=sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        found = {name.lower(): value for name, value in answer.getheaders()}
        connection.close()
        is_json = bool(text) and found.get("content-type", "").startswith("application/json")
        return answer.status, json.loads(text) if is_json else text, found

    def as_(self, actor: dict[str, Any], **changed: str | None) -> dict[str, str | None]:
        """The headers that a page of the site sends for somebody."""
        cookie = self.cookie(actor)
        token = self.ask("/-/soundmill/me", Cookie=cookie)[1]["token"]
        return {"Cookie": cookie, TOKEN_HEADER: token, "Origin": self.origin, **changed}

    def work_off(self) -> None:
        """What the daemon does with control files."""
        catalog = self.home.catalog
        Controls(self.control, catalog, cancelled=self.told.append, rated=self.told.append).work_off()

    @property
    def control(self) -> Path:
        return self.home.root / "inbox" / ".control"

    def left(self) -> list[dict[str, Any]]:
        """The wishes that wait."""
        return [wish for file in sorted(self.control.glob("*.json")) for wish in json.loads(file.read_text())["wishes"]]


OWNER = LOCAL
ANN, BO, CY = {"id": "ann"}, {"id": "bo"}, {"id": "cy"}


def made(root: Path, **more: Any) -> Room:
    home = make_home(root)
    (root / "inbox" / ".control").mkdir(parents=True)
    (root / "site.yaml").write_text(yaml.safe_dump(SITE_YAML))
    (root / "soundmill.yaml").write_text(f"default_model: tiny\ninbox:\n  max_file_mb: {MOST_MB}\n")
    home.ingest("forest", [job(n, f"a forest {n}") for n in range(1, 4)])
    for attempt in home.claim(2):
        home.finish(attempt, score=70.0)
    started = site.start(home.database, home.outputs, "127.0.0.1", 0, **more)
    assert site.wait_until_up("127.0.0.1", started.port, 20.0)
    return Room(home, started)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    room = made(tmp_path_factory.mktemp("mill"))
    yield room
    room.started.stop()
    room.home.catalog.close()


@pytest.fixture
def room(shared: Room) -> Room:
    """The site of this module's tests, with nothing left from the test before."""
    for file in shared.control.iterdir():
        file.unlink()
    return shared
