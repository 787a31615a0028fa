# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong hurts its own kernel only: illegal accesses, garbage, killed workers, agents and pools."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bfkernel.remote.client import PoolClient
from tests.waiting import eventually

from .conftest import TTL_S, Pool
from .jupyter_processes import BFKERNEL, Processes, read_line
from .leased_program import LeasedProgram, worker_processes

Start = Callable[..., LeasedProgram]


@pytest.fixture
def start(processes: Processes, env: dict[str, str]) -> Start:
    """Start a program on a lease of its own."""
    return lambda *arguments, **options: LeasedProgram(processes, env, *arguments, **options)


@pytest.fixture
def neighbour(pool: Pool, start: Start) -> Iterator[LeasedProgram]:
    """A program that computes and checks all the time; the test ends with it still right."""
    program = start("square", "forever")
    program.expect("ok 2")
    yield program
    done = len(program.lines)
    eventually(lambda: len(program.lines) > done + 2, 10, "the neighbour's next result")
    assert program.process.poll() is None


def check_next_lease_works(start: Start) -> None:
    assert start("square").finish() == 0


def test_illegal_access_is_sticky_and_private(neighbour: LeasedProgram, start: Start) -> None:
    victim = start("fault")
    assert victim.finish() == 0
    errors = [line for line in victim.lines if line.startswith("error")]
    assert len(errors) == 2
    assert all("CUDA_ERROR_ILLEGAL_ADDRESS" in line for line in errors)
    check_next_lease_works(start)


@pytest.mark.parametrize(
    "greeting",
    [b"", b"BFKERNEL\xff\xff\xff\xff", b"BFKERNEL\x02\x00\x00\x00{}", b"GET / HTTP/1.1\r\n\r\n"],
    ids=["noise", "huge length", "empty object", "http"],
)
def test_garbage_on_the_data_port(
    pool: Pool, neighbour: LeasedProgram, start: Start, greeting: bytes
) -> None:
    host, port = pool.leases()[0]["agent"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall(greeting + random.Random(7).randbytes(3000))
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(4096):
                pass
    check_next_lease_works(start)


def test_killed_worker_gives_its_client_an_error(pool: Pool, neighbour: LeasedProgram, start: Start) -> None:
    bystanders = {worker.pid for worker in worker_processes(pool.process)}
    victim = start("square", "forever")
    victim.expect("ok 2")
    (worker,) = (w for w in worker_processes(pool.process) if w.pid not in bystanders)
    os.kill(worker.pid, signal.SIGKILL)
    line = victim.expect("CUDA_ERROR_DEVICE_UNAVAILABLE")
    assert line
    assert victim.finish(20) != 0
    check_next_lease_works(start)


@pytest.fixture
def apart(processes: Processes, env: dict[str, str], tmp_path: Path) -> PoolAndAgent:
    """A pool and an agent as processes of their own."""
    return PoolAndAgent(processes, env, tmp_path)


class PoolAndAgent:
    """A pool and an agent that can be killed and started again."""

    def __init__(self, processes: Processes, env: dict[str, str], folder: Path) -> None:
        self._processes, self._env, self._folder = processes, env, folder
        self.start_pool("0")
        self.start_agent()

    def _start(self, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = self._processes.start([*BFKERNEL, *arguments], self._env)
        line = read_line(process)
        assert line.startswith("ready "), f"{arguments[0]} has ended before it was ready"
        return process, line.split()[1]

    def start_pool(self, port: str) -> None:
        state = f"--state-dir={self._folder / 'pool'}"
        self.pool, self.url = self._start("pool", f"--port={port}", state, f"--lease-ttl={TTL_S}s")
        self._env["BFKERNEL_POOL_URL"] = self.url

    def restart_pool(self) -> None:
        self.pool.kill()
        self.pool.wait(10)
        time.sleep(1)
        self.start_pool(self.url.rpartition(":")[2])

    def start_agent(self) -> None:
        state = f"--state-dir={self._folder / 'agent'}"
        emulated = ["--driver=softgpu", "--softgpus=1", "--softgpu-memory=4GiB"]
        self.agent, _ = self._start("agent", f"--pool={self.url}", "--data-port=0", state, *emulated)

    def leases(self) -> list[dict[str, Any]]:
        with PoolClient(self.url) as client:
            return client.leases()


def test_running_code_does_not_notice_a_pool_that_is_killed_and_restarted(
    apart: PoolAndAgent, start: Start
) -> None:
    programs = [start("square", "forever") for _ in range(2)]
    for program in programs:
        program.expect("ok 2")
    before = {lease["id"] for lease in apart.leases()}
    assert len(before) == 2
    lengths = [len(program.lines) for program in programs]
    apart.restart_pool()
    assert {lease["id"] for lease in apart.leases()} == before
    time.sleep(2 * TTL_S)  # the leases are renewed, not merely remembered
    assert {lease["id"] for lease in apart.leases()} == before
    for program, length in zip(programs, lengths, strict=True):
        assert program.process.poll() is None
        assert len(program.lines) > length + 5


def test_killed_agent(apart: PoolAndAgent, start: Start) -> None:
    victim = start("square", "forever")
    victim.expect("ok 2")
    apart.agent.kill()
    victim.expect("CUDA_ERROR_DEVICE_UNAVAILABLE", 5)
    assert victim.finish(20) != 0
    eventually(lambda: not apart.leases(), TTL_S + 15, "the end of the dead agent's lease")
    apart.start_agent()
    check_next_lease_works(start)
