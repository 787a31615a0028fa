# SPDX-License-Identifier: BSD-3-Clause
"""The GPUs of a lease as NVML tells them. Inside a lease the NVML library is ours, and shows the share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pynvml  # type: ignore[import-untyped]


@dataclass(frozen=True)
class Process:
    """A process of the lease, and what it holds on one GPU."""

    pid: int
    name: str
    used_bytes: int


@dataclass(frozen=True)
class Card:
    """One GPU. What nobody can tell is None; units are in the names, as NVML has them."""

    index: int
    name: str
    uuid: str
    total_bytes: int
    used_bytes: int
    bus_id: str | None = None
    compute_cap: str | None = None
    gpu_utilization: int | None = None
    memory_utilization: int | None = None
    temperature: int | None = None
    power_mw: int | None = None
    power_limit_mw: int | None = None
    fan_percent: int | None = None
    performance_state: int | None = None
    compute_mode: int | None = None
    persistence: int | None = None
    ecc: int | None = None
    clocks_mhz: tuple[int | None, ...] = (None,) * 4
    max_clocks_mhz: tuple[int | None, ...] = (None,) * 4
    pcie_generation: int | None = None
    pcie_width: int | None = None
    processes: tuple[Process, ...] = field(default_factory=tuple)

    @property
    def free_bytes(self) -> int:
        """What is left of the share."""
        return self.total_bytes - self.used_bytes


@dataclass(frozen=True)
class System:
    """What is the same for all GPUs."""

    driver: str | None
    cuda: str | None


def read_system() -> System:
    """Ask for the versions. NVML is initialised."""
    cuda = _known(pynvml.nvmlSystemGetCudaDriverVersion)
    version = f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None
    return System(_known(pynvml.nvmlSystemGetDriverVersion), version)


def read_cards() -> list[Card]:
    """Ask for all GPUs of the lease. NVML is initialised; ``pynvml.NVMLError`` when the lease is lost."""
    return [_read(pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(pynvml.nvmlDeviceGetCount())]


def _read(handle: Any) -> Card:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    rates = _known(pynvml.nvmlDeviceGetUtilizationRates, handle)
    capability = _known(pynvml.nvmlDeviceGetCudaComputeCapability, handle)
    ecc = _known(pynvml.nvmlDeviceGetEccMode, handle)
    return Card(
        index=pynvml.nvmlDeviceGetIndex(handle),
        name=pynvml.nvmlDeviceGetName(handle),
        uuid=pynvml.nvmlDeviceGetUUID(handle),
        total_bytes=memory.total,
        used_bytes=memory.used,
        bus_id=pynvml.nvmlDeviceGetPciInfo(handle).busId,
        compute_cap="{}.{}".format(*capability) if capability else None,
        gpu_utilization=rates.gpu if rates else None,
        memory_utilization=rates.memory if rates else None,
        temperature=_known(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
        power_mw=_known(pynvml.nvmlDeviceGetPowerUsage, handle),
        power_limit_mw=_known(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle),
        fan_percent=_known(pynvml.nvmlDeviceGetFanSpeed, handle),
        performance_state=_known(pynvml.nvmlDeviceGetPerformanceState, handle),
        compute_mode=_known(pynvml.nvmlDeviceGetComputeMode, handle),
        persistence=_known(pynvml.nvmlDeviceGetPersistenceMode, handle),
        ecc=ecc[0] if ecc else None,
        clocks_mhz=tuple(_known(pynvml.nvmlDeviceGetClockInfo, handle, kind) for kind in range(4)),
        max_clocks_mhz=tuple(_known(pynvml.nvmlDeviceGetMaxClockInfo, handle, kind) for kind in range(4)),
        pcie_generation=_known(pynvml.nvmlDeviceGetCurrPcieLinkGeneration, handle),
        pcie_width=_known(pynvml.nvmlDeviceGetCurrPcieLinkWidth, handle),
        processes=tuple(_process(p) for p in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)),
    )


def _process(process: Any) -> Process:
    name = _known(pynvml.nvmlSystemGetProcessName, process.pid)
    # A process of another container has a number that says nothing here.
    return Process(process.pid, name or "-", process.usedGpuMemory or 0)


def _known(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_NotFound):
        return None
