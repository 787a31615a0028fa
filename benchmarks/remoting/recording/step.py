# SPDX-License-Identifier: BSD-3-Clause
"""Training steps of ResNet-56 in eager PyTorch, with page-locked batches and one scalar back."""

from __future__ import annotations

import sys

import torch
from torch.nn import functional as F  # noqa: N812

from tests.gpu.programs.torch_models import resnet

BATCH, DEPTH, STEPS = 64, 56, 4
torch.manual_seed(1)
images = torch.randn(BATCH, 3, 32, 32).pin_memory()
labels = torch.randint(10, (BATCH,)).pin_memory()
model = resnet(DEPTH).cuda()
optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
for number in range(STEPS):
    print("step", number, file=sys.stderr, flush=True)
    batch, wanted = images.cuda(non_blocking=True), labels.cuda(non_blocking=True)
    optimiser.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(batch), wanted)
    loss.backward()
    optimiser.step()
    loss.item()
print("step end", file=sys.stderr, flush=True)
