# SPDX-License-Identifier: BSD-3-Clause
"""Devices, memory and copies; a kernel that the GPU lacks is an error of TensorFlow's."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

MIB = 1 << 20


def the_device_is_the_lease() -> None:
    (gpu,) = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpu)
    assert "softgpu" in details["device_name"]
    assert details["compute_capability"] == (8, 0)
    tf.config.experimental.set_memory_growth(gpu, True)
    assert [device.name for device in tf.config.list_logical_devices("GPU")] == ["/device:GPU:0"]


def tensors_go_there_and_back() -> None:
    numbers = np.arange(100_000, dtype=np.float32).reshape(100, 1000)
    with tf.device("/CPU:0"):
        here = tf.constant(numbers)
    with tf.device("/GPU:0"):
        there = tf.identity(here)
        copy = tf.identity(there)
    assert "GPU:0" in there.device
    assert np.array_equal(there.numpy(), numbers)
    assert np.array_equal(copy.numpy(), numbers)
    with tf.device("/CPU:0"):
        assert np.array_equal(tf.identity(there).numpy(), numbers)


def memory_is_counted() -> None:
    before = tf.config.experimental.get_memory_info("GPU:0")["current"]
    with tf.device("/GPU:0"):
        held = tf.identity(np.zeros(8 * MIB, np.uint8))
    now = tf.config.experimental.get_memory_info("GPU:0")
    assert now["current"] - before >= 8 * MIB
    assert now["peak"] >= now["current"]
    del held
    assert tf.config.experimental.get_memory_info("GPU:0")["current"] == before


def computing_says_that_there_is_no_kernel() -> None:
    with tf.device("/GPU:0"):
        numbers = tf.identity(np.ones(1000, np.float32))
        for _ in range(2):
            with pytest.raises(tf.errors.InternalError, match="CUDA_ERROR_NO_BINARY_FOR_GPU"):
                tf.sin(numbers)
    assert numbers.numpy().sum() == 1000, "copies go on"


the_device_is_the_lease()
tensors_go_there_and_back()
memory_is_counted()
computing_says_that_there_is_no_kernel()
print("ok")
