# SPDX-License-Identifier: BSD-3-Clause
"""Launch a kernel that never ends, say so, and then wait for it (argument ``wait``) or make no more calls.

Argument ``quiet``: launch nothing, and make no more calls.
"""

from __future__ import annotations

import sys
import time

from device import call, open_device

PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry endless()
{
AGAIN:
  bra AGAIN;
}
\0"""

open_device()
kernel = call("cuModuleGetFunction", call("cuModuleLoadData", PTX), b"endless")
call("cuCtxSynchronize")
if sys.argv[1] != "quiet":
    call("cuLaunchKernel", kernel, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
    call("cuMemGetInfo")
print("launched", flush=True)
if sys.argv[1] == "wait":
    call("cuCtxSynchronize")
time.sleep(600)
