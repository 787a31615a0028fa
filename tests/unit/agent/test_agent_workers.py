# SPDX-License-Identifier: BSD-3-Clause
"""What the agent says of its workers; what they do is in `tests/integration/test_pool_processes.py`."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from bfkernel.remote.agent.greeting import RefusalError
from bfkernel.remote.agent.inventory import Inventory
from bfkernel.remote.agent.workers import Workers
from bfkernel.remote.grants import Grant
from bfkernel.remote.messages import ReportedShare
from bfkernel.remote.records import Gpu, Placement

pytestmark = pytest.mark.asyncio


GRANT = Grant("l1", "ada", "gpu1", (Placement("GPU-1", 300),), 0.0)


@pytest.fixture
def workers(tmp_path: Path) -> Workers:
    worker = tmp_path / "worker"
    worker.write_text("#!/bin/sh\nexec sleep 60\n")
    worker.chmod(0o700)
    gpus = tuple(Gpu("gpu1", f"GPU-{index}", index, "Test GPU", 1000, True) for index in range(2))
    inventory = Inventory("driver.so", "test", "", "", {}, gpus)
    return Workers(worker, inventory, "timeslice", [], lambda: None)


async def test_a_report_says_what_the_workers_of_a_lease_may_hold(workers: Workers) -> None:
    here, there = socket.socketpair()
    with here, there:
        workers.start(GRANT, here)
        (lease,) = workers.report()
        await workers.end_all("The test is over.")
    assert (lease.id, lease.workers) == ("l1", 1)
    assert lease.shares == [ReportedShare(gpu="GPU-1", memory_mib=300)]
    assert workers.report() == []


async def test_a_worker_that_cannot_be_watched_is_ended_and_refused(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwatched = []

    def fail(pid: int) -> int:
        unwatched.append(pid)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", fail)
    here, there = socket.socketpair()
    with here, there, pytest.raises(RefusalError, match="could not start a worker"):
        workers.start(GRANT, here)
    (pid,) = unwatched
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert workers.report() == []
