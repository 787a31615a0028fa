# SPDX-License-Identifier: BSD-3-Clause
"""Two processes of one lease of 64 MiB: while the first holds 40, a second cannot; afterwards it can."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

MEMORY = [sys.executable, str(Path(__file__).with_name("memory.py")), "hold", "40"]


def start() -> subprocess.Popen[str]:
    return subprocess.Popen(MEMORY, stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def hold_when_free() -> str:
    """Return what a new process says, at the latest after 20 s; a killed one's worker takes time to end."""
    give_up = time.monotonic() + 20
    while True:
        process = start()
        said = first_line(process)
        process.kill()
        process.wait(20)
        if said == "holding" or time.monotonic() > give_up:
            return said


first = start()
assert first_line(first) == "holding"
second = start()
beside = first_line(second)
second.wait(20)
first.kill()
first.wait(20)
after = hold_when_free()
print(json.dumps({"beside_the_first": beside, "after_the_first": "held" if after == "holding" else after}))
