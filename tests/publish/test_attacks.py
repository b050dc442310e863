"""The site against those who mean it ill: questions without end, foreign names, odd methods, and clients that stall."""

from __future__ import annotations

import csv
import http.client
import json
import socket
import time
import urllib.parse
from collections.abc import Iterator
from io import StringIO

import psutil
import pytest

from soundmill.publish import limits, serving, site
from soundmill.publish.guard import is_known, own_names, without_formulas

from .conftest import Home, fetch, job, make_home

FORMULA = '=cmd|" /C calc"!A0'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[site.Site, Home]]:
    home = make_home(tmp_path_factory.mktemp("mill"))
    home.ingest("forest", [job(1, FORMULA, labels={"cue": "+1+1"}), job(2, "-12 dB, he said,\nand left")])
    started = site.start(home.database, home.outputs, "127.0.0.1", 0, hosts=["mill.example"])
    assert site.wait_until_up("127.0.0.1", started.port, 20.0)
    yield started, home
    started.stop()
    home.catalog.close()


def query(started: site.Site, sql: str, suffix: str = ".json") -> tuple[int, dict[str, str], bytes]:
    return fetch(started, f"/catalog{suffix}?_shape=array&sql={urllib.parse.quote(sql)}")


COUNTING = "with recursive c(n) as (select 1 union all select n + 1 from c limit 1000000) "
TOO_MUCH = {
    "one value": "select zeroblob(1e9)",
    "a value made of another": "select hex(hex(hex(zeroblob(1e6))))",
    "a width": "select printf('%999999999d', 1)",
    "a precision that is given apart": "select format('%.*c', 999999999, 'x')",
    "a replacement that grows": "select replace(replace(hex(zeroblob(1e6)), '0', 'xxxxxxxx'), 'x', 'yyyyyyyy')",
    "many columns": f"select {', '.join(['zeroblob(7000000)'] * 300)}",
    "many rows": COUNTING + "select hex(randomblob(20000)) from c",
    "many rows, sorted": COUNTING + "select hex(randomblob(4000)) as h from c order by h",
    "one row of many": COUNTING + "select group_concat(hex(randomblob(500))) from c",
    "steps without end": "with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c",
    "a deep expression": f"select 1{' + 1' * 1500}",
    "columns without end": f"select {', '.join('1' * 1000)}",
    "a long pattern": f"select 'a' like '{'a%' * 2000}'",
    "where the home is": "select * from pragma_database_list",
    "where the home is, in other letters": 'select file from "main"."PRAGMA_Database_List" as x',
}


@pytest.mark.parametrize("sql", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_question_that_asks_too_much_is_refused(running: tuple[site.Site, Home], sql: str) -> None:
    started, home = running
    status, _, body = query(started, sql)
    assert status in (400, 500) and len(body) < 50_000
    assert str(home.root).encode() not in body
    assert fetch(started, "/-/soundmill/healthz")[0] == 200
    assert psutil.Process(started.process.pid).memory_info().rss < 500e6


def test_a_gigabyte_is_refused_at_once_and_the_site_stays_quick(running: tuple[site.Site, Home]) -> None:
    started, _ = running
    begun = time.monotonic()
    assert query(started, "select zeroblob(1e9)")[0] == 400
    assert fetch(started, "/-/soundmill/healthz")[0] == 200
    assert time.monotonic() - begun < 2.0  # a tenth of that on an idle machine


def test_long_texts_are_searched_in_a_moment(running: tuple[site.Site, Home]) -> None:
    """SQLite's own instr and replace compare two megabytes at each of two million places, and cannot be stopped."""
    started, _ = running
    long, part = "hex(zeroblob(2000000))", "hex(zeroblob(1000000)) || '1'"
    sql = f"select instr({long}, {part}) as i, length(replace({long}, {part}, 'x')) as r"
    assert json.loads(query(started, sql)[2]) == [{"i": 0, "r": 4_000_000}]


def test_what_people_ask_is_answered_as_by_sqlite(running: tuple[site.Site, Home]) -> None:
    import sqlite3

    started, _ = running
    sql = (
        "select printf('%.2f|%5d|%s|%%', 3.14159, 7, 'x') a, format('%08.3f', 2.5) b, replace('a-b-c', '-', '++') c, "
        "replace('abc', '', 'x') d, instr('hello', 'l') e, instr('hello', 'z') f, instr(null, 'a') g, "
        "replace('aa', 'a', null) h, instr(x'010203', x'03') i, printf('%d %s', 12.7) j, replace(12.5, '.', ',') k"
    )
    db = sqlite3.connect(":memory:")
    assert tuple(json.loads(query(started, sql)[2])[0].values()) == db.execute(sql).fetchone()
    db.close()


def test_a_large_page_does_not_hold_up_the_others(running: tuple[site.Site, Home]) -> None:
    started, _ = running
    wide = ", ".join(f"n + {k} as c{k}" for k in range(40))
    address = f"/catalog?_size=max&sql={urllib.parse.quote(f'{COUNTING} select {wide} from c limit 2000')}"
    large = http.client.HTTPConnection("127.0.0.1", started.port, timeout=60)
    begun = time.monotonic()
    large.request("GET", address)
    waits = []
    large.sock.setblocking(False)
    while True:
        asked = time.monotonic()
        assert fetch(started, "/-/soundmill/healthz")[0] == 200
        waits.append(time.monotonic() - asked)
        try:
            if large.sock.recv(1, socket.MSG_PEEK):
                break
        except BlockingIOError:
            time.sleep(0.01)
    took = time.monotonic() - begun
    large.close()
    assert len(waits) > 5 and max(waits) < took / 3


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8001", 200), ("localhost", 200), ("[::1]:8001", 200), ("mill.example", 200),
        ("MILL.example:80", 200), ("evil.example", 421),
        ("127.0.0.1.evil.example", 421), ("localhost.evil.example", 421),
        ("", 200), ("evil.example:8001", 421), ("[", 421), ("mill.example@evil.example", 421),
    ],
)  # fmt: skip
def test_only_names_of_its_own_are_answered(running: tuple[site.Site, Home], host: str, status: int) -> None:
    assert fetch(running[0], "/-/soundmill/healthz", Host=host)[0] == status


def test_what_this_machine_calls_itself_is_known() -> None:
    assert is_known(socket.gethostname(), own_names()) and is_known("localhost:80", own_names())
    assert is_known("any.example", {"*"}) and not is_known("any.example", own_names())


@pytest.mark.parametrize("path", ["/", "/catalog/takes", "/catalog.json", "/-/soundmill", "/-/soundmill/batch/forest"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "FOO", "POST"])
def test_odd_methods_are_answered_in_a_line(running: tuple[site.Site, Home], path: str, method: str) -> None:
    status, headers, body = fetch(running[0], path, method)
    assert status == 405 and headers["allow"].startswith("GET") and len(body) < 100


def test_other_origins_may_not_read(running: tuple[site.Site, Home]) -> None:
    _, headers, _ = fetch(running[0], "/catalog.json", Origin="http://evil.example")
    assert "access-control-allow-origin" not in headers


def test_questions_that_multiply_are_refused(running: tuple[site.Site, Home]) -> None:
    started, _ = running
    assert fetch(started, "/catalog/takes.json?" + "&".join(["_facet=batch"] * 100))[0] == 400
    assert fetch(started, "/catalog/takes.json?_facet=batch&_facet=model")[0] == 200


@pytest.mark.parametrize("page", ["databases", "versions", "plugins", "settings", "metadata", "threads", "config"])
def test_no_page_tells_where_the_home_is(running: tuple[site.Site, Home], page: str) -> None:
    started, home = running
    for suffix in ("", ".json"):
        body = fetch(started, f"/-/{page}{suffix}")[2]
        assert str(home.root).encode() not in body and b"site-packages" not in body


def test_no_cell_of_a_csv_is_a_formula(running: tuple[site.Site, Home]) -> None:
    started, _ = running
    _, headers, body = fetch(started, "/catalog/job_list.csv?_stream=on&_dl=on")
    assert headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(StringIO(body.decode(), newline="")))
    assert {row["prompt"] for row in rows} == {f"'{FORMULA}", "'-12 dB, he said,\nand left"}
    numbers = query(started, "select -23.5 as a, '+1+1' as b, 'plain' as c, null as d", ".csv")[2]
    assert numbers.decode().splitlines() == ["a,b,c,d", "-23.5,'+1+1,plain,"]


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_csv_that_comes_in_pieces_is_the_same(cut: int) -> None:
    text = 'a,b\r\n"=1,\n""x""",ü\r\n-1,@x\r\n'.encode()
    sent: list[bytes] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message["body"])  # type: ignore[arg-type]

    guarded = without_formulas(send)
    for start in range(0, len(text), cut):
        piece = {"type": "http.response.body", "body": text[start : start + cut], "more_body": True}
        with pytest.raises(StopIteration):
            guarded(piece).send(None)  # type: ignore[attr-defined]
    with pytest.raises(StopIteration):
        guarded({"type": "http.response.body", "body": b""}).send(None)  # type: ignore[attr-defined]
    assert b"".join(sent).decode() == 'a,b\r\n"\'=1,\n""x""",ü\r\n-1,\'@x\r\n'


def test_six_hundred_half_open_requests_keep_nobody_out(running: tuple[site.Site, Home]) -> None:
    started, _ = running
    begun = [socket.create_connection(("127.0.0.1", started.port)) for _ in range(600)]
    for connection in begun:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    asked = time.monotonic()
    assert fetch(started, "/-/soundmill/healthz")[0] == 200
    assert time.monotonic() - asked < 5.0
    held = psutil.Process(started.process.pid).net_connections(kind="inet")
    assert sum(each.status == psutil.CONN_ESTABLISHED for each in held) <= serving.MOST_WAITED_FOR + 10
    for connection in begun:
        connection.close()


def test_an_answer_within_the_budget_comes_whole() -> None:
    import sqlite3

    db = sqlite3.connect(":memory:")
    db.row_factory = limits.answer_budget(100)
    one_by_one = db.execute("select 'x' || value as v from json_each('[1,2,3,4,5]')")
    assert [row["v"] for row in one_by_one] == ["x1", "x2", "x3", "x4", "x5"]
    for _ in range(3):  # each answer has a budget of its own
        assert len(db.execute("select hex(zeroblob(40)) as h").fetchall()) == 1
    with pytest.raises(sqlite3.OperationalError, match="the answer is over"):
        db.execute("select hex(zeroblob(40)) as h union all select hex(zeroblob(41))").fetchall()
    db.close()
