# SPDX-License-Identifier: BSD-3-Clause
"""Devices, copies, pinned memory, streams and events; a kernel that the GPU lacks is PyTorch's own error."""

from __future__ import annotations

import pytest
import torch

MIB = 1 << 20


def the_device_is_the_lease() -> None:
    assert torch.cuda.is_available()
    assert torch.cuda.device_count() == 1
    properties = torch.cuda.get_device_properties(0)
    assert properties.name == torch.cuda.get_device_name(0) != ""
    assert torch.cuda.get_device_capability(0) == (properties.major, properties.minor)
    free, total = torch.cuda.mem_get_info()
    assert free == total == properties.total_memory == 2048 * MIB


def tensors_go_there_and_back() -> None:
    numbers = torch.arange(100_000, dtype=torch.float32).reshape(100, 1000)
    there = numbers.cuda()
    assert there.is_cuda
    assert torch.equal(there.cpu(), numbers)
    assert torch.equal(there[10:20].cpu(), numbers[10:20]), "a part without gaps"
    assert torch.equal(numbers.to("cuda").clone().cpu(), numbers), "a copy on the device"
    assert torch.equal(torch.zeros(1000, device="cuda").cpu(), torch.zeros(1000)), "a memset"
    assert torch.empty(10, device="cuda").copy_(torch.ones(10)).cpu().sum() == 10
    assert torch.from_dlpack(there).data_ptr() == there.data_ptr()


def pinned_memory_streams_and_events() -> None:
    pinned = torch.arange(1 << 20, dtype=torch.int32).pin_memory()
    assert pinned.is_pinned()
    assert not torch.arange(10).is_pinned()
    first, second = torch.cuda.Stream(), torch.cuda.Stream(priority=-1)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    with torch.cuda.stream(first):
        begin.record()
        there = pinned.to("cuda", non_blocking=True)
        copied = torch.cuda.Event()
        copied.record()
    second.wait_event(copied)
    back = torch.empty_like(pinned).pin_memory()
    with torch.cuda.stream(second):
        back.copy_(there, non_blocking=True)
        end.record()
    end.synchronize()
    assert end.query()
    assert first.query()
    assert torch.equal(back, pinned)
    assert begin.elapsed_time(end) >= 0
    torch.cuda.synchronize()


def computing_says_that_there_is_no_kernel() -> None:
    numbers = torch.ones(1000).cuda()
    with pytest.raises(torch.AcceleratorError, match="no kernel image is available"):
        (numbers + 1).cpu()
    with pytest.raises(RuntimeError):
        (numbers.reshape(10, 100) @ numbers.reshape(100, 10)).cpu()


the_device_is_the_lease()
tensors_go_there_and_back()
pinned_memory_streams_and_events()
computing_says_that_there_is_no_kernel()
print("ok")
