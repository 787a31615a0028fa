# SPDX-License-Identifier: BSD-3-Clause
"""``/bfkernel/api/status`` of a real Jupyter server."""

from __future__ import annotations

import httpx

from tests.waiting import eventually


def test_it_tells_what_each_kernel_holds_and_where_it_waits(pool, jupyter):
    first = jupyter.start_kernel("gpu-1", "first.ipynb")
    second = jupyter.start_kernel("gpu-0.02", "second.ipynb")
    jupyter.start_kernel("python3", "plain.ipynb")
    eventually(lambda: jupyter.share(second)["state"] == "queued", 10, "the pool's answer")
    assert jupyter.shares().keys() == {first, second}
    holds = jupyter.share(first)
    assert (holds["size"], holds["state"], holds["gpus"], holds["notice"]) == ("GPU 1", "granted", 1, "")
    assert holds["memory_mib"] == max(lease["memory_mib"] or 0 for lease in pool.leases())
    assert (holds["held_mib"], holds["position"], holds["eta_s"]) == (0.0, None, None)
    waits = jupyter.share(second)
    assert (waits["position"], waits["held_mib"], waits["memory_mib"]) == (1, None, None)
    jupyter.shut_down(first)
    eventually(lambda: jupyter.share(second)["state"] == "granted", 10, "the grant")
    jupyter.shut_down(second)
    assert jupyter.shares() == {}


def test_memory_held_follows_the_program(pool, jupyter):
    kernel = jupyter.start_kernel("gpu-0.1")
    with jupyter.client(kernel) as cells:
        cells.run(
            "import ctypes; cu = ctypes.CDLL('libcuda.so.1'); c, p = ctypes.c_void_p(), ctypes.c_void_p()\n"
            "assert cu.cuInit(0) == 0 and cu.cuCtxCreate_v2(ctypes.byref(c), 0, 0) == 0\n"
            "assert cu.cuMemAlloc_v2(ctypes.byref(p), ctypes.c_size_t(100 << 20)) == 0"
        )
        eventually(lambda: jupyter.share(kernel)["held_mib"] >= 100, 15, "what the agent saw")


def test_strangers_are_told_nothing(jupyter):
    answer = httpx.get(f"{jupyter.url}bfkernel/api/status", trust_env=False)
    assert answer.status_code == 403
