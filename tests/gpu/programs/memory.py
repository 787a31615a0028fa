# SPDX-License-Identifier: BSD-3-Clause
"""Take all memory and give it back: prints total, free before, held, left and free after, in bytes."""

from __future__ import annotations

from .driver import allocate, free, memory_info, open_device

PAGE = 2 << 20  # what drivers give out at least
open_device()
before, total = memory_info()
piece = max(total // 64 & -PAGE, PAGE)
held = []
while (address := allocate(piece)) is not None:
    held.append(address)
left = memory_info()[0]
for address in held:
    free(address)
print(f"memory {total} {before} {len(held) * piece} {left} {memory_info()[0]}")
