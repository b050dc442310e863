"""The engine room, devices: which devices this machine has, asked without torch.

Devices carry torch's names: cuda:0, mps, cpu. cuda:N counts the devices CUDA_VISIBLE_DEVICES leaves visible.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from soundmill.errors import ConfigError, EngineError

_NAME = re.compile(r"cuda:(\d+)|mps|cpu")
_ENDS_THE_LIST = re.compile(r"-\d+")  # CUDA ignores what follows the first impossible index
_NAME_BYTES = 96  # NVML_DEVICE_NAME_V2_BUFFER_SIZE
_SMI_TIMEOUT_S = 10.0


def find_devices(
    choice: str | Sequence[str],
    *,
    environ: Mapping[str, str] = os.environ,
    gpu_names: Callable[[], Sequence[str]] | None = None,
) -> list[str]:
    """The devices to run engines on: those named, or for "auto" every visible GPU, else Apple's, else the CPU.

    Raises ConfigError for a name that is not cuda:N, mps or cpu, or that is given twice. A named device is not looked
    for: loading says what is wrong with it.
    """
    if choice != "auto":
        named = [choice] if isinstance(choice, str) else list(choice)
        for name in named:
            if _NAME.fullmatch(name) is None:
                raise ConfigError(
                    f"engine.devices: {name} is no device; name cuda:0, cuda:1, …, mps or cpu, or say auto"
                )
        if len(set(named)) < len(named):
            raise ConfigError(
                f"engine.devices: {', '.join(named)} names a device twice; an engine needs one of its own"
            )
        return named
    names = (gpu_names or nvidia_names)()
    visible = _visible(environ)
    count = len(names) if visible is None else min(len(visible), len(names))
    if count:
        return [f"cuda:{index}" for index in range(count)]
    return ["mps"] if sys.platform == "darwin" and platform.machine() == "arm64" else ["cpu"]


def describe(
    device: str,
    *,
    environ: Mapping[str, str] = os.environ,
    gpu_names: Callable[[], Sequence[str]] | None = None,
) -> str:
    """The device in a person's words: "cuda:0: NVIDIA H200", "cpu: 8 cores (x86_64)"."""
    if device == "cpu":
        return f"cpu: {os.cpu_count() or 1} cores ({platform.machine()})"
    if device == "mps":
        return f"mps: Apple GPU ({platform.machine()})"
    try:
        entry = pin(device, environ)[0]["CUDA_VISIBLE_DEVICES"]
    except EngineError as error:
        return str(error)
    if not entry.isdecimal():
        return f"{device}: {entry}"  # a UUID or MIG slice, which has no place in the driver's count
    names = (gpu_names or nvidia_names)()
    return f"{device}: {names[int(entry)]}" if int(entry) < len(names) else f"{device}: not found by the NVIDIA driver"


def pin(device: str, environ: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """What a process's environment must have so that it sees this device alone, and the device's name in there.

    Raises EngineError when CUDA_VISIBLE_DEVICES hides the device.
    """
    match = _NAME.fullmatch(device)
    if match is None or match[1] is None:
        return {}, device
    index, listed = int(match[1]), _visible(environ)
    if listed is not None and index >= len(listed):
        raise EngineError(f"{device}: CUDA_VISIBLE_DEVICES leaves {len(listed)} devices; name another or unset it")
    chosen = str(index) if listed is None else listed[index]
    # CUDA counts the fastest card first unless told otherwise; the driver's tools count by bus.
    order = environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    return {"CUDA_VISIBLE_DEVICES": chosen, "CUDA_DEVICE_ORDER": order}, "cuda:0"


def memory_gb(device: str, *, environ: Mapping[str, str] = os.environ) -> float | None:
    """The memory of a device in 10⁹ bytes, the machine's for cpu and mps; None where nobody says."""
    if not device.startswith("cuda"):
        with suppress(OSError, ValueError):
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
        return None
    with suppress(OSError, AttributeError, EngineError, ValueError):
        return _memory_by_nvml(int(pin(device, environ)[0]["CUDA_VISIBLE_DEVICES"])) / 1e9
    return None


def nvidia_names() -> list[str]:
    """The NVIDIA GPUs' names in the driver's order; empty without a driver."""
    for ask in (_names_by_nvml, _names_by_smi):
        with suppress(OSError, AttributeError, subprocess.SubprocessError):
            return ask()
    return []


def _visible(environ: Mapping[str, str]) -> list[str] | None:
    """CUDA_VISIBLE_DEVICES as CUDA reads it; None when it is not set."""
    value = environ.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return None
    entries: list[str] = []
    for entry in (part.strip() for part in value.split(",")):
        if not entry or entry == "NoDevFiles" or _ENDS_THE_LIST.fullmatch(entry):
            break
        entries.append(entry)
    return entries


def _names_by_nvml() -> list[str]:
    """NVML API reference: nvmlInit_v2, nvmlDeviceGetCount_v2, …HandleByIndex_v2, …GetName. OSError when it fails."""
    nvml = ctypes.CDLL("libnvidia-ml.so.1")
    _check(nvml.nvmlInit_v2())
    try:
        count = ctypes.c_uint()
        _check(nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)))
        return [_nvml_name(nvml, index) for index in range(count.value)]
    finally:
        nvml.nvmlShutdown()


def _nvml_name(nvml: ctypes.CDLL, index: int) -> str:
    handle, name = ctypes.c_void_p(), ctypes.create_string_buffer(_NAME_BYTES)
    _check(nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)))
    _check(nvml.nvmlDeviceGetName(handle, name, _NAME_BYTES))
    return name.value.decode(errors="replace")


def _memory_by_nvml(index: int) -> int:
    """Bytes. NVML API reference: nvmlDeviceGetMemoryInfo, whose structure is total, free, used. Raises OSError."""
    nvml = ctypes.CDLL("libnvidia-ml.so.1")
    _check(nvml.nvmlInit_v2())
    try:
        handle, memory = ctypes.c_void_p(), (ctypes.c_ulonglong * 3)()
        _check(nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)))
        _check(nvml.nvmlDeviceGetMemoryInfo(handle, memory))
        return memory[0]
    finally:
        nvml.nvmlShutdown()


def _check(status: int) -> None:
    if status:
        raise OSError(f"NVML answered {status}")


def _names_by_smi() -> list[str]:
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=_SMI_TIMEOUT_S)
    return parse_smi(listed.stdout)


def parse_smi(text: str) -> list[str]:
    """Names from `nvidia-smi -L`, whose lines read "GPU 0: NVIDIA H200 (UUID: GPU-…)"; MIG slices are indented."""
    return [match[1] for match in re.finditer(r"^GPU \d+: (.+?) \(UUID: [^)]*\)", text, re.MULTILINE)]
