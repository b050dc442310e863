"""What a rerun asks the engine for."""

from __future__ import annotations

from soundmill.config import Config
from soundmill.rerun import Row, request_of

ROW: Row = {
    "id": 7,
    "number": 2,
    "batch": "songs",
    "name": "calm",
    "prompt": "calm piano",
    "duration": 4.0,
    "temperature": 1.0,
    "top_k": 250,
    "top_p": 0.0,
    "cfg_coef": 3.0,
    "seed": 5,
    "melody": None,
    "continue_from": None,
    "output": {"format": "wav", "normalization": "peak", "normalization_target": -1.0},
}


def test_a_take_is_faded_again_as_its_file_says_and_not_as_the_settings_say_now() -> None:
    settings = Config.model_validate({"audio": {"fade_ms": 25}})
    assert request_of(ROW, settings, {"fade_s": "0.0073"}).fade_s == 0.0073
    assert request_of(ROW, settings, {"prompt": "calm piano"}).fade_s == 0.0
