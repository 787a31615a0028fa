# SPDX-License-Identifier: BSD-3-Clause
"""The CUDA driver by ctypes, for programs of the check that need no package."""

from __future__ import annotations

import ctypes

OUT_OF_MEMORY = 2
_PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry square(.param .u64 data, .param .u32 n)
{
 .reg .pred p; .reg .b32 r<6>; .reg .b64 d<4>;
 ld.param.u64 d1, [data]; ld.param.u32 r1, [n];
 mov.u32 r2, %ctaid.x; mov.u32 r3, %ntid.x; mov.u32 r4, %tid.x; mad.lo.s32 r5, r2, r3, r4;
 setp.ge.u32 p, r5, r1; @p bra DONE;
 mul.wide.u32 d2, r5, 4; add.u64 d3, d1, d2;
 ld.global.u32 r2, [d3]; mul.lo.u32 r2, r2, r2; st.global.u32 [d3], r2;
DONE: ret;
}
\0"""
_cuda = ctypes.CDLL("libcuda.so.1")


def call(name: str, *arguments: object) -> None:
    """Call the driver, which must succeed."""
    code = getattr(_cuda, name)(*arguments)
    if code:
        text = ctypes.c_char_p()
        _cuda.cuGetErrorName(code, ctypes.byref(text))
        msg = f"{name}: {(text.value or b'?').decode()}"
        raise RuntimeError(msg)


def open_device() -> None:
    """Make a context on GPU 0 current."""
    context = ctypes.c_void_p()
    call("cuInit", 0)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
    call("cuCtxSetCurrent", context)


def memory_info() -> tuple[int, int]:
    """Return free and total memory, in bytes."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    return free.value, total.value


def allocate(size: int) -> ctypes.c_uint64 | None:
    """Return the address of new memory; None where there is no more."""
    address = ctypes.c_uint64()
    code = _cuda.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size))
    if code == OUT_OF_MEMORY:
        return None
    if code:
        msg = f"cuMemAlloc: error {code}"
        raise RuntimeError(msg)
    return address


def free(address: ctypes.c_uint64) -> None:
    """Give it back."""
    call("cuMemFree_v2", address)


class Squares:
    """Squares numbers on the GPU, and knows whether they are right."""

    def __init__(self, length: int = 1 << 16) -> None:
        self._length = length
        module, self._kernel = ctypes.c_void_p(), ctypes.c_void_p()
        call("cuModuleLoadData", ctypes.byref(module), _PTX)
        call("cuModuleGetFunction", ctypes.byref(self._kernel), module, b"square")
        self._memory = allocate(4 * length)
        self._numbers = (ctypes.c_uint32 * length)(*(i % 65536 for i in range(length)))

    def once(self) -> bool:
        """Compute and check."""
        size = ctypes.c_size_t(4 * self._length)
        count, found = ctypes.c_uint32(self._length), (ctypes.c_uint32 * self._length)()
        parameters = (ctypes.c_void_p * 2)(ctypes.addressof(self._memory), ctypes.addressof(count))
        call("cuMemcpyHtoD_v2", self._memory, self._numbers, size)
        grid = (self._length + 255) // 256
        call("cuLaunchKernel", self._kernel, grid, 1, 1, 256, 1, 1, 0, None, parameters, None)
        call("cuMemcpyDtoH_v2", found, self._memory, size)
        return all(b == a * a & 0xFFFFFFFF for a, b in zip(self._numbers, found, strict=True))
