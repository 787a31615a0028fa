# SPDX-License-Identifier: BSD-3-Clause
"""Take all memory and give it back: prints total, free before, held, left and free after, in bytes."""

from __future__ import annotations

from tests.native.shim.programs.driver import Address, Error, allocate, call, free_bytes, memory_info, start

OUT_OF_MEMORY = 2
PAGE = 2 << 20  # what drivers give out at least


def take_all(piece: int) -> list[Address]:
    """Allocate pieces of so many bytes until there are no more."""
    held: list[Address] = []
    while True:
        try:
            held.append(allocate(piece))
        except Error as error:
            if error.code != OUT_OF_MEMORY:
                raise
            return held


start()
before, total = memory_info()
piece = max(total // 64 & -PAGE, PAGE)
held = take_all(piece)
left = free_bytes()
for address in held:
    call("cuMemFree_v2", address)
print(f"memory {total} {before} {len(held) * piece} {left} {free_bytes()}")
