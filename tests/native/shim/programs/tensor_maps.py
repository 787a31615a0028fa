# SPDX-License-Identifier: BSD-3-Clause
"""Descriptors of tensors: prints what the driver wrote, which is the same with a shim between."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_int, c_uint, c_uint64

from driver import call, cuda, fails, start

INVALID_VALUE = 1
FLOAT16, FLOAT32 = 6, 7
ADDRESS = 0x7E0012340000  # only written down: nothing need be there
BYTES = 128


class TensorMap:
    """CUtensorMap, at an address that is a multiple of 64."""

    def __init__(self) -> None:
        self._memory = ctypes.create_string_buffer(2 * BYTES)
        place = -ctypes.addressof(self._memory) % BYTES
        self.bytes = (ctypes.c_ubyte * BYTES).from_buffer(self._memory, place)

    def show(self, what: str) -> None:
        print(what, bytes(self.bytes).hex())


def address(value: int) -> ctypes.c_void_p:
    return ctypes.c_void_p(value)


def tiled(out: TensorMap, box: tuple[int, ...], swizzle: int = 2, fill: int = 1) -> tuple[object, ...]:
    """Arguments for a tensor of 5 dimensions."""
    rank = 5
    sizes = (c_uint64 * rank)(64, 100, 7, 5, 3)
    strides = (c_uint64 * (rank - 1))(128, 12800, 89600, 448000)
    steps = (c_uint * rank)(1, 1, 2, 1, 3)
    return (
        byref(out.bytes), FLOAT16, rank, address(ADDRESS), sizes, strides, (c_uint * rank)(*box), steps,
        0, swizzle, 3, fill,
    )  # fmt: skip


def im2col(out: TensorMap, rank: int, corner: int) -> tuple[object, ...]:
    """Arguments for images of rank - 2 dimensions."""
    sizes = (c_uint64 * rank)(*(32, 64, 64, 16, 8)[:rank])
    strides = (c_uint64 * (rank - 1))(*(128, 8192, 524288, 8388608)[: rank - 1])
    lower, upper = ((c_int * (rank - 2))(*([sign * corner] * (rank - 2))) for sign in (-1, 1))
    steps = (c_uint * rank)(*[1] * rank)
    return (
        byref(out.bytes), FLOAT32, rank, address(ADDRESS), sizes, strides, lower, upper, 32, 512, steps,
        0, 3, 1, 0,
    )  # fmt: skip


def main() -> None:
    out = TensorMap()
    call("cuTensorMapEncodeTiled", *tiled(out, (32, 16, 2, 1, 2)))
    out.show("tiled")
    call("cuTensorMapReplaceAddress", byref(out.bytes), address(ADDRESS + 4096))
    out.show("elsewhere")
    call("cuTensorMapEncodeTiled", *tiled(out, (16, 256, 4, 2, 1), swizzle=0, fill=0))
    out.show("plain")
    one = (c_uint64 * 1)(4096)
    box = (c_uint * 1)(256)
    call("cuTensorMapEncodeTiled", byref(out.bytes), FLOAT32, 1, address(ADDRESS), one, None, box,
         (c_uint * 1)(1), 0, 0, 0, 0)  # fmt: skip
    out.show("line")
    for rank, corner in ((3, 9), (4, 3), (5, 1)):
        call("cuTensorMapEncodeIm2col", *im2col(out, rank, corner))
        out.show(f"im2col {rank}")
    before = bytes(out.bytes)
    fails(INVALID_VALUE, "cuTensorMapEncodeTiled", *tiled(out, (32, 512, 1, 1, 1)))
    fails(INVALID_VALUE, "cuTensorMapEncodeTiled", *tiled(out, (64, 16, 1, 1, 1)))
    fails(INVALID_VALUE, "cuTensorMapReplaceAddress", byref(out.bytes), address(ADDRESS + 8))
    fails(INVALID_VALUE, "cuTensorMapEncodeIm2col", *im2col(out, 5, 200))
    assert bytes(out.bytes) == before, "a refused map was written"


start()
major = c_int()
call("cuDeviceGetAttribute", byref(major), 75, 0)
if major.value >= 9:
    main()
else:
    refused = TensorMap()
    print("too old:", cuda.cuTensorMapEncodeTiled(*tiled(refused, (32, 16, 2, 1, 2))))
print("ok")
