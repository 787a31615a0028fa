# SPDX-License-Identifier: BSD-3-Clause
"""Moves, vector and cached loads and stores, state spaces, generic addresses, initialised globals."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from .harness import Driver, kernel


def run(gpu: Driver, ptx: str, count: int, dtype: type = np.uint32, threads: int = 1) -> list[int]:
    out = gpu.zeros(count, dtype)
    gpu.run(ptx, 1, threads, [out])
    return list(out.get(dtype).tolist())


def test_mov_pack_and_unpack(gpu: Driver) -> None:
    ptx = kernel("""
        ld.param.u64 %l0, [out];
        mov.u32 %r0, 0x44332211;
        mov.b32 {%h0, %h1}, %r0;            // 0x2211, 0x4433
        mov.b32 %r1, {%h1, %h0};
        mov.b64 %l1, {%r0, %r1};
        mov.b64 {%r2, %r3}, %l1;
        mov.b64 {%h2, %h3, %h4, %h5}, %l1;
        mov.b64 %l2, {%h5, %h4, %h3, %h2};
        mov.b64 {_, %r4}, %l2;
        st.global.u32 [%l0], %r1;
        st.global.u64 [%l0+8], %l1;
        st.global.u32 [%l0+16], %r2;
        st.global.u32 [%l0+20], %r3;
        st.global.u64 [%l0+24], %l2;
        st.global.u32 [%l0+32], %r4;
    """)
    halves = struct.unpack("<4H", struct.pack("<2I", 0x44332211, 0x22114433))
    backwards = struct.unpack("<2I", struct.pack("<4H", *reversed(halves)))
    got = run(gpu, ptx, 9)
    assert got[:1] + got[2:] == [0x22114433, 0x44332211, 0x22114433, 0x44332211, 0x22114433, *backwards,
                                 backwards[1]]  # fmt: skip


@pytest.mark.parametrize("space", ["global", "shared", "local", "generic"])
@pytest.mark.parametrize(("kind", "width"), [
    ("u8", 4), ("u8", 2), ("s16", 4), ("b16", 2), ("u32", 4), ("f32", 2), ("f32", 4), ("u64", 2), ("f64", 2),
])  # fmt: skip
def test_vector_access(gpu: Driver, space: str, kind: str, width: int) -> None:
    """v2 and v4 copies of 16 bytes from the input, through the space, to the output."""
    size = int(kind[1:]) // 8
    register = {1: "h", 2: "h", 4: "r", 8: "l"}[size] if kind[0] != "f" else {4: "f", 8: "d"}[size]
    base = {1: 0, 2: 0, 4: 8, 8: 8}[size]
    vector = "{" + ", ".join(f"%{register}{base + i}" for i in range(width)) + "}"
    bytes_at_once = width * size
    through = {
        "global": ("ld.param.u64 %l2, [middle];", "global"),
        "shared": ("mov.u64 %l2, buffer;", "shared"),
        "local": ("mov.u64 %l2, spill;", "local"),
        "generic": ("mov.u64 %l2, buffer; cvta.shared.u64 %l2, %l2;", ""),
    }
    setup, where = through[space]
    dot = f".{where}" if where else ""
    lines = [f"ld.param.u64 %l0, [out]; ld.param.u64 %l1, [source]; {setup}"]
    for at in range(0, 16, bytes_at_once):
        lines.append(f"ld.global.v{width}.{kind} {vector}, [%l1+{at}];")
        lines.append(f"st{dot}.v{width}.{kind} [%l2+{at}], {vector};")
    for at in range(0, 16, bytes_at_once):
        lines.append(f"ld{dot}.v{width}.{kind} {vector}, [%l2+{at}];")
        lines.append(f"st.global.v{width}.{kind} [%l0+{at}], {vector};")
    scope = ".shared .align 16 .b8 buffer[16];"
    body = ".local .align 16 .b8 spill[16];\n" + "\n".join(lines)
    ptx = kernel(body, ".param .u64 out, .param .u64 source, .param .u64 middle", scope=scope)
    data = np.arange(0x81, 0x91, dtype=np.uint8)
    out, source, middle = gpu.zeros(16, np.uint8), gpu.upload(data), gpu.zeros(16, np.uint8)
    gpu.run(ptx, 1, 1, [out, source, middle])
    assert out.get(np.uint8).tolist() == data.tolist()


@pytest.mark.parametrize("load", [
    "ld.global", "ld.global.ca", "ld.global.cg", "ld.global.cs", "ld.global.lu", "ld.global.cv",
    "ld.global.nc", "ld.volatile.global", "ld.relaxed.gpu.global", "ld.acquire.gpu.global",
    "ld.acquire.sys.global", "ldu.global", "ld.global.L1::no_allocate", "ld.global.nc.L1::evict_last",
    "ld.weak.global", "ld.global.L2::128B", "ld", "ld.volatile", "ld.acquire.gpu",
])  # fmt: skip
def test_load_qualifiers(gpu: Driver, load: str) -> None:
    ptx = kernel(f"ld.param.u64 %l0, [out]; {load}.u32 %r0, [%l0+4]; st.global.u32 [%l0], %r0;")
    out = gpu.upload(np.array([0, 77], np.uint32))
    gpu.run(ptx, 1, 1, [out])
    assert out.get(np.uint32).tolist() == [77, 77]


@pytest.mark.parametrize("store", [
    "st.global", "st.global.wb", "st.global.cg", "st.global.cs", "st.global.wt", "st.volatile.global",
    "st.relaxed.sys.global", "st.release.gpu.global", "st.global.L1::no_allocate", "st.weak.global", "st",
    "st.volatile", "st.release.cta",
])  # fmt: skip
def test_store_qualifiers(gpu: Driver, store: str) -> None:
    ptx = kernel(f"ld.param.u64 %l0, [out]; mov.u32 %r0, 55; {store}.u32 [%l0+4], %r0;")
    assert run(gpu, ptx, 3) == [0, 55, 0]


def test_narrow_loads_extend(gpu: Driver) -> None:
    """A load narrower than its register extends by the load's type; a store keeps the low bits."""
    ptx = kernel("""
        ld.param.u64 %l0, [out];
        ld.global.u8 %r0, [%l0];  st.global.u32 [%l0+8], %r0;
        ld.global.s8 %r0, [%l0];  st.global.u32 [%l0+12], %r0;
        ld.global.u16 %r0, [%l0]; st.global.u32 [%l0+16], %r0;
        ld.global.s16 %r0, [%l0]; st.global.u32 [%l0+20], %r0;
        ld.global.s32 %l1, [%l0]; st.global.u64 [%l0+24], %l1;
        ld.global.s8 %h0, [%l0];  st.global.u16 [%l0+32], %h0;
        ld.global.u32 %r0, [%l0]; st.global.u8 [%l0+36], %r0; st.global.u16 [%l0+38], %r0;
    """)
    out = gpu.upload(np.array([0x8899AAFF] + [0] * 9, np.uint32))
    gpu.run(ptx, 1, 1, [out])
    assert out.get(np.uint32).tolist()[2:] == [
        0xFF, 0xFFFFFFFF, 0xAAFF, 0xFFFFAAFF, 0x8899AAFF, 0xFFFFFFFF, 0xFFFF, 0xAAFF00FF,
    ]  # fmt: skip


def test_static_and_dynamic_shared_memory(gpu: Driver) -> None:
    """Threads write a static and a dynamic array, and read each other's elements after a barrier."""
    scope = ".shared .align 4 .b8 fixed[256];\n.extern .shared .align 16 .b8 flexible[];"
    ptx = kernel("""
        mov.u32 %r0, %tid.x;
        mov.u32 %r1, fixed;
        mov.u32 %r2, flexible;
        shl.b32 %r3, %r0, 2;
        add.u32 %r4, %r1, %r3;
        add.u32 %r5, %r2, %r3;
        mul.lo.u32 %r6, %r0, 3;
        st.shared.u32 [%r4], %r0;
        st.shared.u32 [%r5], %r6;
        bar.sync 0;
        sub.u32 %r7, 252, %r3;
        add.u32 %r4, %r1, %r7;
        add.u32 %r5, %r2, %r7;
        ld.shared.u32 %r8, [%r4];
        ld.shared.u32 %r9, [%r5];
        add.u32 %r8, %r8, %r9;
        ld.param.u64 %l0, [out];
        mul.wide.u32 %l1, %r3, 1;
        add.u64 %l0, %l0, %l1;
        st.global.u32 [%l0], %r8;
    """, scope=scope)  # fmt: skip
    out = gpu.zeros(64, np.uint32)
    gpu.run(ptx, 1, 64, [out], shared=256)
    assert out.get(np.uint32).tolist() == [4 * (63 - i) for i in range(64)]


def test_shared_memory_belongs_to_the_block(gpu: Driver) -> None:
    """64 blocks use the same shared variable at once, each sees its own."""
    ptx = kernel("""
        mov.u32 %r0, %ctaid.x;
        mov.u32 %r1, %tid.x;
        setp.ne.u32 %p0, %r1, 0;
        @%p0 bra $wait;
        st.shared.u32 [mine], %r0;
    $wait:
        bar.sync 0;
        ld.shared.u32 %r2, [mine];
        mad.lo.u32 %r3, %r0, 32, %r1;
        mul.wide.u32 %l1, %r3, 4;
        ld.param.u64 %l0, [out];
        add.u64 %l0, %l0, %l1;
        st.global.u32 [%l0], %r2;
    """, scope=".shared .u32 mine;")  # fmt: skip
    out = gpu.zeros(64 * 32, np.uint32)
    gpu.run(ptx, 64, 32, [out])
    np.testing.assert_array_equal(out.get(np.uint32), np.repeat(np.arange(64), 32))


def test_local_memory_belongs_to_the_thread(gpu: Driver) -> None:
    """A per-thread array filled and read back backwards, through local and through generic addresses."""
    ptx = kernel("""
        .local .align 4 .b8 table[64];
        mov.u32 %r0, %tid.x;
        mov.u64 %l0, table;
        cvta.local.u64 %l1, %l0;
        mov.u32 %r1, 0;
    $fill:
        mul.wide.u32 %l2, %r1, 4;
        add.u64 %l3, %l0, %l2;
        mad.lo.u32 %r2, %r0, 100, %r1;
        st.local.u32 [%l3], %r2;
        add.u32 %r1, %r1, 1;
        setp.lt.u32 %p0, %r1, 16;
        @%p0 bra $fill;
        and.b32 %r3, %r0, 15;
        mul.wide.u32 %l2, %r3, 4;
        add.u64 %l3, %l1, %l2;
        ld.u32 %r4, [%l3];
        ld.param.u64 %l4, [out];
        mul.wide.u32 %l5, %r0, 4;
        add.u64 %l4, %l4, %l5;
        st.global.u32 [%l4], %r4;
    """)
    assert run(gpu, ptx, 96, threads=96) == [100 * i + i % 16 for i in range(96)]


def test_generic_addresses(gpu: Driver) -> None:
    """isspacep tells where a generic address points; cvta.to goes back."""
    ptx = kernel("""
        .local .align 4 .b8 stack[8];
        ld.param.u64 %l0, [out];
        mov.u64 %l1, window;   cvta.shared.u64 %l2, %l1;
        mov.u64 %l3, stack;    cvta.local.u64 %l4, %l3;
        mov.u64 %l5, fixed;    cvta.const.u64 %l6, %l5;
        cvta.global.u64 %l7, %l0;
        mov.u32 %r9, 0;
        isspacep.shared %p0, %l2; selp.u32 %r0, 1, 0, %p0;     or.b32 %r9, %r9, %r0;
        isspacep.local %p0, %l4;  selp.u32 %r0, 2, 0, %p0;     or.b32 %r9, %r9, %r0;
        isspacep.global %p0, %l7; selp.u32 %r0, 4, 0, %p0;     or.b32 %r9, %r9, %r0;
        isspacep.const %p0, %l6;  selp.u32 %r0, 8, 0, %p0;     or.b32 %r9, %r9, %r0;
        isspacep.global %p0, %l2; selp.u32 %r0, 16, 0, %p0;    or.b32 %r9, %r9, %r0;
        isspacep.shared %p0, %l4; selp.u32 %r0, 32, 0, %p0;    or.b32 %r9, %r9, %r0;
        isspacep.local %p0, %l7;  selp.u32 %r0, 64, 0, %p0;    or.b32 %r9, %r9, %r0;
        isspacep.shared %p0, %l7; selp.u32 %r0, 128, 0, %p0;   or.b32 %r9, %r9, %r0;
        st.global.u32 [%l0], %r9;
        mov.u32 %r1, 11;
        st.u32 [%l2], %r1;
        cvta.to.shared.u64 %l8, %l2;
        ld.shared.u32 %r2, [%l8];
        st.global.u32 [%l0+4], %r2;
        mov.u32 %r1, 22;
        st.u32 [%l4+4], %r1;
        cvta.to.local.u64 %l9, %l4;
        ld.local.u32 %r2, [%l9+4];
        st.u32 [%l7+8], %r2;
        ld.u32 %r2, [%l6];
        cvta.to.global.u64 %l10, %l7;
        st.global.u32 [%l10+12], %r2;
    """, scope=".shared .align 4 .b8 window[8];\n.const .u32 fixed = 33;")  # fmt: skip
    assert run(gpu, ptx, 4) == [0b1111, 11, 22, 33]


def test_initialised_globals_and_constants(gpu: Driver) -> None:
    scope = """
        .global .align 4 .u32 scalar = 7;
        .global .align 8 .f64 real = 0d4009000000000000;
        .global .align 4 .f32 list[4] = {0f3F800000, 0f40000000, 3.0, 4.0};
        .global .align 1 .b8 text[8] = {72, 105, 33, 0};
        .const .align 4 .s32 table[3] = {-1, -2, -3};
        .global .align 2 .u16 grid[2][3] = {{1, 2, 3}, {4, 5, 6}};
        .global .align 16 .b8 blank[32];
    """
    ptx = kernel("""
        ld.param.u64 %l0, [out];
        ld.global.u32 %r0, [scalar];    st.global.u32 [%l0], %r0;
        ld.const.s32 %r0, [table+8];    st.global.u32 [%l0+4], %r0;
        ld.global.f32 %f0, [list+8];    st.global.f32 [%l0+8], %f0;
        ld.global.u16 %r0, [grid+8];    st.global.u32 [%l0+12], %r0;
        ld.global.u8 %r0, [text+1];     st.global.u32 [%l0+16], %r0;
        mov.u64 %l1, table;
        ld.const.v2.u32 {%r1, %r2}, [eight];
        add.u32 %r1, %r1, %r2;          st.global.u32 [%l0+20], %r1;
    """, scope=scope + ".const .align 8 .b8 eight[8] = {1, 0, 0, 0, 2, 1, 0, 0};")  # fmt: skip
    module = gpu.load(ptx)
    out = gpu.zeros(6, np.uint32)
    gpu.launch(module.function("test"), 1, 1, [out])
    three = struct.unpack("<I", struct.pack("<f", 3.0))[0]
    assert out.get(np.uint32).tolist() == [7, 0xFFFFFFFD, three, 5, 105, 1 + 0x102]
    for name, nbytes, content in [
        ("scalar", 4, struct.pack("<I", 7)),
        ("real", 8, struct.pack("<Q", 0x4009000000000000)),
        ("list", 16, struct.pack("<4f", 1, 2, 3, 4)),
        ("text", 8, b"Hi!" + bytes(5)),
        ("table", 12, struct.pack("<3i", -1, -2, -3)),
        ("grid", 12, struct.pack("<6H", 1, 2, 3, 4, 5, 6)),
        ("blank", 32, bytes(32)),
    ]:
        address, size = module.symbol(name)
        data = np.zeros(size, np.uint8)
        gpu.copy_out(data, address)
        assert (size, data.tobytes()) == (nbytes, content), name


def test_the_host_writes_globals_and_constants(gpu: Driver) -> None:
    ptx = kernel("""
        ld.param.u64 %l0, [out];
        ld.const.u32 %r0, [factor];  ld.global.u32 %r1, [addend];
        add.u32 %r2, %r0, %r1;       st.global.u32 [%l0], %r2;
        st.global.u32 [addend], %r2;
    """, scope=".visible .const .u32 factor;\n.visible .global .u32 addend = 1;")  # fmt: skip
    module = gpu.load(ptx)
    gpu.copy_in(module.symbol("factor")[0], np.array([40], np.uint32))
    out = gpu.zeros(1, np.uint32)
    for want in (41, 81):
        gpu.launch(module.function("test"), 1, 1, [out])
        assert out.get(np.uint32).tolist() == [want]
    again = gpu.load(ptx)  # another instance of the same text has globals of its own
    gpu.launch(again.function("test"), 1, 1, [out])
    assert out.get(np.uint32).tolist() == [1]


def test_symbol_addresses_as_initial_values(gpu: Driver) -> None:
    """A table of pointers: to a global (with an offset), and a generic one to a constant."""
    scope = """
        .global .align 4 .u32 data[3] = {10, 20, 30};
        .const .align 4 .u32 fixed[2] = {40, 50};
        .global .align 8 .u64 pointers[3] = {data, data+8, generic(fixed)};
    """
    ptx = kernel("""
        ld.param.u64 %l0, [out];
        ld.global.u64 %l1, [pointers];     ld.global.u32 %r0, [%l1+4]; st.global.u32 [%l0], %r0;
        ld.global.u64 %l1, [pointers+8];   ld.global.u32 %r0, [%l1];   st.global.u32 [%l0+4], %r0;
        ld.global.u64 %l1, [pointers+16];  ld.u32 %r0, [%l1+4];        st.global.u32 [%l0+8], %r0;
    """, scope=scope)  # fmt: skip
    assert run(gpu, ptx, 3) == [20, 30, 50]


def test_parameters_of_every_type(gpu: Driver) -> None:
    """Kernel parameters are laid out by their types' alignment; arrays hold structs."""
    ptx = kernel(
        """
        ld.param.u64 %l0, [out];
        ld.param.u8 %r0, [a];           st.global.u32 [%l0], %r0;
        ld.param.s16 %r0, [b];          st.global.u32 [%l0+4], %r0;
        ld.param.f64 %d0, [c];          cvt.rn.f32.f64 %f0, %d0; st.global.f32 [%l0+8], %f0;
        ld.param.u32 %r0, [d+8];        st.global.u32 [%l0+12], %r0;
        ld.param.u8 %r0, [d+13];        st.global.u32 [%l0+16], %r0;
        mov.b64 %l1, d;                 add.u64 %l1, %l1, 4;
        ld.param.u32 %r0, [%l1];        st.global.u32 [%l0+20], %r0;
        ld.param.v2.u32 {%r1, %r2}, [d];  add.u32 %r1, %r1, %r2; st.global.u32 [%l0+24], %r1;
    """,
        ", ".join(
            [".param .u64 out", ".param .u8 a", ".param .s16 b", ".param .f64 c", ".param .align 8 .b8 d[16]"]
        ),
    )
    out = gpu.zeros(7, np.uint32)
    struct_bytes = struct.pack("<IIIBBH", 1, 2, 3, 4, 5, 6)
    gpu.run(ptx, 1, 1, [out, np.uint8(200), np.int16(-2), np.float64(1.5), struct_bytes])
    assert out.get(np.uint32).tolist() == [200, 0xFFFFFFFE, 0x3FC00000, 3, 5, 2, 3]


def test_special_registers(gpu: Driver) -> None:
    names = ["tid.x", "tid.y", "tid.z", "ntid.x", "ntid.y", "ntid.z", "ctaid.x", "ctaid.y", "ctaid.z",
             "nctaid.x", "nctaid.y", "nctaid.z", "laneid", "lanemask_eq", "lanemask_lt", "lanemask_le",
             "lanemask_gt", "lanemask_ge"]  # fmt: skip
    reads = "\n".join(
        f"mov.u32 %r10, %{name}; st.global.u32 [%l0+{4 * i}], %r10;" for i, name in enumerate(names)
    )
    ptx = kernel(f"""
        mov.u32 %r0, %ctaid.z; mov.u32 %r1, %nctaid.y; mov.u32 %r2, %ctaid.y; mad.lo.u32 %r0, %r0, %r1, %r2;
        mov.u32 %r1, %nctaid.x; mov.u32 %r2, %ctaid.x; mad.lo.u32 %r0, %r0, %r1, %r2;
        mov.u32 %r1, %ntid.z; mov.u32 %r2, %tid.z; mad.lo.u32 %r0, %r0, %r1, %r2;
        mov.u32 %r1, %ntid.y; mov.u32 %r2, %tid.y; mad.lo.u32 %r0, %r0, %r1, %r2;
        mov.u32 %r1, %ntid.x; mov.u32 %r2, %tid.x; mad.lo.u32 %r0, %r0, %r1, %r2;
        mul.wide.u32 %l1, %r0, {4 * len(names)};
        ld.param.u64 %l0, [out];
        add.u64 %l0, %l0, %l1;
        {reads}
    """)
    grid, block = (3, 2, 2), (5, 3, 4)
    threads = 60
    out = gpu.zeros(12 * threads * len(names), np.uint32)
    gpu.run(ptx, grid, block, [out])
    got = out.get(np.uint32).reshape(12, threads, len(names)).tolist()
    for b in range(12):
        ctaid = (b % 3, b // 3 % 2, b // 6)
        for t in range(threads):
            lane = t % 32
            masks = [1 << lane, (1 << lane) - 1, (2 << lane) - 1, ~((2 << lane) - 1), ~((1 << lane) - 1)]
            want = [t % 5, t // 5 % 3, t // 15, *block, *ctaid, *grid, lane, *(m & 0xFFFFFFFF for m in masks)]
            assert got[b][t] == want


def test_clocks_and_timers_advance(gpu: Driver) -> None:
    ptx = kernel("""
        ld.param.u64 %l0, [out];
        mov.u64 %l1, %clock64; mov.u32 %r0, %clock; mov.u64 %l2, %globaltimer;
        mov.u32 %r2, 0;
    $spin:
        add.u32 %r2, %r2, 1; setp.lt.u32 %p0, %r2, 1000; @%p0 bra $spin;
        mov.u64 %l3, %clock64; mov.u64 %l4, %globaltimer;
        sub.u64 %l3, %l3, %l1; sub.u64 %l4, %l4, %l2;
        st.global.u64 [%l0], %l3; st.global.u64 [%l0+8], %l4;
        mov.u32 %r3, %smid; mov.u32 %r4, %nsmid; mov.u32 %r5, %warpid; mov.u32 %r6, %dynamic_smem_size;
        setp.lt.u32 %p1, %r3, %r4; selp.u32 %r3, 1, 0, %p1;
        st.global.u32 [%l0+16], %r3; st.global.u32 [%l0+20], %r6;
    """)
    out = gpu.zeros(3, np.uint64)
    gpu.run(ptx, 1, 1, [out], shared=96)
    clock, timer, rest = out.get(np.uint64).tolist()
    assert 0 < clock < 1 << 40
    assert timer < 60e9
    assert (rest & 0xFFFFFFFF, rest >> 32) == (1, 96)


@pytest.mark.parametrize(("size", "qualifier"), [(4, "ca"), (8, "ca"), (16, "ca"), (16, "cg")])
def test_cp_async(gpu: Driver, size: int, qualifier: str) -> None:
    """Asynchronous copies into shared memory, with commit groups and with a short source that zero-fills."""
    ptx = kernel(f"""
        ld.param.u64 %l0, [out];
        ld.param.u64 %l1, [source];
        mov.u32 %r0, buffer;
        cp.async.{qualifier}.shared.global [%r0], [%l1], {size};
        cp.async.commit_group;
        cp.async.{qualifier}.shared.global [%r0+16], [%l1+16], {size}, {size // 2};
        cp.async.commit_group;
        cp.async.wait_group 1;
        ld.shared.u32 %r1, [%r0];
        st.global.u32 [%l0+32], %r1;
        cp.async.wait_all;
        bar.sync 0;
        ld.shared.v4.u32 {{%r1, %r2, %r3, %r4}}, [%r0];
        st.global.v4.u32 [%l0], {{%r1, %r2, %r3, %r4}};
        ld.shared.v4.u32 {{%r1, %r2, %r3, %r4}}, [%r0+16];
        st.global.v4.u32 [%l0+16], {{%r1, %r2, %r3, %r4}};
    """, ".param .u64 out, .param .u64 source", scope=".shared .align 16 .b8 buffer[32];")  # fmt: skip
    data = np.arange(1, 33, dtype=np.uint8)
    out, source = gpu.zeros(48, np.uint8), gpu.upload(data)
    gpu.run(ptx, 1, 1, [out, source])
    got = out.get(np.uint8)
    assert got[:size].tolist() == data[:size].tolist()
    second = data[16 : 16 + size // 2].tolist() + [0] * (size - size // 2)
    assert got[16 : 16 + size].tolist() == second
    assert got[32:36].tolist() == data[:4].tolist()


def test_prefetch_and_hints_do_nothing_visible(gpu: Driver) -> None:
    ptx = kernel("""
        ld.param.u64 %l0, [out];
        prefetch.global.L1 [%l0]; prefetch.global.L2 [%l0]; prefetchu.L1 [%l0];
        mov.u32 %r0, 5;
        st.global.u32 [%l0], %r0;
        .pragma "nounroll";
        discard.global.L2 [%l0+128], 128;
    """)
    assert run(gpu, ptx, 64)[0] == 5


def test_stack_allocation(gpu: Driver) -> None:
    """alloca with stacksave and stackrestore."""
    ptx = kernel("""
        ld.param.u64 %l0, [out];
        stacksave.u64 %l9;
        mov.u64 %l1, 64;
        alloca.u64 %l2, %l1, 16;
        mov.u32 %r0, 9;
        st.local.u32 [%l2+60], %r0;
        ld.local.u32 %r1, [%l2+60];
        stackrestore.u64 %l9;
        st.global.u32 [%l0], %r1;
    """)
    assert run(gpu, ptx, 1) == [9]
