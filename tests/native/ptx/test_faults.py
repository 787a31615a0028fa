# SPDX-License-Identifier: BSD-3-Clause
"""Faults: each kind as its own error, sticky in its context, harmless outside it, and never a hang."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from .harness import CudaError, Driver, Result, kernel, run_script

LOAD_ADDRESS = "ld.param.u64 %l0, [out]; mov.u32 %r1, 5; mov.f32 %f1, 0f3F800000;\n"
FAR = 1 << 40

OUT_OF_BOUNDS = {
    "load": "ld.global.u32 %r2, [%l0]; st.shared.u32 [cell], %r2;",
    "store": "st.global.u32 [%l0], %r1;",
    "vector store": "st.global.v4.u32 [%l0], {%r1, %r1, %r1, %r1};",
    "atomic": "atom.global.add.u32 %r2, [%l0], %r1;",
    "reduction": "red.global.add.f32 [%l0], %f1;",
    "generic load": "ld.u32 %r2, [%l0]; st.shared.u32 [cell], %r2;",
    "generic store": "st.u32 [%l0], %r1;",
    "byte store": "st.global.u8 [%l0], %r1;",
    "cas": "atom.global.cas.b32 %r2, [%l0], 1, 2;",
    "nc load": "ld.global.nc.u32 %r2, [%l0]; st.shared.u32 [cell], %r2;",
}
CELL = ".shared .align 16 .b8 cell[16];"


def fault(gpu: Driver, body: str, argument: int, block: int = 32, shared: int = 0) -> int:
    """The error code that a kernel ends with when its parameter is this address."""
    ptx = kernel(LOAD_ADDRESS + body, scope=CELL)
    with pytest.raises(CudaError) as error:
        gpu.run(ptx, 2, block, [np.uint64(argument)], shared=shared)
    return error.value.code


@pytest.mark.parametrize("what", OUT_OF_BOUNDS)
def test_out_of_bounds(gpu: Driver, what: str) -> None:
    with gpu.throwaway_context():
        buffer = gpu.zeros(64, np.uint32)
        assert fault(gpu, OUT_OF_BOUNDS[what], buffer.address + FAR) == Result.ILLEGAL_ADDRESS


@pytest.mark.parametrize("what", OUT_OF_BOUNDS)
def test_null_pointer(gpu: Driver, what: str) -> None:
    with gpu.throwaway_context():
        assert fault(gpu, OUT_OF_BOUNDS[what], 0) == Result.ILLEGAL_ADDRESS


@pytest.mark.parametrize("what", ["load", "store", "atomic", "generic load", "generic store"])
def test_memory_of_the_process_is_out_of_reach(gpu: Driver, what: str) -> None:
    """An ordinary host pointer of the calling process is not device memory."""
    memory = np.full(1024, 123, np.uint32)
    with gpu.throwaway_context():
        assert fault(gpu, OUT_OF_BOUNDS[what], memory.ctypes.data) == Result.ILLEGAL_ADDRESS
    assert np.all(memory == 123)


def test_freed_memory_is_out_of_reach(gpu: Driver) -> None:
    with gpu.throwaway_context():
        buffer = gpu.zeros(1 << 22, np.uint32)
        address = buffer.address
        del buffer
        assert fault(gpu, OUT_OF_BOUNDS["store"], address) == Result.ILLEGAL_ADDRESS


def test_only_one_lane_out_of_bounds(gpu: Driver) -> None:
    """The other lanes' addresses are fine; the launch fails all the same."""
    with gpu.throwaway_context():
        buffer = gpu.zeros(64, np.uint32)
        body = f"""
            mov.u32 %r0, %tid.x;
            setp.eq.u32 %p0, %r0, 17;
            mov.u64 %l1, {FAR};
            @%p0 add.u64 %l0, %l0, %l1;
            st.global.u32 [%l0], %r1;
        """
        assert fault(gpu, body, buffer.address) == Result.ILLEGAL_ADDRESS


@pytest.mark.parametrize(("access", "shift"), [
    ("ld.global.u32 %r2, [%l0]; st.shared.u32 [cell], %r2;", 2),
    ("st.global.u16 [%l0], %h0;", 1),
    ("st.global.u64 [%l0], %l0;", 4),
    ("st.global.v4.u32 [%l0], {%r1, %r1, %r1, %r1};", 8),
    ("ld.global.v2.u32 {%r2, %r3}, [%l0]; st.shared.u32 [cell], %r3;", 4),
    ("atom.global.add.u32 %r2, [%l0], 1;", 2),
    ("st.u32 [%l0], %r1;", 1),
    ("mov.u64 %l1, cell; st.shared.u32 [%l1+2], %r1;", 0),
    ("mov.u64 %l1, cell; st.shared.u64 [%l1+4], %l1;", 0),
])  # fmt: skip
def test_misaligned(gpu: Driver, access: str, shift: int) -> None:
    with gpu.throwaway_context():
        buffer = gpu.zeros(64, np.uint32)
        assert fault(gpu, "mov.u16 %h0, 1;" + access, buffer.address + shift) == Result.MISALIGNED_ADDRESS


@pytest.mark.parametrize("access", [
    "mov.u64 %l1, cell; ld.shared.u32 %r2, [%l1+1048576]; st.shared.u32 [cell], %r2;",
    "mov.u64 %l1, cell; st.shared.u32 [%l1+1048576], %r1;",
    "mov.u64 %l1, cell; atom.shared.add.u32 %r2, [%l1+1048576], 1;",
])  # fmt: skip
def test_shared_memory_out_of_bounds(gpu: Driver, access: str) -> None:
    with gpu.throwaway_context():
        assert fault(gpu, access, 0) == Result.ILLEGAL_ADDRESS


def test_error_is_sticky_until_the_context_goes(gpu: Driver) -> None:
    """Every later call of the faulted context repeats the error; other contexts work on."""
    before = gpu.upload(np.arange(8, dtype=np.uint32))
    with gpu.throwaway_context():
        buffer = gpu.zeros(64, np.uint32)
        assert fault(gpu, OUT_OF_BOUNDS["store"], FAR) == Result.ILLEGAL_ADDRESS
        for _ in range(2):
            with pytest.raises(CudaError) as error:
                gpu.synchronize()
            assert error.value.code == Result.ILLEGAL_ADDRESS
        with pytest.raises(CudaError) as error:
            buffer.get(np.uint32)
        assert error.value.code == Result.ILLEGAL_ADDRESS
        with pytest.raises(CudaError) as error:
            gpu.alloc(16)
        assert error.value.code == Result.ILLEGAL_ADDRESS
    with gpu.throwaway_context():
        out = gpu.zeros(1, np.uint32)
        gpu.run(kernel(LOAD_ADDRESS + OUT_OF_BOUNDS["store"], scope=CELL), 1, 1, [out])
        assert out.get(np.uint32).tolist() == [5]
    assert before.get(np.uint32).tolist() == list(range(8))


def test_error_comes_at_the_synchronisation(gpu: Driver) -> None:
    """The launch itself succeeds; the fault is reported by the call that waits for it."""
    with gpu.throwaway_context():
        module = gpu.load(kernel(LOAD_ADDRESS + OUT_OF_BOUNDS["store"], scope=CELL))
        gpu.launch(module.function("test"), 1, 1, [np.uint64(FAR)], wait=False)
        with pytest.raises(CudaError) as error:
            gpu.synchronize()
        assert (error.value.call, error.value.code) == ("cuCtxSynchronize", Result.ILLEGAL_ADDRESS)


def test_memory_of_another_buffer_is_untouched(gpu: Driver) -> None:
    """A write far past one buffer does not land in the process or in another context's buffer."""
    mine = gpu.upload(np.full(1024, 9, np.uint32))
    with gpu.throwaway_context():
        fault(gpu, OUT_OF_BOUNDS["store"], mine.address + (1 << 45))
    assert np.all(mine.get(np.uint32) == 9)


def test_writing_a_constant_through_a_generic_pointer_does_not_crash(driver_library: Path) -> None:
    """Whatever the answer, the process lives."""
    ptx = kernel("mov.u64 %l1, fixed; cvta.const.u64 %l2, %l1; mov.u32 %r1, 1; st.u32 [%l2], %r1;",
                 scope=".const .u32 fixed = 3;")  # fmt: skip
    script = f"""
        try:
            driver.run({ptx!r}, 1, 1, [driver.zeros(4, np.uint32)])
        except CudaError as error:
            pass
        print("alive")
    """
    assert run_script(driver_library, script).stdout.split() == ["alive"]


def test_call_to_an_address_that_is_no_function(gpu: Driver) -> None:
    with gpu.throwaway_context():
        body = """
            prototype_0: .callprototype _ ();
            mov.u64 %l9, 12345;
            call %l9, prototype_0;
        """
        assert fault(gpu, body, 0) in (718, 714, Result.ILLEGAL_ADDRESS, Result.ILLEGAL_INSTRUCTION)


def test_endless_recursion_is_an_error(driver_library: Path) -> None:
    """The stack of a thread is limited: no crash of the process."""
    scope = """
    .func down(.param .b32 n)
    {
        .local .align 4 .b8 frame[256];
        .reg .b32 %n;
        ld.param.u32 %n, [n];
        st.local.u32 [frame], %n;
        add.u32 %n, %n, 1;
        { .param .b32 a; st.param.b32 [a], %n; call.uni down, (a); }
        ld.local.u32 %n, [frame];
        ret;
    }
    """
    ptx = kernel("mov.u32 %r1, 0; { .param .b32 a; st.param.b32 [a], %r1; call.uni down, (a); }", scope=scope)
    script = f"""
        try:
            driver.run({ptx!r}, 1, 32, [driver.zeros(4, np.uint32)])
        except CudaError as error:
            print("error")
    """
    assert run_script(driver_library, script).stdout.split() == ["error"]


@pytest.mark.timeout(60)
def test_barrier_that_nobody_completes(driver_library: Path, gpu: Driver) -> None:
    """Half of a block waits at barrier 1, half at barrier 2: an error, never a hang.

    A real GPU without a watchdog hangs here, so only an emulated one is asked.
    """
    name = ctypes.create_string_buffer(100)
    gpu.call("cuDeviceGetName", name, 100, gpu.device)
    if b"softgpu" not in name.value:
        pytest.skip("a real GPU waits forever here")
    body = """
        mov.u32 %r0, %tid.x;
        setp.lt.u32 %p0, %r0, 32;
        @%p0 bra $first;
        bar.sync 2;
        bra $out;
    $first:
        bar.sync 1;
    $out:
        ret;
    """
    with gpu.throwaway_context():
        assert fault(gpu, body, 0, block=64) == Result.LAUNCH_TIMEOUT


def test_launch_limits(gpu: Driver) -> None:
    """A block that is too large, an empty grid, too much shared memory: refused at the launch, not sticky."""
    module = gpu.load(kernel("ret;"))
    function = module.function("test")
    for grid, block, shared in [(1, 2048, 0), (0, 32, 0), (1, 0, 0), (1, (1024, 2), 0), (1, 32, 1 << 20)]:
        with pytest.raises(CudaError) as error:
            gpu.launch(function, grid, block, [np.uint64(0)], shared=shared)
        assert error.value.code in (Result.INVALID_VALUE, 701), (grid, block, shared)
        assert error.value.call == "cuLaunchKernel"
    gpu.launch(function, 1, 1, [np.uint64(0)])
