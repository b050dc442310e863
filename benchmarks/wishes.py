"""What open pages cost, and how soon a wish has its answer: python benchmarks/wishes.py [--pages 50] [--wishes 100]
[--seconds 20]

A home with the real daemon, an engine process that needs no model, and its site. For `--seconds` each, first at rest
and then while clips are made one after another: the processor time of daemon and site as a share of one core, without a
page and with `--pages` pages that hear of news by server-sent events. Target: the pages cost the daemon under 5 %.
Then, while clips are made and the pages listen, `--wishes` ratings are asked for one after another, and the time is
taken from the question until the answer has come to a page. Target: 95 % within a second.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from service.conftest import drop
from soundmill.commands.asking.link import link
from support.working_mill import WorkingMill, working_mill

TOKEN_HEADER = "x-soundmill-token"  # of publish/asking/trust.py
PATIENCE_S = 120.0
LONGEST_S = 10.0  # that an answer is waited for


class Page:
    """One page that listens: when it heard of which wish's answer."""

    def __init__(self, port: int) -> None:
        self.heard: dict[str, float] = {}
        self.news = threading.Event()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.request("GET", "/-/soundmill/events")
        self._answer = self._connection.getresponse()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        event = ""
        try:
            for line in self._answer:
                name, _, said = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    event = said
                elif name == "data" and event == "answer":
                    self.heard[json.loads(said)["ulid"]] = time.perf_counter()
                    self.news.set()
        except (OSError, ValueError, http.client.HTTPException, AttributeError):  # closed from here
            return

    def close(self) -> None:
        if self._connection.sock is not None:
            self._connection.sock.close()


@contextmanager
def listening(port: int, pages: int) -> Iterator[list[Page]]:
    opened = [Page(port) for _ in range(pages)]
    yield opened
    for page in opened:
        page.close()


def processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def costs(mill: WorkingMill, site_pid: int, seconds: float) -> str:
    assert mill.daemon is not None
    pids = {"daemon": mill.daemon.pid, "site": site_pid}
    before = {name: processor_s(pid) for name, pid in pids.items()}
    (takes,) = mill.found("SELECT count(*) FROM outputs")
    time.sleep(seconds)
    spent = {name: (processor_s(pid) - before[name]) / seconds for name, pid in pids.items()}
    (made,) = mill.found("SELECT count(*) FROM outputs")
    clips = int(str(made[0])) - int(str(takes[0]))
    return f"daemon {spent['daemon']:.1%}, site {spent['site']:.1%} of a core, {clips} clips"


class Owner:
    """Whoever opened the local link."""

    def __init__(self, mill: WorkingMill, port: int) -> None:
        self._port = port
        url = urllib.parse.urlsplit(link(mill.home))
        cookie = self._ask("GET", f"{url.path}?{url.query}")[1]["set-cookie"].partition(";")[0]
        self._headers = {"cookie": cookie, "origin": f"http://127.0.0.1:{port}"}
        self._headers[TOKEN_HEADER] = json.loads(self._ask("GET", "/-/soundmill/me", headers=self._headers)[0])["token"]

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        found = answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        connection.close()
        return found

    def rate(self, take: str, stars: int) -> str:
        """Ask for a rating; the wish's ulid."""
        wish: dict[str, Any] = {"action": "rate", "target": take, "stars": stars}
        said = json.loads(
            self._ask("POST", "/-/soundmill/wishes", json.dumps({"wishes": [wish]}).encode(), self._headers)[0]
        )
        return str(said["asked"][0])


def answer_times(owner: Owner, take: str, page: Page, wishes: int) -> list[float]:
    times: list[float] = []
    for number in range(wishes):
        began = time.perf_counter()
        ulid = owner.rate(take, 1 + number % 5)
        while ulid not in page.heard:
            if time.perf_counter() - began > LONGEST_S:
                raise SystemExit(f"no answer within {LONGEST_S:.0f} s")
            page.news.wait(0.1)
            page.news.clear()
        times.append(page.heard[ulid] - began)
        time.sleep(0.05 * (number % 7))  # not in step with the daemon's rounds
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--wishes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="soundmill-wishes-", ignore_cleanup_errors=True) as folder,
        working_mill(Path(folder), 3, made_s=PATIENCE_S, site_s=PATIENCE_S, patience_s=PATIENCE_S) as mill,
    ):
        port = urllib.parse.urlsplit(mill.url).port or 0
        site_pid = mill.site_pid
        for state in ("at rest", "while clips are made"):
            if state != "at rest":
                drop(mill.home, "many.csv", 20_000)
                mill.becomes("SELECT count(*) > 10 FROM outputs", [(1,)])
            print(f"{state}, no page: {costs(mill, site_pid, chosen.seconds)}", flush=True)
            with listening(port, chosen.pages):
                print(f"{state}, {chosen.pages} pages: {costs(mill, site_pid, chosen.seconds)}", flush=True)
        ((take,),) = mill.found("SELECT min(path) FROM outputs WHERE path LIKE 'themes/%'")
        with listening(port, chosen.pages) as pages:
            times = answer_times(Owner(mill, port), str(take), pages[0], chosen.wishes)
    most = sorted(times)[min(len(times) - 1, int(0.95 * len(times)))]
    print(
        f"{len(times)} wishes: answered after {statistics.median(times):.2f} s at the median, 95 % within {most:.2f} s,"
        f" all within {max(times):.2f} s; load {os.getloadavg()[0]:.0f}"
    )
    if most > 1.0:
        sys.exit("a wish took over a second")


if __name__ == "__main__":
    main()
