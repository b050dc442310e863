"""Which bytes a request gets (RFC 9110), without a server."""

from __future__ import annotations

import pytest

from soundmill.publish.ranges import Answer, Representation, choose

FILE = Representation(size=1000, mtime_ns=1_700_000_000_123_456_789)
EMPTY = Representation(size=0, mtime_ns=1_700_000_000_000_000_000)
WHOLE = Answer(status=200, start=0, stop=1000)
NOT_SATISFIABLE = Answer(status=416)
OTHER_DATE = "Mon, 13 Nov 2023 22:13:20 GMT"


def part(start: int, stop: int) -> Answer:
    return Answer(status=206, start=start, stop=stop)


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ("bytes=0-", part(0, 1000)),
        ("bytes=0-0", part(0, 1)),
        ("bytes=0-499", part(0, 500)),
        ("bytes=500-", part(500, 1000)),
        ("bytes=999-", part(999, 1000)),
        ("bytes=999-999", part(999, 1000)),
        ("bytes=900-5000", part(900, 1000)),
        ("bytes=-1", part(999, 1000)),
        ("bytes=-1000", part(0, 1000)),
        ("bytes=-5000", part(0, 1000)),
        ("BYTES=0-9", part(0, 10)),
        ("bytes = 0-9", part(0, 10)),
        ("bytes= 0-9 ", part(0, 10)),
        ("bytes=5-" + "9" * 5000, part(5, 1000)),
        ("bytes=1000-", NOT_SATISFIABLE),
        ("bytes=1000-2000", NOT_SATISFIABLE),
        ("bytes=" + "9" * 5000 + "-", NOT_SATISFIABLE),
        ("bytes=-0", NOT_SATISFIABLE),
        ("bytes=0-1,5-6", WHOLE),
        ("bytes=0-1, -1", WHOLE),
        ("bytes=9-5", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=", WHOLE),
        ("bytes", WHOLE),
        ("", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=0x1-5", WHOLE),
        ("bytes=--5", WHOLE),
        ("bytes=1-2-3", WHOLE),
        ("bytes=+1-5", WHOLE),
        ("bytes=٣-٥", WHOLE),
        ("seconds=0-1", WHOLE),
    ],
)
def test_a_range_is_answered_as_the_standard_says(wanted: str, answer: Answer) -> None:
    assert choose("GET", {"range": wanted}, FILE) == answer


@pytest.mark.parametrize("wanted", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_no_range_of_an_empty_file_can_be_had(wanted: str) -> None:
    assert choose("GET", {"range": wanted}, EMPTY) == NOT_SATISFIABLE


def test_an_empty_file_is_sent_whole() -> None:
    assert choose("GET", {}, EMPTY) == Answer(status=200)


def test_ranges_mean_nothing_to_head() -> None:
    assert choose("HEAD", {"range": "bytes=0-1"}, FILE) == WHOLE


@pytest.mark.parametrize(
    ("if_range", "applies"),
    [
        (FILE.etag, True),
        (FILE.last_modified, True),
        ('"another"', False),
        ("W/" + FILE.etag, False),
        (OTHER_DATE, False),
        ("Sun, 16 Nov 2053 22:13:20 GMT", False),
        ("nonsense", False),
    ],
)
def test_if_range_gets_the_part_only_of_the_very_same_file(if_range: str, applies: bool) -> None:
    answer = choose("GET", {"range": "bytes=0-9", "if-range": if_range}, FILE)
    assert answer == (part(0, 10) if applies else WHOLE)


@pytest.mark.parametrize(
    ("headers", "unchanged"),
    [
        ({"if-none-match": FILE.etag}, True),
        ({"if-none-match": "W/" + FILE.etag}, True),
        ({"if-none-match": f'"other", {FILE.etag}'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"other"'}, False),
        ({"if-none-match": FILE.etag.strip('"')}, False),
        ({"if-modified-since": FILE.last_modified}, True),
        ({"if-modified-since": "Sun, 16 Nov 2053 22:13:20 GMT"}, True),
        ({"if-modified-since": OTHER_DATE}, False),
        ({"if-modified-since": "not a date"}, False),
        ({"if-none-match": '"other"', "if-modified-since": FILE.last_modified}, False),
    ],
)
def test_what_the_browser_has_is_not_sent_again(headers: dict[str, str], unchanged: bool) -> None:
    assert choose("GET", headers, FILE) == (Answer(status=304) if unchanged else WHOLE)
    assert choose("GET", headers | {"range": "bytes=0-9"}, FILE).status == (304 if unchanged else 206)


def test_another_time_stamp_or_size_is_another_tag() -> None:
    tags = {FILE.etag, Representation(size=1001, mtime_ns=FILE.mtime_ns).etag, EMPTY.etag}
    assert len(tags) == 3
