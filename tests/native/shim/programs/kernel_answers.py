# SPDX-License-Identifier: BSD-3-Clause
"""Attributes that are set as they are, and occupancy that is asked for again; the argument says how often.

The test counts the round trips.
"""

from __future__ import annotations

import ctypes
import sys

from driver import PTX, Handle, call, fails, function, start

MAX_DYNAMIC_SHARED, CARVEOUT, INVALID_VALUE = 8, 9, 1
start()
add = function("add")


def blocks(shared_bytes: int) -> int:
    out = ctypes.c_int()
    call(
        "cuOccupancyMaxActiveBlocksPerMultiprocessor",
        ctypes.byref(out),
        add,
        64,
        ctypes.c_size_t(shared_bytes),
    )
    return out.value


def attribute(number: int) -> int:
    out = ctypes.c_int()
    call("cuFuncGetAttribute", ctypes.byref(out), number, add)
    return out.value


few, many = blocks(20_000), blocks(100)
assert 0 < few < many
for _ in range(int(sys.argv[1])):
    call("cuFuncSetAttribute", add, MAX_DYNAMIC_SHARED, 2048)
    call("cuFuncSetAttribute", add, CARVEOUT, 50)
    assert (blocks(20_000), blocks(100)) == (few, many)
# What is new is set, in whatever order values come, and what cannot be is told each time.
for value in (1024, 2048, 4096, 1024):
    call("cuFuncSetAttribute", add, MAX_DYNAMIC_SHARED, value)
    assert attribute(MAX_DYNAMIC_SHARED) == value
for _ in range(2):
    fails(INVALID_VALUE, "cuFuncSetAttribute", add, MAX_DYNAMIC_SHARED, 1 << 30)
    assert attribute(MAX_DYNAMIC_SHARED) == 1024
# Nothing of it is known of a kernel of another module, wherever that is put.
module = Handle()
call("cuModuleLoadData", ctypes.byref(module), PTX)
for _ in range(3):
    call("cuModuleGetFunction", ctypes.byref(add), module, b"add")
    assert attribute(MAX_DYNAMIC_SHARED) != 2048
    call("cuFuncSetAttribute", add, MAX_DYNAMIC_SHARED, 2048)
    assert attribute(MAX_DYNAMIC_SHARED) == 2048
    call("cuModuleUnload", module)
    call("cuModuleLoadData", ctypes.byref(module), PTX)
print("ok")
