# SPDX-License-Identifier: BSD-3-Clause
"""Look at the lease for two seconds as a monitor does, without CUDA."""

from __future__ import annotations

import time

import pynvml

pynvml.nvmlInit()
handle = pynvml.nvmlDeviceGetHandleByIndex(0)
print("looked", pynvml.nvmlDeviceGetName(handle), flush=True)
until = time.monotonic() + 2
while time.monotonic() < until:
    pynvml.nvmlDeviceGetMemoryInfo(handle)
    time.sleep(0.05)
pynvml.nvmlShutdown()
