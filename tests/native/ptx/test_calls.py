# SPDX-License-Identifier: BSD-3-Clause
"""Device functions: direct and indirect calls, recursion, structures by value, linked modules."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from .harness import HEADER, Driver, kernel

INDEX = """
    mov.u32 %r0, %tid.x;
    ld.param.u64 %l0, [out];
    mul.wide.u32 %l1, %r0, 4;
    add.u64 %l0, %l0, %l1;
"""


def run(gpu: Driver, body: str, scope: str, threads: int = 32, blocks: int = 1) -> list[int]:
    out = gpu.zeros(threads, np.uint32)
    gpu.run(kernel(INDEX + body, scope=scope), blocks, threads, [out])
    return list(out.get(np.uint32).tolist())


def call(name: str, argument: str, result: str) -> str:
    """The calling sequence compilers emit: parameters and result in .param space."""
    return f"""
    {{
        .param .b32 arg0;
        st.param.b32 [arg0], {argument};
        .param .b32 ret0;
        call.uni (ret0), {name}, (arg0);
        ld.param.b32 {result}, [ret0];
    }}
    """


SQUARE = """
.func (.param .b32 result) square(.param .b32 x)
{
    .reg .b32 %a;
    ld.param.u32 %a, [x];
    mul.lo.u32 %a, %a, %a;
    st.param.b32 [result], %a;
    ret;
}
"""


def test_direct_call(gpu: Driver) -> None:
    body = call("square", "%r0", "%r1") + "st.global.u32 [%l0], %r1;"
    assert run(gpu, body, SQUARE) == [t * t for t in range(32)]


def test_call_with_register_parameters(gpu: Driver) -> None:
    """The older form: registers as parameters and results."""
    scope = """
    .func (.reg .u32 %sum, .reg .u32 %difference) both(.reg .u32 %x, .reg .u32 %y)
    {
        add.u32 %sum, %x, %y;
        sub.u32 %difference, %x, %y;
        ret;
    }
    """
    body = "call (%r1, %r2), both, (%r0, 5); mul.lo.u32 %r3, %r1, %r2; st.global.u32 [%l0], %r3;"
    assert run(gpu, body, scope) == [(t + 5) * (t - 5) % (1 << 32) for t in range(32)]


def test_divergent_call(gpu: Driver) -> None:
    """Half of the lanes call, half do not; all go on together."""
    body = f"""
        and.b32 %r2, %r0, 1;
        setp.eq.u32 %p0, %r2, 0;
        mov.u32 %r1, 1000;
        @%p0 bra $skip;
        {call("square", "%r0", "%r1")}
    $skip:
        add.u32 %r1, %r1, 1;
        st.global.u32 [%l0], %r1;
    """
    assert run(gpu, body, SQUARE) == [t * t + 1 if t & 1 else 1001 for t in range(32)]


FIBONACCI = f"""
.func (.param .b32 result) fib(.param .b32 n)
{{
    .reg .b32 %n, %x, %a, %b;
    .reg .pred %p;
    ld.param.u32 %n, [n];
    setp.lt.u32 %p, %n, 2;
    @%p bra $base;
    sub.u32 %x, %n, 1;
    {call("fib", "%x", "%a")}
    sub.u32 %x, %n, 2;
    {call("fib", "%x", "%b")}
    add.u32 %n, %a, %b;
$base:
    st.param.b32 [result], %n;
    ret;
}}
"""


def fibonacci(n: int) -> int:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def test_recursion_with_lane_dependent_depth(gpu: Driver) -> None:
    scope = ".func (.param .b32 result) fib(.param .b32 n);\n" + FIBONACCI
    body = "and.b32 %r2, %r0, 15;" + call("fib", "%r2", "%r1") + "st.global.u32 [%l0], %r1;"
    assert run(gpu, body, scope, threads=64) == [fibonacci(t & 15) for t in range(64)]


def test_mutual_recursion_with_local_arrays(gpu: Driver) -> None:
    """Each activation has a local array of its own: ping stores, calls pong, and finds it unchanged."""

    def function(name: str, other: str, add: int) -> str:
        return f"""
        .func (.param .b32 result) {name}(.param .b32 n)
        {{
            .local .align 4 .b8 frame[16];
            .reg .b32 %n, %m, %r, %keep;
            .reg .pred %p;
            ld.param.u32 %n, [n];
            mul.lo.u32 %keep, %n, {add};
            st.local.u32 [frame+8], %keep;
            mov.u32 %r, 0;
            setp.eq.u32 %p, %n, 0;
            @%p bra $done;
            sub.u32 %m, %n, 1;
            {call(other, "%m", "%r")}
        $done:
            ld.local.u32 %keep, [frame+8];
            add.u32 %r, %r, %keep;
            st.param.b32 [result], %r;
            ret;
        }}
        """

    scope = ".func (.param .b32 result) pong(.param .b32 n);\n" + function("ping", "pong", 1)
    scope += function("pong", "ping", 100)
    body = call("ping", "%r0", "%r1") + "st.global.u32 [%l0], %r1;"
    want = [sum(n * (1 if (t - n) % 2 == 0 else 100) for n in range(t + 1)) for t in range(32)]
    assert run(gpu, body, scope) == want


FUNCTION_TABLE = """
.func (.param .b32 result) twice(.param .b32 x)
{ .reg .b32 %a; ld.param.u32 %a, [x]; shl.b32 %a, %a, 1; st.param.b32 [result], %a; ret; }
.func (.param .b32 result) negative(.param .b32 x)
{ .reg .b32 %a; ld.param.u32 %a, [x]; neg.s32 %a, %a; st.param.b32 [result], %a; ret; }
.func (.param .b32 result) plus_seven(.param .b32 x)
{ .reg .b32 %a; ld.param.u32 %a, [x]; add.u32 %a, %a, 7; st.param.b32 [result], %a; ret; }
"""

INDIRECT = """
    {
        .param .b32 arg0;
        st.param.b32 [arg0], %r0;
        .param .b32 ret0;
        prototype_0: .callprototype (.param .b32 _) _ (.param .b32 _);
        call (ret0), %l9, (arg0), prototype_0;
        ld.param.b32 %r1, [ret0];
    }
"""


def test_indirect_call_through_a_table(gpu: Driver) -> None:
    """Lanes of one warp call three different functions through a table in global memory."""
    scope = FUNCTION_TABLE + ".global .align 8 .u64 table[3] = {twice, negative, plus_seven};"
    body = f"""
        rem.u32 %r2, %r0, 3;
        mul.wide.u32 %l2, %r2, 8;
        mov.u64 %l3, table;
        add.u64 %l3, %l3, %l2;
        ld.global.u64 %l9, [%l3];
        {INDIRECT}
        st.global.u32 [%l0], %r1;
    """
    want = [(2 * t, -t, t + 7)[t % 3] % (1 << 32) for t in range(32)]
    assert run(gpu, body, scope) == want


def test_function_address_in_a_register(gpu: Driver) -> None:
    body = f"""
        mov.u64 %l9, twice;
        mov.u64 %l8, plus_seven;
        setp.lt.u32 %p0, %r0, 16;
        selp.b64 %l9, %l9, %l8, %p0;
        {INDIRECT}
        st.global.u32 [%l0], %r1;
    """
    assert run(gpu, body, FUNCTION_TABLE) == [2 * t if t < 16 else t + 7 for t in range(32)]


def test_structure_by_value(gpu: Driver) -> None:
    """A 16-byte structure goes in and comes back, byte arrays in .param space."""
    scope = """
    .func (.param .align 8 .b8 result[16]) swap(.param .align 8 .b8 pair[16])
    {
        .reg .f64 %a, %b;
        ld.param.f64 %a, [pair];
        ld.param.f64 %b, [pair+8];
        st.param.f64 [result], %b;
        st.param.f64 [result+8], %a;
        ret;
    }
    """
    body = """
        cvt.rn.f64.u32 %d0, %r0;
        mov.f64 %d1, 0d4059000000000000;
        {
            .param .align 8 .b8 in[16];
            st.param.v2.f64 [in], {%d0, %d1};
            .param .align 8 .b8 back[16];
            call.uni (back), swap, (in);
            ld.param.v2.f64 {%d2, %d3}, [back];
        }
        sub.f64 %d4, %d2, %d3;
        cvt.rzi.s32.f64 %r1, %d4;
        st.global.u32 [%l0], %r1;
    """
    assert run(gpu, body, scope) == [100 - t for t in range(32)]


def test_pointers_to_locals_as_arguments(gpu: Driver) -> None:
    """The callee writes through a generic pointer into the caller's frame."""
    scope = """
    .func fill(.param .b64 where, .param .b32 value)
    {
        .reg .b64 %w; .reg .b32 %v;
        ld.param.u64 %w, [where];
        ld.param.u32 %v, [value];
        st.u32 [%w], %v;
        add.u32 %v, %v, 1;
        st.u32 [%w+4], %v;
        ret;
    }
    """
    body = """
        .local .align 8 .b8 frame[8];
        mov.u64 %l2, frame;
        cvta.local.u64 %l3, %l2;
        {
            .param .b64 a; .param .b32 b;
            st.param.b64 [a], %l3;
            st.param.b32 [b], %r0;
            call.uni fill, (a, b);
        }
        ld.local.v2.u32 {%r1, %r2}, [%l2];
        mad.lo.u32 %r1, %r1, 1000, %r2;
        st.global.u32 [%l0], %r1;
    """
    assert run(gpu, body, scope) == [1000 * t + t + 1 for t in range(32)]


def test_barrier_inside_a_function(gpu: Driver) -> None:
    scope = """
    .shared .u32 total;
    .func (.param .b32 result) gather(.param .b32 x)
    {
        .reg .b32 %a, %t; .reg .pred %p;
        ld.param.u32 %a, [x];
        mov.u32 %t, %tid.x;
        setp.eq.u32 %p, %t, 0;
        @%p st.shared.u32 [total], %t;
        bar.sync 0;
        red.shared.add.u32 [total], %a;
        bar.sync 0;
        ld.shared.u32 %a, [total];
        bar.sync 0;
        st.param.b32 [result], %a;
        ret;
    }
    """
    body = call("gather", "%r0", "%r1") + call("gather", "%r1", "%r2") + "st.global.u32 [%l0], %r2;"
    assert run(gpu, body, scope, threads=128) == [127 * 128 // 2 * 128] * 128


def test_deep_recursion_within_the_stack(gpu: Driver) -> None:
    scope = f"""
    .func (.param .b32 result) depth(.param .b32 n)
    {{
        .reg .b32 %n, %m, %r; .reg .pred %p;
        ld.param.u32 %n, [n];
        mov.u32 %r, 0;
        setp.eq.u32 %p, %n, 0;
        @%p bra $done;
        sub.u32 %m, %n, 1;
        {call("depth", "%m", "%r")}
        add.u32 %r, %r, 1;
    $done:
        st.param.b32 [result], %r;
        ret;
    }}
    """
    body = "mov.u32 %r3, 30;" + call("depth", "%r3", "%r1") + "st.global.u32 [%l0], %r1;"
    assert run(gpu, body, scope) == [30] * 32


def test_link_of_two_texts(gpu: Driver) -> None:
    """cuLinkAddData: an extern function of one text is defined in another."""
    caller = kernel(INDEX + call("square", "%r0", "%r1") + "st.global.u32 [%l0], %r1;",
                    scope=".extern .func (.param .b32 result) square(.param .b32 x);")  # fmt: skip
    callee = HEADER + SQUARE.replace(".func", ".visible .func")
    if not hasattr(gpu.lib, "cuLinkCreate_v2"):
        pytest.skip("the driver has no linker")
    state = ctypes.c_void_p()
    gpu.call("cuLinkCreate_v2", 0, None, None, ctypes.byref(state))
    for name, text in (("caller", caller), ("callee", callee)):
        data = text.encode() + b"\0"
        gpu.call("cuLinkAddData_v2", state, 1, data, ctypes.c_size_t(len(data)), name.encode(), 0, None, None)
    image, size = ctypes.c_void_p(), ctypes.c_size_t()
    gpu.call("cuLinkComplete", state, ctypes.byref(image), ctypes.byref(size))
    module = ctypes.c_void_p()
    gpu.call("cuModuleLoadData", ctypes.byref(module), image)
    gpu.call("cuLinkDestroy", state)
    function = ctypes.c_void_p()
    gpu.call("cuModuleGetFunction", ctypes.byref(function), module, b"test")
    out = gpu.zeros(32, np.uint32)
    gpu.launch(function, 1, 32, [out])
    assert out.get(np.uint32).tolist() == [t * t for t in range(32)]
    gpu.call("cuModuleUnload", module)


def test_many_parameters(gpu: Driver) -> None:
    names = [f"p{i}" for i in range(60)]
    loads = "".join(f"ld.param.u32 %r2, [{name}]; mad.lo.u32 %r1, %r1, 3, %r2;" for name in names)
    params = ".param .u64 out, " + ", ".join(f".param .u32 {name}" for name in names)
    ptx = kernel(INDEX + f"mov.u32 %r1, %r0; {loads} st.global.u32 [%l0], %r1;", params)
    out = gpu.zeros(32, np.uint32)
    gpu.run(ptx, 1, 32, [out, *(np.uint32(i * i) for i in range(60))])

    def want(t: int) -> int:
        for i in range(60):
            t = (3 * t + i * i) % (1 << 32)
        return t

    assert out.get(np.uint32).tolist() == [want(t) for t in range(32)]


def test_wide_return_of_mixed_members(gpu: Driver) -> None:
    scope = """
    .func (.param .align 8 .b8 result[24]) mixed(.param .b32 x)
    {
        .reg .b32 %a, %n; .reg .b64 %w; .reg .b16 %h;
        ld.param.u32 %a, [x];
        cvt.u64.u32 %w, %a;
        shl.b64 %w, %w, 33;
        cvt.u16.u32 %h, %a;
        st.param.b64 [result], %w;
        st.param.b8 [result+8], %h;
        mov.u16 %h, 513;
        st.param.b16 [result+10], %h;
        st.param.b32 [result+12], %a;
        mov.u32 %n, 9;
        st.param.v2.b32 [result+16], {%a, %n};
        ret;
    }
    """
    body = """
        {
            .param .b32 a; st.param.b32 [a], %r0;
            .param .align 8 .b8 back[24];
            call.uni (back), mixed, (a);
            ld.param.b64 %l2, [back];
            ld.param.b8 %h1, [back+8];
            ld.param.b16 %h2, [back+10];
            ld.param.b32 %r2, [back+12];
            ld.param.v2.b32 {%r3, %r4}, [back+16];
        }
        shr.u64 %l2, %l2, 33;
        cvt.u32.u64 %r5, %l2;
        cvt.u32.u16 %r6, %h1;
        cvt.u32.u16 %r7, %h2;
        add.u32 %r8, %r5, %r6; add.u32 %r8, %r8, %r7; add.u32 %r8, %r8, %r2; add.u32 %r8, %r8, %r3;
        add.u32 %r8, %r8, %r4;
        st.global.u32 [%l0], %r8;
    """
    assert run(gpu, body, scope) == [4 * t + 513 + 9 for t in range(32)]
