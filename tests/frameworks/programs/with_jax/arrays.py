# SPDX-License-Identifier: BSD-3-Clause
"""Devices and copies with no setting at all; a computation is JAX's own error, and JAX goes on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest


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


def computing_says_that_there_is_no_kernel() -> None:
    numbers = jax.device_put(np.ones(1000, np.float32))
    for _ in range(2):
        with pytest.raises(jax.errors.JaxRuntimeError, match="CUDA_ERROR_NO_BINARY_FOR_GPU"):
            jnp.sin(numbers).block_until_ready()
    assert np.asarray(numbers).sum() == 1000, "copies go on"


the_device_is_the_lease()
arrays_go_there_and_back()
computing_says_that_there_is_no_kernel()
print("ok")
