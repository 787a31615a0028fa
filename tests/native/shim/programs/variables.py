# SPDX-License-Identifier: BSD-3-Clause
"""Managed variables of modules and libraries: host and device use them at one address."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_int, c_uint, c_uint32

from driver import Address, Handle, Size, call, fails, launch, start

INVALID_VALUE, NOT_FOUND, NOT_SUPPORTED = 1, 500, 801
IS_MANAGED = 8
LARGE = 200_000
CPU = -1

PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .global .attribute(.managed) .align 4 .u32 first = 5;
.visible .global .attribute(.managed) .align 4 .u32 second;
.visible .global .attribute(.managed) .align 16 .b8 large[200000];
.visible .global .align 4 .u32 plain = 3;
.visible .entry bump(.param .u32 by)
{
  .reg .b32 r<4>; .reg .b64 d<2>;
  ld.param.u32 r0, [by];
  ld.global.u32 r1, [first]; add.u32 r1, r1, r0; st.global.u32 [first], r1;
  ld.global.u32 r2, [second]; add.u32 r2, r2, r1; st.global.u32 [second], r2;
  ld.global.u32 r3, [plain]; add.u32 r3, r3, r0; st.global.u32 [plain], r3;
  mov.u64 d0, large; st.global.u32 [d0], r1; st.global.u32 [d0+199996], r2;
  ret;
}
.visible .entry through(.param .u64 to)
{
  .reg .b32 r<2>; .reg .b64 d<2>;
  ld.param.u64 d0, [to]; ld.global.u32 r0, [d0]; add.u32 r0, r0, 1000; st.global.u32 [d0], r0;
  ret;
}
"""
Word = POINTER(c_uint32)


def load() -> tuple[Handle, Handle, Handle]:
    module, bump, through = Handle(), Handle(), Handle()
    call("cuModuleLoadData", byref(module), PTX)
    call("cuModuleGetFunction", byref(bump), module, b"bump")
    call("cuModuleGetFunction", byref(through), module, b"through")
    return module, bump, through


def find(name: str, *whose: object) -> tuple[Address, int]:
    address, size = Address(), Size()
    call(name, byref(address), byref(size), *whose)
    return address, size.value


def words(address: Address) -> ctypes._Pointer[c_uint32]:
    return ctypes.cast(address.value, Word)


def both_sides_see_a_module_s_variables() -> None:
    module, bump, through = load()
    assert launch(bump, 1, 1, c_uint(2)) == 0, "variables that nobody has asked for yet"
    first, size = find("cuModuleGetGlobal_v2", module, b"first")
    assert size == 4
    assert words(first)[0] == 7
    words(first)[0] = 100
    second, _ = find("cuModuleGetGlobal_v2", module, b"second")
    assert words(second)[0] == 7, "found while its neighbour is the host's"
    assert words(first)[0] == 100
    large, size = find("cuModuleGetGlobal_v2", module, b"large")
    assert size == LARGE
    words(large)[1] = 77
    assert launch(bump, 1, 1, c_uint(10)) == 0
    call("cuCtxSynchronize")
    assert [words(v)[0] for v in (first, second, large)] == [110, 117, 110]
    assert [words(large)[i] for i in (1, 2, LARGE // 4 - 1)] == [77, 0, 117]
    for address in (first, Address(large.value + 4)):
        assert launch(through, 1, 1, address) == 0
    call("cuCtxSynchronize")
    assert [words(first)[0], words(large)[1]] == [1110, 1077]
    as_other_managed_memory(first, large)
    call("cuModuleUnload", module)


def as_other_managed_memory(first: Address, large: Address) -> None:
    managed, stream = c_uint(), Handle()
    call("cuPointerGetAttribute", byref(managed), IS_MANAGED, first)
    assert managed.value == 1
    fails(INVALID_VALUE, "cuMemFree_v2", first)
    call("cuMemsetD32_v2", first, 9, Size(1))
    assert words(first)[0] == 9
    copy = (c_uint32 * 4)()
    call("cuMemcpyDtoH_v2", copy, large, Size(16))
    assert copy[1] == 1077
    call("cuStreamCreate", byref(stream), 0)
    for place in (CPU, 0):
        call("cuMemPrefetchAsync", large, Size(LARGE), place, stream)
        assert words(large)[1] == 1077
    call("cuStreamAttachMemAsync", stream, first, Size(0), 2)
    starts, sizes = (Address * 1)(large.value), (Size * 1)(LARGE)
    call("cuMemDiscardBatchAsync", starts, sizes, Size(1), 0, stream)
    fails(INVALID_VALUE, "cuMemDiscardBatchAsync", starts, sizes, Size(1), 0, None)
    fails(INVALID_VALUE, "cuMemDiscardBatchAsync", starts, (Size * 1)(LARGE + 1), Size(1), 0, stream)
    location, index = (c_int * 8)(1, 0), (Size * 1)(0)
    again = (starts, sizes, Size(1), location, index, Size(1), 0, stream)
    call("cuMemDiscardAndPrefetchBatchAsync", *again)
    words(large)[1] = 5
    assert words(large)[1] == 5, "what is written after it was discarded stays"
    assert words(first)[0] == 9, "a neighbour keeps what it has"
    fails(NOT_SUPPORTED, "cuMemGetLocationInfo", large, Size(4096), Size(4096), Size(0), location)
    call("cuStreamDestroy_v2", stream)


def variables_of_a_library() -> None:
    library, bump, function = Handle(), Handle(), Handle()
    call("cuLibraryLoadData", byref(library), PTX, None, None, 0, None, None, 0)
    first, _ = find("cuLibraryGetManaged", library, b"first")
    assert words(first)[0] == 5
    second, _ = find("cuLibraryGetGlobal", library, b"second")
    for name in (b"plain", b"nothing"):
        fails(NOT_FOUND, "cuLibraryGetManaged", byref(Address()), None, library, name)
    fails(NOT_FOUND, "cuLibraryGetUnifiedFunction", byref(function), library, b"bump")
    call("cuLibraryGetKernel", byref(bump), library, b"bump")
    words(first)[0] = 50
    assert launch(bump, 1, 1, c_uint(1)) == 0
    call("cuCtxSynchronize")
    assert [words(first)[0], words(second)[0]] == [51, 51]
    call("cuLibraryUnload", library)


def found_before_any_context() -> None:
    """As runtimes do while they start."""
    library = Handle()
    call("cuInit", 0)
    call("cuLibraryLoadData", byref(library), PTX, None, None, 0, None, None, 0)
    first, _ = find("cuLibraryGetManaged", library, b"first")
    assert words(first)[0] == 5
    call("cuLibraryUnload", library)


def a_library_s_variables_outlive_a_reset() -> None:
    library, bump = Handle(), Handle()
    call("cuLibraryLoadData", byref(library), PTX, None, None, 0, None, None, 0)
    call("cuLibraryGetKernel", byref(bump), library, b"bump")
    first, _ = find("cuLibraryGetManaged", library, b"first")
    assert launch(bump, 1, 1, c_uint(10)) == 0
    call("cuDevicePrimaryCtxReset_v2", 0)
    assert words(first)[0] == 15
    words(first)[0] = 20
    start()
    assert launch(bump, 1, 1, c_uint(1)) == 0
    call("cuCtxSynchronize")
    assert words(first)[0] == 21
    call("cuLibraryUnload", library)


def after_a_reset() -> None:
    module, _, _ = load()
    first, _ = find("cuModuleGetGlobal_v2", module, b"first")
    words(first)[0] = 6
    call("cuDevicePrimaryCtxReset_v2", 0)
    start()
    module, bump, _ = load()
    first, _ = find("cuModuleGetGlobal_v2", module, b"first")
    assert words(first)[0] == 5
    assert launch(bump, 1, 1, c_uint(1)) == 0
    assert words(first)[0] == 6


found_before_any_context()
context = start()
for _ in range(3):
    both_sides_see_a_module_s_variables()
    variables_of_a_library()
after_a_reset()
a_library_s_variables_outlive_a_reset()
print("ok")
