# SPDX-License-Identifier: BSD-3-Clause
"""Virtual memory management, pools, pinned memory and what pointers say of themselves."""

from __future__ import annotations

import ctypes

from driver import Address, Handle, Size, allocate, call, download, fails, noise, start, upload

context = start()


class Location(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("id", ctypes.c_int)]


class Prop(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("handles", ctypes.c_int),
        ("location", Location),
        ("meta", Handle),
        ("flags", ctypes.c_ubyte * 8),
    ]


class Access(ctypes.Structure):
    _fields_ = [("location", Location), ("flags", ctypes.c_int)]


DEVICE = Location(1, 0)
prop, grain = Prop(1, 0, DEVICE), Size()
call("cuMemGetAllocationGranularity", ctypes.byref(grain), ctypes.byref(prop), 0)
size = Size(2 * grain.value)
address, physical = Address(), ctypes.c_uint64()
call("cuMemAddressReserve", ctypes.byref(address), size, Size(0), Address(0), ctypes.c_uint64(0))
call("cuMemCreate", ctypes.byref(physical), size, ctypes.byref(prop), ctypes.c_uint64(0))
call("cuMemMap", address, size, Size(0), physical, ctypes.c_uint64(0))
call("cuMemSetAccess", address, size, ctypes.byref(Access(DEVICE, 3)), Size(1))
data = noise(100000)
upload(address, data)
assert download(address, len(data)) == data
call("cuMemUnmap", address, size)
call("cuMemRelease", physical)
call("cuMemAddressFree", address, size)
fails(1, "cuMemcpyHtoD_v2", address, data, Size(10))

stream, pooled = Handle(), Address()
call("cuStreamCreate", ctypes.byref(stream), 1)
for _ in range(20):
    call("cuMemAllocAsync", ctypes.byref(pooled), Size(1 << 20), stream)
    call("cuMemcpyHtoDAsync_v2", pooled, data, Size(len(data)), stream)
    call("cuMemFreeAsync", pooled, stream)
call("cuStreamSynchronize", stream)
call("cuStreamDestroy_v2", stream)
fails(400, "cuStreamSynchronize", stream)

pinned = Handle()
call("cuMemHostAlloc", ctypes.byref(pinned), Size(5000), 0)
kind = ctypes.c_uint()
call("cuPointerGetAttribute", ctypes.byref(kind), 2, ctypes.c_uint64(pinned.value or 0))
assert kind.value == 1
memory = allocate(5000)
call("cuPointerGetAttribute", ctypes.byref(kind), 2, memory)
assert kind.value == 2
base, length = Address(), Size()
call("cuMemGetAddressRange_v2", ctypes.byref(base), ctypes.byref(length), Address(memory.value + 100))
assert (base.value, length.value) == (memory.value, 5000)
call("cuMemFreeHost", pinned)
fails(1, "cuPointerGetAttribute", ctypes.byref(kind), 2, ctypes.c_uint64(id(data)))
print("ok")
