"""Names of levels: short, and never the same for two levels of one factor."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from soundmill.report.wording.level_names import spoken, told_apart

BEGINNING = "warm orchestral strings with a slow solemn brass theme and timpani, "


def test_a_text_that_fits_is_left_alone_and_a_longer_one_is_cut() -> None:
    assert told_apart(["rain", "a  bell\nrings"], 12) == {"rain": "rain", "a  bell\nrings": "a bell rings"}
    assert told_apart(["a marching band", "rain"], 10)["a marching band"] == "a marchin…"


def test_texts_that_begin_alike_keep_what_differs() -> None:
    texts = [BEGINNING + "in a cathedral", BEGINNING + "dry studio", "rain"]
    assert list(told_apart(texts, 60).values()) == [
        "rain",
        "warm orchestral… dry studio",
        "warm orchestral… in a cathedral",
    ]
    assert told_apart(texts, 22)[texts[0]] == "warm… in a cathedral"


def test_texts_that_begin_alike_nearly_to_the_cut_show_what_differs_whole() -> None:
    begins = "warm analogue strings and a slow choir that swells in a "
    texts = [begins + "wide cathedral at dawn, with bells", begins + "small wooden chapel at night", "driving techno"]
    assert list(told_apart(texts, 60).values()) == [
        "driving techno",
        "warm analogue… small wooden chapel at night",
        "warm analogue… wide cathedral at dawn, with bells",
    ]


def test_a_text_that_fits_stays_whole_beside_a_longer_one_that_begins_alike() -> None:
    fits = "slow strings and a solo horn, recorded in a large hall"
    names = told_apart([fits, f"{fits}, at night", f"{fits}, at dawn, with distant bells"], 60)
    assert names[fits] == fits
    assert names[f"{fits}, at night"] == "slow strings and a… night"


def test_words_are_not_torn_where_they_begin_to_differ() -> None:
    texts = [BEGINNING + "in a chapel", BEGINNING + "in a church"]
    assert [name.split("… ")[1] for name in told_apart(texts, 40).values()] == ["chapel", "church"]


def test_texts_that_differ_in_several_places_stay_different() -> None:
    texts = [f"{BEGINNING}{place} at {time}" for place in ("the harbour wall", "the market square") for time in "abc"]
    names = told_apart(texts, 30)
    assert len(set(names.values())) == 6
    assert max(map(len, names.values())) <= 30


def test_texts_that_only_differ_in_their_blanks_are_numbered() -> None:
    assert sorted(told_apart(["a bell", "a  bell"], 60).values()) == ["a bell", "a bell (2)"]


@given(
    st.lists(st.text(st.sampled_from("ab … ("), max_size=40), max_size=12, unique=True),
    st.integers(min_value=10, max_value=60),
)
def test_different_texts_always_have_different_names(texts: list[str], longest: int) -> None:
    names = told_apart(texts, longest)
    assert names.keys() == set(texts)
    assert len(set(names.values())) == len(texts)
    assert all(len(name) <= longest for name in names.values())
    assert told_apart(reversed(texts), longest) == names


def test_only_words_are_quoted() -> None:
    assert [spoken(name) for name in ("0.7", "rain", "0.5 to 0.8", "above 1e-3", "soft rain")] == [
        "0.7", "rain", "0.5 to 0.8", "above 1e-3", "“soft rain”",
    ]  # fmt: skip
