# SPDX-License-Identifier: BSD-3-Clause
"""A thousand launches of one graph, as training loops make them: the test counts the frames."""

from __future__ import annotations

from driver import Size, allocate, call, start
from graph_tools import Add, begin, end, instantiate, numbers, stream

start()
memory, on = allocate(4 * 128), stream()
call("cuMemsetD32_v2", memory, 0, Size(128))
begin(on)
Add(memory, 1, 128).launch(on)
executable = instantiate(end(on))
for _ in range(1000):
    call("cuGraphLaunch", executable, on)
call("cuStreamSynchronize", on)
assert numbers(memory, 128) == [1000] * 128
print("ok")
