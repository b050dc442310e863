"""Asks the built-in model for clips and measures them: `python training/evaluate.py`, a Markdown table on stdout.

Every prompt holds a pair of words that no training caption has together, and is heard by instruments
(recipe/instruments.py), not by ear. Chance levels stand beside what was measured.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from recipe import effects, instruments
from recipe.instruments import Wave
from recipe.pictures import spectrogram_png
from recipe.progress import Progress

from soundmill.audio.loudness import integrated_loudness, normalize
from soundmill.engine.backend import Clip
from soundmill.engine.batching import DecoderBackend
from soundmill.engine.models import resolve
from soundmill.jobs import AudioFormat, GenerationRequest, Normalization, Parameters, Verdict
from soundmill.quality.checks import Thresholds, judge
from soundmill.quality.measure import measure

SECONDS = 6.0
TEMPO_TOLERANCE = 0.08
TEMPO = {
    90: (
        "solo flute, 90 bpm, no drums",
        "strings at 90 bpm",
        "brass music with drums, 90 bpm",
        "90 bpm flute melody, drums",
    ),
    120: ("guitar, drums, 120 bpm", "120 bpm harp melody", "an organ theme, 120 bpm", "bright guitar music at 120 bpm"),
    150: (
        "piano with drums, 150 bpm",
        "150 bpm bells melody",
        "synth track at 150 bpm, drums",
        "a 150 bpm piano theme",
    ),
}
BRIGHTNESS = (
    ("{} strings theme", "bright", "dark"),
    ("{} guitar melody, 100 bpm", "bright", "dark"),
    ("{} flute music", "bright", "dark"),
    ("a {} piano tune with drums", "bright", "dark"),
)
DRUMS = (
    ("harp melody, {}, 110 bpm", "drums", "no drums"),
    ("organ theme {}", "with drums", "without drums"),
    ("bright strings music, {}", "drums", "no drums"),
    ("dark piano, {}", "drums", "no drums"),
)
ENERGY = (
    ("{} synth music", "energetic", "calm"),
    ("{} brass theme", "energetic", "calm"),
    ("{} piano melody", "energetic", "calm"),
    ("{} harp tune", "energetic", "calm"),
)
EFFECTS = {
    "rain": ("heavy rain", "distant rain", "heavy rain falling", "heavy rain on a roof"),
    "beeps": ("slow beeps", "electronic beeps", "slow electronic beeps", "the sound of slow beeps"),
    "footsteps": ("fast footsteps", "loud footsteps", "fast footsteps on gravel", "loud fast footsteps"),
}
PICTURES = ("tempo", "drums", "rain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One clip to be made."""

    prompt: str
    seed: int
    temperature: float = 1.0
    cfg_coef: float = 3.0
    top_k: int = 250


def generate(backend: DecoderBackend, asks: Sequence[Ask]) -> dict[Ask, Wave]:
    """All clips, mono, float32, as the codec made them."""
    requests = [
        GenerationRequest(
            job_id=number, attempt=1, prompt=ask.prompt, seed=ask.seed, format=AudioFormat.WAV, deadline_s=600,
            normalization=Normalization.NONE, normalization_target=0,
            parameters=Parameters(
                duration=SECONDS, temperature=ask.temperature, top_k=ask.top_k, top_p=0, cfg_coef=ask.cfg_coef
            ),
        )
        for number, ask in enumerate(asks)
    ]  # fmt: skip
    backend.submit(requests)
    made: dict[Ask, Wave] = {}
    progress = Progress("clips", len(asks))
    while backend.busy:
        for event in backend.step():
            if isinstance(event, Clip):
                made[asks[event.request.job_id]] = event.samples[0]
                progress.show(len(made))
    return made


def tempo_asks(seeds: Iterable[int], cfg_coef: float) -> list[tuple[int, Ask]]:
    return [
        (tempo, Ask(prompt=prompt, seed=seed, cfg_coef=cfg_coef))
        for tempo, prompts in TEMPO.items()
        for prompt, seed in itertools.product(prompts, seeds)
    ]


def pair_asks(forms: Sequence[tuple[str, str, str]], seeds: Iterable[int], cfg_coef: float) -> list[tuple[Ask, Ask]]:
    return [
        tuple(Ask(prompt=form.format(word), seed=seed, cfg_coef=cfg_coef) for word in (more, less))  # type: ignore[misc]
        for (form, more, less), seed in itertools.product(forms, seeds)
    ]


def effect_asks(seeds: Iterable[int], cfg_coef: float) -> list[tuple[str, Ask]]:
    return [
        (kind, Ask(prompt=prompt, seed=seed, cfg_coef=cfg_coef))
        for kind, prompts in EFFECTS.items()
        for prompt, seed in itertools.product(prompts, seeds)
    ]


def near(found: float, asked: float) -> bool:
    return abs(found / asked - 1) <= TEMPO_TOLERANCE


def share(hits: Iterable[bool]) -> float:
    return float(np.mean(list(hits)))


def diversity(waves: Sequence[Wave]) -> float:
    """Mean distance of the band spectrograms of every two clips, each clip at the same level."""
    pictures = [instruments.bands(wave * np.float32(0.1 / max(instruments.rms(wave), 1e-6))) for wave in waves]
    return float(np.mean([np.abs(a - b).mean() for a, b in itertools.combinations(pictures, 2)]))


def passes(wave: Wave, rate: int) -> tuple[bool, list[str]]:
    """Whether the clip as delivered by default passes the default checks, and which it fails."""
    before = wave[None]
    delivered = normalize(before, rate, Normalization.LOUDNESS, -14.0)
    loudness = integrated_loudness(delivered, rate)
    measured = measure(delivered, rate, requested_s=SECONDS, loudness_lufs=loudness, before=before)
    judgement = judge(measured.values, Thresholds())
    return judgement.verdict is Verdict.PASSED, [check.name for check in judgement.checks if not check.passed]


def classifier(per_kind: int = 24) -> instruments.Classifier:
    """Taught on the synthesiser's own rain, beeps and footsteps."""
    rng = np.random.default_rng(11)
    examples: dict[str, list[Wave]] = {kind: [] for kind in EFFECTS}
    for kind, waves in examples.items():
        while len(waves) < per_kind:
            drawn = effects.draw(rng)
            spec = effects.EffectSpec(kind=kind, strength=drawn.strength, rate=drawn.rate)
            waves.append(effects.render(spec, SECONDS, rng))
    return instruments.Classifier(examples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny", help="tiny, or a checkpoint folder")
    parser.add_argument("--seeds", type=int, default=5, help="takes of each prompt")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pictures", type=Path, help="write three spectrograms into this folder")
    parser.add_argument("--save", type=Path, help="write the clips into this folder")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    backend = DecoderBackend(resolve(chosen.model), "cpu", 24)
    rate, seeds = backend.info.sample_rate, range(chosen.seeds)
    table: list[tuple[str, str, str]] = []
    plans = {
        cfg: (tempo_asks(seeds, cfg), pair_asks(BRIGHTNESS, seeds, cfg), effect_asks(seeds, cfg)) for cfg in (3.0, 1.0)
    }
    drums, energy = pair_asks(DRUMS, seeds, 3.0), pair_asks(ENERGY, seeds, 3.0)
    varied = {
        temperature: [
            [Ask(prompt=prompt, seed=100 + n, temperature=temperature) for n in range(6)]
            for prompt in ("guitar melody, 120 bpm", "dark piano music, no drums", "happy synth theme with drums")
        ]
        for temperature in (0.5, 1.0, 1.4)
    }
    asks = [ask for plan in plans.values() for _, ask in plan[0]] + [
        ask for plan in plans.values() for _, ask in plan[2]
    ]
    pairs = [pair for plan in plans.values() for pair in plan[1]] + drums + energy
    asks += [ask for pair in pairs for ask in pair]
    asks += [ask for groups in varied.values() for group in groups for ask in group]
    asks = list(dict.fromkeys(asks))
    made = generate(backend, asks)
    backend.close()

    judge_kind = classifier()
    for cfg, (tempi, bright, kinds) in plans.items():
        found = [(asked, instruments.tempo(made[ask])) for asked, ask in tempi]
        hits = share(near(heard, asked) for asked, heard in found)
        chance = share(near(heard, other) for _, heard in found for other in TEMPO)
        each = ", ".join(f"{t}: {share(near(h, a) for a, h in found if a == t):.0%}" for t in TEMPO)
        table.append((f"tempo within 8 %, guidance {cfg:g}", f"{hits:.0%} ({each})", f"{chance:.0%}"))
        wins = share(instruments.centroid_hz(made[a]) > instruments.centroid_hz(made[b]) for a, b in bright)
        means = [np.mean([instruments.centroid_hz(made[pair[i]]) for pair in bright]) for i in (0, 1)]
        result = f"{wins:.0%} of pairs (means {means[0]:.0f} and {means[1]:.0f} Hz)"
        table.append((f"bright above dark, spectral centroid, guidance {cfg:g}", result, "50%"))
        right = share(judge_kind.name(made[ask]) == kind for kind, ask in kinds)
        each = ", ".join(
            f"{k}: {share(judge_kind.name(made[a]) == k for kk, a in kinds if kk == k):.0%}" for k in EFFECTS
        )
        table.append((f"rain, beeps or footsteps, guidance {cfg:g}", f"{right:.0%} ({each})", "33%"))
    for name, some, instrument in (
        ("drums above no drums, onset strength", drums, instruments.onset_strength),
        ("energetic above calm, RMS", energy, instruments.rms),
        ("energetic above calm, onsets per second", energy, instruments.onsets_per_s),
    ):
        wins = share(instrument(made[a]) > instrument(made[b]) for a, b in some)
        means = [np.mean([instrument(made[pair[i]]) for pair in some]) for i in (0, 1)]
        table.append((name, f"{wins:.0%} of pairs (means {means[0]:.3g} and {means[1]:.3g})", "50%"))
    for temperature, groups in varied.items():
        spread = np.mean([diversity([made[ask] for ask in group]) for group in groups])
        table.append((f"diversity at temperature {temperature:g}", f"{spread:.3f}", "–"))
    usual = [ask for ask in asks if ask.temperature == 1.0 and ask.cfg_coef == 3.0]
    verdicts = [passes(made[ask], rate) for ask in usual]
    failed = sorted({name for _, names in verdicts for name in names})
    table.append(
        (
            f"pass the default checks ({len(usual)} takes)",
            f"{share(ok for ok, _ in verdicts):.0%}" + (f" (fails: {', '.join(failed)})" if failed else ""),
            "–",
        )
    )
    table.append(
        ("largest DC offset", f"{max(abs(instruments.dc_offset(made[ask])) for ask in usual):.4f} of full scale", "–")
    )
    jumps = [instruments.end_jump(made[ask]) for ask in usual]
    table.append(
        ("first or last sample, share of the peak", f"median {np.median(jumps):.3f}, largest {max(jumps):.2f}", "–")
    )
    noisy = [made[ask] for kind, ask in plans[3.0][2] if kind == "rain"]
    table.append(
        (
            "buzz: rain's lines at multiples of 25 Hz",
            f"{np.mean([instruments.buzz_db(wave, 25.0) for wave in noisy]):.1f} dB",
            "0 dB",
        )
    )
    print("| measured on held-out captions | result | chance or ideal |\n|---|---|---|")
    print("\n".join(f"| {what} | {result} | {chance} |" for what, result, chance in table))
    if chosen.pictures:
        chosen.pictures.mkdir(parents=True, exist_ok=True)
        for name, ask in zip(PICTURES, (plans[3.0][0][-1][1], drums[0][0], plans[3.0][2][0][1]), strict=True):
            spectrogram_png(made[ask], chosen.pictures / f"{name}.png")
            print(f"{name}.png: {ask.prompt}")
    if chosen.save:
        import soundfile

        chosen.save.mkdir(parents=True, exist_ok=True)
        for number, ask in enumerate(asks):
            name = f"{number:03d} {ask.prompt} s{ask.seed} t{ask.temperature:g} c{ask.cfg_coef:g}.wav"
            soundfile.write(chosen.save / name, made[ask], rate)


if __name__ == "__main__":
    main()
