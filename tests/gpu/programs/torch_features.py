# SPDX-License-Identifier: BSD-3-Clause
"""CUDA graphs, mixed precision with a scaler, streams, pinned memory and loaders with workers, in PyTorch."""

from __future__ import annotations

import sys

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, TensorDataset


def graph() -> None:
    """A captured step is replayed with other data."""
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8)).cuda()
    data = torch.randn(32, 64, device="cuda")
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            model(data)
    torch.cuda.current_stream().wait_stream(side)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        found = model(data)
    data.copy_(torch.linspace(-1, 1, 32 * 64, device="cuda").view(32, 64))
    captured.replay()
    print(f"value graph-agrees {(found - model(data)).abs().max().item() < 1e-4:d}")
    print(f"value graph-sum {found.double().abs().sum().item():.6f}")


def mixed_precision() -> None:
    """Training in half precision with a gradient scaler."""
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10)).cuda()
    images, labels = torch.randn(16, 3, 16, 16, device="cuda"), torch.arange(16, device="cuda") % 10
    model(images)
    optimiser, scaler = torch.optim.SGD(model.parameters(), lr=0.05), torch.amp.GradScaler("cuda")
    for _ in range(10):
        optimiser.zero_grad()
        with torch.autocast("cuda", dtype=torch.float16):
            loss = F.cross_entropy(model(images), labels)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
    print(f"value amp-loss {loss.item():.4f}")


def loaders() -> None:
    """Workers that are forked and spawned, with pages that are locked in the parent."""
    data = TensorDataset(torch.arange(256.0).view(256, 1))
    for how in ("fork", "spawn"):
        loader = DataLoader(data, 32, num_workers=2, pin_memory=True, multiprocessing_context=how)
        total = sum(batch[0].cuda(non_blocking=True).sum() for batch in loader)
        print(f"value loader-{how} {total.item():.1f}")


def allocator() -> None:
    """The caching allocator frees and takes again; a figure that says so."""
    before = torch.cuda.memory_allocated()
    blocks = [torch.empty(1 << 22, device="cuda") for _ in range(8)]
    print(f"value allocated {torch.cuda.memory_allocated() - before}")
    del blocks
    torch.cuda.empty_cache()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    torch.randn(1 << 20, device="cuda").sum()
    end.record()
    end.synchronize()
    print(f"value event-time {start.elapsed_time(end) >= 0:d}")


if __name__ == "__main__" and "--import" not in sys.argv:
    torch.manual_seed(3)
    for check in (graph, mixed_precision, loaders, allocator):
        check()
