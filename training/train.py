"""From nothing to the built-in model's checkpoint: `python training/train.py`, again and again until it is done.

Every stage takes up what it left in the work folder, whenever and however it was stopped.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from recipe.settings import Settings

STAGES = ("synth", "codec", "tokens", "decoder", "lm", "export")
TARGET = Path(__file__).parents[1] / "daemon" / "soundmill" / "engine" / "weights" / "tiny"


def main() -> None:
    preset = Settings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", default=list(STAGES), metavar="stage", help=f"of {', '.join(STAGES)}")
    parser.add_argument(
        "--work", type=Path, default=Path("training/work"), help="audio, tokens and checkpoints lie here"
    )
    parser.add_argument("--target", type=Path, default=TARGET, help="where export puts the checkpoint")
    parser.add_argument("--seed", type=int, default=preset.seed)
    parser.add_argument("--clips", type=int, default=preset.clips, help="clips to synthesise, 10 s each")
    parser.add_argument("--decoder-steps", type=int, default=preset.codec_steps)
    parser.add_argument("--lm-steps", type=int, default=preset.lm_steps)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    if unknown := set(chosen.stages) - set(STAGES):
        parser.error(f"unknown stage {', '.join(sorted(unknown))}; choose from {', '.join(STAGES)}")
    import torch  # not for who only asks how it is used

    torch.set_num_threads(chosen.threads)
    settings = replace(
        preset, seed=chosen.seed, clips=chosen.clips, codec_steps=chosen.decoder_steps, lm_steps=chosen.lm_steps
    )
    chosen.work.mkdir(parents=True, exist_ok=True)
    for stage in STAGES:
        if stage in chosen.stages:
            run(stage, settings, chosen.work, chosen.target, chosen.threads)


def run(stage: str, settings: Settings, work: Path, target: Path, threads: int) -> None:
    from recipe import codec, corpus, export, lm

    if stage == "synth":
        corpus.synthesise(settings, work, threads)
    elif stage == "codec":
        codec.begin(settings, work)
    elif stage == "tokens":
        corpus.tokenise(settings, work, threads)
    elif stage == "decoder":
        codec.train_decoder(settings, work)
    elif stage == "lm":
        lm.train(settings, work)
    else:
        print(export.export(settings, work, target))


if __name__ == "__main__":
    main()
