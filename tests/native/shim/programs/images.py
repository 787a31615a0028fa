# SPDX-License-Identifier: BSD-3-Clause
"""Code as nvcc puts it into programs: fat binaries in all their forms, PTX with NULs behind it."""

from __future__ import annotations

import ctypes
import struct
from ctypes import byref, c_int, c_void_p
from pathlib import Path

from driver import PTX, Handle, Size, allocate, call, cuda, download, fails, launch, start

IMAGES = Path(__file__).parents[2] / "images"
NO_BINARY, INVALID_IMAGE = 209, 200
keep = []


def bytes_of(name: str) -> bytes:
    return (IMAGES / name).read_bytes()


def placed(data: bytes) -> int:
    """Put the bytes where code can point to them."""
    buffer = ctypes.create_string_buffer(data, len(data))  # aligned as malloc aligns
    keep.append(buffer)
    return ctypes.addressof(buffer)


def wrapper(container: bytes, *parts: bytes) -> int:
    """What a program holds: version 2 where it was linked from parts."""
    more = 0
    if parts:
        more = placed(struct.pack(f"<{len(parts) + 1}Q", *map(placed, parts), 0))
    return placed(struct.pack("<IIQQ", 0x466243B1, 2 if parts else 1, placed(container), more))


def function(image: int | bytes, name: str) -> Handle:
    module, out = Handle(), Handle()
    call("cuModuleLoadData", byref(module), c_void_p(image) if isinstance(image, int) else image)
    call("cuModuleGetFunction", byref(out), module, name.encode())
    return out


def scaled(kernel: Handle) -> None:
    out = allocate(4 * 13)
    table = (ctypes.c_double * 13)(*range(13))
    assert launch(kernel, 1, 13, out, ctypes.c_char(5), table, ctypes.c_short(-3)) == 0
    assert struct.unpack("<13f", download(out, 52)) == tuple(x + 2.0 for x in range(13))


def containers_in_all_forms() -> None:
    for name in ("many.fatbin", "many_lz4.fatbin", "ptx_zstd.fatbin"):
        data = bytes_of(name)
        for image in (placed(data), wrapper(data)):
            scaled(function(image, "scale"))
    library, kernel = Handle(), Handle()
    image = c_void_p(wrapper(bytes_of("many.fatbin")))
    call("cuLibraryLoadData", byref(library), image, None, None, 0, None, None, 0)
    call("cuLibraryGetKernel", byref(kernel), library, b"scale")
    scaled(kernel)


def programs_linked_from_parts() -> None:
    parts = bytes_of("caller.fatbin"), bytes_of("callee.fatbin")
    nothing = struct.pack("<IHHQ", 0xBA55ED50, 1, 16, 0)
    for linked in (bytes_of("linked.fatbin"), nothing):
        kernel, out = function(wrapper(linked, *parts), "caller"), allocate(16)
        assert launch(kernel, 1, 4, out) == 0
        assert struct.unpack("<4i", download(out, 16)) == (1, 4, 7, 10)
    state, cubin, size = Handle(), c_void_p(), Size()
    call("cuLinkCreate_v2", 0, None, None, byref(state))
    for part in parts:
        call("cuLinkAddData_v2", state, 2, c_void_p(wrapper(part)), Size(24), b"part", 0, None, None)
    call("cuLinkComplete", state, byref(cubin), byref(size))
    function(cubin.value, "caller")


def code_for_other_gpus() -> None:
    log = ctypes.create_string_buffer(4096)
    size, iterator = Size(4096), ctypes.c_uint()
    call("cuLogsCurrent", byref(iterator), 0)
    fails(NO_BINARY, "cuModuleLoadData", byref(Handle()), c_void_p(wrapper(bytes_of("only_sm90a.fatbin"))))
    call("cuLogsDumpToMemory", byref(iterator), log, byref(size), 0)
    assert b"sm_90a" in log.value
    damaged = bytearray(bytes_of("many.fatbin"))
    damaged[29] = 1
    fails(INVALID_IMAGE, "cuModuleLoadData", byref(Handle()), c_void_p(placed(bytes(damaged))))


def text_with_nuls_behind_it() -> None:
    function(PTX + bytes(13), "add")


start()
major = c_int()
cuda.cuDeviceGetAttribute(byref(major), 75, 0)
containers_in_all_forms()
programs_linked_from_parts()
if major.value != 9:
    code_for_other_gpus()
text_with_nuls_behind_it()
print("ok")
