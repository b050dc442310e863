"""The audio route over real files: parts, validators, and nothing from outside the outputs folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from datasette.app import Datasette

from soundmill.publish.stream import CHUNK

from .conftest import Get, Home, close_site, make_home, open_site

SONG = "/-/soundmill/audio/forest/clip-001.wav"


@pytest.fixture(scope="module")
def song(home: Home) -> bytes:
    return (home.outputs / "forest/clip-001.wav").read_bytes()


def test_a_whole_file_comes_with_all_a_player_needs(get: Get, song: bytes) -> None:
    answer = get(SONG)
    assert (answer.status_code, answer.content) == (200, song)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-length"] == str(len(song))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["etag"].startswith('"')
    assert answer.headers["last-modified"].endswith("GMT")


@pytest.mark.parametrize(
    ("wanted", "first", "last"), [("bytes=0-99", 0, 99), ("bytes=16000-", 16000, 16043), ("bytes=-44", 16000, 16043)]
)
def test_a_part_is_exactly_that_part(get: Get, song: bytes, wanted: str, first: int, last: int) -> None:
    answer = get(SONG, range=wanted)
    assert answer.status_code == 206
    assert answer.content == song[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(song)}"
    assert answer.headers["content-length"] == str(last + 1 - first)


def test_parts_put_together_are_the_file(get: Get, song: bytes) -> None:
    parts = [get(SONG, range=f"bytes={start}-{start + 4999}").content for start in range(0, len(song), 5000)]
    assert b"".join(parts) == song


def test_beyond_the_end_is_416_with_the_size(get: Get, song: bytes) -> None:
    answer = get(SONG, range="bytes=99999999-")
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(song)}")


def test_head_tells_the_size_and_sends_nothing(get: Get, song: bytes) -> None:
    answer = get(SONG, "HEAD", range="bytes=0-9")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", str(len(song)))


def test_an_unchanged_file_is_304_without_a_body(get: Get) -> None:
    tag = get(SONG).headers["etag"]
    answer = get(SONG, if_none_match=tag)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)


def test_a_part_of_another_version_is_answered_with_the_whole(get: Get, song: bytes) -> None:
    assert get(SONG, range="bytes=0-9", if_range=get(SONG).headers["etag"]).status_code == 206
    answer = get(SONG, range="bytes=0-9", if_range='"older"')
    assert (answer.status_code, answer.content) == (200, song)


def test_the_sidecar_and_a_quarantined_take_can_be_had(get: Get) -> None:
    sidecar = get(SONG + ".json")
    assert (sidecar.status_code, sidecar.headers["content-type"]) == (200, "application/json")
    assert sidecar.json()["prompt"] == "a river between stones"
    assert get("/-/soundmill/audio/forest/quarantine/clip-004.take1.wav").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_but_reading_is_possible(get: Get, method: str) -> None:
    answer = get(SONG, method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Datasette, Home]]:
    """A home with a secret beside its outputs, and every kind of thing that is no plain audio file inside."""
    made = make_home(tmp_path_factory.mktemp("outside"))
    batch = made.outputs / "b"
    batch.mkdir()
    (made.root / "secret.wav").write_bytes(b"secret")
    (made.root / "elsewhere").mkdir()
    (made.root / "elsewhere/secret.wav").write_bytes(b"secret")
    (batch / "linked.wav").symlink_to(made.root / "secret.wav")
    (made.outputs / "linked").symlink_to(made.root / "elsewhere")
    (batch / "gone.wav").symlink_to(made.root / "nowhere.wav")
    (batch / "folder.wav").mkdir()
    os.mkfifo(batch / "pipe.wav")
    for name in ("notes.txt", "page.html", ".hidden.part", "no-suffix", "a%2Fb.wav", "ä ö+&#?.flac", "UPPER.WAV"):
        (batch / name).write_bytes(b"content")
    for name in ("a.ogg", "a.mp3", "empty.wav"):
        (batch / name).write_bytes(b"" if name == "empty.wav" else b"sound")
    (batch / "large.wav").write_bytes(bytes(range(256)) * (CHUNK // 256 * 3 + 1))
    datasette = open_site([made.database])
    yield datasette, made
    close_site(datasette)
    made.catalog.close()


Ask = Callable[[str], tuple[int, bytes]]


@pytest.fixture(scope="module")
def ask(outside: tuple[Datasette, Home]) -> Ask:
    """Ask for a raw path below the audio route: HTTP clients would tidy up what an attacker sends."""
    datasette, _ = outside
    app = datasette.app()

    def call(raw: str) -> tuple[int, bytes]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        path = f"/-/soundmill/audio/{raw}"
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "scheme": "http",
            "http_version": "1.1",
        }
        asyncio.run(app(scope, receive, send))
        return int(sent[0]["status"]), b"".join(message.get("body", b"") for message in sent[1:])

    return call


@pytest.mark.parametrize(
    "raw",
    [
        "../secret.wav", "b/../../secret.wav", "%2e%2e/secret.wav", "%2E%2E/secret.wav", "..%2fsecret.wav",
        "b/..%2f..%2fsecret.wav", "..%5csecret.wav", "b%2fa.ogg", "b//a.ogg", "/b/a.ogg", "b/./a.ogg", "b/a.ogg/",
        "%00.wav", "b/a.ogg%00.wav", "%252e%252e/secret.wav", "b/%ff.wav", "...//secret.wav", "b/" + "x" * 300 + ".wav",
        "b/linked.wav", "linked/secret.wav", "b/gone.wav", "b/folder.wav", "b/pipe.wav", "b/notes.txt", "b/page.html",
        "b/.hidden.part", "b/no-suffix", "b", "b/missing.wav", "b/a.ogg/x.wav", "~/secret.wav", "b/a.ogg;.wav",
    ],
)  # fmt: skip
def test_nothing_else_is_served(ask: Ask, raw: str) -> None:
    status, body = ask(raw)
    assert (status, body) == (404, b"404: no such output\n")


def test_an_absolute_path_leads_nowhere(ask: Ask, outside: tuple[Datasette, Home]) -> None:
    secret = outside[1].root / "secret.wav"
    assert secret.read_bytes() == b"secret"
    assert ask(str(secret))[0] == 404
    assert ask(str(secret).replace("/", "%2f"))[0] == 404


@pytest.mark.parametrize(
    ("raw", "content_type"),
    [
        ("b/a.ogg", "audio/ogg"),
        ("b/a.mp3", "audio/mpeg"),
        ("b/UPPER.WAV", "audio/wav"),
        ("b/%C3%A4%20%C3%B6%2B%26%23%3F.flac", "audio/flac"),
        ("b/a%252Fb.wav", "audio/wav"),
    ],
)
def test_each_format_and_odd_name_is_served_as_what_it_is(
    outside: tuple[Datasette, Home], raw: str, content_type: str
) -> None:
    answer = asyncio.run(outside[0].client.get(f"/-/soundmill/audio/{raw}"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)


def test_an_empty_file_is_served_as_empty(ask: Ask) -> None:
    assert ask("b/empty.wav") == (200, b"")


def test_a_file_of_several_chunks_arrives_whole(ask: Ask, outside: tuple[Datasette, Home]) -> None:
    assert ask("b/large.wav") == (200, (outside[1].outputs / "b/large.wav").read_bytes())


def test_reading_stops_when_the_listener_has_gone(outside: tuple[Datasette, Home]) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    path = "/-/soundmill/audio/b/large.wav"
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "scheme": "http",
        "http_version": "1.1",
    }
    asyncio.run(outside[0].app()(scope, receive, send))
    assert sum(len(message.get("body", b"")) for message in sent) <= CHUNK


def test_a_replaced_outputs_folder_needs_no_restart(tmp_path: Path) -> None:
    made = make_home(tmp_path / "home")
    made.outputs.rmdir()
    datasette = open_site([made.database])
    assert asyncio.run(datasette.client.get("/-/soundmill/audio/b/a.wav")).status_code == 404
    (made.outputs / "b").mkdir(parents=True)
    (made.outputs / "b/a.wav").write_bytes(b"sound")
    assert asyncio.run(datasette.client.get("/-/soundmill/audio/b/a.wav")).content == b"sound"
    close_site(datasette)
    made.catalog.close()


def test_a_report_is_served_with_its_pictures_and_takes_and_may_load_nothing_else(
    get: Get, home: Home, song: bytes
) -> None:
    folder = home.outputs / "forest"
    assert "/-/soundmill/report/" not in get("/-/soundmill/batch/forest").text
    (folder / "report.html").write_text("<!doctype html><p>report", encoding="utf-8")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "clip-001.png").write_bytes(b"\x89PNG")
    page = get("/-/soundmill/report/forest/report.html")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert get("/-/soundmill/report/forest/pictures/clip-001.png").headers["content-type"] == "image/png"
    assert get("/-/soundmill/report/forest/clip-001.wav", range="bytes=0-9").content == song[:10]
    assert 'href="/-/soundmill/report/forest/report.html"' in get("/-/soundmill/batch/forest").text
    for refused in ("forest/../../catalog.db", "forest/pictures", "../soundmill.yaml", "forest/report.html.part"):
        assert get(f"/-/soundmill/report/{refused}").status_code == 404, refused
    assert get("/-/soundmill/audio/forest/report.html").status_code == 404
