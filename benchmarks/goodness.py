"""Which source of goodness orders pairs rightly of which one is known to be better, and how often.

    python benchmarks/goodness.py [--prompts 12] [--seeds 2] [--published 40]

Takes of `tiny`, each pair from one prompt and seed: made with guidance and without, at temperature 1 and at 2, and
asked for a word and heard for its contrary. Published pieces (Debian's packages of tests/support/published.py) against
themselves as MP3 of about 32 kbit/s, with noise at 20 dB, and beside a copy 30 cents lower. A pair that a source does
not tell apart counts as half. Prints the share of pairs in the right order with its 95 % Wilson interval. Scorers that
are on this machine are asked as well.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly

from soundmill.audio.loudness import meter
from soundmill.engine import models
from soundmill.engine.audiocraft import loading
from soundmill.engine.backend import Clip
from soundmill.engine.decoder.backend import DecoderBackend
from soundmill.jobs import ALIKE_POINTS, AudioFormat, GenerationRequest, Normalization, Parameters, QualityKind
from soundmill.quality.agreement import agreement
from soundmill.quality.judging import judge
from soundmill.quality.limits import limits_of
from soundmill.quality.measure import measure
from soundmill.quality.traits import traits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.published import MUSIC_FROM_S, NO_MUSIC, Unavailable, cache, published

Samples = NDArray[np.float32]
DURATION_S, SECONDS = 6.0, 12
# A word, its contrary, and what else is asked for; the middles of quality/agreement.py come from other themes.
THEMES = ("a music box melody", "clarinet song", "violin theme", "a bell tune", "synth chords", "accordion music")
WORDS = (("bright", "dark"), ("with drums", "no drums"), ("energetic", "calm"))
ALIKE = {"soundness": ALIKE_POINTS}  # what lies closer is one; of other sources what is equal


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What was done to the worse one, and what each source says of both; None where it says nothing."""

    trial: str
    better: Mapping[str, float | None]
    worse: Mapping[str, float | None]


def request(job_id: int, prompt: str, seed: int, **changed: float) -> GenerationRequest:
    settings: dict[str, Any] = {"temperature": 1.0, "top_k": 0, "top_p": 0.0, "cfg_coef": 3.0, **changed}
    return GenerationRequest(
        job_id=job_id, attempt=1, prompt=prompt, parameters=Parameters(duration=DURATION_S, **settings), seed=seed,
        format=AudioFormat.WAV, normalization=Normalization.NONE, normalization_target=0.0, deadline_s=600.0,
    )  # fmt: skip


def generated(requests: Sequence[GenerationRequest]) -> dict[int, Clip]:
    loading.set_threads(None)
    backend = DecoderBackend(models.resolve("tiny"), "cpu", 24)
    backend.submit(requests)
    clips: dict[int, Clip] = {}
    while backend.busy:
        for event in backend.step():
            if isinstance(event, Clip):
                clips[event.request.job_id] = event
            elif hasattr(event, "message"):
                raise RuntimeError(event.message)
    backend.close()
    return clips


def soundness(samples: Samples, rate: int) -> tuple[float, dict[str, float | None]]:
    read = meter(samples, rate)
    found = measure(samples, rate, requested_s=None, loudness_lufs=read.loudness_lufs, before=None, meter=asdict(read))
    return judge(found.values, limits_of(QualityKind.MUSIC), found.defects).score, dict(found.values)


def said(clip: Clip, prompt: str) -> dict[str, float | None]:
    """What each source says of a take that was asked for by `prompt`."""
    score, values = soundness(clip.samples, clip.sample_rate)
    told, bare = (clip.surprise.get(f"token_log_probability{end}") for end in ("", "_unprompted"))
    own = prompt == clip.request.prompt  # the model was asked about its own prompt alone
    return {
        "soundness": score,
        "prompt": agreement(prompt, {**values, **traits(clip.samples, clip.sample_rate)}),
        "log probability": told if own else None,
        "gain by the prompt": told - bare if own and told is not None and bare is not None else None,
        "entropy, lower": -clip.surprise["token_entropy"] if own else None,
    }


def planted(themes: int, seeds: int) -> Iterator[Pair]:
    wanted: list[tuple[str, GenerationRequest, GenerationRequest, str]] = []
    number = 0

    def two(trial: str, prompt: str, seed: int, other: str, **worse: float) -> None:
        nonlocal number
        wanted.append((trial, request(number, prompt, seed), request(number + 1, other, seed, **worse), prompt))
        number += 2

    for n in range(themes):
        theme, (word, contrary) = THEMES[n % len(THEMES)], WORDS[(n // len(THEMES) + n) % len(WORDS)]
        for seed in range(seeds):
            for asked, other in ((word, contrary), (contrary, word)):
                prompt, wrong = f"{theme}, {asked}", f"{theme}, {other}"
                two(f"{word} or {contrary}, the contrary heard", prompt, 100 * n + seed, wrong)
                two("guidance 3, none", prompt, 100 * n + seed + 50, prompt, cfg_coef=0.0)
                two("temperature 1, 2", prompt, 100 * n + seed + 75, prompt, temperature=2.0)
    clips = generated([each for _, *both, _ in wanted for each in both])
    for trial, better, worse, prompt in wanted:
        yield Pair(trial=trial, better=said(clips[better.job_id], prompt), worse=said(clips[worse.job_id], prompt))


def mp3(samples: Samples, rate: int, _: np.random.Generator) -> Samples:
    """By way of MP3 of about 32 kbit/s, which libsndfile's encoder takes at 16 kHz."""
    low = resample_poly(samples, 16_000, rate, axis=1) if rate != 16_000 else samples
    packed = io.BytesIO()
    with soundfile.SoundFile(
        packed, "w", 16_000, len(low), format="MP3", bitrate_mode="CONSTANT", compression_level=0.8
    ) as file:
        file.write(low.T)
    packed.seek(0)
    back = soundfile.read(packed, dtype="float32", always_2d=True)[0].T
    return np.asarray(resample_poly(back, rate, 16_000, axis=1), dtype=np.float32)[:, : samples.shape[1]]


def noise(samples: Samples, rate: int, random: np.random.Generator) -> Samples:
    hiss = random.standard_normal(samples.shape) * np.sqrt(np.mean(np.square(samples))) / 10
    return np.asarray(samples + hiss, dtype=np.float32)


def detuned(samples: Samples, rate: int, _: np.random.Generator) -> Samples:
    """Beside itself 30 cents lower, as two players who did not tune."""
    at = np.arange(samples.shape[1]) * 2 ** (-30 / 1200)
    lower = np.stack([np.interp(at, np.arange(each.size), each) for each in samples])
    return np.asarray((samples + lower) / 2, dtype=np.float32)


DEGRADED: Mapping[str, Callable[[Samples, int, np.random.Generator], Samples]] = {
    "published, MP3 of 32 kbit/s": mp3,
    "published, noise at 20 dB": noise,
    "published, beside itself 30 cents lower": detuned,
}


def pieces(most: int) -> Iterator[tuple[Samples, int]]:
    try:
        paths = [path for path in published(cache()) if not NO_MUSIC.search(str(path))]
    except Unavailable as reason:
        print(f"no published pairs: {reason}", file=sys.stderr)
        return
    found = 0
    for path in sorted(paths, key=lambda path: path.name):
        try:
            info = soundfile.info(path)
            if info.duration < MUSIC_FROM_S or found == most:
                continue
            start = int(info.frames / 3)
            audio, rate = soundfile.read(path, SECONDS * info.samplerate, start, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            continue
        found += 1
        yield np.ascontiguousarray(audio.T), rate


def degraded(most: int, scorers: Scorers) -> Iterator[Pair]:
    for number, (piece, rate) in enumerate(pieces(most)):
        whole = {"soundness": soundness(piece, rate)[0], **scorers(piece, rate)}
        for trial, spoil in DEGRADED.items():
            spoiled = spoil(piece, rate, np.random.default_rng(number))
            yield Pair(
                trial=trial,
                better=whole,
                worse={"soundness": soundness(spoiled, rate)[0], **scorers(spoiled, rate)},
            )


class Scorers:
    """The scorers whose package and weights are on this machine."""

    def __init__(self) -> None:
        from soundmill.engine.scorers.registry import BUILT_IN, on_this_machine

        self._open = [spec.open(spec.model, "cpu") for spec in BUILT_IN if on_this_machine(spec, spec.model)]

    def __call__(self, samples: Samples, rate: int) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        for scorer in self._open:
            own = math.gcd(scorer.sample_rate, rate)
            heard = resample_poly(samples.mean(axis=0), scorer.sample_rate // own, rate // own).astype(np.float32)
            found |= scorer.score([torch.from_numpy(heard)], ["music"])[0]
        return found


def wilson(right: float, of: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share (E. B. Wilson, JASA 22 (1927) 209-212)."""
    middle = (right + z * z / 2) / (of + z * z)
    half = z / (of + z * z) * math.sqrt(right * (of - right) / of + z * z / 4)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def table(pairs: Sequence[Pair]) -> Iterator[str]:
    yield "| pairs | source | right | not told apart | of | 95 % |"
    yield "|---|---|---|---|---|---|"
    for trial in dict.fromkeys(pair.trial for pair in pairs):
        mine = [pair for pair in pairs if pair.trial == trial]
        for source in dict.fromkeys(name for pair in mine for name in pair.better):
            leads = [
                a - b
                for pair in mine
                if (a := pair.better.get(source)) is not None and (b := pair.worse.get(source)) is not None
            ]
            if not leads:
                continue
            least = ALIKE.get(source, 0.0)
            ties = sum(abs(lead) < least or lead == 0 for lead in leads)
            right = sum(lead > 0 and lead >= least for lead in leads)
            low, high = wilson(right + ties / 2, len(leads))
            share = (right + ties / 2) / len(leads)
            yield (f"| {trial} | {source} | {share:.0%} | {ties} | {len(leads)} | {low:.0%} to {high:.0%} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--published", type=int, default=40)
    asked = parser.parse_args()
    pairs = [*planted(asked.prompts, asked.seeds), *degraded(asked.published, Scorers())]
    print("\n".join(table(pairs)))


if __name__ == "__main__":
    main()
