# SPDX-License-Identifier: BSD-3-Clause
"""cuda.bindings: NVRTC compiles, the driver and the runtime (its own, linked statically) run it."""

from __future__ import annotations

import ctypes

import numpy as np
from cuda.bindings import driver, nvrtc, runtime

SOURCE = b"""
extern "C" __constant__ float factor;
extern "C" __global__ void scale(float *out, const float *in, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i] * factor;
}
"""


def check(answer: tuple) -> object:
    """Return what a binding returns after its status."""
    status, *values = answer
    assert int(status) == 0, status
    return values[0] if len(values) == 1 else tuple(values) or None


def compiled() -> bytes:
    program = check(nvrtc.nvrtcCreateProgram(SOURCE, b"scale.cu", 0, [], []))
    check(nvrtc.nvrtcCompileProgram(program, 1, [b"--gpu-architecture=compute_75"]))
    ptx = bytes(check(nvrtc.nvrtcGetPTXSize(program)))
    check(nvrtc.nvrtcGetPTX(program, ptx))
    check(nvrtc.nvrtcDestroyProgram(program))
    return ptx


def launch(function: driver.CUfunction, stream: object, out: int, source: int, count: int) -> None:
    values = (out, source, count)
    types = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
    check(driver.cuLaunchKernel(function, 8, 1, 1, 128, 1, 1, 0, stream, (values, types), 0))


def with_the_driver(ptx: bytes) -> None:
    check(driver.cuInit(0))
    device = check(driver.cuDeviceGet(0))
    context = check(driver.cuDevicePrimaryCtxRetain(device))
    check(driver.cuCtxSetCurrent(context))
    module = check(driver.cuModuleLoadData(ptx))
    function = check(driver.cuModuleGetFunction(module, b"scale"))
    factor, size = check(driver.cuModuleGetGlobal(module, b"factor"))
    assert size == 4
    check(driver.cuMemcpyHtoD(factor, np.float32(2.5).tobytes(), 4))
    stream = check(driver.cuStreamCreate(0))
    numbers, result = np.arange(1000, dtype=np.float32), np.empty(1000, np.float32)
    source, out = (check(driver.cuMemAlloc(numbers.nbytes)) for _ in range(2))
    check(driver.cuMemcpyHtoDAsync(source, numbers.ctypes.data, numbers.nbytes, stream))
    launch(function, stream, int(out), int(source), 1000)
    check(driver.cuMemcpyDtoHAsync(result.ctypes.data, out, result.nbytes, stream))
    check(driver.cuStreamSynchronize(stream))
    assert np.array_equal(result, numbers * np.float32(2.5))
    for address in (source, out):
        check(driver.cuMemFree(address))
    check(driver.cuModuleUnload(module))
    check(driver.cuStreamDestroy(stream))
    check(driver.cuDevicePrimaryCtxRelease(device))


def with_the_runtime(ptx: bytes) -> None:
    assert check(runtime.cudaGetDeviceCount()) == 1
    properties = check(runtime.cudaGetDeviceProperties(0))
    free, total = check(runtime.cudaMemGetInfo())
    assert total == properties.totalGlobalMem
    library = check(runtime.cudaLibraryLoadData(ptx, [], [], 0, [], [], 0))
    kernel = check(runtime.cudaLibraryGetKernel(library, b"scale"))
    factor, _ = check(runtime.cudaLibraryGetGlobal(library, b"factor"))
    value = np.float32(-3)
    check(runtime.cudaMemcpy(factor, value.tobytes(), 4, runtime.cudaMemcpyKind.cudaMemcpyHostToDevice))
    numbers, result = np.arange(1000, dtype=np.float32), np.empty(1000, np.float32)
    kinds = runtime.cudaMemcpyKind
    source, out = (check(runtime.cudaMalloc(numbers.nbytes)) for _ in range(2))
    check(runtime.cudaMemcpy(source, numbers.ctypes.data, numbers.nbytes, kinds.cudaMemcpyHostToDevice))
    launch(driver.CUfunction(int(kernel)), driver.CUstream(0), int(out), int(source), 1000)
    check(runtime.cudaMemcpy(result.ctypes.data, out, result.nbytes, kinds.cudaMemcpyDefault))
    assert np.array_equal(result, numbers * value)
    check(runtime.cudaFree(source))
    check(runtime.cudaFree(out))
    assert check(runtime.cudaMemGetInfo())[0] == free
    check(runtime.cudaLibraryUnload(library))
    assert runtime.cudaMalloc(1 << 50)[0] == runtime.cudaError_t.cudaErrorMemoryAllocation


ptx = compiled()
with_the_driver(ptx)
with_the_runtime(ptx)
check(runtime.cudaDeviceReset())
with_the_runtime(ptx)
print("ok")
