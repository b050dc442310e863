"""An installed package brings a model and a scorer: both are known by name here and open in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

MODULE = """
from soundmill.engine.models import Family, ModelSpec
from soundmill.engine.scorers.registry import ScorerSpec
from soundmill.plugins import hookimpl
from support import faulty_backend

TONES = Family(
    name="tones", opened_by="tone_plugin:open_tone", loader="", mark=None, makes_sound_effects=True, fixed_length=False,
    continues=False,
)


def open_tone(spec, device, slots):
    return faulty_backend.open_backend(spec.short, device, slots)


class Lengths:
    sample_rate = 8000

    def score(self, audios, prompts):
        return [{"length": float(len(audio))} for audio in audios]


def open_lengths(model, device):
    return Lengths()


def open_missing(model, device):
    import no_such_package


@hookimpl
def register_models():
    yield ModelSpec(
        name="tests/tone", short="tone", family=TONES, sample_rate=8000, channels=1, takes_melody=False,
        max_duration_s=10.0, window_s=10.0, parameters_m=None, gpu_gb=None, download_gb=None, licence="MIT", path="own",
    )


@hookimpl
def register_scorers():
    usual = {"model": "none", "asks": "how long is it?"}
    yield ScorerSpec(name="lengths", scores=("length",), open=open_lengths, install="", **usual)
    yield ScorerSpec(name="missing", scores=("missing",), open=open_missing, install="pip install it", **usual)
"""

SCRIPT = """
import json, sys
from pathlib import Path
from soundmill.config import ScoringConfig
from soundmill.engine.models import known, resolve
from soundmill.engine.process.engine import ProcessEngine
from soundmill.engine.scorers.client import ScoringProcess
from soundmill.engine.scorers.messages import Take
from soundmill.errors import ModelUnavailable
from support.conformance import answers_to, make_request

spec = resolve("tests/tone")
assert resolve("tone") is spec and spec in known() and spec.makes_sound_effects
engine = ProcessEngine("cpu", slots=2, load_deadline_s=60.0)
engine.load("tests/tone")
request = make_request()
engine.submit([request])
(clip,) = answers_to(engine, [request])
engine.close()
file = Path(sys.argv[1]) / "clip.wav"
file.write_bytes(clip.audio)

config = ScoringConfig(scorers=("clap", "lengths"), rank_by="length", lengths_model="another")
process = ScoringProcess("cpu", deadline_s=60.0)
scored = process.score("lengths", config.weights_of("lengths"), [Take(key=1, file=file, prompt="x")])
try:
    process.score("missing", "none", [])
except ModelUnavailable as error:
    missing = str(error)
process.close()
weights = [config.weights_of("lengths"), ScoringConfig().weights_of("missing")]
print(json.dumps([*weights, dict(scored.scores[1]), missing]))
"""


def test_a_package_brings_a_model_and_a_scorer(tmp_path: Path) -> None:
    (tmp_path / "tone_plugin.py").write_text(MODULE)
    described = tmp_path / "tone_plugin-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: tone-plugin\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[soundmill]\ntone = tone_plugin\n")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1]), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    weights, usual, scores, missing = json.loads(done.stdout)
    assert (weights, usual, scores) == ("another", "none", {"length": 4000.0})
    assert "no_such_package" in missing and "run `pip install it`" in missing
