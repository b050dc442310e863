"""Makes the checkpoints that the parts read, the smallest first: random weights of the published models' shapes.

python benchmarks/lease/make.py DEVICE FOLDER
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import torch

from parts.lease import SHAPES, TINY_SHAPES, WHOLE, WRONG
from soundmill.engine.audiocraft import text_encoder  # noqa: F401  before AudioCraft itself

# isort: split
from recipe import checkpoint

from parts.quick import quickly_drawn


def main() -> None:
    device, folder = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(4)  # a part measures meanwhile
    for name, shape in (TINY_SHAPES if device == "cpu" else SHAPES).items():
        try:
            with quickly_drawn():
                checkpoint.build(folder / name, shape, 0)
            (folder / name / WHOLE).touch()
        except Exception:
            (folder / name).mkdir(exist_ok=True)
            (folder / name / WRONG).write_text(traceback.format_exc())


if __name__ == "__main__":
    main()
