# SPDX-License-Identifier: BSD-3-Clause
"""Copies and allocations in a stream of a GPU that is not the current one."""

from __future__ import annotations

import ctypes

from driver import (
    Address,
    Size,
    allocate,
    call,
    cuda,
    download,
    function,
    launch,
    new_stream,
    noise,
    start,
    upload,
)

SIZE = 3 << 20
there = start(0)
stream, memory = new_stream(), allocate(SIZE)
kernel = function("add")
here = start(1)

for turn in range(8):
    data, out = noise(SIZE), ctypes.create_string_buffer(SIZE)
    call("cuMemcpyHtoDAsync_v2", memory, data, Size(SIZE), stream)
    call("cuMemcpyDtoHAsync_v2", out, memory, Size(SIZE), stream)
    call("cuStreamSynchronize", stream)
    assert out.raw == data, turn

pooled, device = Address(), ctypes.c_int(-1)
call("cuMemAllocAsync", ctypes.byref(pooled), Size(4096), stream)
call("cuPointerGetAttribute", ctypes.byref(device), 9, pooled)
assert device.value == 0
call("cuMemFreeAsync", pooled, stream)
call("cuStreamSynchronize", stream)
call("cuCtxSetCurrent", there)
upload(memory, bytes(4))
assert launch(kernel, 1, 1, memory, ctypes.c_uint32(3), ctypes.c_uint32(1), stream=stream) == 0
call("cuStreamSynchronize", stream)
assert download(memory, 4) == b"\3\0\0\0"
assert cuda.cuCtxSynchronize() == 0
print("ok")
