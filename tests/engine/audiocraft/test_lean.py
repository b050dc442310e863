"""An engine starts without what only AudioCraft's training needs, and whoever asks for that gets the real thing."""

from __future__ import annotations

import json
import subprocess
import sys

PROBE = """
import json, sys
from soundmill.engine import models
from soundmill.engine.audiocraft import loading
from soundmill.engine.decoder import backend
loading.load(models.TINY, "cpu")
left_out = [name for name in ("xformers", "spacy", "torchmetrics", "audiocraft.solvers") if name in sys.modules]
from audiocraft.models.multibanddiffusion import CompressionSolver
from audiocraft.modules import conditioners
asked = [CompressionSolver.model_from_checkpoint.__module__, conditioners.spacy.blank("en").lang]
import audiocraft.solvers, xformers
imported = [audiocraft.solvers.compression.CompressionSolver.__name__, type(xformers).__name__]
print(json.dumps([left_out, asked, imported]))
"""


def test_what_only_training_needs_is_imported_when_it_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    left_out, asked, imported = json.loads(done.stdout)
    assert left_out == []
    assert asked == ["audiocraft.solvers.compression", "en"]
    assert imported == ["CompressionSolver", "module"]
