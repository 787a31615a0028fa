# SPDX-License-Identifier: BSD-3-Clause
"""One of many clients at once: computes and checks for a while; prints how often, or fails."""

from __future__ import annotations

import sys
import time
from array import array
from ctypes import c_uint

from tests.native.shim.programs.driver import allocate, download, function, launch, start, upload

COUNT, BLOCK = 4096, 128
end = time.monotonic() + float(sys.argv[1])
start()
add, memory = function("add"), allocate(4 * COUNT)
rounds = 0
while time.monotonic() < end:
    rounds += 1
    upload(memory, array("I", range(COUNT)).tobytes())
    assert launch(add, COUNT // BLOCK, BLOCK, memory, c_uint(rounds), c_uint(COUNT)) == 0
    assert array("I", download(memory, 4 * COUNT)) == array("I", range(rounds, rounds + COUNT)), "wrong sums"
print("rounds", rounds)
