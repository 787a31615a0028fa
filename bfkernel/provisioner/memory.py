# SPDX-License-Identifier: BSD-3-Clause
"""The GPU memory of this process, asked of the CUDA driver library that it has already loaded."""

from __future__ import annotations

import ctypes
import os

DRIVER = "libcuda.so.1"


def device_memory(count: int) -> list[tuple[int, int] | None]:
    """Return (held, total) in bytes for devices 0 to ``count`` − 1; None where this process has no context.

    An empty list when this process has not called CUDA at all. Never loads the driver, makes a context or
    waits for a lease: looking must cost nothing.
    """
    try:
        driver = ctypes.CDLL(DRIVER, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return []
    return [_memory_of(driver, ordinal) for ordinal in range(count)]


def _memory_of(driver: ctypes.CDLL, ordinal: int) -> tuple[int, int] | None:
    device, flags, active = ctypes.c_int(), ctypes.c_uint(), ctypes.c_int()
    if driver.cuDeviceGet(ctypes.byref(device), ordinal) != 0:
        return None  # not initialised, or hidden by CUDA_VISIBLE_DEVICES
    status = driver.cuDevicePrimaryCtxGetState(device, ctypes.byref(flags), ctypes.byref(active))
    if status != 0 or not active.value:
        return None
    context = ctypes.c_void_p()
    if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) != 0:
        return None
    try:
        return _memory_in(driver, context)
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(device)


def _memory_in(driver: ctypes.CDLL, context: ctypes.c_void_p) -> tuple[int, int] | None:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    if driver.cuCtxPushCurrent_v2(context) != 0:
        return None
    try:
        if driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) != 0:
            return None
    finally:
        driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
    return total.value - free.value, total.value
