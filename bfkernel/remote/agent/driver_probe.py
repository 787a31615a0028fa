# SPDX-License-Identifier: BSD-3-Clause
"""Ask a CUDA driver library which GPUs it has: ``python driver_probe.py LIBRARY`` prints them as JSON.

A process of its own, because a driver that was once initialised stays in its process, and because what a
worker will see is what counts. It imports nothing of ours and nothing that is not in Python's library.
"""

from __future__ import annotations

import ctypes
import json
import sys
import uuid

_MIG_MARK = " MIG "


class DriverError(Exception):
    """The library is no working CUDA driver."""


def probe(library: str) -> dict[str, object]:
    """Return ``{"cuda": "13.0", "gpus": [{"id", "index", "name", "memory_mib"}, …]}``.

    Raises:
        DriverError: it cannot be loaded, or a call failed.
    """
    try:
        driver = ctypes.CDLL(library)
    except OSError as error:
        raise DriverError(str(error)) from error
    _call(driver, "cuInit", 0)
    version, count = ctypes.c_int(), ctypes.c_int()
    _call(driver, "cuDriverGetVersion", ctypes.byref(version))
    _call(driver, "cuDeviceGetCount", ctypes.byref(count))
    return {
        "cuda": f"{version.value // 1000}.{version.value % 1000 // 10}",
        "gpus": [_gpu(driver, ordinal) for ordinal in range(count.value)],
    }


def _gpu(driver: ctypes.CDLL, ordinal: int) -> dict[str, object]:
    device, memory = ctypes.c_int(), ctypes.c_size_t()
    name, raw = ctypes.create_string_buffer(256), (ctypes.c_ubyte * 16)()
    _call(driver, "cuDeviceGet", ctypes.byref(device), ordinal)
    _call(driver, "cuDeviceGetName", name, len(name), device)
    _call(driver, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    # The second form tells the parts of a partitioned GPU apart.
    newest = "cuDeviceGetUuid_v2" if hasattr(driver, "cuDeviceGetUuid_v2") else "cuDeviceGetUuid"
    _call(driver, newest, ctypes.byref(raw), device)
    text = name.value.decode("utf-8", "replace")
    kind = "MIG" if _MIG_MARK in text else "GPU"
    return {
        "id": f"{kind}-{uuid.UUID(bytes=bytes(raw))}",
        "index": ordinal,
        "name": text,
        "memory_mib": memory.value >> 20,
    }


def _call(driver: ctypes.CDLL, name: str, *arguments: object) -> None:
    result = getattr(driver, name)(*arguments)
    if result != 0:
        message = f"{name} gave error {result}"
        raise DriverError(message)


def main() -> int:
    """Print the GPUs of the library that the command line names."""
    try:
        sys.stdout.write(json.dumps(probe(sys.argv[1])) + "\n")
    except (DriverError, AttributeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
