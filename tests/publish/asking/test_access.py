"""How somebody becomes known: the local link, a password, a token; and what signs it."""

from __future__ import annotations

import re
import threading
import time
import urllib.parse
from pathlib import Path

import pytest

from soundmill.commands.asking.link import link, offer
from soundmill.errors import ConfigError, SoundmillError, UsageError
from soundmill.home import Home as HomeFolder
from soundmill.publish import site
from soundmill.publish.asking import keys

from .conftest import OWNER, Room, made

RATE = {"wishes": [{"action": "rate", "target": "forest/clip-001.wav", "stars": 4}]}


def path_of(url: str) -> str:
    return urllib.parse.urlsplit(url)._replace(scheme="", netloc="").geturl()


def test_a_link_is_used_once_and_makes_its_user_the_owner(room: Room) -> None:
    entrance = path_of(link(HomeFolder(room.home.root)))
    assert room.ask(entrance, method="HEAD")[0] == 405
    assert room.ask(entrance, Sec_Purpose="prefetch;prerender")[0] == 405
    status, _, headers = room.ask(entrance)
    assert status == 302 and headers["location"] == "/-/soundmill" and headers["referrer-policy"] == "no-referrer"
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Max-Age=" in cookie
    me = room.ask("/-/soundmill/me", Cookie=cookie.partition(";")[0])[1]
    assert me["actor"]["id"] == "owner" and all(me["may"].values())
    status, found, headers = room.ask(entrance)
    assert status == 403 and "soundmill web --link" in found["error"] and "set-cookie" not in headers


def test_behind_a_proxy_with_tls_the_cookie_goes_over_tls_alone(room: Room) -> None:
    entrance = path_of(link(HomeFolder(room.home.root)))
    headers = room.ask(entrance, X_Forwarded_Proto="https")[2]
    assert "; Secure" in headers["set-cookie"]


@pytest.mark.parametrize("token", ["", "x", "../secret", "%ED%A0%80", "a" * 5000])
def test_no_other_token_opens(room: Room, token: str) -> None:
    assert room.ask(f"/-/soundmill/enter?token={token}")[0] == 403


def test_of_many_who_use_a_link_at_once_one_comes_in(tmp_path: Path) -> None:
    token = keys.new_link(tmp_path / ".site", 1000.0)
    came: list[bool] = []
    threads = [
        threading.Thread(target=lambda: came.append(keys.use_link(tmp_path / ".site", token, 1001.0))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came) == [False] * 7 + [True]


def test_a_link_grows_old_and_is_swept(tmp_path: Path) -> None:
    folder = tmp_path / ".site"
    old = keys.new_link(folder, 1000.0)
    assert not keys.use_link(folder, old, 1001.0 + keys.LINK_S)
    keys.new_link(folder, 2000.0)
    assert len(list(folder.glob("link-*"))) == 1
    keys.new_link(folder, 2001.0 + keys.LINK_S)
    assert len(list(folder.glob("link-*"))) == 1


def test_what_is_kept_is_for_the_homes_user_alone_and_stays_the_same(tmp_path: Path) -> None:
    folder = tmp_path / ".site"
    secret = keys.secret(folder)
    token = keys.new_link(folder, time.time())
    assert keys.secret(folder) == secret and len(secret) == 64
    assert folder.stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())
    assert not [file for file in folder.iterdir() if token in file.name or token in file.read_text()]


def test_a_journal_gets_no_link(tmp_path: Path) -> None:
    said: list[str] = []
    offer(HomeFolder(tmp_path), "http://x/", said.append, {"JOURNAL_STREAM": "8:1"})
    assert "soundmill web --link" in said[0] and "token" not in said[0] and not (tmp_path / ".site").exists()
    offer(HomeFolder(tmp_path), "http://x/mill/", said.append, {})
    assert re.search(r"once within 15 min: http://x/mill/-/soundmill/enter\?token=[\w-]{40,}$", said[1])


def test_without_a_site_there_is_nothing_to_link_to(tmp_path: Path) -> None:
    home = HomeFolder(tmp_path / "home")
    with pytest.raises(UsageError, match="soundmill init"):
        link(home)
    home.create()
    with pytest.raises(SoundmillError, match="no site has run here yet"):
        link(home)


def test_somebody_logs_in_with_a_password_and_rates(room: Room) -> None:
    """As datasette-auth-passwords has it, with site.yaml as in docs/access.md."""
    _, page, headers = room.ask("/-/login")
    csrf = re.search(r'name="csrftoken" value="([^"]+)"', page)
    assert csrf
    cookie = headers["set-cookie"].partition(";")[0]

    def login(password: str) -> dict[str, str]:
        form = urllib.parse.urlencode({"username": "ann", "password": password, "csrftoken": csrf[1]})
        kind = "application/x-www-form-urlencoded"
        return room.ask("/-/login", form.encode(), Cookie=cookie, Content_Type=kind)[2]

    assert "ds_actor" not in login("wrong").get("set-cookie", "")
    actor = login("open sesame")["set-cookie"].partition(";")[0]
    me = room.ask("/-/soundmill/me", Cookie=actor)[1]
    assert me["actor"] == {"id": "ann", "name": "Ann Ä"} and me["may"]["rate"] and not me["may"]["control"]
    sent = {"Cookie": f"{cookie}; {actor}", "Origin": room.origin, "X-Soundmill-Token": me["token"]}
    assert room.ask("/-/soundmill/wishes", RATE, **sent)[0] == 202
    assert [wish["who"] for wish in room.left()] == ["ann"]


def test_a_program_comes_with_a_token_and_may_do_what_its_actor_may(room: Room) -> None:
    program = {"Authorization": "Bearer build-secret"}
    assert room.ask("/-/soundmill/me", **program)[1]["actor"]["id"] == "build"
    assert room.ask("/-/soundmill/submit?name=night.csv", b"prompt\nowl\n", **program)[0] == 202
    assert room.ask("/-/soundmill/wishes", RATE, **program)[0] == 403
    assert room.ask("/-/soundmill/submit?name=x.csv", b"x", **program, Origin="http://evil.example")[0] == 403
    (room.control.parent / "night.csv").unlink()


def test_an_actor_is_still_known_after_the_site_was_started_again(room: Room) -> None:
    cookie = room.cookie(OWNER)
    again = site.start(room.home.database, room.home.outputs, "127.0.0.1", 0)
    assert site.wait_until_up("127.0.0.1", again.port, 20.0)
    try:
        other = Room(room.home, again)
        assert other.ask("/-/soundmill/me", Cookie=cookie)[1]["actor"]["id"] == "owner"
        assert link(HomeFolder(room.home.root)).startswith(f"http://127.0.0.1:{again.port}/")
    finally:
        again.stop()


@pytest.mark.parametrize("kept", [True, False], ids=["the proxy keeps the path", "the proxy strips it"])
def test_below_a_path_and_under_another_name_all_of_it_works(tmp_path: Path, kept: bool) -> None:
    room = made(tmp_path, hosts=["mill.example"], base_url="/mill/")
    try:
        prefix = "/mill" if kept else ""
        entrance = path_of(link(HomeFolder(tmp_path)))
        assert entrance.startswith("/mill/-/soundmill/enter")
        status, _, headers = room.ask(entrance if kept else entrance.removeprefix("/mill"))
        assert status == 302 and headers["location"] == "/mill/-/soundmill"
        cookie = headers["set-cookie"].partition(";")[0]
        me = room.ask(f"{prefix}/-/soundmill/me", Cookie=cookie)[1]
        # A proxy that calls us by our address, and one that passes on what the browser calls us.
        for host in (None, "mill.example"):
            sent = {"Cookie": cookie, "X-Soundmill-Token": me["token"], "Origin": "https://mill.example", "Host": host}
            assert room.ask(f"{prefix}/-/soundmill/wishes", RATE, **sent)[0] == 202
            assert room.ask(f"{prefix}/-/soundmill/wishes", RATE, **(sent | {"Origin": "https://other"}))[0] == 403
        assert room.ask(f"{prefix}/-/soundmill/batch/forest", b"", **sent)[0] == 405
        assert '"/mill/-/soundmill/static/soundmill.js' in room.ask(f"{prefix}/-/soundmill")[1]
    finally:
        room.started.stop()
        room.home.catalog.close()


@pytest.mark.parametrize("text", ["- a", "a: [", "\0", "3"])
def test_a_site_yaml_that_cannot_be_read_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"site\.yaml: ") as error:
        site.metadata(tmp_path / "site.yaml")
    assert "\n" not in str(error.value)


def test_what_site_yaml_says_comes_on_top(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("title: Ours\nplugins: {soundmill: {x: 1}, other: {y: 2}}\n")
    both = site.metadata(tmp_path / "site.yaml")
    assert both["title"] == "Ours" and both["plugins"]["other"] == {"y": 2}
    assert both["plugins"]["soundmill"]["outputs"] and both["plugins"]["soundmill"]["x"] == 1
    assert both["databases"]["catalog"]["queries"]
    (tmp_path / "site.yaml").write_text("")
    assert site.metadata(tmp_path / "site.yaml") == site.metadata(tmp_path / "none.yaml")
