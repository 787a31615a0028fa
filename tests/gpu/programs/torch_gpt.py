# SPDX-License-Identifier: BSD-3-Clause
"""Train a small GPT on generated text, in bfloat16 where it matters."""

from __future__ import annotations

import sys

import torch
from torch.nn import functional as F  # noqa: N812

from .torch_models import Gpt, rate

BATCH, LENGTH = 16, 128
torch.manual_seed(2)
model = Gpt(length=LENGTH)
text = (torch.arange(BATCH * (LENGTH + 1)).view(BATCH, LENGTH + 1) * 7) % 512
if "--import" in sys.argv:
    model(text[:1, :8])
    sys.exit()

model, text = model.cuda(), text.cuda()
optimiser = torch.optim.AdamW(model.parameters(), lr=3e-4)
losses = []


def step() -> None:
    optimiser.zero_grad(set_to_none=True)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        words = model(text[:, :-1])
        loss = F.cross_entropy(words.flatten(0, 1), text[:, 1:].flatten())
    loss.backward()
    optimiser.step()
    losses.append(loss.detach())


step()
print(f"value first-loss {losses[0].item():.6f}")
speed = rate(step, BATCH * LENGTH)
print(f"value learns {float(losses[-1].item() < losses[0].item())}")
print(f"speed training {speed:.0f} tokens/s")
