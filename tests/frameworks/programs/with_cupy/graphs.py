# SPDX-License-Identifier: BSD-3-Clause
"""Work that CuPy captures into a graph, which then runs again and again."""

from __future__ import annotations

import cupy

stream = cupy.cuda.Stream(non_blocking=True)
with stream:
    x = cupy.zeros(1000)
    x += 1  # compiled and allocated before the capture
    stream.synchronize()
    stream.begin_capture()
    x += 1
    x *= 2
    graph = stream.end_capture()
    for _ in range(3):
        graph.launch(stream)
stream.synchronize()
assert float(x[0]) == 22  # ((1 + 1) * 2 + 1) * 2 …
print("ok")
