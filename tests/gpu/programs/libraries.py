# SPDX-License-Identifier: BSD-3-Clause
"""cuBLAS, cuDNN, cuFFT, cuSOLVER and cuRAND through PyTorch: figures of their results."""

from __future__ import annotations

import sys

import torch
from torch.nn import functional as F  # noqa: N812

from .torch_models import rate


def tell(name: str, found: torch.Tensor) -> None:
    """Two figures that a wrong result would not share."""
    wide = torch.view_as_real(found).double() if found.is_complex() else found.double()
    weights = torch.linspace(0.5, 1.5, wide.numel(), device=wide.device, dtype=torch.float64)
    print(f"value {name}-norm {wide.norm().item():.8g}")
    print(f"value {name}-weighted {(wide.flatten().abs() * weights).sum().item():.8g}")


def main() -> None:
    generator = torch.Generator().manual_seed(5)
    a, b = (torch.randn(512, 512, generator=generator).cuda() for _ in range(2))
    for name, kind in (("float", torch.float32), ("half", torch.float16), ("bfloat16", torch.bfloat16)):
        tell(f"cublas-{name}", a.to(kind) @ b.to(kind))
    tell("cublas-double", a.double() @ b.double())
    tell("cublas-batched", torch.bmm(a.view(8, 64, 512), b.view(8, 512, 64)))
    images, weights = a.view(16, 16, 32, 32), b.view(-1)[: 32 * 16 * 9].view(32, 16, 3, 3)
    tell("cudnn-convolution", F.conv2d(images, weights, padding=1))
    tell("cudnn-norm", F.batch_norm(images, None, None, training=True))
    tell("cufft", torch.fft.fft2(a))
    tell("cufft-real", torch.fft.irfft(torch.fft.rfft(b)))
    tell("cusolver", torch.linalg.solve(a + 40 * torch.eye(512, device="cuda"), b))
    torch.cuda.manual_seed(6)
    tell("curand", torch.randn(4096, device="cuda"))
    tell("sort", torch.sort(a.flatten()).values)
    big = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    print(f"speed matrix-product {rate(lambda: big @ big, 1, 1.5) * 2 * 4096**3 / 1e12:.1f} TFLOP/s")


if __name__ == "__main__" and "--import" not in sys.argv:
    main()
