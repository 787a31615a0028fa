# SPDX-License-Identifier: BSD-3-Clause
"""Devices and copies, with no setting at all."""

from __future__ import annotations

import jax
import numpy as np


def the_device_is_the_lease() -> None:
    (gpu,) = jax.devices()
    assert gpu.platform == "gpu"
    assert "softgpu" in gpu.device_kind
    assert gpu.compute_capability == "8.0"
    # JAX takes three quarters of the 2 GiB at once, as it does with any GPU.
    assert gpu.memory_stats()["bytes_limit"] == 1536 << 20


def arrays_go_there_and_back() -> None:
    numbers = np.arange(100_000, dtype=np.float32).reshape(100, 1000)
    there = jax.device_put(numbers)
    assert there.devices() == set(jax.devices("gpu"))
    assert np.array_equal(np.asarray(there), numbers)
    here = jax.device_put(there, jax.devices("cpu")[0])
    assert np.array_equal(np.asarray(here), numbers)
    del there
    assert np.array_equal(np.asarray(jax.device_put(numbers.T.copy())), numbers.T)


the_device_is_the_lease()
arrays_go_there_and_back()
print("ok")
