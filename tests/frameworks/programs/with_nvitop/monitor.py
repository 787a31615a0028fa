# SPDX-License-Identifier: BSD-3-Clause
"""nvitop's library and its table, while PyTorch holds memory: both show the lease."""

from __future__ import annotations

import os
import subprocess
import sys

import torch
from nvitop import Device

MIB = 1 << 20

held = torch.empty(64 * MIB, dtype=torch.uint8, device="cuda")
free, total = torch.cuda.mem_get_info()
(device,) = Device.all()
assert "softgpu" in device.name()
assert (device.memory_free(), device.memory_total()) == (free, total)
assert device.memory_used() == total - free >= 64 * MIB
(process,) = device.processes().values()
assert (process.pid, process.gpu_memory()) == (os.getpid(), total - free)

command = [sys.executable, "-m", "nvitop", "--once"]
done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
assert f"{(total - free) / MIB:.2f}MiB / {total // MIB}MiB" in done.stdout, done.stdout
assert f" {os.getpid()} " in done.stdout, done.stdout
print("ok")
