# SPDX-License-Identifier: BSD-3-Clause
"""CuPy arrays in managed memory, which the program touches as well."""

from __future__ import annotations

import ctypes

import cupy

with cupy.cuda.using_allocator(cupy.cuda.malloc_managed):
    numbers = cupy.arange(1000, dtype=cupy.float32) * 2
cupy.cuda.Device().synchronize()
touched = (ctypes.c_float * 1000).from_address(numbers.data.ptr)
assert list(touched[:4]) == [0, 2, 4, 6]
touched[0] = 100
assert float((numbers + 1)[0]) == 101
print("ok")
