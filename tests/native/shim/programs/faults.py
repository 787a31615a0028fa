# SPDX-License-Identifier: BSD-3-Clause
"""Errors come where CUDA has them: at once what cannot run, later what went wrong on the way."""

from __future__ import annotations

import ctypes

from driver import Address, Size, allocate, call, cuda, fails, function, launch, start

start()
memory, value, count = allocate(4096), ctypes.c_uint32(1), ctypes.c_uint32(1024)
add, poke = function("add"), function("poke")
assert launch(add, 0, 64, memory, value, count) == 1
assert launch(add, 1, 4096, memory, value, count) == 1
assert launch(add, 4, 256, memory, value, count) == 0
fails(201, "cuCtxSetCurrent", ctypes.c_void_p(0x1234568))
fails(400, "cuStreamSynchronize", ctypes.c_void_p(0x1234568))
fails(2, "cuMemAlloc_v2", ctypes.byref(Address()), Size(1 << 40))
fails(101, "cuDeviceGet", ctypes.byref(ctypes.c_int()), 7)
fails(1, "cuDeviceGetAttribute", ctypes.byref(ctypes.c_int()), 100000, 0)
call("cuCtxSynchronize")
assert launch(poke, 1, 1, ctypes.c_uint64(8)) == 0
fails(700, "cuCtxSynchronize")
fails(700, "cuMemAlloc_v2", ctypes.byref(Address()), Size(100))
assert cuda.cuCtxSynchronize() == 700
print("ok")
