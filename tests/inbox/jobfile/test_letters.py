"""Which characters a name keeps, one by one at the ends of each range, and which of them stay together."""

from __future__ import annotations

import unicodedata

import pytest

from soundmill.inbox.jobfile.naming.letters import as_written, clusters, invisible, size, words_of

# Letters and marks among Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt): drawn as nothing.
UNSEEN = [
    0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0,
    0xFE00, 0xFE01, 0xFE0E, 0xFE0F, 0xE0100, 0xE0101, 0xE01EE, 0xE01EF,
]  # fmt: skip


@pytest.mark.parametrize("code", [*UNSEEN, 0x00AD, 0x200B, 0x200D, 0x2060, 0xFEFF])
def test_what_nobody_sees_goes_and_what_stood_around_it_meets(code: int) -> None:
    assert as_written(f"A{chr(code)}B") == "AB"
    assert words_of(f"A{chr(code)}B") == ["ab"]


@pytest.mark.parametrize("code", [0x2801, 0x2600, 0x1F3B5, 0x1F3FA, 0x1F400, 0x3163, 0x3165, 0x1161, 0xFFA1, 0x17B3])
def test_letters_and_emoji_stay(code: int) -> None:
    assert as_written(f"a{chr(code)}b") == f"a{chr(code)}b"
    assert clusters(f"a{chr(code)}b") == ["a", chr(code), "b"]


@pytest.mark.parametrize("code", [0x2800, 0xFFFC, 0xFFFD, 0x25FF, 0x00A9, 0x00B0, 0x20AC, 0x002B, 0xFE10, 0x3000])
def test_signs_part_words(code: int) -> None:
    assert as_written(f"a{chr(code)}b") == "a-b"
    assert words_of(f"{chr(code)}a{chr(code)}{chr(code)}b") == ["a", "b"]


@pytest.mark.parametrize("code", [0x1F3FB, 0x1F3FF, 0x0301, 0x20E3])
def test_marks_and_skin_tones_stay_with_what_they_stand_on_and_go_without_it(code: int) -> None:
    mark = chr(code)
    assert as_written(f"👍{mark}b") == f"👍{mark}b" and clusters(f"👍{mark}b") == [f"👍{mark}", "b"]
    assert as_written(f"{mark}b {mark}c a-{mark}d e.{mark}f g_{mark}h") == "b-c-a-d-e.f-g_h"


def test_letters_and_marks_that_met_are_composed() -> None:
    assert as_written("e\u200b\u0301") == "é" and words_of("E\u0301TE\u0301") == ["été"]
    (word,) = words_of("q\u0301\u0323x")
    assert clusters(word) == [unicodedata.normalize("NFC", "q\u0301\u0323"), "x"]


def test_two_letters_of_a_flag_are_one_character() -> None:
    first, last = chr(0x1F1E6), chr(0x1F1FF)
    assert clusters(f"{first}{last}{first}{last}{first}a") == [first + last, first + last, first, "a"]
    assert clusters(f"a{first}b{last}") == ["a", first, "b", last]
    for other in (chr(0x1F1E5), chr(0x1F200)):
        assert clusters(f"{other}{last}{other}{other}") == [other, last, other, other]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("a", 2),
        ("abc", 6),
        ("é", 2),
        ("aé", 4),
        ("雨", 3),
        ("a雨", 5),
        ("🎵", 4),
        ("\u07ff", 2),
        ("\u0800", 3),
    ],
)
def test_a_character_counts_for_its_bytes_and_at_least_two(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("ab é", None),
        ("a\u200db", "U+200D ZERO WIDTH JOINER"),
        ("a\nb\u200d", "U+000A"),
        ("\ud800", "U+D800"),
        ("\u2028", "U+2028 LINE SEPARATOR"),
        ("\u2029", "U+2029 PARAGRAPH SEPARATOR"),
        ("a\u00a0b", None),
        ("a\ue000", None),
    ],
)
def test_what_nobody_sees_is_called_by_its_name(text: str, called: str | None) -> None:
    assert invisible(text) == called
