# SPDX-License-Identifier: BSD-3-Clause
"""How often a program waits for the GPU server: in a steady loop once for each synchronisation it means."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from .jupyter_processes import BFKERNEL
from .leased_program import PROGRAMS

FEW, MANY = 10, 60


def waiting_calls(env: dict[str, str], kind: str, steps: int) -> int:
    program = [sys.executable, str(PROGRAMS / "numba_steps.py"), kind, str(steps)]
    result = subprocess.run(
        [*BFKERNEL, "run", "-p", "0.1", "--", *program],
        env={**os.environ, **env, "BFKERNEL_LOG": "stats"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr
    counted = re.search(r"(\d+) waiting calls", result.stderr)
    assert counted, result.stderr
    return int(counted[1])


@pytest.mark.parametrize(("kind", "waits"), [("copies", 1), ("resident", 1), ("eager", 1), ("timed", 2)])
def test_a_step_of_numba_waits_as_often_as_it_means_to(pool, env, kind, waits):
    before, after = (waiting_calls(env, kind, steps) for steps in (FEW, MANY))
    assert after - before == waits * (MANY - FEW)
