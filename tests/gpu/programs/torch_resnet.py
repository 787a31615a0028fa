# SPDX-License-Identifier: BSD-3-Clause
"""Train ResNet-110 on generated images of 32×32, 64 at a time."""

from __future__ import annotations

import sys

import torch
from torch.nn import functional as F  # noqa: N812

from .torch_models import rate, resnet

BATCH = 64
torch.manual_seed(1)
model = resnet()
images, labels = torch.randn(BATCH, 3, 32, 32), torch.randint(10, (BATCH,))
if "--import" in sys.argv:
    model.eval()(images[:1])
    sys.exit()

model, images, labels = model.cuda(), images.cuda(), labels.cuda()
optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
losses = []


def step() -> None:
    optimiser.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimiser.step()
    losses.append(loss.detach())


step()
print(f"value first-loss {losses[0].item():.6f}")
speed = rate(step, BATCH)
print(f"value learns {float(losses[-1].item() < losses[0].item())}")
print(f"speed training {speed:.1f} images/s")
