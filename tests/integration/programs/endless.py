# SPDX-License-Identifier: BSD-3-Clause
"""Upload more than the connection holds while a kernel runs that never ends.

Argument: after how many seconds to tell whether the connection is still there.
"""

from __future__ import annotations

import sys
import threading
import time

from device import call, open_device

MIB = 1 << 20
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
memory = call("cuMemAlloc", 64 * MIB)
kernel = call("cuModuleGetFunction", call("cuModuleLoadData", PTX), b"endless")
call("cuLaunchKernel", kernel, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)


def synchronise() -> None:
    """Wait for the GPU if all is well, and fail at once if the connection is lost."""
    open_device()
    call("cuCtxSynchronize")


def watch() -> None:
    time.sleep(float(sys.argv[1]))
    result = threading.Thread(target=synchronise, daemon=True)
    result.start()
    result.join(2)
    print("still connected" if result.is_alive() else "lost", flush=True)


if len(sys.argv) > 1:
    threading.Thread(target=watch, daemon=True).start()
print("uploading", flush=True)
data = bytes(64 * MIB)
for _ in range(100):
    call("cuMemcpyHtoDAsync", memory, data, len(data), 0)
