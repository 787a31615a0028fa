# SPDX-License-Identifier: BSD-3-Clause
"""`%gpu release` and `%gpu resize` in real kernels."""

from __future__ import annotations

import pytest

from tests.waiting import eventually

pytestmark = pytest.mark.shared_jupyter

ALLOCATE = """
import ctypes
cu = ctypes.CDLL("libcuda.so.1")
context, pointer = ctypes.c_void_p(), ctypes.c_void_p()
assert cu.cuInit(0) == 0
assert cu.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0 and cu.cuCtxSetCurrent(context) == 0
assert cu.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(150 << 20)) == 0
"""
DEVICE_UNAVAILABLE = 46


def test_release_gives_the_share_back_at_once_and_a_restart_takes_a_new_one(pool, jupyter):
    kernel = jupyter.start_kernel("gpu-0.1")
    first = pool.lease()["id"]
    with jupyter.client(kernel) as cells:
        said = cells.run("%gpu release")
        assert said.startswith("GPU 0.1 was given back.\n")
        assert "What this kernel had in device memory is gone. Restart the kernel" in said
        assert pool.leases() == []
        assert "ended, the share was given back; restart the kernel" in cells.run("%gpu")
        assert cells.run("print(6 * 7)") == "42\n"
    jupyter.restart(kernel)
    eventually(lambda: pool.states() == ["granted"], 10, "the new lease")
    assert pool.lease()["id"] != first


def test_resize_says_what_it_would_do_and_does_it_when_told_to(pool, jupyter):
    kernel = jupyter.start_kernel("gpu-0.02")
    first = pool.lease()["id"]
    with jupyter.client(kernel) as cells:
        assert "This gives GPU 0.02 back and takes 0.1 instead" in cells.run("%gpu resize 0.1")
        assert pool.lease()["id"] == first
        assert cells.run("%gpu resize 0.1 --yes").startswith("GPU 0.1: granted")
    lease = pool.lease()
    assert lease["id"] != first
    assert lease["fraction"] == 0.1
    jupyter.restart(kernel)
    assert pool.lease()["id"] == lease["id"], "the restarted kernel holds what it has chosen"
    with jupyter.client(kernel) as cells:
        assert cells.run("%gpu").startswith("GPU 0.1: ")
        cells.run("%gpu release")
    jupyter.restart(kernel)
    eventually(lambda: [lease["fraction"] for lease in pool.leases()] == [0.1], 10, "the same size again")
    jupyter.shut_down(kernel)
    assert pool.leases() == []


def test_what_cannot_be_resized_to_is_said_and_a_restart_goes_back(pool, jupyter):
    kernel = jupyter.start_kernel("gpu-0.02")
    first = pool.lease()["id"]
    with jupyter.client(kernel) as cells:
        assert "'much' is no size" in cells.run("%gpu resize much --yes")
        assert "Write %gpu, %gpu release" in cells.run("%gpu grow")
        assert pool.lease()["id"] == first
        refused = cells.run("%gpu resize 2000000m --yes")
        assert "refused, No GPU server of this pool can serve GPU 2000000m" in refused
    assert pool.leases() == []
    jupyter.restart(kernel)
    assert pool.lease()["fraction"] == 0.02


def test_a_queued_kernel_can_leave_the_queue(pool, jupyter):
    jupyter.start_kernel("gpu-1", "first.ipynb")
    with jupyter.client(jupyter.start_kernel("gpu-0.02", "second.ipynb")) as cells:
        assert pool.states() == ["granted", "queued"]
        assert cells.run("%gpu release").startswith("GPU 0.02 was given back.")
    assert pool.states() == ["granted"]


def test_a_program_that_computes_loses_its_memory_and_its_restart_has_the_new_size(pool, jupyter):
    kernel = jupyter.start_kernel("gpu-0.05")
    with jupyter.client(kernel) as cells:
        cells.run(ALLOCATE)
        assert cells.run("%gpu resize 0.1 --yes").startswith("GPU 0.1: granted")
        assert cells.run("print(cu.cuCtxSynchronize())") == f"{DEVICE_UNAVAILABLE}\n"
    jupyter.restart(kernel)
    with jupyter.client(kernel) as cells:
        cells.run(ALLOCATE)
        assert "of 409 MiB held" in cells.run("%gpu")
        # The holder waits for its turn but a second: the program may take longer to end.
        assert cells.run("%gpu resize 1 --yes").startswith(("GPU 1: granted", "GPU 1: queued"))
        eventually(lambda: "MiB held" in cells.run("%gpu"), 20, "the share that is free when it has ended")
        assert cells.run("%gpu").startswith("GPU 1: ")
