# SPDX-License-Identifier: BSD-3-Clause
"""Arrays: shapes, formats, limits, and copies of all kinds in and out of them."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from .harness import CudaError, Driver, Result
from .images import (
    ARRAY_MEMORY,
    CUBE,
    DEVICE_MEMORY,
    FORMATS,
    GATHER,
    HOST_MEMORY,
    LAYERED,
    SURFACE,
    Array,
    ArrayDescriptor,
    Copy3D,
    Mipmap,
)

INVALID_HANDLE = 400
NOT_SUPPORTED = 801


def create(gpu: Driver, *description: int) -> int:
    """The CUresult of making an array: width, height, depth, format, channels, flags."""
    handle = ctypes.c_void_p()
    code = gpu.lib.cuArray3DCreate_v2(ctypes.byref(handle), ctypes.byref(ArrayDescriptor(*description)))
    if code == Result.SUCCESS:
        gpu.call("cuArrayDestroy", handle)
    return int(code)


@pytest.mark.parametrize("dtype", list(FORMATS))
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_formats(gpu: Driver, dtype: str, channels: int) -> None:
    data = np.random.default_rng(1).integers(0, 100, (3, 5, channels)).astype(dtype)
    array = Array(gpu, (3, 5), dtype, channels).put(data)
    np.testing.assert_array_equal(array.get().reshape(data.shape), data)


@pytest.mark.parametrize(("shape", "flags"), [((7,), 0), ((5, 7), 0), ((3, 5, 7), 0), ((3, 7), LAYERED),
                                              ((3, 5, 7), LAYERED), ((6, 4, 4), CUBE),
                                              ((12, 4, 4), CUBE | LAYERED),
                                              ((5, 7), GATHER | SURFACE)])  # fmt: skip
def test_shapes(gpu: Driver, shape: tuple[int, ...], flags: int) -> None:
    """What goes in comes out, and the description is what was asked for."""
    data = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    array = Array(gpu, shape, np.int32, flags=flags).put(data)
    np.testing.assert_array_equal(array.get(), data)
    described = ArrayDescriptor()
    gpu.call("cuArray3DGetDescriptor_v2", ctypes.byref(described), array.handle)
    assert bytes(described) == bytes(array.descriptor())


@pytest.mark.parametrize("description", [
    (0, 0, 0, 0x20, 1, 0), (8, 0, 0, 0x20, 3, 0), (8, 0, 0, 0x07, 1, 0), (8, 0, 4, 0x20, 1, 0),
    (8, 8, 0, 0x20, 1, LAYERED), (8, 7, 6, 0x20, 1, CUBE), (8, 8, 5, 0x20, 1, CUBE),
    (8, 8, 7, 0x20, 1, CUBE | LAYERED), (1 << 40, 0, 0, 0x20, 1, 0), (1 << 20, 1 << 20, 0, 0x20, 1, 0),
    (8, 8, 8, 0x20, 1, GATHER), (8, 8, 0, 0x20, 1, 0x8000),
])  # fmt: skip
def test_descriptions_that_make_no_sense(gpu: Driver, description: tuple[int, ...]) -> None:
    assert create(gpu, *description) == Result.INVALID_VALUE


def test_more_than_there_is(gpu: Driver) -> None:
    """Arrays take memory of the device, and give it back."""

    def free() -> int:
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        gpu.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value

    before = free()
    array = Array(gpu, (1024, 1024), np.float32, channels=4)
    assert before - free() >= 16 << 20
    del array
    assert free() == before
    assert create(gpu, 16384, 16384, 16384, 0x20, 4, 0) == 2  # out of memory
    assert free() == before


def test_part_of_a_box(gpu: Driver) -> None:
    """A box out of the middle of one array into another, and from there to plain memory on the device."""
    data = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    source = Array(gpu, (4, 5, 6), np.int16).put(data)
    target = Array(gpu, (3, 4, 5), np.int16).put(np.zeros((3, 4, 5)))
    copy = Copy3D(src_type=ARRAY_MEMORY, src_array=source.handle, src_x=4, src_y=1, src_z=2,
                  dst_type=ARRAY_MEMORY,
                  dst_array=target.handle, dst_x=2, dst_y=2, dst_z=1, width=6, height=2, depth=2)  # fmt: skip
    gpu.call("cuMemcpy3DAsync_v2", ctypes.byref(copy), None)
    want = np.zeros((3, 4, 5), np.int16)
    want[1:3, 2:4, 1:4] = data[2:4, 1:3, 2:5]
    np.testing.assert_array_equal(target.get(), want)
    plain = gpu.zeros(2 * 2 * 16, np.int16)
    copy = Copy3D(src_type=ARRAY_MEMORY, src_array=target.handle, src_x=2, src_y=2, src_z=1,
                  dst_type=DEVICE_MEMORY,
                  dst_device=plain.address, dst_pitch=32, dst_height=2,
                  width=6, height=2, depth=2)  # fmt: skip
    gpu.call("cuMemcpy3D_v2", ctypes.byref(copy))
    np.testing.assert_array_equal(plain.get(np.int16).reshape(2, 2, 16)[..., :3], data[2:4, 1:3, 2:5])


@pytest.mark.parametrize("wrong", [
    {"dst_x": 4}, {"dst_y": 2}, {"dst_z": 1}, {"width": 12}, {"height": 4}, {"depth": 2}, {"dst_x": 2},
    {"width": 6},
    {"dst_x": 2**64 - 4}, {"dst_y": 2**64 - 1}, {"height": 2**63}, {"dst_lod": 1},
])  # fmt: skip
def test_copies_beyond_an_array(gpu: Driver, wrong: dict[str, int]) -> None:
    """Nothing is written outside, however the numbers are chosen."""
    array = Array(gpu, (3, 2), np.int32)
    host = np.zeros(1000, np.int32)
    shape = {"width": 8, "height": 3, "depth": 1, **wrong}
    copy = Copy3D(src_type=HOST_MEMORY, src_host=host.ctypes.data, src_pitch=16, src_height=4,
                  dst_type=ARRAY_MEMORY, dst_array=array.handle, **shape)  # fmt: skip
    assert gpu.lib.cuMemcpy3D_v2(ctypes.byref(copy)) == Result.INVALID_VALUE


def test_runs_of_bytes(gpu: Driver) -> None:
    """cuMemcpyHtoA and its relatives."""
    data = np.arange(32, dtype=np.uint8)
    first, second = Array(gpu, (32,), np.uint8), Array(gpu, (32,), np.uint8).put(np.zeros(32))
    size = ctypes.c_size_t
    gpu.call("cuMemcpyHtoA_v2", first.handle, size(0), data.ctypes.data_as(ctypes.c_void_p), size(32))
    gpu.call("cuMemcpyAtoA_v2", second.handle, size(4), first.handle, size(8), size(10))
    assert second.get().tolist() == [0] * 4 + list(range(8, 18)) + [0] * 18
    buffer = gpu.zeros(32, np.uint8)
    gpu.call("cuMemcpyAtoD_v2", ctypes.c_uint64(buffer.address + 1), second.handle, size(4), size(3))
    assert buffer.get(np.uint8)[:5].tolist() == [0, 8, 9, 10, 0]
    gpu.call("cuMemcpyDtoA_v2", first.handle, size(30), ctypes.c_uint64(buffer.address + 2), size(2))
    out = np.zeros(4, np.uint8)
    gpu.call(
        "cuMemcpyAtoHAsync_v2", out.ctypes.data_as(ctypes.c_void_p), first.handle, size(28), size(4), None
    )
    gpu.synchronize()
    assert out.tolist() == [28, 29, 9, 10]
    for offset, count in [(0, 33), (32, 1), (2**64 - 1, 2)]:
        with pytest.raises(CudaError) as error:
            gpu.call(
                "cuMemcpyHtoA_v2",
                first.handle,
                size(offset),
                data.ctypes.data_as(ctypes.c_void_p),
                size(count),
            )
        assert error.value.code == Result.INVALID_VALUE


def test_levels(gpu: Driver) -> None:
    """Each level is an array of half the size, which ends with the whole."""
    mipmap = Mipmap(gpu, (6, 5), np.float32, 9)  # three is the most
    assert [mipmap.level(i).put(np.full(mipmap.level(i).shape, i)).get().shape for i in range(3)] == [
        (6, 5), (3, 2), (1, 1)]  # fmt: skip
    for i in range(3):
        assert set(mipmap.level(i).get().flat) == {i}
    with pytest.raises(CudaError):
        mipmap.level(3)
    level = mipmap.level(1)
    assert gpu.lib.cuArrayDestroy(level.handle) == INVALID_HANDLE
    gpu.call("cuMipmappedArrayDestroy", mipmap.handle)
    with pytest.raises(CudaError) as error:
        level.get()
    assert error.value.code == INVALID_HANDLE


def test_requirements(gpu: Driver) -> None:
    array = Array(gpu, (100, 100), np.float32)
    needs = (ctypes.c_size_t * 8)()
    gpu.call("cuArrayGetMemoryRequirements", needs, array.handle, gpu.device)
    assert needs[0] >= 40_000
    assert needs[1] >= 1


def test_what_is_not_here(gpu: Driver) -> None:
    """Sparse and deferred arrays, video and block-compressed formats: a plain refusal."""
    for description in [
        (8, 8, 0, 0x20, 1, 0x40),
        (8, 8, 0, 0x20, 1, 0x80),
        (8, 8, 0, 0xB0, 1, 0),
        (8, 8, 0, 0x91, 4, 0),
    ]:
        assert create(gpu, *description) == NOT_SUPPORTED


def test_handles_of_arrays_that_are_gone(gpu: Driver) -> None:
    array = Array(gpu, (4,), np.uint8)
    handle = ctypes.c_void_p(array.handle.value)
    del array
    out: Any = ArrayDescriptor()
    assert gpu.lib.cuArray3DGetDescriptor_v2(ctypes.byref(out), handle) == INVALID_HANDLE
    assert gpu.lib.cuArrayDestroy(handle) == INVALID_HANDLE
    with gpu.throwaway_context():
        kept = Array(gpu, (4,), np.uint8)
    assert gpu.lib.cuArray3DGetDescriptor_v2(ctypes.byref(out), kept.handle) == INVALID_HANDLE
