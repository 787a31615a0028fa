# SPDX-License-Identifier: BSD-3-Clause
"""What NVML tells about a lease of two GPUs, beside what CUDA tells; the last line is a JSON object of it."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pynvml
from cuda.bindings import driver
from device import call

MIB = 1 << 20
HOLDER = [sys.executable, str(Path(__file__).with_name("memory.py")), "hold"]
Attribute = driver.CUdevice_attribute


def in_a_child(work: Callable[[], object]) -> object:
    """Return what ``work`` returns in a forked child."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = json.dumps(work())
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent tells it
            answer = json.dumps(str(error))
        os.write(write, answer.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as answer:
        return json.load(answer)


def of_nvml(index: int) -> dict[str, Any]:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    pci = pynvml.nvmlDeviceGetPciInfo(handle)
    return {
        "name": pynvml.nvmlDeviceGetName(handle),
        "uuid": pynvml.nvmlDeviceGetUUID(handle),
        "bus": pci.busId[4:],
        "capability": list(pynvml.nvmlDeviceGetCudaComputeCapability(handle)),
        "total": pynvml.nvmlDeviceGetMemoryInfo(handle).total,
        "by_uuid": pynvml.nvmlDeviceGetIndex(
            pynvml.nvmlDeviceGetHandleByUUID(pynvml.nvmlDeviceGetUUID(handle))
        ),
        "by_bus": pynvml.nvmlDeviceGetIndex(pynvml.nvmlDeviceGetHandleByPciBusId(pci.busId)),
    }


def text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode()


def of_cuda(index: int) -> dict[str, Any]:
    device = call("cuDeviceGet", index)
    raw = bytes(call("cuDeviceGetUuid", device).bytes).hex()
    return {
        "name": text(call("cuDeviceGetName", 100, device)),
        "uuid": f"GPU-{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}",
        "bus": text(call("cuDeviceGetPCIBusId", 20, device)),
        "capability": [
            call("cuDeviceGetAttribute", which, device)
            for which in (
                Attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                Attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
            )
        ],
        "total": call("cuDeviceTotalMem", device),
        "by_uuid": index,
        "by_bus": index,
    }


def memory() -> dict[str, Any]:
    """Return the memory of GPU 0 as both tell it in this process, which has a context there."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    nvml = pynvml.nvmlDeviceGetMemoryInfo(handle)
    newer = pynvml.nvmlDeviceGetMemoryInfo(handle, pynvml.nvmlMemory_v2)
    processes = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    return {
        "cuda": list(call("cuMemGetInfo")),
        "nvml": [nvml.free, nvml.total],
        "newer": [newer.free, newer.total],
        "used": nvml.used,
        "processes": {str(process.pid): process.usedGpuMemory for process in processes},
    }


def fabric() -> list[int]:
    """Return the state of GPU 0's fabric in each form of the answer."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    oldest = pynvml.c_nvmlGpuFabricInfo_t()
    pynvml.nvmlDeviceGetGpuFabricInfo(handle, ctypes.byref(oldest))
    states = [oldest.state]
    for newer in (pynvml.c_nvmlGpuFabricInfo_v2_t(), pynvml.c_nvmlGpuFabricInfo_v3_t()):
        pynvml.nvmlDeviceGetGpuFabricInfoV(handle, ctypes.byref(newer))
        states.append(newer.state)
    return states


def error_of(function: Callable[..., object], *arguments: object) -> str:
    try:
        return f"no error: {function(*arguments)}"
    except pynvml.NVMLError as error:
        return type(error).__name__


def cuda_works() -> int:
    call("cuInit", 0)
    call("cuCtxSetCurrent", call("cuDevicePrimaryCtxRetain", 0))
    call("cuMemAlloc", MIB)
    return int(pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0)).used)


seen: dict[str, Any] = {"pid": os.getpid()}
seen["before_init"] = error_of(pynvml.nvmlDeviceGetCount)
pynvml.nvmlInit()
first = pynvml.nvmlDeviceGetHandleByIndex(0)
seen["count"] = pynvml.nvmlDeviceGetCount()
seen["idle"] = [
    pynvml.nvmlDeviceGetMemoryInfo(first).used,
    len(pynvml.nvmlDeviceGetComputeRunningProcesses(first)),
]
# So far only NVML has been asked: CUDA may still be used in a forked child.
seen["child_before_cuda"] = in_a_child(cuda_works)

call("cuInit", 0)
seen["devices"] = [[of_nvml(index), of_cuda(index)] for index in range(2)]
seen["cuda_version"] = [pynvml.nvmlSystemGetCudaDriverVersion(), call("cuDriverGetVersion")]
call("cuCtxSetCurrent", call("cuDevicePrimaryCtxRetain", call("cuDeviceGet", 0)))
seen["context"] = memory()
small = call("cuMemAlloc", 1000)
call("cuMemAlloc", 5 * MIB)
seen["allocated"] = memory()
other = subprocess.Popen([*HOLDER, "7"], stdout=subprocess.PIPE, text=True)
assert other.stdout is not None
assert other.stdout.readline() == "holding\n"
seen["other_pid"] = other.pid
seen["two"] = memory()
seen["child_after_cuda"] = in_a_child(lambda: pynvml.nvmlDeviceGetMemoryInfo(first).used)
other.kill()
other.wait()
call("cuMemFree", small)
seen["second_gpu_processes"] = len(
    pynvml.nvmlDeviceGetComputeRunningProcesses(pynvml.nvmlDeviceGetHandleByIndex(1))
)
seen["fabric"] = fabric()
seen["errors"] = {
    "clocks": error_of(pynvml.nvmlDeviceSetGpuLockedClocks, first, 100, 200),
    "persistence": error_of(pynvml.nvmlDeviceSetPersistenceMode, first, 1),
    "utilization": error_of(pynvml.nvmlDeviceGetUtilizationRates, first),
    "power": error_of(pynvml.nvmlDeviceGetPowerUsage, first),
    "no_such_gpu": error_of(pynvml.nvmlDeviceGetHandleByIndex, 2),
    "no_such_uuid": error_of(pynvml.nvmlDeviceGetHandleByUUID, "GPU-nothing"),
}
pynvml.nvmlShutdown()
seen["after_shutdown"] = error_of(pynvml.nvmlDeviceGetCount)
print(json.dumps(seen), flush=True)
