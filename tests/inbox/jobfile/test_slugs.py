"""Which words of a text stay in a name, at the very edges of the room there is."""

from __future__ import annotations

import pytest

from soundmill.inbox.jobfile.naming.automatic import _shares
from soundmill.inbox.jobfile.naming.letters import as_written, clusters, size, words_of
from soundmill.inbox.jobfile.naming.slugs import _both_ends, _covering, _from_both_ends, cut, marks, pieces, slug


@pytest.mark.parametrize(
    ("text", "longest", "shared", "stretch", "ends", "name"),
    [
        (
            "a slow and calm piano with strings in a wide hall",
            200,
            [],
            0,
            (0, 0),
            "a-slow-and-calm-piano-with-strings-in-a-wide-hall",
        ),
        ("a slow and calm piano with strings in a wide hall", 40, [], 0, (0, 0), "a-slow-and-calm-hall"),
        ("a slow and calm piano with strings in a wide hall", 40, [], 0, (0, 12), "a-in-a-wide-hall"),
        ("a slow and calm piano with strings in a wide hall", 41, [], 0, (8, 4), "a-slow-and-calm-hall"),
        ("a slow and calm piano with strings in a wide hall", 30, ["piano"], 0, (0, 0), "a-wide-hall"),
        (
            "a slow and calm piano with strings in a wide hall",
            30,
            ["a", "and", "calm", "slow"],
            60,
            (0, 0),
            "a-slow-calm-piano-in-wide-hall",
        ),
        (
            "a slow and calm piano with strings in a wide hall",
            40,
            ["a", "and", "calm", "in\x00a", "piano", "slow", "with"],
            50,
            (4, 4),
            "a-slow-calm-in-wide-hall",
        ),
        ("abcdefghijklmnopqrstuvwxyz", 20, [], 0, (0, 0), "abcdefghyz"),
        ("abcdefghijklmnopqrstuvwxyz 12345678901234567890", 30, [], 0, (0, 0), "abcdefghijklmno"),
        ("x abcdefghijklmnopqrstuvwxyz y", 24, [], 0, (0, 0), "x-y"),
        ("深夜的城市街道 雨", 12, [], 0, (0, 0), "深夜-雨"),
        ("深夜的城市街道 雨", 20, [], 0, (2, 2), "深夜的城道-雨"),
        ("深夜的城市街道 雨", 14, ["夜", "深", "的"], 30, (1, 1), "深夜城市街道-雨"),
        ("ééééé b cc dddd", 18, [], 0, (0, 0), "éééé-dddd"),
        ("aaaa bb", 12, [], 0, (0, 0), "aaa-bb"),
        ("aaaa bb", 13, [], 0, (0, 0), "aaa-bb"),
        ("aaaa bb", 14, [], 0, (0, 0), "aaaa-bb"),
        ("1234567 8.5 2,25 word", 20, [], 0, (0, 0), "word"),
        ("word 1234567 8.5", 12, [], 0, (0, 0), "wo-8.5"),
    ],
)
def test_what_of_too_many_words_stays(
    text: str, longest: int, shared: list[str], stretch: int, ends: tuple[int, int], name: str
) -> None:
    assert cut(text.split(), longest, set(shared), stretch=stretch, ends=ends) == name
    assert size(name) <= max(longest, stretch)


@pytest.mark.parametrize(
    ("text", "words", "written", "weight"),
    [
        ("Calm PIANO, 3/4!", ["calm", "piano", "3", "4"], "Calm-PIANO-3-4", 32),
        ("\xc9\u0301cole \xdf \xbd", ["\xe9\u0301cole", "\xdf", "\xbd"], "\xc9\u0301cole-\xdf-\xbd", 20),
        ("a\u200bb", ["ab"], "ab", 7),
        (
            "\U0001f44d\U0001f3fd ok \U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7",
            ["\U0001f44d\U0001f3fd", "ok", "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7"],
            "\U0001f44d\U0001f3fd-ok-\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7",
            32,
        ),
        ("\u2600 sun \xa9 2", ["\u2600", "sun", "2"], "\u2600-sun-2", 19),
        ("\u0301x", ["x"], "x", 4),
        ("x\u0308y", ["\u1e8dy"], "\u1e8dy", 6),
        ("\u2800b\ufffc", ["b"], "b", 8),
        ("\ufb01 2\xb2 \xbd", ["\ufb01", "2\xb2", "\xbd"], "\ufb01-2\xb2-\xbd", 13),
        ("a_b-c.d", ["a", "b", "c", "d"], "a_b-c.d", 14),
        ("--a..", ["a"], "a", 10),
        ("\xdcn\xef_x .", ["\xfcn\xef", "x"], "\xdcn\xef_x", 14),
        ("\u65e5\u672c\u8a9e", ["\u65e5\u672c\u8a9e"], "\u65e5\u672c\u8a9e", 9),
        ("\u2600\u25ff", ["\u2600"], "\u2600", 6),
        ("e\u034f\u0301", ["\xe9"], "\xe9", 6),
        ("\U0001f3fdx", ["x"], "x", 6),
    ],
)
def test_the_letters_that_a_name_keeps(text: str, words: list[str], written: str, weight: int) -> None:
    assert (words_of(text), as_written(text), size(text)) == (words, written, weight)


def test_characters_that_belong_together() -> None:
    words_of("e\u0301 \U0001f3fd")  # marks and skin tones are known once they were met
    assert clusters("ae\u0301 \u0301b") == ["a", "e\u0301", " ", "\u0301", "b"]
    assert clusters("\U0001f44d\U0001f3fdx") == ["\U0001f44d\U0001f3fd", "x"]
    assert clusters("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7") == ["\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7"]
    assert clusters("ab") == ["a", "b"] == clusters("a" + "b")


@pytest.mark.parametrize(
    ("whole", "longest", "end", "name"),
    [
        ("aaa-bbb-ccc-ddd-eee", 12, 0, "aaa-bbb-eee"),
        ("aaa-bbb-ccc-ddd-eee", 12, 4, "aaa-ddd-eee"),
        ("aaa-bbb-ccc-ddd-eee", 11, 3, "aaa-bbb-eee"),
        ("aaa-bbb-ccc-ddd-eee", 9, 9, None),
        ("aaaaaaaa-bbbbbbbbbbb", 9, 0, None),
        ("aa-bbbbbbbbbbbbbb-cc", 9, 2, "aa-cc"),
        ("a-b-c-d-e-f-g-h-i", 9, 1, "a-b-c-d-i"),
    ],
)
def test_whole_words_stay_at_both_ends(whole: str, longest: int, end: int, name: str | None) -> None:
    assert _both_ends(whole, longest, end) == name


def test_the_pieces_of_a_name() -> None:
    assert pieces(["ab", "efghi", "12345"], 8) == [("ab", 0), *((each, 1) for each in "efghi"), ("12345", 2)]
    assert marks(["ab", "cd", "ef"], 8) == {"ab", "cd", "ef", "ab\0cd", "cd\0ef"}
    assert (slug("A b", 9, "x"), slug("!", 9, "x")) == ("a-b", "x")
    assert [_covering(*each) for each in ((0, [1]), (3, [1, 1, 5, 2]), (2, [2, 2]), (3, [2, 2]), (9, [1]))] == [
        [], [0, 1, 2], [0], [0, 1], [0],
    ]  # fmt: skip
    assert [_from_both_ends(each) for each in ([1, 2, 3, 4, 5], [1, 2], [7], [])] == [[5, 1, 4, 2, 3], [2, 1], [7], []]
    assert [_shares(*each) for each in (([5, 5], 10), ([1, 9], 6), ([3, 3, 3], 7), ([10, 2, 10], 12), ([4], 2))] == [
        [5, 5], [1, 5], [2, 2, 3], [5, 2, 5], [2],
    ]  # fmt: skip
