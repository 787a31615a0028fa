# SPDX-License-Identifier: BSD-3-Clause
"""A child may start afresh where the parent was not connected, and may do nothing where it was."""

from __future__ import annotations

import os
from collections.abc import Callable

from driver import allocate, cuda, start


def in_child(action: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if action() else 1)
    return os.waitpid(child, 0)[1] == 0


def starts_afresh() -> bool:
    start()
    return allocate(100).value != 0


assert in_child(starts_afresh)
start()
memory = allocate(100)
assert in_child(lambda: [cuda.cuInit(0), cuda.cuCtxSynchronize(), cuda.cuMemFree_v2(memory)] == [3, 3, 3])
assert cuda.cuCtxSynchronize() == 0
assert cuda.cuMemFree_v2(memory) == 0
print("ok")
