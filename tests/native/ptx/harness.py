# SPDX-License-Identifier: BSD-3-Clause
"""A CUDA driver library through ctypes: just enough of the driver API to run PTX and look at the result.

Nothing here knows softgpu: the same tests run against a real GPU, or through the client shim.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

HEADER = ".version 8.0\n.target sm_80\n.address_size 64\n"
SM_90 = HEADER.replace("sm_80", "sm_90")

# PTX type -> numpy type of its bits in memory.
DTYPES: dict[str, Any] = {
    "u8": np.uint8, "s8": np.int8, "b8": np.uint8,
    "u16": np.uint16, "s16": np.int16, "b16": np.uint16, "f16": np.uint16, "bf16": np.uint16,
    "u32": np.uint32, "s32": np.int32, "b32": np.uint32, "f32": np.uint32,
    "f16x2": np.uint32, "bf16x2": np.uint32, "tf32": np.uint32,
    "u64": np.uint64, "s64": np.int64, "b64": np.uint64, "f64": np.uint64,
}  # fmt: skip


class Result:
    """The CUresult values that the tests name."""

    SUCCESS = 0
    INVALID_VALUE = 1
    INVALID_PTX = 218
    ILLEGAL_ADDRESS = 700
    ASSERT = 710
    LAUNCH_TIMEOUT = 702
    ILLEGAL_INSTRUCTION = 715
    MISALIGNED_ADDRESS = 716
    LAUNCH_FAILED = 719


class CudaError(Exception):
    """A driver call that did not return CUDA_SUCCESS; `code` is the CUresult."""

    def __init__(self, call: str, code: int, log: str = "") -> None:
        super().__init__(f"{call} returned CUDA error {code}" + (f": {log}" if log else ""))
        self.call = call
        self.code = code
        self.log = log


@contextmanager
def sm_90_or_skip() -> Iterator[None]:
    """For instructions of compute capability 9.0, which an earlier device may refuse to load."""
    try:
        yield
    except CudaError as error:
        if error.call != "cuModuleLoadDataEx":
            raise
        import pytest

        pytest.skip(f"the device refuses sm_90 PTX: {error}")


class Context:
    """One CUcontext; memory of a dead context is not freed a second time."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self.handle = handle
        self.alive = True


class Buffer:
    """Device memory, freed with the object unless its context went first."""

    def __init__(self, driver: Driver, nbytes: int) -> None:
        self.driver = driver
        self.context = driver.context
        self.nbytes = nbytes
        address = ctypes.c_uint64()
        driver.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(nbytes, 1)))
        self.address: int = address.value

    def put(self, array: np.ndarray[Any, Any]) -> None:
        data = np.ascontiguousarray(array)
        self.driver.copy_in(self.address, data)

    def get(self, dtype: Any, count: int = -1) -> np.ndarray[Any, Any]:
        size = np.dtype(dtype).itemsize
        out = np.empty(self.nbytes // size if count < 0 else count, dtype)
        self.driver.copy_out(out, self.address)
        return out

    def __del__(self) -> None:
        if getattr(self, "address", 0) and self.context.alive:
            self.driver.lib.cuMemFree_v2(ctypes.c_uint64(self.address))


class Module:
    """A loaded module; unloaded with the object unless its context went first."""

    def __init__(self, driver: Driver, handle: ctypes.c_void_p, info: str, error: str) -> None:
        self.driver = driver
        self.context = driver.context
        self.handle = handle
        self.info = info
        self.error = error

    def function(self, name: str) -> ctypes.c_void_p:
        function = ctypes.c_void_p()
        self.driver.call("cuModuleGetFunction", ctypes.byref(function), self.handle, name.encode())
        return function

    def symbol(self, name: str) -> tuple[int, int]:
        """Address and size in bytes of a global."""
        address, size = ctypes.c_uint64(), ctypes.c_size_t()
        self.driver.call(
            "cuModuleGetGlobal_v2", ctypes.byref(address), ctypes.byref(size), self.handle, name.encode()
        )
        return address.value, size.value

    def __del__(self) -> None:
        if self.context.alive:
            self.driver.lib.cuModuleUnload(self.handle)


class Driver:
    """The library, device 0, and the context that is current on this thread."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.lib = ctypes.CDLL(str(path))
        self.call("cuInit", 0)
        device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.device = device.value
        self.context = Context(ctypes.c_void_p())
        self._elementwise: dict[str, Module] = {}

    def call(self, name: str, *args: Any) -> None:
        """Calls a driver function; raises CudaError unless it answers CUDA_SUCCESS."""
        code = getattr(self.lib, name)(*args)
        if code != Result.SUCCESS:
            raise CudaError(name, code)

    def attribute(self, number: int) -> int:
        value = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(value), number, self.device)
        return value.value

    @contextmanager
    def primary_context(self) -> Iterator[Context]:
        """The primary context, current inside the block."""
        handle = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(handle), self.device)
        self.call("cuCtxSetCurrent", handle)
        self.context = Context(handle)
        try:
            yield self.context
        finally:
            self.context.alive = False
            self._elementwise.clear()
            self.lib.cuDevicePrimaryCtxRelease_v2(self.device)

    def heal(self) -> None:
        """Resets the primary context if a kernel has faulted in it."""
        if self.lib.cuCtxSynchronize() != Result.SUCCESS:
            self.context.alive = False
            self._elementwise.clear()
            self.lib.cuDevicePrimaryCtxReset_v2(self.device)
            self.call("cuCtxSetCurrent", self.context.handle)
            self.context = Context(self.context.handle)

    @contextmanager
    def throwaway_context(self) -> Iterator[Context]:
        """A context of its own, for a test that faults; the previous one is current again after it."""
        before, handle = self.context, ctypes.c_void_p()
        self.call("cuCtxCreate_v2", ctypes.byref(handle), 0, self.device)
        self.context = Context(handle)
        try:
            yield self.context
        finally:
            self.context.alive = False
            self.lib.cuCtxDestroy_v2(handle)
            self.context = before
            self.call("cuCtxSetCurrent", before.handle)

    # ---- memory

    def alloc(self, nbytes: int) -> Buffer:
        return Buffer(self, nbytes)

    def upload(self, array: np.ndarray[Any, Any]) -> Buffer:
        buffer = Buffer(self, array.nbytes)
        buffer.put(array)
        return buffer

    def zeros(self, count: int, dtype: Any) -> Buffer:
        return self.upload(np.zeros(count, dtype))

    def copy_in(self, address: int, data: np.ndarray[Any, Any]) -> None:
        if data.nbytes:
            self.call("cuMemcpyHtoD_v2", ctypes.c_uint64(address), data.ctypes.data_as(ctypes.c_void_p),
                      ctypes.c_size_t(data.nbytes))  # fmt: skip

    def copy_out(self, data: np.ndarray[Any, Any], address: int) -> None:
        if data.nbytes:
            self.call("cuMemcpyDtoH_v2", data.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(address),
                      ctypes.c_size_t(data.nbytes))  # fmt: skip

    # ---- modules and launches

    def load(self, ptx: str | bytes) -> Module:
        """Loads PTX text; CudaError.log holds the JIT error log where it is refused."""
        text = ptx.encode() if isinstance(ptx, str) else ptx
        dump_ptx(text)
        size = 8192
        info, error = ctypes.create_string_buffer(size), ctypes.create_string_buffer(size)
        # CU_JIT_INFO_LOG_BUFFER, its size, CU_JIT_ERROR_LOG_BUFFER, its size
        options = (ctypes.c_int * 4)(3, 4, 5, 6)
        values = (ctypes.c_void_p * 4)(ctypes.addressof(info), size, ctypes.addressof(error), size)
        handle = ctypes.c_void_p()
        code = self.lib.cuModuleLoadDataEx(ctypes.byref(handle), ctypes.c_char_p(text), 4, options, values)
        if code != Result.SUCCESS:
            call = "cuModuleLoadDataEx"
            raise CudaError(call, code, error.value.decode())
        return Module(self, handle, info.value.decode(), error.value.decode())

    def launch(
        self,
        function: ctypes.c_void_p,
        grid: int | Sequence[int],
        block: int | Sequence[int],
        args: Sequence[Any],
        *,
        shared: int = 0,
        cooperative: bool = False,
        wait: bool = True,
    ) -> None:
        """Launches with kernelParams: a Buffer passes its address, numpy scalars and bytes their bits."""
        cells = [_argument(value) for value in args]
        params = (ctypes.c_void_p * max(len(cells), 1))(*[ctypes.addressof(cell) for cell in cells])
        shape = [*_dim3(grid), *_dim3(block)]
        if cooperative:
            self.call("cuLaunchCooperativeKernel", function, *shape, shared, None, params)
        else:
            self.call("cuLaunchKernel", function, *shape, shared, None, params, None)
        if wait:
            self.synchronize()

    def synchronize(self) -> None:
        self.call("cuCtxSynchronize")

    def run(
        self, ptx: str, grid: Any, block: Any, args: Sequence[Any], name: str = "test", **more: Any
    ) -> None:
        """Loads a module, runs one kernel of it and waits."""
        module = self.load(ptx)
        self.launch(module.function(name), grid, block, args, **more)

    def elementwise(
        self,
        body: str,
        inputs: Sequence[tuple[str, np.ndarray[Any, Any]]],
        out: str | Sequence[str],
        *,
        declare: str = "",
        module_scope: str = "",
        header: str = HEADER,
        block: int = 128,
    ) -> Any:
        """Runs `body` once for each element: registers %a %b %c %d in, %r (and %q) out, bits in and out.

        Returns one array for a single output type, else a tuple of arrays.
        """
        outs = [out] if isinstance(out, str) else list(out)
        types = [kind for kind, _ in inputs]
        ptx = elementwise_ptx(body, types, outs, declare, module_scope, header)
        module = self._elementwise.get(ptx) or self.load(ptx)
        self._elementwise = {ptx: module}
        count = len(inputs[0][1])
        sources = [self.upload(np.asarray(array).astype(DTYPES[kind])) for kind, array in inputs]
        targets = [self.zeros(count, DTYPES[kind]) for kind in outs]
        self.launch(
            module.function("test"), -(-count // block), block, [*targets, *sources, np.uint32(count)]
        )
        results = tuple(buffer.get(DTYPES[kind]) for buffer, kind in zip(targets, outs, strict=True))
        return results[0] if isinstance(out, str) else results


def kernel(body: str, params: str = ".param .u64 out", *, scope: str = "", header: str = HEADER) -> str:
    """Text with one kernel `test`, which has registers %r0-31, %l0-31, %f0-15, %d0-15, %h0-15, %p0-15."""
    registers = (
        ".reg .b32 %r<32>; .reg .b64 %l<32>; .reg .f32 %f<16>; .reg .f64 %d<16>; .reg .b16 %h<16>;\n"
        ".reg .pred %p<16>;"
    )
    return (
        f"{header}{textwrap.dedent(scope)}\n.visible .entry test({params})\n{{\n{registers}\n"
        f"{textwrap.dedent(body)}\nret;\n}}\n"
    )


def elementwise_ptx(
    body: str, types: Sequence[str], outs: Sequence[str], declare: str, module_scope: str, header: str
) -> str:
    """The kernel `test(out…, in…, count)` that `Driver.elementwise` launches."""
    names = [*(f"out{i}" for i in range(len(outs))), *(f"in{i}" for i in range(len(types)))]
    params = ", ".join([*(f".param .u64 {name}" for name in names), ".param .u32 count"])
    lines = [f"{header}{module_scope}", f".visible .entry test({params})", "{"]
    lines += [".reg .pred %skip;", ".reg .b32 %i, %n, %bid, %bdim;", ".reg .b64 %at, %off;"]
    for register, kind in [*zip("abcd", types, strict=False), *zip("rq", outs, strict=False)]:
        lines.append(f".reg .b{max(_bits(kind), 16)} %{register};")
    lines += [declare, "mov.u32 %i, %tid.x;", "mov.u32 %bid, %ctaid.x;", "mov.u32 %bdim, %ntid.x;"]
    lines += ["mad.lo.u32 %i, %bid, %bdim, %i;", "ld.param.u32 %n, [count];"]
    lines += ["setp.ge.u32 %skip, %i, %n;", "@%skip bra $done;"]
    for index, (register, kind) in enumerate(zip("abcd", types, strict=False)):
        lines += [*_address(f"in{index}", kind), f"ld.global.{_memory_type(kind)} %{register}, [%at];"]
    lines.append(textwrap.dedent(body))
    for index, (register, kind) in enumerate(zip("rq", outs, strict=False)):
        lines += [*_address(f"out{index}", kind), f"st.global.{_memory_type(kind)} [%at], %{register};"]
    lines += ["$done:", "ret;", "}"]
    return "\n".join(lines)


def _bits(kind: str) -> int:
    return int(np.dtype(DTYPES[kind]).itemsize * 8)


def _memory_type(kind: str) -> str:
    return kind if kind in ("u8", "s8") else f"b{_bits(kind)}"


def _address(param: str, kind: str) -> list[str]:
    return [f"mul.wide.u32 %off, %i, {_bits(kind) // 8};", f"ld.param.u64 %at, [{param}];",
            "add.s64 %at, %at, %off;"]  # fmt: skip


def _dim3(shape: int | Sequence[int]) -> list[int]:
    sizes = [shape] if isinstance(shape, int) else list(shape)
    return [int(size) for size in sizes] + [1] * (3 - len(sizes))


def _argument(value: Any) -> Any:
    if isinstance(value, Buffer):
        return ctypes.c_uint64(value.address)
    data = value if isinstance(value, bytes) else np.asarray(value).tobytes()
    return (ctypes.c_char * len(data)).from_buffer_copy(data)


def dump_ptx(text: bytes) -> None:
    """Keeps every text that is loaded in BFKERNEL_TEST_PTX_DUMP, so that ptxas can check the tests' PTX."""
    if folder := os.environ.get("BFKERNEL_TEST_PTX_DUMP"):
        (Path(folder) / f"{abs(hash(text)):016x}.ptx").write_bytes(text)


def run_script(driver_library: Path, code: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a fresh process with `driver` (its primary context current) and `np` in scope."""
    program = (
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r})\n"
        "import numpy as np\n"
        "from tests.native.ptx.harness import *\n"
        "driver = Driver(sys.argv[1])\n"
        "with driver.primary_context():\n"
    ) + textwrap.indent(textwrap.dedent(code), "    ")
    return subprocess.run(
        [sys.executable, "-c", program, str(driver_library)],
        capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def cross(*columns: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Every combination of one value from each column."""
    rows: list[tuple[Any, ...]] = [()]
    for column in columns:
        rows = [(*row, value) for row in rows for value in column]
    return rows
