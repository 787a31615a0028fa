# SPDX-License-Identifier: BSD-3-Clause
"""A lease whose GPU computes is in use, whether or not its program makes calls; a mere context is no use."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.waiting import eventually

from .conftest import Pool
from .jupyter_processes import Processes
from .leased_program import LeasedProgram

# A worker looks at its GPU every two seconds.
LONGER_S = 5.0
# What the last call was is known by then, also where the agent of a busy machine stands still for a while.
REPORTED_S = 4.0


@pytest.fixture
def last_call_after(pool: Pool, processes: Processes, env: dict[str, str]) -> Callable[[str], float]:
    """Start ``busy.py``; return when its lease was last in use, once that is known."""

    def start(argument: str) -> float:
        LeasedProgram(processes, env, "busy", argument).expect("launched")
        eventually(lambda: pool.lease()["last_call_at"], 10, "the first report")
        time.sleep(0.5)  # the report of the last call
        return float(pool.lease()["last_call_at"])

    return start


@pytest.mark.parametrize("argument", ["launch", "wait"])
def test_a_kernel_that_runs_is_use(
    pool: Pool, last_call_after: Callable[[str], float], argument: str
) -> None:
    then = last_call_after(argument)
    eventually(lambda: pool.lease()["last_call_at"] > then + LONGER_S, 30, "the look at the GPU")


def test_a_context_is_no_use(pool: Pool, last_call_after: Callable[[str], float]) -> None:
    last_call_after("quiet")

    def settled() -> float | None:
        known = pool.lease()["last_call_at"]
        time.sleep(REPORTED_S)
        return known if pool.lease()["last_call_at"] == known else None

    then = eventually(settled, 20, "the report of the last call")
    time.sleep(LONGER_S)
    assert pool.lease()["last_call_at"] == then
