# SPDX-License-Identifier: BSD-3-Clause
"""Copies of all sizes and shapes come back as they went."""

from __future__ import annotations

import ctypes

from driver import Address, Handle, Size, allocate, call, download, fails, free_bytes, noise, start, upload

start()
before = free_bytes()
for size in (1, 1000, 65535, 65536, 70000, 1 << 20, (16 << 20) + 1, (40 << 20) + 7):
    memory, data = allocate(size), noise(size)
    upload(memory, data)
    assert download(memory, size) == data, size
    call("cuMemFree_v2", memory)
    fails(1, "cuMemFree_v2", memory)
call("cuCtxSynchronize")
assert free_bytes() == before

# Unified: only the addresses tell the direction.
one, two = allocate(4096), allocate(4096)
data, out = ctypes.create_string_buffer(noise(4096), 4096), ctypes.create_string_buffer(4096)
call("cuMemcpy", one, ctypes.c_uint64(ctypes.addressof(data)), Size(4096))
call("cuMemcpy", two, one, Size(4096))
call("cuMemcpy", ctypes.c_uint64(ctypes.addressof(out)), two, Size(4096))
assert out.raw == data.raw
fails(1, "cuMemcpyHtoD_v2", one, data, Size(5 << 20))
call("cuMemsetD32_v2", one, 0x01020304, Size(1024))
assert download(one, 4096) == bytes([4, 3, 2, 1]) * 1024


class Copy2D(ctypes.Structure):
    _fields_ = [
        ("srcX", Size),
        ("srcY", Size),
        ("srcType", ctypes.c_uint),
        ("srcHost", Handle),
        ("srcDevice", Address),
        ("srcArray", Handle),
        ("srcPitch", Size),
        ("dstX", Size),
        ("dstY", Size),
        ("dstType", ctypes.c_uint),
        ("dstHost", Handle),
        ("dstDevice", Address),
        ("dstArray", Handle),
        ("dstPitch", Size),
        ("width", Size),
        ("height", Size),
    ]


HOST, DEVICE = 1, 2
pitched, pitch = Address(), Size()
call("cuMemAllocPitch_v2", ctypes.byref(pitched), ctypes.byref(pitch), Size(100), Size(50), 4)
assert pitch.value >= 100
up = Copy2D(
    srcType=HOST,
    srcHost=ctypes.addressof(data),
    srcPitch=64,
    dstType=DEVICE,
    dstDevice=pitched,
    dstPitch=pitch.value,
    dstX=3,
    dstY=2,
    width=60,
    height=40,
)
down = Copy2D(
    srcType=DEVICE,
    srcDevice=pitched,
    srcPitch=pitch.value,
    srcX=3,
    srcY=2,
    dstType=HOST,
    dstHost=ctypes.addressof(out),
    dstPitch=64,
    width=60,
    height=40,
)
ctypes.memset(out, 0, 4096)
call("cuMemcpy2D_v2", ctypes.byref(up))
call("cuMemcpy2D_v2", ctypes.byref(down))
for row in range(40):
    assert out.raw[row * 64 : row * 64 + 60] == data.raw[row * 64 : row * 64 + 60]
    assert out.raw[row * 64 + 60 : row * 64 + 64] == bytes(4)
print("ok")
