# SPDX-License-Identifier: BSD-3-Clause
"""Fifty kernels at 0.02 fill one GPU; each computes at the same time and checks its result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from .conftest import Pool
from .jupyter_harness import Jupyter

KERNELS = 50
CELL = """
import numpy as np
from numba import cuda

@cuda.jit
def scale(x, factor):
    i = cuda.grid(1)
    if i < x.size:
        x[i] *= factor

x = np.arange(100_000, dtype=np.float32)
d_x = cuda.to_device(x)
for _ in range(5):
    scale[(x.size + 255) // 256, 256](d_x, np.float32(2))
assert np.array_equal(d_x.copy_to_host(), x * 32)
print("right", cuda.current_context().get_memory_info()[1] >> 20)
"""


def memory_bytes(root: psutil.Process) -> int:
    """Return the proportional set size of a process and all below it."""
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


class PeakMemory(threading.Thread):
    """Looks at the memory of process trees every few seconds; ``peaks`` are in bytes."""

    def __init__(self, *roots: int) -> None:
        super().__init__(daemon=True)
        self._roots = [psutil.Process(pid) for pid in roots]
        self.peaks = [0] * len(roots)
        self._finished = threading.Event()

    def run(self) -> None:
        while not self._finished.is_set():
            now = [memory_bytes(root) for root in self._roots]
            self.peaks = [max(pair) for pair in zip(self.peaks, now, strict=True)]
            self._finished.wait(5)

    def finish(self) -> None:
        self._finished.set()
        self.join(60)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_fifty_kernels_at_once(
    make_pool: Callable[..., Pool], make_jupyter: Callable[..., Jupyter], capsys: pytest.CaptureFixture[str]
) -> None:
    # The TTL of a real pool: fifty interpreters that start on a few cores starve a heartbeat for seconds.
    pool = make_pool("--softgpus=1", "--softgpu-memory=32GiB", "--lease-ttl=60s")
    jupyter = make_jupyter()
    kernels = [jupyter.start_kernel("gpu-0.02", f"{number}.ipynb") for number in range(KERNELS)]
    assert pool.states() == ["granted"] * KERNELS

    def compute(kernel: str) -> str:
        with jupyter.client(kernel) as cells:
            return cells.run(CELL, 900)

    watch = PeakMemory(pool.process.pid, jupyter.process.pid)
    watch.start()
    with ThreadPoolExecutor(KERNELS) as threads:
        answers = list(threads.map(compute, kernels))
    watch.finish()
    # IPython may say more on stdout: fifty kernels that start at once queue for its history database.
    assert [answer.splitlines()[-1] for answer in answers] == ["right 655"] * KERNELS
    with capsys.disabled():
        server, notebooks = (peak >> 20 for peak in watch.peaks)
        print(f"\n{KERNELS} kernels at peak: {server} MiB in pool, agent and workers,", end=" ")
        print(f"{notebooks} MiB in Jupyter and kernels")
    for kernel in kernels:
        jupyter.shut_down(kernel)
    pool.wait_until_free(10)
