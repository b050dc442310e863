"""What a value looks like in a cell."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from soundmill.publish.cells import cell, rounded, size

from .conftest import HOSTILE, drawn


def show(column: str, value: object, **row: object) -> str | None:
    shown = cell(column, value, row, "catalog", lambda path: f"/base{path}")
    return None if shown is None else str(shown)


class Tags(HTMLParser):
    """The names of all elements and attributes in a piece of HTML, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_an_output_becomes_a_player_that_loads_nothing_by_itself() -> None:
    html = show("audio", "forest/a b&c.wav")
    assert html is not None
    assert '<audio controls preload="none" src="/base/-/soundmill/audio/forest/a%20b%26c.wav"' in html
    assert 'href="/base/-/soundmill/audio/forest/a%20b%26c.wav" download="a b&amp;c.wav"' in html
    assert 'href="/base/-/soundmill/audio/forest/a%20b%26c.wav.json"' in html


@pytest.mark.parametrize(
    "value", ["plain words", "a.txt", "../a.wav", "/etc/a.wav", "https://example.org/a.wav", "a.wav.json", "", None, 3]
)
def test_what_is_no_output_gets_no_player(value: object) -> None:
    html = show("audio", value)
    assert html is None or "<audio" not in html


@pytest.mark.parametrize(
    "column",
    ["prompt", "audio", "batch", "job", "verdict", "status", "failed_checks", "labels", "condition", "defects"],
)
@pytest.mark.parametrize(
    "value", [HOSTILE, f"x/{HOSTILE}.wav", '{"<i>": "<b onclick=x>"}', '[{"<i>": "<b>"}]', '"><script>x</script>.wav']
)
def test_nothing_in_a_value_becomes_markup(column: str, value: str) -> None:
    html = show(column, value, job_id=1) or ""
    seen = Tags()
    seen.feed(html)
    assert seen.found <= {"span", "a", "audio"}
    assert seen.attributes <= {"class", "href", "src", "title", "controls", "preload", "download"}


def test_a_pruned_output_has_its_name_in_place_of_a_player() -> None:
    row = {"pruned_at": "2026-11-28T10:00:00Z"}
    html = str(cell("audio", "songs/<calm>.wav", row, "catalog", lambda path: path))
    assert "<audio" not in html and "&lt;calm&gt;.wav (pruned)" in html
    assert "<audio" in str(cell("audio", "songs/calm.wav", {"pruned_at": None}, "catalog", lambda path: path))


def test_labels_are_chips_that_lead_to_all_that_have_them() -> None:
    html = show("labels", '{"scene": "dark & deep/cave", "take": 3}')
    assert html is not None
    assert 'href="/base/catalog/takes_by_label?name=scene&amp;value=dark%20%26%20deep%2Fcave"' in html
    assert ">scene dark &amp; deep/cave</a>" in html
    assert ">take 3</a>" in html


def test_a_condition_leads_to_all_under_it_and_an_empty_one_says_so() -> None:
    assert "takes_by_label?name=temperature&amp;value=0.8" in (show("condition", '{"temperature": "0.8"}') or "")
    assert show("versions", '{"torch": "2.11"}') == (
        '<span class="sm-chips"><span class="sm-chip sm-chip-plain">torch 2.11</span></span>'
    )
    assert "none" in (show("condition", "{}") or "")
    assert "none" in (show("defects", "[]") or "")


@pytest.mark.parametrize("value", ["not json", "3", '["a"]', "null"])
def test_what_is_not_an_object_is_left_to_datasette(value: str) -> None:
    assert show("labels", value) is None


def test_verdict_score_stars_and_flags_are_shown_as_such() -> None:
    assert show("verdict", "passed") == '<span class="sm-badge sm-passed">passed</span>'
    assert '<meter min="0" low="49" max="100" value="71.26">' in (show("score", 71.26) or "")
    assert "71.3" in (show("score", 71.26) or "")
    assert "★★★★☆" in (show("stars", 4) or "")
    assert show("is_final", 1) == "yes"
    assert "no" in (show("quarantined", 0) or "")
    assert (show("kept", 1), show("kept", None)) == ("yes", None)


def test_only_soundmills_own_score_is_out_of_100() -> None:
    assert "<meter" in (show("score", 71.26, scorer="soundmill") or "")
    assert show("score", 0.31, scorer="clap") is None
    assert "clap" in (show("scores", '{"clap":0.31,"soundmill":71.2}') or "")


def test_links_lead_from_a_batch_to_its_page_and_from_a_job_to_its_row() -> None:
    assert 'href="/base/-/soundmill/batch/a%20b"' in (show("batch", "a b") or "")
    assert 'href="/base/catalog/job_list?job_id=7"' in (show("job", "clip", job_id=7) or "")
    assert 'href="/base/-/soundmill/take/a%26b/clip"' in (show("job", "clip", job_id=7, batch="a&b") or "")
    audio = "a/quarantine/clip.take2.wav"
    assert f'href="/base/-/soundmill/take/{audio}"' in (show("job", "clip", job_id=7, batch="a", audio=audio) or "")
    assert show("job", "clip") is None


def test_a_time_is_readable_and_still_exact() -> None:
    html = show("created_at", "2025-10-09T08:53:20Z")
    assert html is not None and 'datetime="2025-10-09T08:53:20Z"' in html and "2025-10-09 <span" in html


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (0.0, "0"), (-14.0, "-14"), (51.987654321, "51.99"), (-1.02, "-1.02"), (0.0123456789, "0.0123"),
        (1.234e-5, "1.23e-05"), (1.5e3, "1500"), (1234.5678, "1234.57"), (0.1 + 0.2, "0.3"), (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_numbers_are_rounded_for_reading(value: float, text: str) -> None:
    assert rounded(value) == text


def test_a_rounded_number_keeps_its_exact_value_at_hand() -> None:
    assert show("loudness_lufs", 51.987654321) == '<span title="51.987654321">51.99</span>'
    assert show("position", 7) is None


@pytest.mark.parametrize(
    ("count", "text"), [(12, "12 bytes"), (16044, "16.0 kB"), (2_500_000, "2.5 MB"), (3e9, "3.0 GB")]
)
def test_sizes_are_readable(count: int, text: str) -> None:
    assert size(count) == text


def test_peaks_are_drawn_and_other_bytes_are_counted() -> None:
    html = show("data", drawn(1.0, 220.0))
    assert html is not None and html.startswith('<svg class="sm-outline-small"') and len(html) < 2500
    edge = [tuple(map(int, each.split())) for each in html.split('d="M')[1].split("Z")[0].split("L")]
    assert len(edge) == 200 and min(y for _, y in edge) == -max(y for _, y in edge) and max(y for _, y in edge) > 5
    for other in (b"", bytes(5000), drawn(1.0, 220.0)[:-1], b"\x02" + drawn(1.0, 220.0)[1:]):
        assert show("data", other) == f"<em>{len(other):,} bytes</em>"
