from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image

from soundmill.report.pictures.takes import HEIGHT, SHADES, WAVE_HEIGHT, WIDTH, draw, draw_all, picture

RATE = 32_000


def pixels(samples: NDArray[np.float64], rate: int = RATE) -> NDArray[np.uint8]:
    image = Image.open(BytesIO(picture(np.atleast_2d(samples.T).T.astype(np.float32), rate)))
    assert image.mode == "P" and image.size == (WIDTH, HEIGHT)
    return np.asarray(image)


def tone(hertz: float, seconds: float = 2.0, amplitude: float = 0.5) -> NDArray[np.float64]:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


def test_a_tone_is_a_bright_line_that_rises_with_its_pitch() -> None:
    rows = [int(pixels(tone(hertz))[WAVE_HEIGHT:].mean(axis=1).argmax()) for hertz in (200, 800, 3200, 12800)]
    steps = np.diff(rows)
    assert (steps < 0).all()  # row 0 is at the top
    assert abs(steps - steps.mean()).max() <= 2  # two octaves are the same distance everywhere


def test_a_louder_tone_is_brighter() -> None:
    loud, quiet = (int(pixels(tone(800, amplitude=a))[WAVE_HEIGHT:].max()) for a in (0.9, 0.003))
    assert SHADES >= loud > quiet > 0


def test_the_waveform_shows_where_the_sound_is() -> None:
    samples = np.concatenate((np.zeros(RATE), tone(440, 1.0, 0.8)))
    wave = pixels(samples)[:WAVE_HEIGHT] == SHADES + 1
    first, second = wave[:, : WIDTH // 2 - 2].sum(axis=0), wave[:, WIDTH // 2 + 2 :].sum(axis=0)
    assert first.max() <= 2 and second.min() > 0.7 * WAVE_HEIGHT


def test_a_sound_in_one_channel_is_seen() -> None:
    stereo = np.stack((np.zeros(RATE), tone(440, 1.0)), axis=1)
    assert (pixels(stereo)[:WAVE_HEIGHT] == SHADES + 1).sum() > 0.3 * WAVE_HEIGHT * WIDTH


@pytest.mark.parametrize("length", [1, 2, 100, 2047, 2049, 480_001])
def test_a_clip_of_any_length_has_a_picture(length: int) -> None:
    pixels(np.full(length, 0.1))


def test_silence_and_numbers_that_are_none_are_drawn() -> None:
    assert pixels(np.zeros(RATE))[WAVE_HEIGHT:].max() == 0
    broken = tone(440)
    broken[100:200] = np.nan
    broken[300] = np.inf
    pixels(broken)


def test_the_same_sound_gives_the_same_bytes() -> None:
    samples = tone(440).astype(np.float32)[:, None]
    assert picture(samples, RATE) == picture(samples, RATE)


def test_what_is_no_audio_has_no_picture(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"not audio")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    for name in ("broken.wav", "empty.wav", "missing.wav"):
        assert not draw((tmp_path / name, tmp_path / f"{name}.png"))
    assert not list(tmp_path.glob("*.png"))


def test_many_are_drawn_by_several_processes_in_order(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(440, 0.1), RATE)
    jobs = [(tmp_path / ("a.wav" if n % 3 else "none.wav"), tmp_path / "pictures" / f"{n}.png") for n in range(210)]
    told: list[int] = []
    assert draw_all(jobs, 2, told.append) == [bool(n % 3) for n in range(210)]
    assert sum(told) == 210 and len(list((tmp_path / "pictures").iterdir())) == 140
