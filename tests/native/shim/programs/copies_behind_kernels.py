# SPDX-License-Identifier: BSD-3-Clause
"""Copies that have to wait for the GPU: more than the worker keeps aside, while another stream goes on."""

from __future__ import annotations

import ctypes

from driver import (
    LATE,
    WRITE_LATE,
    Size,
    allocate,
    call,
    download,
    function,
    launch,
    new_stream,
    noise,
    start,
)

LARGE, SMALL = 40 << 20, 300_000

start()
late, busy, other = function("write_late", WRITE_LATE), new_stream(), new_stream()
large, small, first = allocate(LARGE), allocate(SMALL), allocate(4)
for _ in range(2):
    one, two = noise(LARGE), noise(SMALL)
    there, back = ctypes.create_string_buffer(SMALL), ctypes.create_string_buffer(LARGE)
    assert launch(late, 1, 1, first, ctypes.c_uint32(LATE), stream=busy) == 0
    # In pieces, between those of the other stream.
    for at in range(0, LARGE, SMALL):
        size = min(SMALL, LARGE - at)
        part = one[at : at + size]
        call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(large.value + at), part, Size(size), busy)
        call("cuMemcpyHtoDAsync_v2", small, two, Size(SMALL), other)
    call("cuMemcpyDtoHAsync_v2", there, small, Size(SMALL), other)
    call("cuStreamSynchronize", other)
    assert there.raw == two
    assert launch(late, 1, 1, first, ctypes.c_uint32(LATE), stream=busy) == 0
    call("cuMemcpyDtoHAsync_v2", back, large, Size(LARGE), busy)
    call("cuStreamSynchronize", busy)
    assert back.raw == one
assert download(first, 4) == LATE.to_bytes(4, "little")
print("ok")
