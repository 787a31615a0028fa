# SPDX-License-Identifier: BSD-3-Clause
"""cuda.core: devices, streams, events, programs, launches, buffers and memory resources."""

from __future__ import annotations

import numpy as np
from cuda.core import (
    Buffer,
    Device,
    DeviceMemoryResource,
    EventOptions,
    LaunchConfig,
    LegacyPinnedMemoryResource,
    ObjectCode,
    Program,
    ProgramOptions,
    launch,
)

SOURCE = """
template <typename T> __global__ void axpy(T a, const T *x, T *y, size_t n) {
  size_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] += a * x[i];
}
"""
COUNT = 5000


def devices() -> Device:
    device = Device(0)
    device.set_current()
    assert len(Device.get_all_devices()) == 1
    assert device.name
    assert device.properties.warp_size == 32
    assert len(device.pci_bus_id.split(":")) == 3
    assert tuple(device.compute_capability) >= (7, 0)
    return device


def compiled() -> ObjectCode:
    program = Program(SOURCE, code_type="c++", options=ProgramOptions(std="c++17", arch="compute_75"))
    return program.compile("ptx", name_expressions=("axpy<float>", "axpy<double>"))


def view(buffer: Buffer, kind: type) -> np.ndarray:
    """Look at memory that the host may touch."""
    return np.from_dlpack(buffer).view(kind)


def launches(device: Device, code: ObjectCode) -> None:
    stream = device.create_stream()
    pinned, memory = LegacyPinnedMemoryResource(), device.memory_resource
    for kind in (np.float32, np.float64):
        kernel = code.get_kernel("axpy<float>" if kind is np.float32 else "axpy<double>")
        assert kernel.attributes.max_threads_per_block >= 256
        size = COUNT * np.dtype(kind).itemsize
        host = pinned.allocate(size, stream=stream)
        x, y = (memory.allocate(size, stream=stream) for _ in range(2))
        view(host, kind)[:] = np.arange(COUNT)
        x.copy_from(host, stream=stream)
        y.copy_from(host, stream=stream)
        config = LaunchConfig(grid=(COUNT + 255) // 256, block=256)
        launch(stream, config, kernel, kind(2), x, y, np.uint64(COUNT))
        y.copy_to(host, stream=stream)
        stream.sync()
        assert np.array_equal(view(host, kind), np.arange(COUNT, dtype=kind) * 3)
        for buffer in (host, x, y):
            buffer.close(stream)
    stream.close()


def events(device: Device) -> None:
    first, second = device.create_stream(), device.create_stream()
    begin = first.record(options=EventOptions(timing_enabled=True))
    second.wait(begin)
    end = second.record(options=EventOptions(timing_enabled=True))
    end.sync()
    assert begin.is_done
    assert end - begin >= 0
    device.sync()


def memory(device: Device) -> None:
    pool = DeviceMemoryResource(device)
    stream = device.default_stream
    with pool.allocate(1 << 20, stream=stream) as buffer:
        assert buffer.size == 1 << 20
        assert buffer.is_device_accessible
        assert not buffer.is_host_accessible
        buffer.fill(7, stream=stream)
        back = LegacyPinnedMemoryResource().allocate(1 << 20)
        buffer.copy_to(back, stream=stream)
        stream.sync()
        assert (view(back, np.uint8) == 7).all()


device = devices()
launches(device, compiled())
events(device)
memory(device)
print("ok")
