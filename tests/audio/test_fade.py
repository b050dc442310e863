from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundmill.audio.fade import NEAR_ZERO, fade

RATE = 32_000


def cut_tone(channels: int = 1, seconds: float = 0.5) -> NDArray[np.float32]:
    """A tone that sounds at full level from its first sample to its last."""
    wave = np.cos(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)
    return np.tile(0.8 * wave, (channels, 1)).astype(np.float32)


def test_a_clip_cut_while_a_note_sounds_ends_at_zero_and_keeps_its_length() -> None:
    clip = cut_tone()
    faded = fade(clip, RATE, 0.01, start=True)
    assert faded.shape == clip.shape and faded.dtype == np.float32
    assert faded[0, -1] == faded[0, 0] == 0
    steps = np.abs(np.diff(np.pad(faded, ((0, 0), (1, 1)))))
    assert steps.max() < 1.01 * np.abs(np.diff(clip)).max()  # nothing jumps, the ends included


def test_only_the_ends_are_touched_and_the_given_samples_are_not() -> None:
    clip = cut_tone(channels=2)
    before = clip.copy()
    faded = fade(clip, RATE, 0.01, start=True)
    assert np.array_equal(faded[:, 320:-320], clip[:, 320:-320])
    assert (np.abs(faded[:, :320]) <= np.abs(clip[:, :320])).all()
    assert np.array_equal(clip, before)
    assert np.array_equal(faded[0], faded[1])


def test_the_gain_is_half_a_raised_cosine_and_its_mirror_image() -> None:
    faded = fade(np.ones((1, 1000), np.float32), 1000, 0.1, start=True)[0]
    assert faded[50] == pytest.approx(0.5) and faded[25] == pytest.approx((1 - np.cos(np.pi / 4)) / 2)
    assert np.array_equal(faded, faded[::-1])
    assert (np.diff(faded[:100]) > 0).all()


def test_an_attack_that_starts_near_zero_stays_sharp() -> None:
    clip = cut_tone()
    clip[0, 0] = NEAR_ZERO / 2
    assert np.array_equal(fade(clip, RATE, 0.01, start=True)[:, :320], clip[:, :320])
    loud_left = np.vstack([cut_tone(), clip])
    assert fade(loud_left, RATE, 0.01, start=True)[0, 0] == 0


def test_a_clip_that_goes_on_from_another_is_not_faded_at_its_start() -> None:
    clip = cut_tone()
    faded = fade(clip, RATE, 0.01, start=False)
    assert np.array_equal(faded[:, :-320], clip[:, :-320])
    assert faded[0, -1] == 0


def test_no_seconds_change_nothing() -> None:
    clip = cut_tone()
    assert np.array_equal(fade(clip, RATE, 0.0, start=True), clip)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 100])
def test_a_clip_shorter_than_its_fades_gets_two_that_meet_in_the_middle(length: int) -> None:
    faded = fade(np.ones((1, length), np.float32), RATE, 0.01, start=True)
    assert faded.shape == (1, length)
    if length > 1:
        assert faded[0, 0] == faded[0, -1] == 0
    if length == 100:
        assert faded[0, 49:51] == pytest.approx(1, abs=0.01)


def test_samples_that_are_no_numbers_stay_for_the_measurement_to_find() -> None:
    clip = cut_tone()
    clip[0, 3] = clip[0, -4] = np.nan
    assert np.isnan(fade(clip, RATE, 0.01, start=True)[0, [3, -4]]).all()
    clip[0, 0] = np.nan
    assert fade(clip, RATE, 0.01, start=True)[0, 1] != clip[0, 1]  # what begins with none does not begin near zero


def test_samples_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="channels, time"):
        fade(np.zeros(5, np.float32), RATE, 0.01, start=True)
