"""Asks the built-in model for clips and measures them: `python training/evaluate.py`, a Markdown table on stdout.

Every prompt holds a pair of words that no training caption has together, and is heard by instruments
(recipe/instruments.py), not by ear. Chance levels stand beside what was measured.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from recipe import effects, instruments
from recipe.instruments import Wave
from recipe.pictures import spectrogram_png
from recipe.progress import Progress

from soundmill.audio.fade import fade
from soundmill.audio.loudness import integrated_loudness, normalize
from soundmill.config import AudioConfig, Config
from soundmill.engine.backend import Clip
from soundmill.engine.decoder.backend import DecoderBackend
from soundmill.engine.models import resolve
from soundmill.jobs import AudioFormat, GenerationRequest, Normalization, Parameters, QualityKind, Verdict
from soundmill.quality.judging import judge
from soundmill.quality.measure import measure
from soundmill.service.wiring import limits_of

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
VARIED_MUSIC = (
    "guitar melody, 120 bpm", "dark piano music, no drums", "happy synth theme with drums", "calm flute music"
)  # fmt: skip
VARIED_EFFECTS = ("heavy rain", "fast footsteps")
TAKES_OF_VARIED = 10
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


def real_time_factor(backend: DecoderBackend, asks: Sequence[Ask]) -> float:
    """Processor time of all threads for a second of audio, in seconds, codec included."""
    begun = time.process_time()
    generate(backend, asks)
    return (time.process_time() - begun) / (SECONDS * len(asks))


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


def delivered_by_default(wave: Wave, rate: int) -> NDArray[np.float32]:
    """The samples [1, time] of the file that the daemon would write."""
    preset = AudioConfig()  # type: ignore[call-arg]
    faded = fade(wave[None], rate, preset.fade_ms / 1000, start=True)
    return normalize(faded, rate, preset.normalization, preset.normalization_target)


def passes(wave: Wave, rate: int, kind: QualityKind) -> tuple[bool, list[str]]:
    """Whether the clip as delivered by default passes the default checks of its kind, and which it fails."""
    before, delivered = wave[None], delivered_by_default(wave, rate)
    loudness = integrated_loudness(delivered, rate)
    measured = measure(delivered, rate, requested_s=SECONDS, loudness_lufs=loudness, before=before)
    judgement = judge(measured.values, limits_of(Config(), kind), measured.defects, kind)
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


Row = tuple[str, str, str]  # what, result, chance or ideal


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked at one guidance."""

    cfg_coef: float
    tempi: list[tuple[int, Ask]]
    bright: list[tuple[Ask, Ask]]
    kinds: list[tuple[str, Ask]]

    @property
    def asks(self) -> list[Ask]:
        return [ask for _, ask in (*self.tempi, *self.kinds)] + flat(self.bright)


def flat(groups: Iterable[Iterable[Ask]]) -> list[Ask]:
    return [ask for group in groups for ask in group]


def plan(cfg_coef: float, seeds: Sequence[int]) -> Plan:
    return Plan(
        cfg_coef,
        tempo_asks(seeds, cfg_coef),
        pair_asks(BRIGHTNESS, seeds, cfg_coef),
        effect_asks(seeds, cfg_coef),
    )


def following(asked: Plan, made: dict[Ask, Wave], judge_kind: instruments.Classifier) -> list[Row]:
    """How the prompts are followed at a guidance."""
    guidance = f"guidance {asked.cfg_coef:g}"
    found = [(tempo, instruments.tempo(made[ask])) for tempo, ask in asked.tempi]
    hits = share(near(heard, tempo) for tempo, heard in found)
    chance = share(near(heard, other) for _, heard in found for other in TEMPO)
    tempi = ", ".join(f"{t}: {share(near(heard, a) for a, heard in found if a == t):.0%}" for t in TEMPO)
    named = [(kind, judge_kind.name(made[ask])) for kind, ask in asked.kinds]
    right = share(kind == name for kind, name in named)
    kinds = ", ".join(f"{k}: {share(name == k for kind, name in named if kind == k):.0%}" for k in EFFECTS)
    bright = f"bright above dark, spectral centroid in Hz, {guidance}"
    return [
        (f"tempo within 8 %, {guidance}", f"{hits:.0%} ({tempi})", f"{chance:.0%}"),
        comparison(bright, asked.bright, made, instruments.centroid_hz),
        (f"rain, beeps or footsteps, {guidance}", f"{right:.0%} ({kinds})", "33%"),
    ]


def comparison(
    name: str, pairs: Sequence[tuple[Ask, Ask]], made: dict[Ask, Wave], instrument: Callable[[Wave], float]
) -> Row:
    """How often the first of a pair measures above the second."""
    heard = np.array([[instrument(made[ask]) for ask in pair] for pair in pairs])
    means = " and ".join(f"{mean:.3g}" if mean < 1000 else f"{mean:.0f}" for mean in heard.mean(axis=0))
    return name, f"{share(heard[:, 0] > heard[:, 1]):.0%} of pairs (means {means})", "50%"


def soundness(music: Sequence[Wave], effects: Sequence[Wave], rate: int) -> list[Row]:
    """What nobody asks for in words: that takes pass the checks, each by the limits of its kind, and neither drift,
    click nor buzz."""
    kinds = ((music, QualityKind.MUSIC), (effects, QualityKind.SOUND_EFFECTS))
    verdicts = [passes(wave, rate, kind) for waves, kind in kinds for wave in waves]
    waves = [*music, *effects]
    failed = Counter(name for _, names in verdicts for name in names)
    fails = ", ".join(f"{name} {count}" for name, count in failed.most_common())
    result = f"{share(ok for ok, _ in verdicts):.1%}" + (f" (fails: {fails})" if fails else "")
    jumps = [instruments.end_jump(delivered_by_default(wave, rate)[0]) for wave in waves]
    return [
        (f"pass the default checks ({len(waves)} takes)", result, "–"),
        ("largest DC offset", f"{max(abs(instruments.dc_offset(wave)) for wave in waves):.4f} of full scale", "0"),
        ("first or last sample as delivered, share of the peak", f"at most {max(jumps):.3f}", "0"),
    ]


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
    strong, weak = plan(3.0, seeds), plan(1.0, seeds)
    drums, energy = pair_asks(DRUMS, seeds, 3.0), pair_asks(ENERGY, seeds, 3.0)
    varied = {
        temperature: [
            [Ask(prompt=prompt, seed=100 + n, temperature=temperature) for n in range(TAKES_OF_VARIED)]
            for prompt in (*VARIED_MUSIC, *VARIED_EFFECTS)
        ]
        for temperature in (0.5, 1.0, 1.4)
    }
    usual = list(dict.fromkeys([*strong.asks, *flat(drums), *flat(energy), *flat(varied[1.0])]))
    asks = list(dict.fromkeys([*usual, *weak.asks, *(ask for groups in varied.values() for ask in flat(groups))]))
    made = generate(backend, asks)
    speed = [
        (f"processor time for a second of audio, {what}", f"{real_time_factor(backend, some):.2f} s", "below 1 s")
        for what, some in (("one clip alone", asks[:1]), ("24 clips at once", asks[:24]))
    ]
    backend.close()

    judge_kind = classifier()
    table = [*following(strong, made, judge_kind), *following(weak, made, judge_kind)]
    table.append(comparison("drums above no drums, onset strength", drums, made, instruments.onset_strength))
    table.append(comparison("energetic above calm, RMS", energy, made, instruments.rms))
    table.append(comparison("energetic above calm, onsets per second", energy, made, instruments.onsets_per_s))
    for temperature, groups in varied.items():
        spread = np.mean([diversity([made[ask] for ask in group]) for group in groups])
        table.append((f"diversity at temperature {temperature:g}", f"{spread:.3f}", "–"))
    effects = {ask for _, ask in strong.kinds} | {ask for ask in usual if ask.prompt in VARIED_EFFECTS}
    table += soundness(
        [made[ask] for ask in usual if ask not in effects], [made[ask] for ask in usual if ask in effects], rate
    )
    buzz = np.mean([instruments.buzz_db(made[ask], 25.0) for kind, ask in strong.kinds if kind == "rain"])
    table.append(("buzz: rain's lines at multiples of 25 Hz", f"{buzz:.1f} dB", "0 dB"))
    table += speed
    print("| measured on held-out captions | result | chance or ideal |\n|---|---|---|")
    print("\n".join(f"| {what} | {result} | {chance} |" for what, result, chance in table))
    if chosen.pictures:
        chosen.pictures.mkdir(parents=True, exist_ok=True)
        for name, ask in zip(PICTURES, (strong.tempi[-1][1], drums[0][0], strong.kinds[0][1]), strict=True):
            spectrogram_png(made[ask], chosen.pictures / f"{name}.png")
            print(f"{name}.png: {ask.prompt}")
    if chosen.save:
        save(made, rate, chosen.save)


def save(made: dict[Ask, Wave], rate: int, folder: Path) -> None:
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    for number, (ask, wave) in enumerate(made.items()):
        name = f"{number:03d} {ask.prompt} s{ask.seed} t{ask.temperature:g} c{ask.cfg_coef:g}.wav"
        soundfile.write(folder / name, wave, rate)


if __name__ == "__main__":
    main()
