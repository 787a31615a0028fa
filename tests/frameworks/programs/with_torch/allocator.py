# SPDX-License-Identifier: BSD-3-Clause
"""The caching allocator: what it holds, gives back and refuses agrees with the lease of 2 GiB."""

from __future__ import annotations

import pytest
import torch

MIB = 1 << 20
GIB = 1 << 30


def held() -> int:
    free, total = torch.cuda.mem_get_info()
    return total - free


def blocks_are_cached_and_given_back() -> None:
    blocks = [torch.empty(64 * MIB, dtype=torch.uint8, device="cuda") for _ in range(4)]
    assert torch.cuda.memory_allocated() == 256 * MIB
    assert held() >= torch.cuda.memory_reserved() >= 256 * MIB
    del blocks
    assert torch.cuda.memory_allocated() == 0
    assert held() >= 256 * MIB, "kept for the next allocation"
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() == 0
    assert held() == 0
    statistics = torch.cuda.memory_stats()
    assert statistics["allocation.all.allocated"] == statistics["allocation.all.freed"] == 4
    assert statistics["allocated_bytes.all.peak"] == 256 * MIB


def many_sizes() -> None:
    kept = []
    for i in range(1000):
        kept.append(torch.empty(i * 37 + 1, dtype=torch.uint8, device="cuda"))
        if i % 3 == 0:
            kept.pop(0)
    assert len({block.data_ptr() for block in kept}) == len(kept)
    kept.clear()
    torch.cuda.empty_cache()
    assert held() == 0


def as_pytorch_writes(size: int) -> str:
    return f"{size / GIB:.2f} GiB" if size > GIB else f"{size / MIB:.2f} MiB"


def more_than_the_lease_is_out_of_memory() -> None:
    kept = [torch.empty(GIB, dtype=torch.uint8, device="cuda")]
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(1536 * MIB, dtype=torch.uint8, device="cuda")
    said = str(caught.value)
    free, total = torch.cuda.mem_get_info()
    assert "Tried to allocate 1.50 GiB" in said, said
    assert f"total capacity of {as_pytorch_writes(total)}" in said, said
    assert f"of which {as_pytorch_writes(free)} is free" in said, said
    assert "1024.00 MiB is allocated by PyTorch" in said, said
    kept.append(torch.empty(900 * MIB, dtype=torch.uint8, device="cuda"))
    kept.clear()
    torch.cuda.empty_cache()
    assert held() == 0


def a_fraction_of_the_lease() -> None:
    torch.cuda.set_per_process_memory_fraction(0.25)
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(600 * MIB, dtype=torch.uint8, device="cuda")
    torch.cuda.set_per_process_memory_fraction(1.0)


blocks_are_cached_and_given_back()
many_sizes()
more_than_the_lease_is_out_of_memory()
a_fraction_of_the_lease()
print("ok")
