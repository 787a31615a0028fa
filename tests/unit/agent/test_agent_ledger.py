# SPDX-License-Identifier: BSD-3-Clause
"""The agent's side of the ledger."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bfkernel.remote.agent.ledger import Ledger, Use


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger("l1", [655 << 20, 10 << 20])
    yield ledger
    ledger.close()


def write_slot(ledger: Ledger, slot: int, *held: int, last_ns: int = 0) -> None:
    with mmap.mmap(ledger.fd, 65536) as memory:
        struct.pack_into(f"<IIQQ{len(held)}Q", memory, 512 + 192 * slot, 99, 0, last_ns, 5, *held)


def test_the_head_is_as_the_protocol_says(ledger: Ledger) -> None:
    with mmap.mmap(ledger.fd, 65536) as memory:
        assert struct.unpack_from("<IIII2Q", memory) == (0x47444C42, 1, 2, 256, 655 << 20, 10 << 20)
        assert not any(memory[32:])
    assert not os.get_inheritable(ledger.fd)


def test_use_is_the_sum_over_running_workers(ledger: Ledger) -> None:
    write_slot(ledger, 0, 3 << 20, 1 << 19, last_ns=2_000_000_000)
    write_slot(ledger, 255, 1 << 20, 0, last_ns=5_000_000_000)
    write_slot(ledger, 7, 1 << 30, 0)
    assert ledger.use([0, 255]) == Use([4.0, 0.5], 5.0)
    assert ledger.use([]) == Use([0, 0], None)


def test_a_worker_that_executes_a_call_is_at_work_now(ledger: Ledger) -> None:
    write_slot(ledger, 3, last_ns=2_000_000_000)
    with mmap.mmap(ledger.fd, 65536) as memory:
        struct.pack_into("<Q", memory, 512 + 192 * 3 + 160, 1)
    last_call_at = ledger.use([3]).last_call_at
    assert last_call_at is not None
    assert abs(time.time() - last_call_at) < 60


def test_a_slot_is_cleared_under_the_lock(ledger: Ledger) -> None:
    write_slot(ledger, 3, 1 << 20)
    write_slot(ledger, 4, 1 << 20)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import fcntl, sys\n"
                f"fcntl.lockf({ledger.fd}, fcntl.LOCK_EX, 8, 0)\n"
                "print('locked', flush=True)\n"
                "sys.stdin.read()"
            ),
        ],
        pass_fds=(ledger.fd,),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    assert holder.stdout.readline() == b"locked\n"
    assert not ledger.try_clear(3)
    holder.communicate()
    assert ledger.try_clear(3)
    assert ledger.use([3, 4]).held_mib == [1.0, 0.0]
    fcntl.lockf(ledger.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 8, 0)
