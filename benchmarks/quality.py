"""How long measuring and loudness of one clip take, beside a version that loops in Python.

    python benchmarks/quality.py [--seconds 30] [--runs 7]

Prints a table: median wall and processor time of the runs, and how much more processor time the loop takes. The loop
goes over windows, frames and segments in Python with numpy on each, as one would write it down first; it must agree
with ours or the benchmark fails. `everything` is what the engine does to a finished clip: measurements with all
defects, loudness, loudness range and true peak. What is found on labelled audio: python tests/support/labelled.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core, as in the engine process beside its decoder
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from soundmill.audio.loudness import integrated_loudness, k_weighting, meter
from soundmill.audio.peaks import peaks
from soundmill.audio.true_peak import PHASES, true_peak_dbtp
from soundmill.quality.measure import measure

RATE = 32_000
Samples = NDArray[np.float32]


def clip(seconds: float) -> Samples:
    """Stereo noise with falling spectrum, a pause and a few clipped samples."""
    rng = np.random.default_rng(1)
    white = rng.standard_normal((2, round(seconds * RATE)))
    sound = lfilter([1.0], [1.0, -0.95], white, axis=1)
    sound *= 0.98 / np.abs(sound).max()
    sound[:, : RATE // 2] = 0
    sound[0, RATE : RATE + 50] = 1.0
    return np.asarray(sound, dtype=np.float32)


def measure_by_loops(samples: Samples) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for x in samples.astype(np.float64):
        silent = [np.sqrt(np.mean(x[at : at + 1024] ** 2)) < 1e-3 for at in range(0, len(x) - 1023, 1024)]
        values.setdefault("silence_share", []).append(float(np.mean(silent)))
        values.setdefault("clipping_share", []).append(float(np.mean(np.abs(x) > np.float32(0.99))))
        peak = np.abs(x).max()
        x = x / peak
        repeats = []
        for at in range(0, len(x) - 2 * RATE + 1, RATE):
            one, two = x[at : at + RATE], x[at + RATE : at + 2 * RATE]
            if min(one.var(), two.var()) >= 1e-6:
                repeats.append(np.corrcoef(one, two)[0, 1])
        values.setdefault("repetition_correlation", []).append(float(max(repeats)))
        window = np.hanning(2049)[:-1]
        window = window * 2 / window.sum()
        decibels = []
        for at in range(0, len(x) - 2047, 1024):
            frame = x[at : at + 2048]
            if np.mean(frame**2) >= 1e-6:
                decibels.append(20 * np.log10(np.maximum(np.abs(np.fft.rfft(frame * window)), 1e-6)))
        spectrum = np.mean(decibels, axis=0)
        hertz = np.fft.rfftfreq(2048, 1 / RATE)
        judged = spectrum[(hertz >= 50) & (hertz <= 7200)]
        values.setdefault("spectral_range_db", []).append(float(np.ptp(judged)))
        values.setdefault("peak_dbfs", []).append(float(20 * np.log10(peak)))
    return {name: min(found) if name == "spectral_range_db" else max(found) for name, found in values.items()}


def loudness_by_loops(samples: Samples, rate: int) -> float:
    weighted = samples.astype(np.float64)
    for section in k_weighting(rate):
        weighted = lfilter(section[:3], section[3:], weighted, axis=1)
    block, step = round(0.4 * rate), round(0.1 * rate)
    powers = np.array(
        [
            sum(np.mean(channel[at : at + block] ** 2) for channel in weighted)
            for at in range(0, weighted.shape[1] - block + 1, step)
        ]
    )
    powers = powers[-0.691 + 10 * np.log10(np.maximum(powers, 1e-30)) > -70]
    return float(-0.691 + 10 * np.log10(powers[powers > powers.mean() / 10].mean()))


def true_peak_by_loops(samples: Samples) -> float:
    return 20 * np.log10(
        max(float(np.abs(np.convolve(channel, phase)).max()) for channel in samples for phase in PHASES)
    )


def everything(samples: Samples) -> object:
    read = meter(samples, RATE)
    return measure(
        samples, RATE, requested_s=None, loudness_lufs=read.loudness_lufs, before=None, meter=dataclasses.asdict(read)
    )


def everything_by_loops(samples: Samples) -> object:
    return measure_by_loops(samples), loudness_by_loops(samples, RATE), true_peak_by_loops(samples)


def median_ms(work: Callable[[], object], runs: int) -> tuple[float, float]:
    """Wall and processor time; on a busy machine only the second says what the work costs."""
    work()
    walls, cores = [], []
    for _ in range(runs):
        wall, core = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cores.append(time.process_time() - core)
    return 1000 * statistics.median(walls), 1000 * statistics.median(cores)


def agree(name: str, ours: float | None, loop: float) -> None:
    if ours is None or abs(ours - loop) > 0.01:
        raise SystemExit(f"{name}: ours {ours}, loop {loop}: they measure different things")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the clip (at least 3)")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    samples = clip(options.seconds)

    def ours() -> dict[str, float | None]:
        found = measure(samples, RATE, requested_s=options.seconds, loudness_lufs=None, before=None)
        return dict(found.values)

    loops = measure_by_loops(samples)
    for name, value in loops.items():
        agree(name, ours()[name], value)
    agree("true_peak_dbtp", true_peak_dbtp(samples, RATE), true_peak_by_loops(samples))
    agree("loudness_lufs", integrated_loudness(samples, RATE), loudness_by_loops(samples, RATE))

    rows = [
        ("measure", ours, lambda: measure_by_loops(samples)),
        ("loudness", lambda: integrated_loudness(samples, RATE), lambda: loudness_by_loops(samples, RATE)),
        ("true peak", lambda: true_peak_dbtp(samples, RATE), lambda: true_peak_by_loops(samples)),
        ("everything", lambda: everything(samples), lambda: everything_by_loops(samples)),
    ]
    print(f"{options.seconds:g} s stereo at {RATE} Hz, one core, median of {options.runs} runs")
    print(f"{'':10} {'ours: wall':>12} {'processor':>12} {'loop: wall':>12} {'processor':>12} {'ratio':>7}")
    wall, core = median_ms(lambda: peaks(samples, RATE), options.runs)
    print(f"{'peaks':10} {wall:9.1f} ms {core:9.1f} ms ({len(peaks(samples, RATE)):,} bytes)")
    for name, fast, slow in rows:
        times = (*median_ms(fast, options.runs), *median_ms(slow, options.runs))
        print(f"{name:10} " + " ".join(f"{each:9.1f} ms" for each in times) + f" {times[3] / times[1]:6.1f}×")


if __name__ == "__main__":
    main()
