# SPDX-License-Identifier: BSD-3-Clause
"""What loading a module refuses, and how its log says so."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from .harness import HEADER, SM_90, CudaError, Driver, Result, kernel, sm_90_or_skip

NO_BINARY_FOR_GPU = 209
NOT_FOUND = 500


def refused(gpu: Driver, ptx: str) -> CudaError:
    with pytest.raises(CudaError) as error:
        gpu.load(ptx)
    assert error.value.call == "cuModuleLoadDataEx"
    return error.value


def line_of(ptx: str, piece: str) -> int:
    return next(i for i, line in enumerate(ptx.splitlines(), 1) if piece in line)


@pytest.mark.parametrize("instruction", ["frobnicate.s32 %r1, %r2, %r3;", "add.s31 %r1, %r2, %r3;",
                                         "mul.sideways.u32 %r1, %r2, %r3;"])  # fmt: skip
def test_unknown_instruction(gpu: Driver, instruction: str) -> None:
    """CUDA_ERROR_INVALID_PTX; the error log names the instruction and its line."""
    ptx = kernel(f"mov.u32 %r2, 1;\n{instruction}\nmov.u32 %r3, 1;")
    error = refused(gpu, ptx)
    assert error.code == Result.INVALID_PTX
    assert instruction.split(".")[0] in error.log
    assert str(line_of(ptx, instruction)) in error.log


@pytest.mark.parametrize("text", [
    "this is not PTX",
    HEADER + ".visible .entry test( {",
    HEADER + ".visible .entry test() { mov.u32 %nosuch, 1; ret; }",
    HEADER + ".visible .entry test() { bra $nowhere; }",
    HEADER + ".visible .entry test() { .reg .b32 %a; ld.global.u32 %a [%a]; }",
])  # fmt: skip
def test_malformed_text(gpu: Driver, text: str) -> None:
    error = refused(gpu, text)
    assert error.code in (Result.INVALID_PTX, 200)
    if ".version" in text:
        assert error.log


def test_unresolved_function(gpu: Driver) -> None:
    ptx = kernel("call.uni missing_one, ();", scope=".extern .func missing_one();")
    error = refused(gpu, ptx)
    assert error.code in (Result.INVALID_PTX, NOT_FOUND, 719, 222, 999, NO_BINARY_FOR_GPU, 221)
    assert "missing_one" in error.log


def test_the_log_is_truncated_to_its_buffer(gpu: Driver) -> None:
    """A log buffer of 16 bytes is never overrun, and ends in a NUL."""
    ptx = kernel("frobnicate.s32 %r1, %r2, %r3;").encode()
    buffer = ctypes.create_string_buffer(b"\x7f" * 64, 64)
    options = (ctypes.c_int * 2)(5, 6)
    values = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 16)
    module = ctypes.c_void_p()
    code = gpu.lib.cuModuleLoadDataEx(ctypes.byref(module), ctypes.c_char_p(ptx), 2, options, values)
    assert code == Result.INVALID_PTX
    assert b"\0" in buffer.raw[:16]
    assert buffer.raw[16:] == b"\x7f" * 48


def test_unknown_names(gpu: Driver) -> None:
    module = gpu.load(kernel("ret;"))
    with pytest.raises(CudaError) as error:
        module.function("nothing_of_the_kind")
    assert error.value.code == NOT_FOUND
    with pytest.raises(CudaError) as error:
        module.symbol("nothing_of_the_kind")
    assert error.value.code == NOT_FOUND


def test_text_without_its_terminating_newline_and_with_comments(gpu: Driver) -> None:
    text = """
        // a comment
        .version 7.0
        .target sm_70  /* another
        one */
        .address_size 64
        .visible.entry test(.param.u64 out){.reg.b64 %l<2>;.reg.b32 %r;ld.param.u64 %l0,[out];mov.u32 %r,6;
        st.global.u32[%l0],%r;ret;}
    """.strip()
    out = gpu.zeros(1, np.uint32)
    gpu.run(text, 1, 1, [out])
    assert out.get(np.uint32).tolist() == [6]


def test_debug_directives_are_accepted(gpu: Driver) -> None:
    """.file, .loc, .section and performance directives, as -lineinfo and launch bounds produce them."""
    text = HEADER + """
    .visible .entry test(.param .u64 out)
    .maxntid 128, 1, 1
    .minnctapersm 2
    {
        .loc 1 10 5
        .reg .b64 %l<2>; .reg .b32 %r<2>;
        ld.param.u64 %l0, [out];
        .loc 1 11 5, function_name $L__info_string0, inlined_at 1 10 5
        mov.u32 %r0, 8;
        .pragma "nounroll";
        st.global.u32 [%l0], %r0;
        ret;
    }
    .file 1 "kernel.cu", 1700000000, 100
    .section .debug_str
    {
    $L__info_string0:
    .b8 102,0
    }
    """  # fmt: skip
    out = gpu.zeros(1, np.uint32)
    module = gpu.load(text)
    gpu.launch(module.function("test"), 1, 1, [out])
    assert out.get(np.uint32).tolist() == [8]
    value = ctypes.c_int()
    gpu.call("cuFuncGetAttribute", ctypes.byref(value), 0, module.function("test"))
    assert value.value == 128  # CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK


def test_scoped_names(gpu: Driver) -> None:
    """Registers and labels of an inner block hide those outside; equal labels in two blocks do not clash."""
    ptx = kernel("""
        ld.param.u64 %l0, [out];
        mov.u32 %r1, 1;
        {
            .reg .b32 %r1;
            mov.u32 %r1, 50;
            bra $end;
            mov.u32 %r1, 60;
        $end:
            st.global.u32 [%l0], %r1;
        }
        {
            bra $end;
            mov.u32 %r1, 70;
        $end:
            st.global.u32 [%l0+4], %r1;
        }
    """)
    out = gpu.zeros(2, np.uint32)
    gpu.run(ptx, 1, 1, [out])
    assert out.get(np.uint32).tolist() == [50, 1]


def test_many_kernels_in_a_module(gpu: Driver) -> None:
    entries = "\n".join(
        f".visible .entry k{i}(.param .u64 out) {{ .reg .b64 %l; .reg .b32 %r; ld.param.u64 %l, [out]; "
        f"mov.u32 %r, {i}; st.global.u32 [%l], %r; ret; }}" for i in range(300)
    )  # fmt: skip
    module = gpu.load(HEADER + entries)
    out = gpu.zeros(1, np.uint32)
    for i in (0, 150, 299):
        gpu.launch(module.function(f"k{i}"), 1, 1, [out])
        assert out.get(np.uint32).tolist() == [i]


def test_weak_and_visible_functions(gpu: Driver) -> None:
    """A weak definition may come twice; the first one counts."""
    scope = """
    .weak .func (.param .b32 r) pick() { .reg .b32 %a; mov.u32 %a, 4; st.param.b32 [r], %a; ret; }
    """
    body = """
        ld.param.u64 %l0, [out];
        { .param .b32 r; call.uni (r), pick, (); ld.param.b32 %r1, [r]; }
        st.global.u32 [%l0], %r1;
    """
    out = gpu.zeros(1, np.uint32)
    gpu.run(kernel(body, scope=scope), 1, 1, [out])
    assert out.get(np.uint32).tolist() == [4]


def registers(gpu: Driver, image: bytes, most: int | None) -> int:
    """CU_FUNC_ATTRIBUTE_NUM_REGS of the kernel `test`, loaded with CU_JIT_MAX_REGISTERS."""
    options = (ctypes.c_int * 1)(0)
    values = (ctypes.c_void_p * 1)(most or 0)
    module, function, value = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
    gpu.call("cuModuleLoadDataEx", ctypes.byref(module), image, 0 if most is None else 1, options, values)
    gpu.call("cuModuleGetFunction", ctypes.byref(function), module, b"test")
    gpu.call("cuFuncGetAttribute", ctypes.byref(value), 4, function)
    gpu.call("cuModuleUnload", module)
    return value.value


def test_most_registers(gpu: Driver) -> None:
    """CU_JIT_MAX_REGISTERS, at loading and at linking, is what the kernel says it takes at most."""
    loads = "\n".join(f"ld.volatile.global.u64 %l{i}, [%l0];" for i in range(1, 31))
    stores = "\n".join(f"st.volatile.global.u64 [%l0], %l{i};" for i in range(1, 31))
    ptx = kernel(f"ld.param.u64 %l0, [out];\n{loads}\n{stores}").encode()
    unlimited = registers(gpu, ptx, None)
    assert unlimited > 40
    assert registers(gpu, ptx, 32) <= 32
    state, image, size = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_size_t()
    options, values = (ctypes.c_int * 1)(0), (ctypes.c_void_p * 1)(24)
    gpu.call("cuLinkCreate_v2", 1, options, values, ctypes.byref(state))
    gpu.call("cuLinkAddData_v2", state, 1, ptx, ctypes.c_size_t(len(ptx) + 1), b"test", 0, None, None)
    gpu.call("cuLinkComplete", state, ctypes.byref(image), ctypes.byref(size))
    linked = ctypes.string_at(image, size.value)
    gpu.call("cuLinkDestroy", state)
    assert registers(gpu, linked, None) <= 24
    assert registers(gpu, linked, 200) <= 24


def test_a_kernel_that_needs_clusters(gpu: Driver) -> None:
    """It says so, and is refused where blocks cannot form clusters; one block a cluster is no demand."""
    text = SM_90 + ".visible .entry test() .reqnctapercluster {} {{ ret; }}"
    with sm_90_or_skip():
        module = gpu.load(text.format("2, 1, 1"))
    value = ctypes.c_int()
    gpu.call("cuFuncGetAttribute", ctypes.byref(value), 11, module.function("test"))
    assert value.value == 2
    with pytest.raises(CudaError):
        gpu.launch(module.function("test"), 1, 1, [])  # one block makes no cluster of two
    single = gpu.load(text.format("1, 1, 1"))
    gpu.launch(single.function("test"), 1, 1, [])
