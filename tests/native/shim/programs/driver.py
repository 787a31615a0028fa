# SPDX-License-Identifier: BSD-3-Clause
"""A thin ctypes view of libcuda.so.1: for the programs beside it, and for programs of the hardware check."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

cuda = ctypes.CDLL("libcuda.so.1")
Size = ctypes.c_size_t
Address = ctypes.c_uint64
Handle = ctypes.c_void_p
HostFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.global .u32 counter;
.visible .entry add(.param .u64 data, .param .u32 value, .param .u32 n)
{
  .reg .pred p; .reg .b32 r<6>; .reg .b64 d<3>;
  ld.param.u64 d1, [data]; ld.param.u32 r1, [value]; ld.param.u32 r2, [n];
  mov.u32 r3, %ctaid.x; mov.u32 r4, %ntid.x; mov.u32 r5, %tid.x; mad.lo.s32 r3, r3, r4, r5;
  setp.ge.u32 p, r3, r2; @p ret;
  mul.wide.u32 d2, r3, 4; add.u64 d1, d1, d2;
  ld.global.u32 r4, [d1]; add.u32 r4, r4, r1; st.global.u32 [d1], r4;
  ret;
}
.visible .entry poke(.param .u64 data)
{
  .reg .b32 r1; .reg .b64 d1;
  ld.param.u64 d1, [data]; mov.u32 r1, 1; st.global.u32 [d1], r1; ret;
}
"""

# Takes a while, a good tenth of a second for LATE rounds on an emulated GPU, and then writes how long it was.
WRITE_LATE = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry write_late(.param .u64 data, .param .u32 rounds)
{
  .reg .pred p; .reg .b32 r<3>; .reg .b64 d1;
  ld.param.u64 d1, [data]; ld.param.u32 r1, [rounds]; mov.u32 r2, 0;
MORE:
  add.u32 r2, r2, 1; setp.lt.u32 p, r2, r1; @p bra MORE;
  st.global.u32 [d1], r2;
  ret;
}
"""
LATE = 10_000_000
kept: list[object] = []  # the driver does not keep Python's functions alive


class Error(Exception):
    def __init__(self, name: str, code: int) -> None:
        text = ctypes.c_char_p()
        cuda.cuGetErrorName(code, ctypes.byref(text))
        super().__init__(f"{name}: {(text.value or b'error').decode()} ({code})")
        self.code = code


def call(name: str, *arguments: object) -> None:
    code = getattr(cuda, name)(*arguments)
    if code:
        raise Error(name, code)


def fails(code: int, name: str, *arguments: object) -> None:
    result = getattr(cuda, name)(*arguments)
    assert result == code, f"{name}: {result}, not {code}"


def start(device: int = 0) -> Handle:
    call("cuInit", 0)
    context = Handle()
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call("cuCtxSetCurrent", context)
    return context


def allocate(size: int) -> Address:
    address = Address()
    call("cuMemAlloc_v2", ctypes.byref(address), Size(size))
    return address


def upload(address: Address, data: bytes) -> None:
    call("cuMemcpyHtoD_v2", address, data, Size(len(data)))


def download(address: Address, size: int) -> bytes:
    out = ctypes.create_string_buffer(size)
    call("cuMemcpyDtoH_v2", out, address, Size(size))
    return out.raw


def memory_info() -> tuple[int, int]:
    """Return free and total memory, in bytes."""
    free, total = Size(), Size()
    call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    return free.value, total.value


def free_bytes() -> int:
    return memory_info()[0]


def function(name: str, ptx: bytes = PTX) -> Handle:
    module, out = Handle(), Handle()
    call("cuModuleLoadData", ctypes.byref(module), ptx)
    call("cuModuleGetFunction", ctypes.byref(out), module, name.encode())
    return out


def new_stream() -> Handle:
    out = Handle()
    call("cuStreamCreate", ctypes.byref(out), 1)
    return out


@contextmanager
def held(stream: Handle) -> Iterator[None]:
    """Nothing that the stream is given inside is done before the end."""
    opened = threading.Event()
    native = HostFunction(lambda _: opened.wait(40) and None)
    kept.append(native)
    call("cuLaunchHostFunc", stream, native, None)
    try:
        yield
    finally:
        opened.set()


def launch(kernel: Handle, grid: int, block: int, *values: object, stream: object = None) -> int:
    pointers = (Handle * len(values))(*[ctypes.addressof(v) for v in values])
    return cuda.cuLaunchKernel(kernel, grid, 1, 1, block, 1, 1, 0, stream, pointers, None)


def noise(size: int) -> bytes:
    return os.urandom(size)
