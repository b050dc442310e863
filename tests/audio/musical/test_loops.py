"""Loops: how they are folded, and that their seam is none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundmill.audio.musical.loop import fold, folded, found_loop
from soundmill.audio.musical.seam import loop_seam
from support.labelled import side_by_side
from support.looped import look
from support.missing import missing
from support.published import NO_MUSIC, Unavailable, cache, published
from support.rendered import RATE, Piece, held_out, render

Samples = NDArray[np.float32]
PIECES = 50


@pytest.fixture(scope="module")
def pieces() -> list[tuple[Piece, Samples]]:
    return [(piece, render(piece, 12)) for piece in held_out(1)]


def test_what_follows_the_end_goes_on_into_the_beginning() -> None:
    ramp = np.arange(1000, dtype=np.float32)[None]
    loop = fold(ramp, 100, 600, 200)
    assert loop.shape == (1, 600)
    assert loop[0, -1] == ramp[0, 699] and loop[0, 0] == pytest.approx(700, abs=2)  # as the clip went on there
    assert np.array_equal(loop[0, 200:], ramp[0, 300:700])


@pytest.mark.parametrize("alike", [True, False])
def test_the_level_holds_while_one_goes_over_into_the_other(alike: bool) -> None:
    rng = np.random.default_rng(3)
    length, over = 20_000, 8_000
    clip = rng.normal(0, 0.1, (1, length + over))
    if alike:
        clip[:, length:] = clip[:, :over]
    loop = fold(clip.astype(np.float32), 0, length, over)
    power = np.square(loop[0, : over // 1000 * 1000]).reshape(-1, 1000).mean(axis=1)
    assert np.abs(10 * np.log10(power / 0.01)).max() < 0.8


def test_a_loop_is_as_long_as_asked_to_the_sample_and_its_seam_is_no_rougher_than_its_points(
    pieces: list[tuple[Piece, Samples]],
) -> None:
    for piece, clip in pieces:
        length = round(240 / piece.bpm * max(1, int(9 / (240 / piece.bpm))) * RATE)
        loop = folded(clip[:, : length + 2 * RATE], RATE, length)
        assert loop.samples.shape == (1, length)
        seam = loop_seam(loop.samples, RATE)
        assert seam is not None and seam <= loop.seam <= 1, piece.name
        cut = loop_seam(clip[:, : round(9.1 * RATE)], RATE)
        assert cut is not None and cut > seam, piece.name


def test_a_loop_that_is_found_has_whole_bars(pieces: list[tuple[Piece, Samples]]) -> None:
    whole = []
    for piece, clip in pieces:
        loop = found_loop(clip, RATE)
        assert loop is not None and loop.seam <= 1 and loop.samples.shape[1] >= 0.4 * clip.shape[1], piece.name
        beats = loop.samples.shape[1] / RATE * piece.bpm / 60
        whole.append(abs(beats - round(beats)) < 0.1)
    assert np.mean(whole) >= 0.8


@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_silence_and_short_loops_are_folded_too(seconds: float) -> None:
    rng = np.random.default_rng(9)
    length = round(seconds * RATE)
    for clip in (np.zeros((1, length + 2 * RATE)), rng.normal(0, 0.1, (2, length + 2 * RATE))):
        loop = folded(clip.astype(np.float32), RATE, length)
        assert loop.samples.shape == (len(clip), length) and loop.seam <= 1.2


def test_channels_stay_together() -> None:
    rng = np.random.default_rng(5)
    left = rng.normal(0, 0.1, 6 * RATE)
    clip = np.stack([left, -0.5 * left]).astype(np.float32)
    loop = folded(clip, RATE, 4 * RATE).samples
    assert np.allclose(loop[1], -0.5 * loop[0], atol=1e-6)


@pytest.fixture
def smooth() -> Samples:
    """A loop that has no seam at all: every tone in it fits a whole number of times."""
    time = np.arange(4 * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * f * time + f) / (i + 1) for i, f in enumerate((110, 220.25, 331.5, 440, 1250.75)))
    return np.asarray(0.1 * tones * (1 + 0.3 * np.sin(2 * np.pi * 2 * time)), dtype=np.float32)[None]


def test_a_sound_that_fits_has_no_seam(smooth: Samples) -> None:
    seam = loop_seam(smooth, RATE)
    assert seam is not None and seam < 1


@pytest.mark.parametrize("fault", ["a jump", "a phase", "a level", "a colour", "a gap", "a click"])
def test_a_broken_seam_is_found(smooth: Samples, fault: str) -> None:
    broken = smooth.copy()
    match fault:
        case "a jump":
            broken = broken[:, 37:]
        case "a phase":
            broken = broken[:, : -RATE // 900]
        case "a level":
            broken *= np.linspace(1.0, 0.5, broken.shape[1], dtype=np.float32)
        case "a colour":
            broken[:, : RATE // 2] += np.random.default_rng(2).normal(0, 0.02, RATE // 2).astype(np.float32)
        case "a gap":
            broken[:, -RATE // 20 :] = 0
        case "a click":
            broken[:, 0] += 0.3
    seam = loop_seam(broken, RATE)
    assert seam is not None and seam > 1


def test_silence_and_what_is_too_short_have_none() -> None:
    assert loop_seam(np.zeros((1, RATE), np.float32), RATE) is None
    assert loop_seam(np.ones((1, RATE // 4), np.float32), RATE) is None
    assert found_loop(np.zeros((1, 5 * RATE), np.float32), RATE) is None
    with pytest.raises(ValueError, match="cannot be folded"):
        folded(np.ones((1, 100), np.float32), RATE, 100)


@pytest.mark.timeout(1200)  # a minute of two processors, which a busy machine has not
@pytest.mark.filterwarnings("default::support.published.FewerPackages")
def test_loops_of_published_music_play_over_their_seams() -> None:
    try:
        files = [path for path in published(cache()) if not NO_MUSIC.search(str(path))]
    except Unavailable as reason:
        missing(str(reason))
    large = sorted((path for path in files if path.stat().st_size > 150_000), key=lambda path: path.name)[:PIECES]
    loops = [loop for found in side_by_side(look, large) if found for loop in found]
    accepted = [loop for loop in loops if loop[0] <= 1]
    smooth = [max(loop[1:]) <= 0.95 for loop in accepted]
    print(f"{len(loops)} loops, {len(accepted)} accepted; {sum(smooth)} no rougher than 95 % of random points")
    assert len(loops) >= PIECES and len(accepted) >= 0.8 * len(loops)
    assert np.mean(smooth) >= 0.95
