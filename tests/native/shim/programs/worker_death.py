# SPDX-License-Identifier: BSD-3-Clause
"""When the worker dies every call fails and says why."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from driver import allocate, cuda, start

start()
memory = allocate(100)
lease = json.loads(Path(os.environ["BFKERNEL_LEASE_FILE"]).read_text())["lease"].encode()
for process in Path("/proc").iterdir():
    if not process.name.isdigit():
        continue
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        continue
    if words[0].endswith(b"bfkernel-worker") and lease in words:
        os.kill(int(process.name), signal.SIGKILL)
assert cuda.cuCtxSynchronize() == 46
assert cuda.cuMemFree_v2(memory) == 46
print("ok")
