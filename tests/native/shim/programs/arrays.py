# SPDX-License-Identifier: BSD-3-Clause
"""Arrays, and what kernels see of them: copies of all kinds, mipmaps, textures and surfaces."""

from __future__ import annotations

import ctypes
import struct
from ctypes import byref, c_int, c_uint, c_uint64, c_void_p

from driver import Handle, Size, allocate, call, cuda, download, fails, free_bytes, noise, start

INVALID_VALUE, OUT_OF_MEMORY, INVALID_HANDLE, NOT_SUPPORTED = 1, 2, 400, 801
UINT8, FLOAT = 1, 0x20
HOST, DEVICE, ARRAY = 1, 2, 3

PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry look(.param .u64 out, .param .u64 texture, .param .u64 surface)
{
  .reg .b32 x, y; .reg .f32 f<5>; .reg .b64 d<4>; .reg .b32 b;
  ld.param.u64 d1, [out]; ld.param.u64 d2, [texture]; ld.param.u64 d3, [surface];
  mov.u32 x, %tid.x; mov.u32 y, %tid.y;
  tex.2d.v4.f32.s32 {f1, f2, f3, f4}, [d2, {x, y}];
  mad.lo.s32 b, y, 8, x; mul.wide.u32 d2, b, 4; add.u64 d1, d1, d2;
  st.global.f32 [d1], f1;
  add.f32 f2, f1, 0f3F800000; shl.b32 x, x, 2; mov.b32 b, f2;
  sust.b.2d.b32.trap [d3, {x, y}], {b};
  ret;
}
"""


class Descriptor(ctypes.Structure):
    _fields_ = (
        ("width", Size),
        ("height", Size),
        ("depth", Size),
        ("format", c_uint),
        ("channels", c_uint),
        ("flags", c_uint),
    )


class Side(ctypes.Structure):
    _fields_ = (
        ("x", Size),
        ("y", Size),
        ("type", c_uint),
        ("host", c_void_p),
        ("device", c_uint64),
        ("array", c_void_p),
        ("pitch", Size),
    )


class Copy2D(ctypes.Structure):
    _fields_ = (("source", Side), ("target", Side), ("width", Size), ("height", Size))


class Resource(ctypes.Structure):
    _fields_ = (("type", c_uint), ("words", c_uint64 * 16), ("flags", c_uint))


def array(width: int, height: int = 0, depth: int = 0, kind: int = FLOAT, flags: int = 0) -> Handle:
    made = Handle()
    call("cuArray3DCreate_v2", byref(made), byref(Descriptor(width, height, depth, kind, 1, flags)))
    return made


def on_host(buffer: ctypes.Array[ctypes.c_char], pitch: int) -> Side:
    return Side(type=HOST, host=ctypes.addressof(buffer), pitch=pitch)


def copy(source: Side, target: Side, width: int, height: int, name: str = "cuMemcpy2D_v2") -> None:
    call(name, byref(Copy2D(source, target, width, height)))


def rows_go_in_and_come_back() -> None:
    data = noise(100 * 30)
    host, back = ctypes.create_string_buffer(data, 3000), ctypes.create_string_buffer(3000)
    first, second = array(120, 40, kind=UINT8), array(120, 40, kind=UINT8)
    copy(on_host(host, 100), Side(type=ARRAY, array=first.value, x=20, y=10), 100, 30)
    copy(Side(type=ARRAY, array=first.value, x=20, y=10), Side(type=ARRAY, array=second.value), 100, 30)
    memory = allocate(128 * 30)
    copy(Side(type=ARRAY, array=second.value), Side(type=DEVICE, device=memory.value, pitch=128), 100, 30)
    assert download(memory, 128 * 30)[128:228] == data[100:200]
    copy(Side(type=DEVICE, device=memory.value, pitch=128), Side(type=ARRAY, array=first.value, x=1), 100, 30)
    copy(Side(type=ARRAY, array=first.value, x=1), on_host(back, 100), 100, 30)
    assert back.raw == data
    outside = Copy2D(on_host(host, 100), Side(type=ARRAY, array=first.value, x=21), 100, 30)
    fails(INVALID_VALUE, "cuMemcpy2D_v2", byref(outside))
    found = Descriptor()
    call("cuArray3DGetDescriptor_v2", byref(found), first)
    assert (found.width, found.height, found.format) == (120, 40, UINT8)
    for each in (first, second):
        call("cuArrayDestroy", each)
    fails(INVALID_HANDLE, "cuArrayDestroy", first)


def lines_go_in_and_come_back() -> None:
    line, other, data = array(4096, kind=UINT8), array(4096, kind=UINT8), noise(1000)
    back, memory = ctypes.create_string_buffer(1000), allocate(1000)
    call("cuMemcpyHtoA_v2", line, Size(96), data, Size(1000))
    call("cuMemcpyAtoA_v2", other, Size(3096), line, Size(96), Size(1000))
    call("cuMemcpyAtoD_v2", memory, other, Size(3096), Size(1000))
    call("cuMemcpyDtoA_v2", line, Size(0), memory, Size(1000))
    call("cuMemcpyAtoH_v2", back, line, Size(0), Size(1000))
    assert back.raw == data
    fails(INVALID_VALUE, "cuMemcpyHtoA_v2", line, Size(3097), data, Size(1000))


def large_arrays_travel_in_parts() -> None:
    data = noise(8192 * 2500)  # more than a frame
    host, back = ctypes.create_string_buffer(data, len(data)), ctypes.create_string_buffer(len(data))
    whole = array(8192, 2500, kind=UINT8)
    copy(on_host(host, 8192), Side(type=ARRAY, array=whole.value), 8192, 2500)
    copy(Side(type=ARRAY, array=whole.value), on_host(back, 8192), 8192, 2500)
    assert back.raw == data
    call("cuArrayDestroy", whole)


def levels_are_arrays() -> None:
    mipmapped, level, same, found = Handle(), Handle(), Handle(), Descriptor()
    shape = Descriptor(64, 32, 0, FLOAT, 1, 0)
    call("cuMipmappedArrayCreate", byref(mipmapped), byref(shape), 4)
    call("cuMipmappedArrayGetLevel", byref(level), mipmapped, 2)
    call("cuMipmappedArrayGetLevel", byref(same), mipmapped, 2)
    assert same.value == level.value
    call("cuArray3DGetDescriptor_v2", byref(found), level)
    assert (found.width, found.height) == (16, 8)
    assert cuda.cuMipmappedArrayGetLevel(byref(same), mipmapped, 4) != 0
    fails(INVALID_HANDLE, "cuArrayDestroy", level)
    call("cuMipmappedArrayDestroy", mipmapped)
    fails(INVALID_HANDLE, "cuArray3DGetDescriptor_v2", byref(found), level)


def memory_counts_in_the_lease() -> None:
    before = free_bytes()
    big = array(2048, 2048)
    assert before - free_bytes() == 2048 * 2048 * 4
    huge, sparse = Descriptor(32768, 32768, 0, FLOAT, 1, 0), Descriptor(32, 32, 0, FLOAT, 1, 0x40)
    fails(OUT_OF_MEMORY, "cuArray3DCreate_v2", byref(Handle()), byref(huge))
    fails(NOT_SUPPORTED, "cuArray3DCreate_v2", byref(Handle()), byref(sparse))
    call("cuArrayDestroy", big)
    for _ in range(100_000):
        if free_bytes() == before:
            return
    msg = "the array's memory has not come back"
    raise AssertionError(msg)


def kernels_see_arrays() -> None:
    module, look, texture, surface = Handle(), Handle(), c_uint64(), c_uint64()
    call("cuModuleLoadData", byref(module), PTX)
    call("cuModuleGetFunction", byref(look), module, b"look")
    values = struct.pack("<32f", *range(32))
    host, back = ctypes.create_string_buffer(values, 128), ctypes.create_string_buffer(128)
    seen, written = array(8, 4), array(8, 4, flags=2)
    copy(on_host(host, 32), Side(type=ARRAY, array=seen.value), 32, 4)
    resource, target, description = Resource(type=0), Resource(type=0), (c_int * 26)(1, 1, 1)
    resource.words[0], target.words[0] = seen.value, written.value
    call("cuTexObjectCreate", byref(texture), byref(resource), description, None)
    call("cuSurfObjectCreate", byref(surface), byref(target))
    told = Resource()
    call("cuTexObjectGetResourceDesc", byref(told), texture)
    assert told.words[0] == seen.value
    out = allocate(128)
    parameters = (c_void_p * 3)(*[ctypes.addressof(v) for v in (out, texture, surface)])
    call("cuLaunchKernel", look, 1, 1, 1, 8, 4, 1, 0, None, parameters, None)
    assert download(out, 128) == values
    copy(Side(type=ARRAY, array=written.value), on_host(back, 32), 32, 4)
    assert struct.unpack("<32f", back.raw) == tuple(x + 1.0 for x in range(32))
    call("cuTexObjectDestroy", texture)
    call("cuSurfObjectDestroy", surface)
    fails(INVALID_VALUE, "cuTexObjectDestroy", texture)
    fails(INVALID_VALUE, "cuSurfObjectGetResourceDesc", byref(told), surface)


start()
memory_counts_in_the_lease()  # first: what is destroyed comes back a little later
rows_go_in_and_come_back()
lines_go_in_and_come_back()
large_arrays_travel_in_parts()
levels_are_arrays()
kernels_see_arrays()
print("ok")
