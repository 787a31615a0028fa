# SPDX-License-Identifier: BSD-3-Clause
"""Libraries: of very many kernels, and across the reset of a context, which takes their modules along."""

from __future__ import annotations

import ctypes

from driver import (
    PTX,
    Address,
    Handle,
    Size,
    allocate,
    call,
    cuda,
    download,
    fails,
    free_bytes,
    launch,
    start,
    upload,
)

MAX_THREADS, REGISTERS = 0, 4


def load(code: bytes) -> Handle:
    library = Handle()
    call("cuLibraryLoadData", ctypes.byref(library), code, None, None, 0, None, None, 0)
    return library


def kernel_of(library: Handle, name: str) -> Handle:
    kernel = Handle()
    call("cuLibraryGetKernel", ctypes.byref(kernel), library, name.encode())
    return kernel


def attribute(kernel: Handle, which: int) -> int:
    value = ctypes.c_int(-1)
    call("cuKernelGetAttribute", ctypes.byref(value), which, kernel, 0)
    return value.value


def attributes_of_one_of_many_kernels_are_known() -> None:
    entries = "".join(f".visible .entry k{i}() .maxntid {32 + i}, 1, 1 {{ ret; }}\n" for i in range(1000))
    library = load(f".version 7.0\n.target sm_70\n.address_size 64\n{entries}".encode())
    kernel = kernel_of(library, "k500")
    assert attribute(kernel, MAX_THREADS) == 532
    assert attribute(kernel, REGISTERS) > 0
    call("cuKernelSetAttribute", 8, 1024, kernel_of(library, "k7"), 0)
    assert attribute(kernel_of(library, "k7"), 8) == 1024
    assert launch(kernel, 1, 532) == 0
    assert launch(kernel, 1, 533) == 1
    call("cuCtxSynchronize")
    call("cuLibraryUnload", library)


def add_one(kernel: Handle) -> None:
    memory = allocate(400)
    upload(memory, bytes(400))
    assert launch(kernel, 1, 128, memory, ctypes.c_uint32(1), ctypes.c_uint32(100)) == 0
    assert download(memory, 400) == b"\1\0\0\0" * 100


def function_in_module(library: Handle) -> Handle:
    module, function = Handle(), Handle()
    call("cuLibraryGetModule", ctypes.byref(module), library)
    call("cuModuleGetFunction", ctypes.byref(function), module, b"add")
    return function


def counter_of(library: Handle) -> Address:
    address = Address()
    call("cuLibraryGetGlobal", ctypes.byref(address), None, library, b"counter")
    return address


def a_library_outlives_a_reset() -> None:
    library = load(PTX)
    whole = free_bytes()
    for _ in range(3):
        counter = counter_of(library)
        assert download(counter, 4) == bytes(4), "a variable has its first value again"
        upload(counter, b"used")
        add_one(kernel_of(library, "add"))
        add_one(function_in_module(library))
        call("cuDevicePrimaryCtxReset_v2", 0)
        fails(709, "cuMemAlloc_v2", ctypes.byref(Address()), Size(4))
        start()
        assert free_bytes() == whole, "a reset frees what was allocated"
        assert cuda.cuMemcpyHtoD_v2(counter, b"gone", Size(4)) != 0, "the variable went with its context"
    call("cuLibraryUnload", library)


start()
attributes_of_one_of_many_kernels_are_known()
a_library_outlives_a_reset()
print("ok")
