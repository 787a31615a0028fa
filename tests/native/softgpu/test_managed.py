# SPDX-License-Identifier: BSD-3-Clause
"""Managed memory and host memory that kernels reach: at one address for all."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np
import pytest

from tests.native.ptx.harness import HEADER, Driver, Result, kernel

ATTACH_GLOBAL = 1
IS_MANAGED, MEMORY_TYPE = 8, 2  # CU_POINTER_ATTRIBUTE_*
READ_MOSTLY, PREFERRED, ACCESSED_BY, LAST_PREFETCH = 1, 2, 3, 4  # CU_MEM_RANGE_ATTRIBUTE_*
HOST, NOWHERE = -1, -2
DOUBLE = kernel(
    "ld.param.u64 %l0, [out]; ld.global.u32 %r0, [%l0]; add.u32 %r0, %r0, %r0; st.global.u32 [%l0], %r0;"
)


class Location(ctypes.Structure):
    """CUmemLocation."""

    _fields_ = (("type", ctypes.c_int), ("id", ctypes.c_int))


def word(address: int) -> ctypes.c_uint32:
    return ctypes.c_uint32.from_address(address)


@pytest.fixture
def managed(gpu: Driver) -> int:
    address = ctypes.c_uint64()
    gpu.call("cuMemAllocManaged", ctypes.byref(address), ctypes.c_size_t(1 << 16), ATTACH_GLOBAL)
    return address.value


def range_attribute(gpu: Driver, attribute: int, address: int, size: int) -> int:
    value = ctypes.c_int(99)
    gpu.call("cuMemRangeGetAttribute", ctypes.byref(value), ctypes.c_size_t(4), attribute,
             ctypes.c_uint64(address), ctypes.c_size_t(size))  # fmt: skip
    return value.value


def test_host_and_kernel_share_managed_memory(gpu: Driver, managed: int) -> None:
    word(managed).value = 21
    gpu.run(DOUBLE, 1, 1, [np.uint64(managed)])
    assert word(managed).value == 42
    value = ctypes.c_uint()
    gpu.call("cuPointerGetAttribute", ctypes.byref(value), IS_MANAGED, ctypes.c_uint64(managed))
    assert value.value == 1
    gpu.call("cuMemFree_v2", ctypes.c_uint64(managed))


def test_advice_and_prefetches_are_remembered_for_the_pages_they_named(gpu: Driver, managed: int) -> None:
    half = 1 << 15
    gpu.call("cuMemAdvise_v2", ctypes.c_uint64(managed), ctypes.c_size_t(half), 3, Location(1, 0))
    gpu.call("cuMemAdvise", ctypes.c_uint64(managed), ctypes.c_size_t(2 * half), 1, 0)
    gpu.call("cuMemPrefetchAsync", ctypes.c_uint64(managed), ctypes.c_size_t(2 * half), HOST, None)
    assert range_attribute(gpu, PREFERRED, managed, half) == 0
    assert range_attribute(gpu, PREFERRED, managed, 2 * half) == NOWHERE
    assert range_attribute(gpu, READ_MOSTLY, managed, 2 * half) == 1
    assert range_attribute(gpu, LAST_PREFETCH, managed, 2 * half) == HOST
    gpu.call("cuMemAdvise_v2", ctypes.c_uint64(managed), ctypes.c_size_t(half), 5, Location(1, 0))
    gpu.call("cuMemAdvise_v2", ctypes.c_uint64(managed), ctypes.c_size_t(half), 5, Location(2, 0))
    places = (ctypes.c_int * 3)()
    gpu.call("cuMemRangeGetAttribute", places, ctypes.c_size_t(12), ACCESSED_BY, ctypes.c_uint64(managed),
             ctypes.c_size_t(half))  # fmt: skip
    assert list(places) == [HOST, 0, NOWHERE]
    gpu.call("cuMemFree_v2", ctypes.c_uint64(managed))
    refused = gpu.lib.cuMemAdvise(ctypes.c_uint64(managed), ctypes.c_size_t(half), 1, 0)
    assert refused == Result.INVALID_VALUE


def test_a_managed_variable_of_a_module(gpu: Driver) -> None:
    text = HEADER + ".visible .global .attribute(.managed) .align 4 .u32 shared_with_host = 5;\n"
    module = gpu.load(text + kernel(
        "mov.u64 %l0, shared_with_host; ld.global.u32 %r0, [%l0]; add.u32 %r0, %r0, 1;"
        "st.global.u32 [%l0], %r0;",
        header=""))  # fmt: skip
    address, size = module.symbol("shared_with_host")
    assert size == 4
    assert word(address).value == 5
    gpu.launch(module.function("test"), 1, 1, [np.uint64(0)])
    assert word(address).value == 6
    library, found = ctypes.c_void_p(), ctypes.c_uint64()
    gpu.call("cuLibraryLoadData", ctypes.byref(library), (text + kernel("", header="")).encode(),
             None, None, 0, None, None, 0)  # fmt: skip
    gpu.call("cuLibraryGetManaged", ctypes.byref(found), None, library, b"shared_with_host")
    assert word(found.value).value == 5
    gpu.call("cuLibraryUnload", library)


@pytest.mark.parametrize("registered", [False, True])
def test_kernels_reach_host_memory_at_its_own_address(gpu: Driver, registered: bool) -> None:
    own = mmap.mmap(-1, 4096)
    pointer = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(own)))
    if registered:
        gpu.call("cuMemHostRegister_v2", pointer, ctypes.c_size_t(4096), 0)
    else:
        gpu.call("cuMemHostAlloc", ctypes.byref(pointer), ctypes.c_size_t(4096), 0)
    device = ctypes.c_uint64()
    gpu.call("cuMemHostGetDevicePointer_v2", ctypes.byref(device), pointer, 0)
    assert device.value == pointer.value
    word(device.value).value = 8
    gpu.run(DOUBLE, 1, 1, [np.uint64(device.value)])
    assert word(device.value).value == 16
    gpu.call("cuMemHostUnregister" if registered else "cuMemFreeHost", pointer)
