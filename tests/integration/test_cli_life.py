# SPDX-License-Identifier: BSD-3-Clause
"""The command line against a whole pool, with its agent: what lives on, and what is freed."""

from __future__ import annotations

import signal

from tests.waiting import eventually

from .conftest import TTL_S
from .jupyter_processes import BFKERNEL, read_line


def test_health_is_good_and_a_dead_pool_is_said(pool, bfkernel):
    result = bfkernel("health")
    assert result.returncode == 0, result.stdout
    pool.process.kill()
    pool.process.wait(10)
    result = bfkernel("health")
    assert result.returncode == 69
    assert "does not answer" in result.stdout


def test_a_run_lives_through_the_pools_death(pool, processes, env, bfkernel):
    process = processes.start(
        [*BFKERNEL, "run", "-p", "0.1", "--", "sh", "-c", f"echo go; sleep {2 * TTL_S}; exit 5"], env
    )
    assert read_line(process) == "go\n"
    lease = pool.lease()["id"]
    pool.restart()
    assert pool.lease()["id"] == lease
    assert process.wait(60) == 5
    assert pool.leases() == []


def test_whoever_waits_is_served_when_a_killed_holder_has_expired(pool, processes, env):
    holder = processes.start([*BFKERNEL, "run", "--", "sh", "-c", "echo go; exec sleep 100"], env)
    assert read_line(holder) == "go\n"
    waiting = processes.start([*BFKERNEL, "run", "-p", "0.1", "--", "echo", "my turn"], env)
    eventually(lambda: pool.states() == ["granted", "queued"], 10, "the queue")
    holder.send_signal(signal.SIGKILL)
    assert read_line(waiting, TTL_S + 15) == "my turn\n"
    assert waiting.wait(10) == 0


def test_list_gpus_says_that_an_emulated_gpu_is_emulated(pool, bfkernel):
    shown = bfkernel("list-gpus").stdout
    assert ("emulated" in shown.lower()) == ("softgpu" in shown)
