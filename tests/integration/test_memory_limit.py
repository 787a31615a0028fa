# SPDX-License-Identifier: BSD-3-Clause
"""The lease's memory limit as programs meet it: enforced in the worker, shared by processes, given back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.waiting import eventually

from .conftest import Pool
from .jupyter_processes import Processes
from .leased_program import LeasedProgram, worker_processes

MIB = 1 << 20


@pytest.fixture
def pool(make_pool: Callable[..., Pool]) -> Pool:
    """A pool with one emulated GPU of 32 GiB."""
    return make_pool("--softgpus=1", "--softgpu-memory=32GiB")


def test_a_fraction_is_what_every_query_tells(pool, processes, env):
    seen = LeasedProgram(processes, env, "memory", "fill", share=("-p", "0.02")).seen()
    assert seen["total"] == seen["device_total"] == 655 * MIB
    assert seen["free_before"] == seen["total"], "an emulated context costs no memory"


def test_past_the_limit_is_out_of_memory_and_freeing_gives_all_back(pool, processes, env):
    seen = LeasedProgram(processes, env, "memory", "fill").seen()
    assert "CUDA_ERROR_OUT_OF_MEMORY" in seen["error"]
    assert seen["total"] == 64 * MIB
    assert seen["held"] == 64 * MIB, "the whole share can be used"
    assert seen["free_full"] == 0
    assert seen["free_after"] == seen["free_before"]


def test_two_processes_of_one_lease_share_the_limit(pool, processes, env):
    seen = LeasedProgram(processes, env, "two_holders").seen()
    assert "CUDA_ERROR_OUT_OF_MEMORY" in seen["beside_the_first"]
    assert seen["after_the_first"] == "held"


def test_ten_thousand_rounds_leave_the_worker_flat(
    pool: Pool, processes: Processes, env: dict[str, str]
) -> None:
    program = LeasedProgram(processes, env, "memory", "rounds", "10000")
    program.expect("warm")
    eventually(lambda: worker_processes(pool.process), 10, "a worker")
    worker = worker_processes(pool.process)[0]
    warm = worker.memory_info().rss
    program.expect("done", 100)
    grown = worker.memory_info().rss - warm
    seen = program.seen()
    assert seen["free_after"] == seen["free_before"]
    assert grown < 4 * MIB, f"the worker grew by {grown >> 10} KiB"
