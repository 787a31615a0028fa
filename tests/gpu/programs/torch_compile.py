# SPDX-License-Identifier: BSD-3-Clause
"""torch.compile: kernels that Triton makes on this machine, run on the GPU, beside the same without it."""

from __future__ import annotations

import sys

import torch

from .torch_models import Attention, rate


def wave(x: torch.Tensor) -> torch.Tensor:
    return torch.softmax(torch.sin(x) * torch.exp(-x * x) + x.mean(dim=-1, keepdim=True), dim=-1)


if "--import" not in sys.argv:
    torch.manual_seed(4)
    x = torch.randn(512, 1024, device="cuda")
    compiled = torch.compile(wave)
    print(f"value compiled-agrees {torch.allclose(compiled(x), wave(x), atol=1e-5):d}")
    print(f"value compiled-sum {compiled(x).double().square().sum().item():.8f}")
    print(f"speed compiled {rate(lambda: compiled(x), 1, 1.0):.0f} calls/s")
    layer = Attention(256, 4).cuda()
    y = torch.randn(8, 128, 256, device="cuda")
    with torch.no_grad():
        fast = torch.compile(layer, mode="reduce-overhead")
        for _ in range(3):
            found = fast(y).clone()
        print(f"value with-graphs-agrees {torch.allclose(found, layer(y), atol=1e-2):d}")
