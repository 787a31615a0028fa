# SPDX-License-Identifier: BSD-3-Clause
"""Says how this program's calls travel."""

from __future__ import annotations

from pathlib import Path

from driver import allocate, download, noise, start, upload

start()
memory, data = allocate(200_000), noise(200_000)
upload(memory, data)
assert download(memory, 200_000) == data
print("shared memory" if "memfd:bfkernel" in Path("/proc/self/maps").read_text() else "TCP")
