"""In a real browser: who opened the link can ask, and a page of another origin cannot ask in his name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from playwright.sync_api import Browser, Page

from soundmill.commands.asking.link import link
from soundmill.home import Home as HomeFolder

from .conftest import Room

ASK = """async ([url, headers, mode]) => {
    const wishes = [{action: "rate", target: "forest/clip-001.wav", stars: 4}];
    try {
        const answer = await fetch(url, {
            method: "POST", headers, mode, credentials: "include", body: JSON.stringify({wishes})
        });
        return [answer.status, answer.type];
    } catch (error) { return [0, String(error)]; }
}"""
LISTEN = """() => {
    window.heard = [];
    const source = new EventSource("/-/soundmill/events");
    source.addEventListener("answer", event => window.heard.push(JSON.parse(event.data).state));
    source.addEventListener("heartbeat", () => { window.listening = true; });
}"""


class Elsewhere(BaseHTTPRequestHandler):
    """A page that somebody else serves, with a form that sends itself."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>x</title><form method=post enctype=text/plain><input name=x></form>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"  # the same host: cookies know no ports
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(browser: Browser, room: Room) -> Iterator[Page]:
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(link(HomeFolder(room.home.root)))
    assert opened.url == f"{room.origin}/-/soundmill"
    yield opened
    context.close()


def test_who_opened_the_link_asks_and_hears_the_answer(page: Page, room: Room) -> None:
    me = page.evaluate("async () => (await fetch('/-/soundmill/me')).json()")
    assert me["actor"]["id"] == "owner"
    page.evaluate(LISTEN)
    page.wait_for_function("window.listening")
    token = {"X-Soundmill-Token": me["token"]}
    assert page.evaluate(ASK, ["/-/soundmill/wishes", token, "same-origin"]) == [202, "basic"]
    room.work_off()
    page.wait_for_function("window.heard.length > 0")
    assert page.evaluate("window.heard") == ["done"]


def test_a_page_of_another_origin_asks_in_vain(page: Page, room: Room, elsewhere: str) -> None:
    me = page.evaluate("async () => (await fetch('/-/soundmill/me')).json()")
    page.goto(elsewhere)
    url = f"{room.origin}/-/soundmill/wishes"
    assert page.evaluate(ASK, [url, {}, "no-cors"]) == [0, "opaque"]  # sent, and not told what came of it
    # Were the token known there, it could not be sent.
    assert page.evaluate(ASK, [url, {"X-Soundmill-Token": me["token"]}, "cors"])[0] == 0
    read = "async url => { try { return (await fetch(url, {credentials: 'include'})).status } catch { return 0 } }"
    assert page.evaluate(read, f"{room.origin}/-/soundmill/me") == 0
    with page.expect_navigation():
        page.evaluate("url => { document.forms[0].action = url; document.forms[0].submit() }", url)
    assert "this came from another site" in page.content()
    assert not list(room.control.iterdir())
