"""The card: what it is, what runs on it, and the two ceilings that everything else is measured against."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from importlib import metadata

import torch

from alone import copy_speed, median_s
from parts.lease import Lease

PACKAGES = (
    "torch", "torchaudio", "transformers", "tokenizers", "huggingface-hub", "numpy", "scipy", "triton", "audiocraft",
    "soundfile", "pydantic",
)  # fmt: skip
ASKED = "clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,temperature.gpu,power.draw,power.limit,driver_version"
SIDE = {"cuda": 8192, "cpu": 512}
EMPTY_LAUNCHES = 1000


def measure(lease: Lease) -> None:
    kind = lease.device.partition(":")[0]
    lease.say("Python", f"{platform.python_version()}, {sys.platform} {platform.machine()}")
    for name in PACKAGES:
        lease.say(name, _release(name))
    if lease.on_gpu:
        _describe(lease)
        _clocks(lease, "idle")
    else:
        lease.say("device", f"CPU, {torch.get_num_threads()} threads")
    lease.say("copy: GB/s read and written", copy_speed(lease.device, lease.work.rounds) / 1e9)
    side, half = SIDE[kind], torch.float16 if lease.on_gpu else torch.float32
    a, b = (torch.randn(side, side, device=lease.device, dtype=half) for _ in range(2))
    took = median_s(lambda: a @ b, lease.device, lease.work.rounds)
    lease.say(f"product of {side}: TFLOP/s", 2 * side**3 / took / 1e12)
    if lease.on_gpu:
        _clocks(lease, "after a product")
    one = torch.zeros(1, device=lease.device)
    took = median_s(lambda: [one.add_(1) for _ in range(EMPTY_LAUNCHES)], lease.device, lease.work.rounds)
    lease.say("an empty kernel: µs to launch", took / EMPTY_LAUNCHES * 1e6)


def _release(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


def _describe(lease: Lease) -> None:
    found = torch.cuda.get_device_properties(torch.device(lease.device))
    lease.say(
        "device", f"{found.name}, {found.multi_processor_count} multiprocessors, {found.total_memory / 1e9:.1f} GB"
    )
    lease.say("CUDA", f"{torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}")
    lease.say("second-level cache, MB", found.L2_cache_size / 1e6)


def _clocks(lease: Lease, when: str) -> None:
    if shutil.which("nvidia-smi") is None:
        return
    done = subprocess.run(
        ["nvidia-smi", f"--query-gpu={ASKED}", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    lease.say(f"clocks and power, {when}", done.stdout.strip() or done.stderr.strip())
