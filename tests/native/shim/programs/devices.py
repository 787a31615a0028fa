# SPDX-License-Identifier: BSD-3-Clause
"""Several GPUs of one lease work, each with its own memory; prints their PCI buses in order."""

from __future__ import annotations

import ctypes

from driver import allocate, call, cuda, download, start, upload

call("cuInit", 0)
count = ctypes.c_int()
call("cuDeviceGetCount", ctypes.byref(count))
seen = []
for device in range(count.value):
    text, back, total = ctypes.create_string_buffer(20), ctypes.c_int(), ctypes.c_size_t()
    call("cuDeviceGetPCIBusId", text, 20, device)
    call("cuDeviceGetByPCIBusId", ctypes.byref(back), text)
    assert back.value == device
    seen.append(text.value.decode().split(":")[1])
    call("cuDeviceTotalMem_v2", ctypes.byref(total), device)
    assert 190 << 20 < total.value < 210 << 20  # a tenth of 2 GiB
    start(device)
    memory = allocate(1000)
    upload(memory, bytes([device]) * 1000)
    assert download(memory, 1000) == bytes([device]) * 1000
    where = ctypes.c_int(-1)
    call("cuPointerGetAttribute", ctypes.byref(where), 9, memory)
    assert where.value == device
    assert cuda.cuCtxPopCurrent_v2(None) == 0
print(",".join(seen))
