# SPDX-License-Identifier: BSD-3-Clause
"""One of many clients at once: computes and checks for a while; prints how often, or fails."""

from __future__ import annotations

import sys
import time

from .driver import Squares, open_device

end = time.monotonic() + float(sys.argv[1])
open_device()
squares = Squares(4096)
rounds = 0
while time.monotonic() < end:
    assert squares.once(), "wrong squares"
    rounds += 1
print("rounds", rounds)
