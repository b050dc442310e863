"""An engine starts without what its model does not need, and whoever asks for that gets the real thing."""

from __future__ import annotations

import json
import subprocess
import sys

PROBE = """
import json, sys
from soundmill.engine import models
from soundmill.engine.audiocraft import loading
from soundmill.engine.decoder import backend
left_out = [name for name in ("transformers", "torch._dynamo") if name in sys.modules]
model = loading.load(models.TINY, "cpu").model
model.set_generation_params(duration=0.1)
model.generate(["calm piano"])
never = ("torch._dynamo", "transformers", "sympy")
never += ("xformers", "spacy", "torchmetrics", "audiocraft.solvers", "av", "librosa", "numba")
left_out += [name for name in never if name in sys.modules]
from audiocraft.models import encodec
from audiocraft.models.multibanddiffusion import CompressionSolver
from audiocraft.data import audio
from audiocraft.modules import chroma, conditioners
asked = [CompressionSolver.model_from_checkpoint.__module__, conditioners.spacy.blank("en").lang]
asked += [chroma.ChromaExtractor(32000).fbanks.shape[0], encodec.HFEncodecModel.from_pretrained.__self__.__name__]
asked += [audio.av.open.__name__]
import audiocraft.solvers, xformers
imported = [audiocraft.solvers.compression.CompressionSolver.__name__, type(xformers).__name__]
print(json.dumps([left_out, asked, imported]))
"""


def test_what_the_model_does_not_need_is_imported_when_it_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    left_out, asked, imported = json.loads(done.stdout)
    assert left_out == []
    assert asked == ["audiocraft.solvers.compression", "en", 12, "EncodecModel", "open"]
    assert imported == ["CompressionSolver", "module"]
