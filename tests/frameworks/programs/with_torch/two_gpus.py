# SPDX-License-Identifier: BSD-3-Clause
"""Two GPUs of one lease: copies between them, and processes that each use one."""

from __future__ import annotations

import torch
from torch import multiprocessing


def use(device: int, sums: multiprocessing.SimpleQueue) -> None:
    numbers = torch.arange(100).cuda(device)
    sums.put(int(numbers.cpu().sum()) + device)


def copies() -> None:
    numbers = torch.arange(1 << 20, dtype=torch.int32)
    first = numbers.to("cuda:0")
    second = first.to("cuda:1")
    assert torch.equal(second.cpu(), numbers)
    first.copy_(torch.zeros_like(numbers))
    first.copy_(second, non_blocking=True)
    torch.cuda.synchronize()
    assert torch.equal(first.cpu(), numbers)
    with torch.cuda.device(1):
        assert torch.empty(1, device="cuda").device.index == 1
        free, total = torch.cuda.mem_get_info()
        assert total - free == torch.cuda.memory_reserved(1)


def processes() -> None:
    spawn = multiprocessing.get_context("spawn")
    sums = spawn.SimpleQueue()
    children = [spawn.Process(target=use, args=(device, sums)) for device in (0, 1)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert sorted(sums.get() for _ in children) == [4950, 4951]


if __name__ == "__main__":
    assert torch.cuda.device_count() == 2
    copies()
    processes()
    print("ok")
