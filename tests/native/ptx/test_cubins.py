# SPDX-License-Identifier: BSD-3-Clause
"""Machine code on the emulated device: everything about it can be asked, and a launch is refused."""

from __future__ import annotations

import ctypes
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .harness import CudaError, Driver, Module, Result, run_script

CUBINS = Path(__file__).parent / "cubins"
NO_BINARY_FOR_GPU = 209
INVALID_IMAGE = 200
OUT_OF_MEMORY = 2


def code(name: str) -> bytes:
    return (CUBINS / name).read_bytes()


def container(cubin: bytes, sm: int = 80) -> bytes:
    """A fat binary with this cubin as its only entry."""
    cubin += bytes(-len(cubin) % 8)
    entry = struct.pack("<HHIQIIIIIIQQQ", 2, 0x101, 64, len(cubin), 0, 0, 0x10008, sm, 0, 0, 0x11, 0, 0)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(entry) + len(cubin)) + entry + cubin


@pytest.fixture
def emulated(gpu: Driver) -> Driver:
    """A real GPU would run what is refused here."""
    name = ctypes.create_string_buffer(100)
    gpu.call("cuDeviceGetName", name, 100, gpu.device)
    if b"softgpu" not in name.value:
        pytest.skip("only the emulated device has no use for machine code")
    return gpu


def attribute(gpu: Driver, module: Module, kernel: str, number: int) -> int:
    value = ctypes.c_int()
    gpu.call("cuFuncGetAttribute", ctypes.byref(value), number, module.function(kernel))
    return value.value


def parameters(gpu: Driver, module: Module, kernel: str) -> list[tuple[int, int]]:
    count, offset, size = ctypes.c_size_t(), ctypes.c_size_t(), ctypes.c_size_t()
    gpu.call("cuFuncGetParamCount", module.function(kernel), ctypes.byref(count))
    found = []
    for index in range(count.value):
        gpu.call("cuFuncGetParamInfo", module.function(kernel), ctypes.c_size_t(index), ctypes.byref(offset),
                 ctypes.byref(size))  # fmt: skip
        found.append((offset.value, size.value))
    return found


@pytest.mark.parametrize("image", ["sm_80.cubin", "machine_code.fatbin"])
def test_kernels_and_variables_can_be_looked_up(gpu: Driver, image: str) -> None:
    """A bare cubin, and one that is compressed in a fat binary beside others."""
    module = gpu.load(code(image))
    assert parameters(gpu, module, "plain") == [(0, 8), (8, 8), (16, 4), (20, 1)]
    assert parameters(gpu, module, "structured") == [(0, 104), (104, 1), (112, 8)]
    assert parameters(gpu, module, "nothing") == []
    assert attribute(gpu, module, "structured", 0) == 128  # CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK
    assert attribute(gpu, module, "plain", 1) == 256  # CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES
    assert attribute(gpu, module, "plain", 4) > 0  # CU_FUNC_ATTRIBUTE_NUM_REGS

    def value(name: str, dtype: type) -> list[float]:
        address, size = module.symbol(name)
        out: np.ndarray[Any, Any] = np.empty(size // np.dtype(dtype).itemsize, dtype)
        gpu.copy_out(out, address)
        return [float(item) for item in out]

    assert value("counters", np.int32) == [11, 22, 33, 44]
    assert value("table", np.float32) == [1.5, 2.5, 0, 0, 0, 0, 0, 0]
    assert value("untouched", np.float32) == [0] * 256
    with pytest.raises(CudaError):
        module.symbol("tile")  # shared memory is no variable of the module


def test_a_launch_is_refused(emulated: Driver, driver_library: Path) -> None:
    """With the error that means it, one line on standard error, and a context that still works."""
    script = f"""
        module = driver.load(open({str(CUBINS / "sm_80.cubin")!r}, "rb").read())
        for attempt in range(2):
            try:
                driver.launch(module.function("nothing"), 1, 1, [])
            except CudaError as error:
                print(error.code)
        driver.synchronize()
    """
    done = run_script(driver_library, script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == [str(NO_BINARY_FOR_GPU)] * 2
    if "softgpu" in driver_library.name:  # behind the shim it is the worker that says so
        assert done.stderr.count("kernel nothing is machine code for sm_80") == 1


def test_ptx_beside_machine_code_runs(gpu: Driver) -> None:
    module = gpu.load(code("both.fatbin"))
    out, given = gpu.zeros(64, np.float32), gpu.upload(np.arange(64, dtype=np.float32))
    gpu.launch(module.function("plain"), 1, 64, [out, given, np.int32(64), np.int8(0)])
    table = np.array([1.5, 2.5, 0, 0, 0, 0, 0, 0], np.float32)
    counters = np.array([11, 22, 33, 44])
    expected = (np.arange(64) + np.tile(table, 8))[::-1] + np.tile(counters, 16) + 33
    assert out.get(np.float32).tolist() == expected.tolist()


def test_machine_code_of_other_devices(emulated: Driver) -> None:
    """Nothing that fits is refused at once, and the log names what is there."""
    with pytest.raises(CudaError) as error:
        emulated.load(code("other_devices.fatbin"))
    assert error.value.code == NO_BINARY_FOR_GPU
    assert "sm_75 sm_90" in error.value.log
    newer = bytearray(code("sm_80.cubin"))
    newer[49] = 86  # the target, in the ELF header's flags
    with pytest.raises(CudaError) as error:
        emulated.load(bytes(newer))
    assert error.value.code == NO_BINARY_FOR_GPU
    assert "sm_86" in error.value.log


def test_libraries_take_machine_code(gpu: Driver) -> None:
    """cuLibraryLoadData, as every CUDA runtime of today loads, and attributes set before any launch."""
    library, kernel = ctypes.c_void_p(), ctypes.c_void_p()
    image = code("machine_code.fatbin")
    gpu.call("cuLibraryLoadData", ctypes.byref(library), image, None, None, 0, None, None, 0)
    gpu.call("cuLibraryGetKernel", ctypes.byref(kernel), library, b"plain")
    gpu.call("cuKernelSetAttribute", 8, 65536, kernel, gpu.device)
    blocks = ctypes.c_int()
    gpu.call(
        "cuOccupancyMaxActiveBlocksPerMultiprocessor", ctypes.byref(blocks), kernel, 128, ctypes.c_size_t(0)
    )
    assert blocks.value > 0
    gpu.call("cuLibraryUnload", library)


def test_damaged_cubins(emulated: Driver) -> None:
    """Whatever is wrong with it, the answer is an error or a module, never a crash."""
    whole = code("sm_80.cubin")
    chance = random.Random(3)
    codes = []
    for attempt in range(400):
        cubin = bytearray(whole if attempt % 2 else whole[: chance.randrange(len(whole))])
        for _ in range(chance.choice([0, 1, 8, 64]) if attempt % 2 == 0 else chance.choice([1, 8, 64])):
            # Headers and tables more often than the code between them.
            place = chance.choice(
                [chance.randrange(64), chance.randrange(6800, 8536), chance.randrange(8760)]
            )
            if place < len(cubin):
                cubin[place] = chance.randrange(256)
        image, module = container(bytes(cubin)), ctypes.c_void_p()
        codes.append(emulated.lib.cuModuleLoadData(ctypes.byref(module), image))
        if codes[-1] == Result.SUCCESS:
            emulated.call("cuModuleUnload", module)
    assert {Result.SUCCESS, INVALID_IMAGE} <= set(codes)
    assert set(codes) <= {Result.SUCCESS, INVALID_IMAGE, NO_BINARY_FOR_GPU, OUT_OF_MEMORY}
    emulated.synchronize()
