# SPDX-License-Identifier: BSD-3-Clause
"""Device memory and events shared between the processes of a lease, and with nobody else."""

from __future__ import annotations

from .leased_program import LeasedProgram


def test_processes_of_a_lease_share_memory_and_others_do_not(pool, processes, env, tmp_path):
    done = tmp_path / "done"
    owner = LeasedProgram(processes, env, "ipc", "own", str(done))
    handle = owner.expect("handle ").split()[1]
    stranger = LeasedProgram(processes, env, "ipc", "open", handle).seen()
    assert "CUDA_ERROR_INVALID_VALUE" in stranger["error"], "another lease got at the memory"
    done.touch()

    seen = owner.seen()
    assert seen["values"] == [[2], [4], [6]], "what the other process wrote"
    assert seen["midst"], "an address within a block names the block"
    assert "CUDA_ERROR_INVALID_CONTEXT" in seen["opened_own"]
    assert "CUDA_ERROR_INVALID_VALUE" in seen["stale"]["error"], "a freed block was opened"

    child = seen["child"]
    assert child["again"], "a block that is open is found where it is"
    assert child["ranges"] == [4096, 4096, 5 << 20]
    assert "CUDA_ERROR_INVALID_VALUE" in child["freed_borrowed"]
    assert child["given_back"], "what is closed is free again"
    assert "CUDA_ERROR_INVALID_VALUE" in child["used_closed"]


def test_processes_of_a_lease_wait_for_each_others_events_and_others_do_not(pool, processes, env, tmp_path):
    done = tmp_path / "done"
    owner = LeasedProgram(processes, env, "ipc_events", "own", str(done))
    handle = owner.expect("handle ").split()[1]
    stranger = LeasedProgram(processes, env, "ipc_events", "open", handle).seen()
    assert "CUDA_ERROR_INVALID_HANDLE" in stranger["error"], "another lease got at the event"
    done.touch()

    seen = owner.seen()
    assert "CUDA_ERROR_INVALID_VALUE" in seen["private"], "an event that is not made for it was shared"
    assert "CUDA_ERROR_INVALID_CONTEXT" in seen["opened_own"]
    child = seen["child"]
    assert (child["at_first"], child["values"], child["then"]) == (False, [5], True)
    assert not child["recorded"]
    assert (seen["recorded_by_the_other"], seen["values"], seen["in_the_end"]) == (False, [6], True)
