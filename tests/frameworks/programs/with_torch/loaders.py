# SPDX-License-Identifier: BSD-3-Clause
"""DataLoader workers, forked and spawned, with pinned memory, while the parent holds its connection."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, Dataset


class Squares(Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.full((100,), index * index)


class OnTheGpu(Squares):
    """What a forked worker must not do, and is told by PyTorch."""

    def __getitem__(self, index: int) -> torch.Tensor:
        return super().__getitem__(index).cuda()


def batches(**options: object) -> None:
    loader = DataLoader(Squares(), batch_size=8, num_workers=2, pin_memory=True, **options)
    for _ in range(2):
        seen = 0
        for batch in loader:
            assert batch.is_pinned()
            there = batch.to("cuda", non_blocking=True)
            assert torch.equal(there.cpu(), batch.clone())
            seen += len(batch)
        assert seen == 64


def main() -> None:
    before = torch.arange(10, device="cpu").cuda()  # connected before the workers are made
    batches(multiprocessing_context="fork")
    batches(multiprocessing_context="fork", persistent_workers=True)
    batches(multiprocessing_context="spawn")
    wrong = DataLoader(OnTheGpu(), batch_size=8, num_workers=1, multiprocessing_context="fork")
    with pytest.raises(RuntimeError, match="Cannot re-initialize CUDA in forked subprocess"):
        next(iter(wrong))
    assert torch.equal(before.cpu(), torch.arange(10)), "the parent's connection still works"
    print("ok")


if __name__ == "__main__":
    main()
