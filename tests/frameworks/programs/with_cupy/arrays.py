# SPDX-License-Identifier: BSD-3-Clause
"""What a first course does with CuPy arrays: every result beside NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import cupy
import numpy as np

Work = Callable[[ModuleType], Any]


def agrees(work: Work) -> None:
    """Do the same with both and compare."""
    ours, theirs = work(cupy), work(np)
    np.testing.assert_allclose(cupy.asnumpy(ours), theirs, rtol=1e-5, atol=1e-6)
    assert ours.dtype == theirs.dtype, (ours.dtype, theirs.dtype)


def table(xp: ModuleType) -> Any:
    return xp.arange(60, dtype=xp.float32).reshape(3, 4, 5) / 7


CREATION: list[Work] = [
    lambda xp: xp.zeros((3, 4)),
    lambda xp: xp.full(5, 2.5),
    lambda xp: xp.arange(3, 20, 2),
    lambda xp: xp.linspace(0, 1, 11),
    lambda xp: xp.eye(4),
    lambda xp: xp.array([[1, 2], [3, 4]], dtype=xp.int16),
    lambda xp: xp.tril(xp.ones((4, 4))),
    lambda xp: xp.meshgrid(xp.arange(3), xp.arange(4))[1],
]
ELEMENTWISE: list[Work] = [
    lambda xp: table(xp) * 2 + 1,
    lambda xp: table(xp) ** 2 - table(xp) / 3,
    lambda xp: xp.sqrt(xp.abs(xp.sin(table(xp)))),
    lambda xp: xp.exp(-table(xp)),
    lambda xp: xp.log1p(table(xp)),
    lambda xp: xp.arctan2(table(xp), table(xp) + 1),
    lambda xp: xp.arange(20) // 3 + xp.arange(20) % 7,
    lambda xp: xp.arange(16, dtype=xp.uint8) ^ 5,
    lambda xp: xp.where(table(xp) > 4, table(xp), -1),
    lambda xp: xp.clip(table(xp), 1, 3),
    lambda xp: (xp.arange(5) * 1j).conj(),
    lambda xp: table(xp).astype(xp.float16) + xp.float16(1),
    lambda xp: xp.maximum(table(xp), 3.0),
    lambda xp: xp.isnan(table(xp)),
]
INDEXING: list[Work] = [
    lambda xp: table(xp)[1:, ::2, -1],
    lambda xp: table(xp)[table(xp) > 3],
    lambda xp: table(xp)[xp.array([2, 0]), xp.array([1, 3])],
    lambda xp: xp.take(table(xp), xp.array([3, 1]), axis=1),
    lambda xp: table(xp)[0, :, None] * table(xp)[0, None, 0],
    lambda xp: xp.transpose(table(xp), (2, 0, 1)).copy(),
    lambda xp: xp.concatenate([table(xp), table(xp)], axis=1),
    lambda xp: xp.stack([table(xp)[0], table(xp)[1]]),
    lambda xp: xp.roll(table(xp), 3),
    lambda xp: xp.pad(table(xp)[0], 2),
    lambda xp: xp.nonzero(table(xp) > 6)[2],
    lambda xp: xp.repeat(xp.arange(4), 3),
]
REDUCTIONS: list[Work] = [
    lambda xp: table(xp).sum(),
    lambda xp: table(xp).sum(axis=1),
    lambda xp: table(xp).mean(axis=(0, 2)),
    lambda xp: table(xp).max(axis=0),
    lambda xp: table(xp).argmin(axis=2),
    lambda xp: table(xp).std(),
    lambda xp: table(xp).prod(axis=2),
    lambda xp: (table(xp) > 2).any(axis=1),
    lambda xp: xp.cumsum(table(xp)),
    lambda xp: xp.cumsum(table(xp), axis=1),
    lambda xp: xp.count_nonzero(table(xp) > 2, axis=0),
    lambda xp: xp.linalg.norm(table(xp)),
    lambda xp: xp.ones(100_000, dtype=xp.int64).sum(),
]

TRANSFORMS: list[Work] = [  # by cuFFT, whose kernels for short lengths are PTX
    lambda xp: xp.fft.fft(table(xp)[0, 0]),
    lambda xp: xp.fft.rfft(xp.sin(xp.arange(4096) / 10)),
    lambda xp: xp.fft.ifft2(xp.fft.fft2(table(xp)[1])),
]

for kind in (CREATION, ELEMENTWISE, INDEXING, REDUCTIONS, TRANSFORMS):
    for work in kind:
        agrees(work)


def in_place(xp: ModuleType) -> Any:
    numbers = table(xp)
    numbers[1] += 10
    numbers[numbers < 1] = 0
    numbers[:, 0] = xp.arange(5)
    xp.add.at(numbers, (0, xp.array([1, 1, 2])), 1)
    return numbers


agrees(in_place)
print("ok")
