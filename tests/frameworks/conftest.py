# SPDX-License-Identifier: BSD-3-Clause
"""Genuine CUDA software over the shim: programs run on leases of a real pool with two emulated GPUs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Pool
from tests.integration.jupyter_processes import BFKERNEL, Processes
from tests.integration.leased_program import worker_processes
from tests.waiting import eventually

PROGRAMS = Path(__file__).parent / "programs"
# Lines that tell of waiting for the lease; anything else that bfkernel says would be a complaint.
ROUTINE = ("asking the pool", "position ")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    folder = tmp_path_factory.mktemp("pool")
    (folder / "logs").mkdir()
    processes = Processes(folder / "logs")
    yield Pool(processes, dict(os.environ), folder / "state", "--softgpus=2", "--softgpu-memory=4GiB")
    processes.end()


@pytest.fixture
def leased(pool: Pool, tmp_path: Path) -> Iterator[Run]:
    """Runs a command on a lease; in the end no worker is left."""

    def run(*command: object, gpus: int = 1, share: str = "0.5", limit_s: float = 110, **env: str):
        environment = {**os.environ, "HOME": str(tmp_path), "BFKERNEL_POOL_URL": pool.url, **env}
        return subprocess.run(
            [*BFKERNEL, "run", "-n", str(gpus), "-p", share, "--", *map(str, command)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )

    yield run
    eventually(lambda: not worker_processes(pool.process), 20, "the end of all workers")


@pytest.fixture
def passes(leased: Run) -> Callable[..., None]:
    """Runs a command that says ``ok`` last, ends with 0, and makes bfkernel complain of nothing."""

    def run(*command: object, **options: object) -> None:
        result = leased(*command, **options)
        assert result.returncode == 0, result.stderr
        assert result.stdout.endswith("ok\n"), result.stdout + result.stderr
        said = [line for line in result.stderr.splitlines() if line.startswith("[bfkernel]")]
        assert not [line for line in said if not any(word in line for word in ROUTINE)], result.stderr

    return run
