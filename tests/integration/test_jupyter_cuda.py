# SPDX-License-Identifier: BSD-3-Clause
"""CUDA cells in real kernels: they compute, they wait for their share, and what they held is freed."""

from __future__ import annotations

import pytest

from tests.waiting import eventually

from .test_jupyter_lease_life import kernel_process

pytest.importorskip("numba.cuda", reason="numba-cuda is not installed")

SETUP = """
import warnings; warnings.simplefilter("ignore")
import numpy as np
from numba import cuda

@cuda.jit
def double(a, b):
    i = cuda.grid(1)
    if i < a.size:
        b[i] = 2 * a[i]
"""
COMPUTE = """
a = cuda.to_device(np.arange(1000, dtype=np.float32)); b = cuda.device_array_like(a)
double[4, 256](a, b)
print("right" if (b.copy_to_host() == 2 * np.arange(1000)).all() else "wrong")
"""
HOLD_64_MIB = "held = cuda.device_array(64 << 20, dtype=np.uint8); cuda.synchronize()"


@pytest.mark.shared_jupyter
def test_a_cell_computes_and_gpu_agrees_with_the_driver(pool, jupyter):
    with jupyter.client(jupyter.start_kernel("gpu-0.1")) as cells:
        cells.run(SETUP)
        assert cells.run(COMPUTE) == "right\n"
        cells.run(HOLD_64_MIB)
        free, total, shown = cells.run(
            "m = cuda.current_context().get_memory_info(); print(m.free, m.total)\n"
            "from bfkernel.provisioner.magics import status; print(status().held_bytes[0])"
        ).split()
        lease = pool.lease()
        assert int(total) == lease["memory_mib"] << 20
        assert int(shown) == int(total) - int(free)
        assert int(shown) >= 64 << 20
        assert f"of {lease['memory_mib']} MiB held" in cells.run("%gpu").replace(",", "")
        eventually(lambda: pool.lease()["held_mib"] >= 64, 10, "the pool's knowledge of what is held")
        assert pool.lease()["state"] == "active"


@pytest.mark.shared_jupyter
def test_past_the_share_the_cell_fails_and_the_kernel_lives(pool, jupyter):
    with jupyter.client(jupyter.start_kernel("gpu-0.1")) as cells:
        cells.run(SETUP)
        cell = cells.start("cuda.device_array(1 << 30, dtype=np.uint8)").wait(60)
        assert "CUDA_ERROR_OUT_OF_MEMORY" in cell.error
        assert cells.run(COMPUTE) == "right\n"


@pytest.mark.shared_jupyter
def test_a_restart_frees_the_memory_and_keeps_the_lease(pool, jupyter):
    kernel = jupyter.start_kernel("gpu-0.1")
    lease = pool.lease()["id"]
    with jupyter.client(kernel) as cells:
        cells.run(SETUP + HOLD_64_MIB)
    eventually(lambda: pool.lease()["held_mib"] >= 64, 10, "the pool's knowledge of what is held")
    jupyter.restart(kernel)
    with jupyter.client(kernel) as cells:
        assert "0 MiB of" in cells.run("%gpu")
        eventually(lambda: pool.lease()["held_mib"] == 0, 10, "the end of the old kernel's worker")
        cells.run(SETUP)
        assert cells.run(COMPUTE) == "right\n"
    assert pool.lease()["id"] == lease


def test_a_killed_kernel_leaves_no_memory_behind(pool, make_jupyter):
    jupyter = make_jupyter("--AsyncIOLoopKernelRestarter.time_to_dead=0.3")
    with jupyter.client(jupyter.start_kernel("gpu-0.1")) as cells:
        cells.run(SETUP + HOLD_64_MIB)
    eventually(lambda: pool.lease()["held_mib"] >= 64, 10, "the pool's knowledge of what is held")
    kernel_process(jupyter).kill()
    eventually(lambda: pool.lease()["workers"] == 0, 10, "the end of the dead kernel's worker")
    assert pool.lease()["held_mib"] == 0


@pytest.mark.shared_jupyter
def test_in_a_full_pool_a_cuda_cell_waits_can_be_interrupted_and_runs_when_a_share_frees(pool, jupyter):
    first = jupyter.start_kernel("gpu-1", "first.ipynb")
    second = jupyter.start_kernel("gpu-0.1", "second.ipynb")
    assert pool.states() == ["granted", "queued"]
    with jupyter.client(second) as cells:
        cells.run(SETUP)
        waiting = cells.start(COMPUTE)
        eventually(
            lambda: "in the queue" in waiting.collect(0.2).stderr, 30, "the place on the cell's stderr"
        )
        assert "[bfkernel] GPU 0.1: position 1 of 1 in the queue" in waiting.stderr
        jupyter.interrupt(second)
        waiting.wait(10)
        assert "KeyboardInterrupt" in waiting.error or "CUDA_ERROR_SYSTEM_NOT_READY" in waiting.error
        assert cells.run("print(6 * 7)") == "42\n"

        waiting = cells.start(COMPUTE)
        eventually(
            lambda: "in the queue" in waiting.collect(0.2).stderr, 30, "the place on the cell's stderr"
        )
        jupyter.shut_down(first)
        assert waiting.wait(30).error == ""
        assert waiting.stdout == "right\n"


def test_without_a_pool_a_cuda_cell_tells_what_it_waits_for(make_jupyter, env):
    env["BFKERNEL_POOL_URL"] = "http://127.0.0.1:9"
    jupyter = make_jupyter()
    kernel = jupyter.start_kernel("gpu-0.1")
    with jupyter.client(kernel) as cells:
        cells.run(SETUP)
        waiting = cells.start(COMPUTE)
        eventually(
            lambda: "the pool at http://127.0.0.1:9 does not answer" in waiting.collect(0.2).stderr,
            30,
            "the reason on the cell's stderr",
        )
        jupyter.interrupt(kernel)
        assert waiting.wait(10).error


@pytest.mark.shared_jupyter
def test_a_lease_that_ends_is_said_once_in_the_next_cell_and_a_restart_asks_anew(pool, jupyter):
    kernel = jupyter.start_kernel("gpu-0.1")
    first = pool.lease()["id"]
    with jupyter.client(kernel) as cells:
        cells.run(SETUP + COMPUTE)
        with pool.client() as client:
            client.release(first)
        # Not by %gpu: until the holder knows, that asks CUDA, and hears of the end itself.
        eventually(lambda: jupyter.share(kernel)["state"] == "ended", 10, "the holder's knowledge of the end")
        assert "ended" in cells.run("%gpu")
        said = "[bfkernel] GPU 0.1: The lease was released. Restart the kernel"
        failed = cells.start(COMPUTE).wait(30)
        assert "CUDA_ERROR_DEVICE_UNAVAILABLE" in failed.error
        # ipykernel reads what native code writes in a thread of its own, perhaps after the cell has ended.
        eventually(lambda: failed.collect(0.2).stderr.count(said) == 1, 20, "the end on the cell's stderr")
        failed = cells.start(COMPUTE).wait(30).collect(0.5)
        assert "CUDA_ERROR_DEVICE_UNAVAILABLE" in failed.error
        assert said not in failed.stderr
        assert cells.run("print(6 * 7)") == "42\n"
    jupyter.restart(kernel)
    assert pool.lease()["id"] != first
    with jupyter.client(kernel) as cells:
        cells.run(SETUP)
        assert cells.run(COMPUTE) == "right\n"


@pytest.mark.shared_jupyter
def test_a_shares_printf_appears_in_the_cell(pool, jupyter):
    with jupyter.client(jupyter.start_kernel("gpu-0.1")) as cells:
        cells.run(SETUP)
        cells.run("@cuda.jit\ndef hello():\n    print(cuda.threadIdx.x)\n")
        cell = cells.start("hello[1, 3](); cuda.synchronize()").wait(60)
        # ipykernel reads what native code writes in a thread of its own, perhaps after the cell has ended.
        eventually(
            lambda: sorted(cell.collect(0.2).stdout.split()) == ["0", "1", "2"], 20, "the device's output"
        )
