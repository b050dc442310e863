"""Which devices are found, and how a process is kept to one of them."""

from __future__ import annotations

import pytest

from soundmill.engine.devices import describe, find_devices, memory_gb, parse_smi, pin
from soundmill.errors import ConfigError, EngineError

TWO = ["NVIDIA H200", "NVIDIA L4"]


def found(environ: dict[str, str], names: list[str] | None = None) -> list[str]:
    return find_devices("auto", environ=environ, gpu_names=lambda: TWO if names is None else names)


@pytest.mark.parametrize(
    ("visible", "devices"),
    [
        (None, ["cuda:0", "cuda:1"]),
        ("1", ["cuda:0"]),
        ("1,0", ["cuda:0", "cuda:1"]),
        ("0,-1,1", ["cuda:0"]),
        ("GPU-5ac9a1f6", ["cuda:0"]),
        ("", ["cpu"]),
        ("-1", ["cpu"]),
        ("NoDevFiles", ["cpu"]),
    ],
)
def test_auto_takes_the_gpus_that_are_visible(visible: str | None, devices: list[str]) -> None:
    assert found({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == devices


def test_auto_takes_the_cpu_when_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert found({}, []) == ["cpu"]


def test_devices_that_are_named_are_taken_as_they_are() -> None:
    assert find_devices(["cuda:1", "cpu"], environ={}, gpu_names=list) == ["cuda:1", "cpu"]


@pytest.mark.parametrize("choice", [["gpu"], ["cuda"], ["cuda:x"], ["cpu", "cpu"], ["cpu", "CPU"]])
def test_a_name_that_is_no_device_or_comes_twice_is_refused(choice: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"engine\.devices"):
        find_devices(choice, environ={})


def test_a_gpu_is_described_by_its_name_also_behind_a_list_of_visible_ones() -> None:
    assert describe("cuda:0", environ={}, gpu_names=lambda: TWO) == "cuda:0: NVIDIA H200"
    assert describe("cuda:0", environ={"CUDA_VISIBLE_DEVICES": "1"}, gpu_names=lambda: TWO) == "cuda:0: NVIDIA L4"
    assert describe("cuda:2", environ={}, gpu_names=lambda: TWO) == "cuda:2: not found by the NVIDIA driver"
    assert "cores" in describe("cpu", environ={})


def test_a_process_sees_its_own_gpu_alone() -> None:
    assert pin("cuda:1", {}) == ({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, "cuda:0")
    assert pin("cuda:1", {"CUDA_VISIBLE_DEVICES": "3, GPU-77"})[0]["CUDA_VISIBLE_DEVICES"] == "GPU-77"
    assert pin("cpu", {}) == ({}, "cpu")


def test_a_gpu_that_is_hidden_is_an_error_that_names_the_variable() -> None:
    with pytest.raises(EngineError, match="CUDA_VISIBLE_DEVICES leaves 1 device"):
        pin("cuda:1", {"CUDA_VISIBLE_DEVICES": "0"})


def test_the_driver_tools_listing_is_read_without_its_slices() -> None:
    listing = (
        "GPU 0: NVIDIA H200 (UUID: GPU-1b2c)\n"
        "  MIG 1g.18gb     Device  0: (UUID: MIG-77)\n"
        "GPU 1: NVIDIA L4 (UUID: GPU-2)\n"
    )  # fmt: skip
    assert parse_smi(listing) == TWO


def test_the_memory_of_a_device_is_the_machines_for_a_cpu_and_unknown_where_no_driver_says() -> None:
    memory = memory_gb("cpu")
    assert memory is not None and 0.1 < memory < 100_000
    assert memory_gb("cuda:0", environ={"CUDA_VISIBLE_DEVICES": "GPU-1234"}) is None
    assert memory_gb("cuda:900", environ={}) is None
