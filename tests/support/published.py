"""Published game audio: the packages of a Debian mirror, fetched and unpacked without installing anything.

Limits of several checks were widened by what PACKAGES say (benchmarks/RESULTS.md), and they are judged at every
change: no figure of theirs tells how checks do on what they never saw. That is what the set `unseen` of
benchmarks/defects/sounds.py is for.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from soundmill.audio.loudness import meter
from soundmill.jobs import Check, QualityKind
from soundmill.quality.detectors.runs import longest, runs
from soundmill.quality.judging import judge
from soundmill.quality.measure import Measured, measure
from support.labelled import KINDS

PACKAGES = (
    "adonthell-data",
    "cavepacker-data",
    "davegnukem-data",
    "minetest-data",
    "pinball-data",
    "pokerth-data",
    "searchandrescue-data",
    "supertux-data",
)
MUSIC_FROM_S = 20.0
FEW_LEVELS = 100  # fewer than 7 bits have
LISTENED_S = 30
SUFFIXES = (".ogg", ".oga", ".wav", ".mp3", ".flac")
NO_MUSIC = re.compile(r"/usr/.*/(sounds?|sfx|fx|speech|voices?|units?|wavs?)/", re.IGNORECASE)


class Unavailable(Exception):
    """No apt, no network, or most packages gone; says which."""


class FewerPackages(UserWarning):
    """Some packages cannot be fetched, as when they have left Debian; names them."""


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "soundmill-tests" / "published"


def published(root: Path) -> list[Path]:
    """The audio files of PACKAGES, as `fetched`."""
    return fetched(root, PACKAGES)


def fetched(
    root: Path,
    packages: Sequence[str],
    fetch: Callable[[str, Path], None] | None = None,
    suffixes: Sequence[str] = SUFFIXES,
) -> list[Path]:
    """The audio files of packages, or others by their suffixes, sorted; what is not at `root` is fetched with `fetch`,
    from Debian's mirror unless told otherwise. Packages that cannot be had are left out with a FewerPackages; raises
    Unavailable with fewer than half of them there."""
    fetch = fetch or _fetch
    root.mkdir(parents=True, exist_ok=True)
    gone = []
    for package in packages:
        try:
            if not (root / package).is_dir():
                fetch(package, root)
        except Unavailable as reason:
            gone.append(str(reason))
    if 2 * len(gone) > len(packages):
        raise Unavailable(f"{len(gone)} of {len(packages)} packages cannot be had: {'; '.join(gone)}")
    if gone:
        message = f"{len(gone)} of {len(packages)} packages cannot be had, put others in their place: {'; '.join(gone)}"
        warnings.warn(message, FewerPackages, stacklevel=2)
    found = [path for package in packages for path in (root / package).rglob("*") if path.is_file()]
    return sorted(path for path in found if path.suffix.lower() in suffixes)


def _fetch(package: str, root: Path) -> None:
    with tempfile.TemporaryDirectory(dir=root) as folder:
        workshop = Path(folder)
        _run(["apt-get", "download", package], workshop)
        archives = list(workshop.glob("*.deb"))
        if not archives:
            raise Unavailable(f"apt-get download {package}: nothing came")
        _run(["dpkg-deb", "-x", archives[0].name, "made"], workshop)
        (workshop / "made").rename(root / package)


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    except FileNotFoundError:
        raise Unavailable(f"{command[0]} is not here: published audio comes from Debian's packages") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{' '.join(command)}: no answer") from None
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{' '.join(command)}: {error.stderr.strip()}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """`plain`: of the failed checks those whose fault a plain look at the samples shows as well."""

    file: str
    kind: str
    failed: tuple[str, ...]
    plain: tuple[str, ...]


def plainly_faulty(check: str, samples: NDArray[np.float32], rate: int, loop: tuple[int, int, int] | None) -> bool:
    """Whether a published file has a fault that needs no detector: a channel that is dead, a tenth of a channel's
    samples at full scale or at its highest, a sample 3 dB above it, a histogram of one side's levels that ends in a
    wall, no more than a hundred different samples, lone samples that leap, lines at multiples of 50 or 60 Hz, the upper
    half of the spectrum being the lower one turned round, a wave whose mean is not zero or that rises 2 dB above full
    scale and its samples, one channel that is the other turned over, a passage that is the same as one period earlier,
    2 s of silence or a third of it, or next to nothing in it. `loop` is that passage: start, end and period in
    samples."""
    level = np.sqrt(np.mean(np.square(samples, dtype=np.float64), axis=1))
    match check:
        case "channel_balance":
            return bool(level.min() < level.max() / 1000)
        case "silence" | "silence_head" | "silence_tail" | "silence_inside" | "cut_tail":
            silences = _silences(samples, rate)
            lasting = max(end - start for silent in silences for start, end in [longest(runs(silent))]) / 10
            return lasting > 1.9 or (check == "silence" and max(silent.mean() for silent in silences) > 0.3)
        case "loudness":
            return bool(level.max() < 10 ** (-50 / 20) or level.min() < 1e-3)
        case "spectral_balance":
            return bool(level.min() < 1e-3)
        case "cut_tops":
            return any(_ends_in_a_wall(side * channel) for channel in samples for side in (1, -1))
        case "clicks":
            return any(_leaps(channel) for channel in samples)
        case "images":
            return _is_mirrored(samples.mean(axis=0), rate)
        case "mains_hum":
            return any(_has_lines(samples.mean(axis=0), rate, mains) for mains in (50, 60))
        case "bit_depth":
            return bool(len(np.unique(samples)) <= FEW_LEVELS)
        case "over_full_scale":
            return bool(np.abs(samples).max() > 10 ** (3 / 20))
        case "clipping" | "flat_tops" | "clipped_peaks":
            full = 0.99 * min(float(np.abs(samples).max()), 1.0)
            return bool((np.abs(samples) > full).mean(axis=1).max() > 0.1)
        case "loops" if loop is not None:
            start, end, period = loop
            return bool(np.corrcoef(samples[0, start:end], samples[0, start - period : end - period])[0, 1] > 0.9)
        case "true_peak":
            highest = max(1.0, float(np.abs(samples).max()))
            return bool(np.abs(resample_poly(samples, 8, 1, axis=1)).max() > highest * 10 ** (2 / 20))
        case "dc_offset":
            return bool(np.abs(samples.mean(axis=1)).max() > 0.02)
        case "phase":
            return bool(np.corrcoef(samples)[0, 1] < -0.7)
        case _:
            return False


def _ends_in_a_wall(side: NDArray[np.float32]) -> bool:
    """Of the levels above zero in fiftieths of the highest: whether in the upper half one has three times as many
    samples as the one below it, and nearly nothing lies above."""
    counts = np.histogram(side / max(float(side.max()), 1e-9), 50, (0, 1))[0]
    above = counts[::-1].cumsum()[::-1] - counts
    walls = (counts[1:] > 3 * counts[:-1]) & (above[1:] < 0.3 * counts[1:]) & (counts[1:] > 1e-3 * side.size)
    return bool(walls[25:].any())


def _has_lines(wave: NDArray[np.float32], rate: int, mains: int) -> bool:
    """Whether in the spectrum of it all five of the first six multiples of the mains stand 10 dB out of 16 Hz."""
    power = np.square(np.abs(np.fft.rfft(wave * np.hanning(wave.size))))
    hertz = np.fft.rfftfreq(wave.size, 1 / rate)
    heights = []
    for line in range(mains, 7 * mains, mains):
        around = power[np.abs(hertz - line) < 8]
        heights.append(power[np.abs(hertz - line) < 0.5].max() / np.median(around))
    return sum(height > 10 for height in heights) >= 5


def _leaps(channel: NDArray[np.float32]) -> bool:
    """Whether a lone sample is twenty times as far from both its neighbours, to one side, as 99 of 100 are, and a fifth
    of the peak."""
    steps = np.diff(channel)
    lone = np.where(steps[1:] * steps[:-1] < 0, np.minimum(np.abs(steps[1:]), np.abs(steps[:-1])), 0)
    return bool(lone.max() > max(20 * np.quantile(lone, 0.99), 0.2 * np.abs(channel).max()))


def _is_mirrored(wave: NDArray[np.float32], rate: int) -> bool:
    """Whether the decibels of its spectrum, by 500 Hz, rise and fall above half of the band as they do below, turned
    round."""
    power = np.square(np.abs(np.fft.rfft(wave * np.hanning(wave.size))))
    count = rate // 2 // 500
    bands = 10 * np.log10([each.mean() + 1e-12 for each in np.array_split(power[1:], count)])
    half = count // 2
    return bool(np.corrcoef(bands[:half], bands[::-1][:half])[0, 1] > 0.9)


def _silences(samples: NDArray[np.float32], rate: int) -> list[NDArray[np.bool_]]:
    """Of each channel, which tenths of a second lie below -60 dBFS."""
    tenth = rate // 10
    count = samples.shape[1] // tenth
    power = np.square(samples[:, : count * tenth], dtype=np.float64).reshape(len(samples), count, tenth).mean(axis=2)
    return [channel < 1e-6 for channel in power]


def loop_of(found: Measured, rate: int) -> tuple[int, int, int] | None:
    """The passage found to repeat itself, for `plainly_faulty`."""
    period_s = found.values["loop_period_s"]
    spans = [each for each in found.defects if each["name"] == "loops"]
    if period_s is None or not spans:
        return None
    start, end = (round(float(str(spans[0][key])) * rate) for key in ("start_s", "end_s"))
    period = round(period_s * rate)
    return max(start, period), end, period


def failed(samples: NDArray[np.float32], rate: int, kind: str) -> list[tuple[Check, bool]]:
    """The checks that fail by the limits of a kind, and whether a plain look shows why."""
    read = meter(samples, rate)
    found = measure(samples, rate, requested_s=None, loudness_lufs=read.loudness_lufs, before=None, meter=asdict(read))
    loop = loop_of(found, rate)
    checks = judge(found.values, KINDS[kind], found.defects, QualityKind(kind)).checks
    return [(check, plainly_faulty(check.name, samples, rate, loop)) for check in checks if not check.passed]


def hear(path: Path) -> Heard | None:
    """None for what is no audio. No more of a file is decoded than is listened to."""
    try:
        with soundfile.SoundFile(path) as sound:
            rate = sound.samplerate
            samples = np.ascontiguousarray(sound.read(LISTENED_S * rate, dtype="float32", always_2d=True).T)
    except soundfile.LibsndfileError:
        return None
    kind = "sound_effects" if samples.shape[1] < MUSIC_FROM_S * rate or NO_MUSIC.search(str(path)) else "music"
    said = failed(samples, rate, kind)
    return Heard(
        file=path.name,
        kind=kind,
        failed=tuple(check.name for check, _ in said),
        plain=tuple(check.name for check, plain in said if plain),
    )
